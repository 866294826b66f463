"""Apache Kafka and Valkey themselves, from Python packages: no root, no Docker, no Java needed.

``standings up`` runs on these two, and so do the tests. Linux and macOS.

>>> from standings.embedded import KafkaServer, ValkeyServer, ensure_jars, home
>>> with (
...     KafkaServer(home() / "kafka", ensure_jars(home() / "jars")) as kafka,
...     ValkeyServer(home() / "valkey") as valkey,
... ):  # doctest: +SKIP
...     print(kafka.bootstrap, valkey.url)
"""

import os
from pathlib import Path

import platformdirs

from standings.embedded.download import ensure_jars, progress_bar
from standings.embedded.errors import EmbeddedError
from standings.embedded.kafka import KafkaServer
from standings.embedded.valkey import ValkeyServer

__all__ = ["EmbeddedError", "KafkaServer", "ValkeyServer", "ensure_jars", "home", "progress_bar"]


def home() -> Path:
    """Give the one folder where the embedded parts keep jars and data.

    Returns
    -------
    Path
        ``STANDINGS_HOME`` where it is set, else the user's data folder for ``standings``.
    """
    chosen = os.environ.get("STANDINGS_HOME")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return platformdirs.user_data_path("standings", appauthor=False)
