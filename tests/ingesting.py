"""Ingest as it really runs: a process of its own, looked at through Redis and its ops port, ended as the test wants."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from redis import Redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisError

from service.store.layout import Keys

DEADLINE_S = 60.0
LOOK_S = 0.002
ASK_S = 0.02
"""Between two questions to the process itself: asked as often as Redis is, it would do little else than answer."""

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Which of the processes that run test files side by side this is."""


def free_port() -> int:
    """Give a port outside the range from which the system serves clients, so that none takes it in between.

    Nor does a test in another process: each has a thousand ports of its own.
    """
    for port in random.sample(range(14_000 + 1_000 * WORKER, 15_000 + 1_000 * WORKER), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


@dataclass(frozen=True)
class Place:
    """One installation: where its records come from and where its ratings go."""

    kafka: str
    redis: str
    topic: str
    partitions: int
    installation: str

    def keys(self, partition: int) -> Keys:
        return Keys(self.installation, self.topic, partition)

    def client(self) -> Redis:
        if "+cluster://" not in self.redis:
            return Redis.from_url(self.redis)
        nodes = [address.split(":") for address in self.redis.rpartition("/")[2].split(",")]
        # Of what the tests ask, it answers the same; only its transactions cannot span partitions.
        known = [ClusterNode(host, int(port)) for host, port in nodes]  # type: ignore[no-untyped-call]  # it has no types
        return cast("Redis", RedisCluster(startup_nodes=known))

    def positions(self, client: Redis) -> list[int]:
        """Stored position of each partition, 0 where there is none."""
        with client.pipeline(transaction=isinstance(client, Redis)) as pipe:
            for number in range(self.partitions):
                pipe.hget(self.keys(number).state, "position")
            return [int(position or 0) for position in pipe.execute()]

    def forget_group(self) -> None:
        """Let another group take over at once: of one that was killed, Kafka counts the members for 10 s more."""
        # A store that is away has a group to refuse only when it is back.
        with self.client() as client, contextlib.suppress(RedisError):
            client.delete(self.keys(0).group)

    def wait(self, ends: Sequence[int], *processes: Ingesting) -> None:
        """Wait until Redis stands at the log's ends."""
        with self.client() as client:
            wait_for(lambda: self.positions(client) == list(ends), lambda: f"{self.positions(client)}", *processes)

    def wait_past(self, records: int, *processes: Ingesting) -> None:
        """Wait until so many offsets, of all partitions together, are in Redis."""
        with self.client() as client:
            wait_for(lambda: sum(self.positions(client)) >= records, lambda: f"{self.positions(client)}", *processes)


@dataclass
class Ingesting:
    """One ingest process.

    Entered, it is started; left, it is ended in order, which must succeed unless the test ended it before.
    """

    place: Place
    log: Path
    group: str
    batch: int = 5_000
    command: Sequence[str] = (sys.executable, "-m", "standings", "ingest")
    port: int = field(default_factory=free_port)
    member: str | None = None
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *self.arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "STANDINGS_INSTALLATION": self.place.installation,
                    "PYTHONFAULTHANDLER": "1",
                },
            )
        return self

    def arguments(self) -> list[str]:
        arguments = ["--kafka", self.place.kafka, "--redis", self.place.redis, "--topic", self.place.topic]
        arguments += ["--group", self.group, "--batch", str(self.batch), "--ops-port", str(self.port)]
        return arguments + (["--member", self.member] if self.member else [])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        if kind is not None:
            self.kill()
        elif self.process.returncode is None:
            assert self.stop() == 0, self.said()

    def kill(self) -> None:
        """End it as a crash would, in the middle of whatever it does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it as an orchestrator would; answers its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            # Its stacks are the last that it says.
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise AssertionError(f"it does not stop: {self.said()}") from None

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def ready(self) -> dict[str, Any]:
        """What /readyz says, be it yes or no; nothing yet where nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                found = json.load(error)
        except OSError:
            return {"ready": False, "state": "", "reason": "", "partitions": []}
        return found

    def metric(self, name: str) -> float:
        """Value of a metric as it is exposed, labels and all; 0 where it is not."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.rpartition(" ")[2])
        return 0.0

    def wait_ready(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until /readyz says what is hoped for."""
        wait_for(lambda: true(self.ready()), lambda: f"{self.ready()}", self, every=ASK_S)
        return self.ready()


@dataclass
class Refitting(Ingesting):
    """One refit process, used like one of ingest; it has no group."""

    command: Sequence[str] = (sys.executable, "-m", "standings", "refit")

    def arguments(self) -> list[str]:
        return ["--redis", self.place.redis, "--topic", self.place.topic, "--ops-port", str(self.port)]


def wait_for(true: Callable[[], bool], told: Callable[[], str], *processes: Ingesting, every: float = LOOK_S) -> None:
    """Look again and again until something is true; fail at once where a process that should bring it about is gone."""
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        for one in processes:
            assert one.process is not None
            assert one.process.poll() is None, f"ingest ended with {one.process.returncode}:\n{one.said()}"
        assert time.monotonic() < deadline, f"still {told()}\n" + "\n".join(one.said() for one in processes)
        time.sleep(every)
