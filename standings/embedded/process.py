"""A server process with an owner: started ready, stopped in bounded time, never left behind.

Three things see to the last part. A watcher beside the server ends it when the owner is gone, however it
went. A lock on the folder tells an owner that lives from one that died. A record in the folder names the
process, so that the next start can end exactly that one, should the watcher have gone too.
"""

import fcntl
import json
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, ClassVar, Self

import psutil

from standings.embedded.errors import EmbeddedError
from standings.embedded.ports import HOST, free_port, is_free

_LOG_BYTES = 4 * 1024 * 1024

# The watcher waits for a line on a pipe whose other end only the owner holds: a line means all is well, the
# end of the pipe means the owner is gone. PR_SET_PDEATHSIG would not do: it fires when the *thread* that
# forked ends, is Linux only, and has to be set by code that runs between fork and exec. The shell then
# becomes the server, so that its process id is the server's. The signals go to the process group, whose
# number cannot be given to others while the watcher is in it.
_WATCHED = """
exec 3<&0
(
    trap '' TERM
    if ! read -r line <&3; then
        kill -TERM 0
        sleep 10
        kill -KILL 0
    fi
) &
exec "$@" 3<&- </dev/null
"""


class ServerProcess(ABC):
    """What the embedded servers share.

    Parameters
    ----------
    folder
        Where the server keeps everything: data, configuration, logs. One server a folder at a time.
    port
        The port on 127.0.0.1. Without one, the port of the last start in this folder where it is free, else
        any free one. A server object keeps its ports over ``stop``, ``kill`` and ``start``.
    """

    name: ClassVar[str]
    port_count: ClassVar[int] = 1

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder.resolve()
        self.log = self.folder / f"{self.name.lower()}.log"
        self._wanted = port
        self._ports: tuple[int, ...] = ()
        self._timeout = 0.0
        self._deadline = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._log_start = 0

    @abstractmethod
    def _prepare(self, deadline: float) -> Sequence[str | Path]:
        """Write what the server needs into the folder and give the command line."""

    @abstractmethod
    def _ready(self, timeout: float) -> bool:
        """Ask the server, as a client would, whether it serves; an OSError counts as no."""

    def _environment(self) -> Mapping[str, str]:
        return os.environ

    @property
    def port(self) -> int:
        """The port that clients use."""
        if not self._ports:
            raise EmbeddedError(f"{self.name} in {self.folder} has no port before its first start")
        return self._ports[0]

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, timeout: float = 60.0) -> Self:
        """Start the server and return once it serves.

        Parameters
        ----------
        timeout
            Seconds until it must be ready.

        Returns
        -------
        Self
            This server.

        Raises
        ------
        EmbeddedError
            It did not come up: the reason, and the end of its log.
        """
        self.begin(timeout)
        return self.wait()

    def begin(self, timeout: float = 60.0) -> None:
        """Start the server without waiting until it serves; its port is known from here on. `wait` must follow.

        Parameters
        ----------
        timeout
            Seconds until it must be ready.

        Raises
        ------
        EmbeddedError
        """
        if self.pid is not None:
            raise EmbeddedError(f"{self.name} in {self.folder} runs already")
        self._forget()
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            self._end_left_over()
            self._ports = self._choose_ports()
            self._spawn(self._prepare(self._deadline))
        except BaseException:
            self.kill()
            raise

    def wait(self) -> Self:
        """Return once a server that was begun serves.

        Raises
        ------
        EmbeddedError
            It did not come up: the reason, and the end of its log.
        """
        try:
            self._wait_ready(self._deadline, self._timeout)
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self, timeout: float = 15.0) -> None:
        """End the server in order (SIGTERM); after ``timeout`` seconds, by force."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """End the server at once (SIGKILL), as a crash would."""
        if self._process is not None and self._process.poll() is None:
            # The whole group: Valkey's fork that rewrites the log, and the watcher, go with it.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._forget()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self, command: Sequence[str | Path]) -> None:
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHED, self.name, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # The working directory marks the process as this folder's. A session of its own keeps Ctrl-C
                # in the terminal from reaching the server before its owner has finished with it.
                cwd=self.folder,
                start_new_session=True,
                env=dict(self._environment()),
            )
        created = psutil.Process(self._process.pid).create_time()
        self._write_record({"pid": self._process.pid, "created": created, "ports": list(self._ports)})

    def _wait_ready(self, deadline: float, timeout: float) -> None:
        assert self._process is not None
        while time.monotonic() < deadline:
            code = self._process.poll()
            if code is not None:
                raise self._failure(f"ended (code {code}) before it was ready")
            with suppress(OSError):
                if self._ready(max(0.1, min(1.0, deadline - time.monotonic()))):
                    return
            time.sleep(0.02)
        raise self._failure(f"was not ready after {timeout:g} s")

    def _failure(self, what: str) -> EmbeddedError:
        lines = self._log_tail()
        tail = "\n  ".join(lines[-20:]) if lines else "(nothing)"
        return EmbeddedError(f"{self.name} {what}; its log in {self.folder} ends with:\n  {tail}")

    def _log_tail(self) -> list[str]:
        """Give what the server printed since this start."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - 16_384))
            return log.read().decode(errors="replace").splitlines()

    def _forget(self) -> None:
        """Let go of a process that has ended: the watcher, the record of it, the folder."""
        if self._process is not None:
            assert self._process.stdin is not None
            # A watcher killed with its group no longer reads.
            with suppress(BrokenPipeError):
                self._process.stdin.write(b"ended\n")
                self._process.stdin.flush()
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process = None
            self._write_record({"ports": list(self._ports)})
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        lock = (self.folder / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise EmbeddedError(
                f"{self.name} in {self.folder} is in use by another process: stop that, or set STANDINGS_HOME"
            ) from None
        self._lock = lock

    def _end_left_over(self) -> None:
        """End the server of an owner that died; we hold the folder's lock, so a live owner there is none."""
        record = self._read_record()
        pid, created = record.get("pid"), record.get("created")
        if not isinstance(pid, int) or not isinstance(created, float):
            return
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(pid)
            # Ids are reused: it must have been born when ours was, and work in our folder.
            same_birth = abs(process.create_time() - created) < 1.0
            if not (same_birth and Path(process.cwd()).is_relative_to(self.folder)):
                return
            process.terminate()
            if _ended(process, 5.0):
                return
            process.kill()
            if not _ended(process, 5.0):
                raise EmbeddedError(f"{self.name} left over in {self.folder} (process {pid}) cannot be ended")

    def _choose_ports(self) -> tuple[int, ...]:
        required = self._ports or ((self._wanted,) if self._wanted is not None else ())
        for port in required:
            if not is_free(port):
                raise EmbeddedError(f"{self.name} cannot start: port {port} on {HOST} is taken")
        recorded = self._read_record().get("ports")
        preferred = [port for port in recorded if isinstance(port, int)] if isinstance(recorded, list) else []
        chosen = list(required)
        for last in preferred[len(chosen) : self.port_count]:
            chosen.append(last if last not in chosen and is_free(last) else free_port(self, chosen))
        while len(chosen) < self.port_count:
            chosen.append(free_port(self, chosen))
        return tuple(chosen)

    def _read_record(self) -> dict[str, object]:
        try:
            record = json.loads((self.folder / "process.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _write_record(self, record: Mapping[str, object]) -> None:
        # Written beside, then moved: a reader after a crash finds the old one or the new one, whole.
        new = self.folder / "process.json.new"
        new.write_text(json.dumps(record), encoding="utf-8")
        new.replace(self.folder / "process.json")


def _ended(process: psutil.Process, timeout: float) -> bool:
    # psutil's own wait() takes a zombie for alive, and an init that does not reap leaves one.
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False
