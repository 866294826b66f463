"""The long-running parts as processes of their own: started ready, watched, never left behind, as the servers are."""

from __future__ import annotations

import http.client
import os
import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from service.settings import Settings
from standings.embedded.ports import HOST
from standings.embedded.process import ServerProcess

TAIL_LINES: Final = 20
TAIL_BYTES: Final = 16_384

_MISTAKE: Final = "standings: "
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked for, not listened at


def tail(server: ServerProcess) -> str:
    """Give the last lines that a server printed."""
    with server.log.open("rb") as log:
        log.seek(max(0, server.log.stat().st_size - TAIL_BYTES))
        return "\n".join(log.read().decode(errors="replace").splitlines()[-TAIL_LINES:])


class Part(ServerProcess):
    """A part of the service, run by this same Python.

    Parameters
    ----------
    folder : Path
        Where its log is.
    settings : Settings
        Handed over in the environment: a password in a command line could be read by everybody.
    host : str
        Where it listens.
    port : int, optional
        See `ServerProcess`.
    """

    def __init__(self, folder: Path, settings: Settings, host: str, port: int | None = None) -> None:
        super().__init__(folder, port)
        self._settings = settings
        self._host = host

    @abstractmethod
    def _arguments(self) -> Sequence[str]:
        """Give the command and its options."""

    def mistake(self) -> str | None:
        """Give what the part said last, if that was that it cannot be run as asked."""
        last = tail(self).rpartition("\n")[2] if self.log.exists() else ""
        return last.removeprefix(_MISTAKE) if last.startswith(_MISTAKE) else None

    def _prepare(self, deadline: float) -> Sequence[str | Path]:
        return [sys.executable, "-m", "standings", *self._arguments()]

    def _environment(self) -> Mapping[str, str]:
        settings = self._settings
        given = {
            "kafka": settings.kafka,
            "redis": settings.redis.get_secret_value(),
            "topic": settings.topic,
            "group": settings.group,
            "installation": settings.installation,
            "partitioner": settings.partitioner,
            "batch": str(settings.batch),
        }
        for name in ("pools", "keys", "kafka_ca"):
            if (path := getattr(settings, name)) is not None:
                given[name] = str(path.absolute())
        for bound in ("most_dead_share", "most_dead_run"):
            if (value := getattr(settings, bound)) is not None:
                given[bound] = str(value)
        # It works in another folder and must find the same code.
        paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        exported = {f"STANDINGS_{name.upper()}": value for name, value in given.items()}
        return {**os.environ, **exported, "PYTHONPATH": os.pathsep.join(paths)}

    def _ready(self, timeout: float) -> bool:
        connection = http.client.HTTPConnection(_ANY.get(self._host, self._host), self.port, timeout=timeout)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except http.client.HTTPException:
            return False
        finally:
            connection.close()


class IngestPart(Part):
    """``standings ingest``."""

    name: ClassVar[str] = "ingest"

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__(folder, settings, HOST)

    def _arguments(self) -> Sequence[str]:
        return ["ingest", "--ops-port", str(self.port)]


class RefitPart(Part):
    """``standings refit``."""

    name: ClassVar[str] = "refit"

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__(folder, settings, HOST)

    def _arguments(self) -> Sequence[str]:
        return ["refit", "--ops-port", str(self.port)]


class ServePart(Part):
    """``standings serve``."""

    name: ClassVar[str] = "serve"

    @property
    def url(self) -> str:
        """Where the API answers."""
        host = _ANY.get(self._host, self._host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def _arguments(self) -> Sequence[str]:
        return ["serve", "--host", self._host, "--port", str(self.port)]
