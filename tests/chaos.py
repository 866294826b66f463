"""Random faults of the crash matrix on several ingest processes under load; at the end the oracle is asked.

``make chaos SECONDS=1200 SEED=7``. The seed decides which faults come in which order; when they hit is the world's.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import random
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.errors import KafkaError
from redis import Redis
from redis.exceptions import RedisError

from standings.embedded import KafkaServer, ValkeyServer, ensure_jars, home
from tests.faults import proxy
from tests.faults.proxy import HOST, Moment, Proxy, Trap, asks, runs
from tests.ingesting import Ingesting, Place, wait_for
from tests.made_up import mixture
from tests.replay import Replay
from tests.servers.test_rollbacks import copy, set_back
from tests.topics import Item, make, producer, read_letters, write

PARTITIONS, PROCESSES = 8, 3
LOOK_S = 0.1
CHUNK = 1_000
LONGEST_AWAY_S = 12.0
"""Longer than a member's session."""

PATIENCE_S = 60.0
"""Time that whoever breaks Redis gives it to say so; it may have been silenced for 7 s just before."""

SCRIPTS = ("apply_batch", "read_fields", "load_partition")
REQUESTS = {"produce": 0, "fetch": 1, "commit": 8, "heartbeat": 12, "join": 11, "sync": 14}


@dataclass
class Told:
    """What a run has to tell.

    Attributes
    ----------
    faults : Counter
        Survived, by name.
    ended : int
        Processes that ended by themselves and were started again.
    records, matches : int
        Of the log; matches that were applied.
    stall : float
        Longest time in seconds in which nothing was applied though records kept coming.
    """

    faults: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    records: int = 0
    matches: int = 0
    stall: float = 0.0


class Chaos:
    """Servers that can be broken, processes that are to go on, and what breaks them.

    Parameters
    ----------
    broker, store : KafkaServer, ValkeyServer
    to_broker, to_store : Proxy
        Before them; all that ingest and the producer know.
    here : Replay
        The installation.
    rng : random.Random
    """

    def __init__(
        self,
        broker: KafkaServer,
        store: ValkeyServer,
        to_broker: Proxy,
        to_store: Proxy,
        here: Replay,
        rng: random.Random,
    ) -> None:
        self.told = Told()
        self.processes: list[Ingesting] = []
        self._broker, self._store, self._to_broker, self._to_store = broker, store, to_broker, to_store
        self._here, self._rng = here, rng
        self._over = threading.Event()
        self._backup: list[bytes] | None = None
        self._faults: dict[str, Callable[[], None]] = {
            "ingest kill -9": self._kill,
            "ingest SIGTERM": self._tell,
            "ingest SIGSTOP": self._hold,
            "Redis kill -9": self._kill_store,
            "Redis set back": self._set_back,
            "Redis FLUSHALL": lambda: self._ask("FLUSHALL"),
            "Redis SCRIPT FLUSH": lambda: self._ask("SCRIPT", "FLUSH"),
            "Redis full": lambda: self._for_a_while(
                ("CONFIG", "SET", "maxmemory", "1mb"), ("CONFIG", "SET", "maxmemory", "0")
            ),
            "Redis read-only": lambda: self._for_a_while(("REPLICAOF", HOST, "1"), ("REPLICAOF", "NO", "ONE")),
            "Redis silent": lambda: self._ask("CLIENT", "PAUSE", str(self._rng.randrange(100, 7_000)), "ALL"),
            "Redis slow": self._slow,
            "Redis connection cut": self._cut_store,
            "Kafka kill -9": self._kill_broker,
            "Kafka unreachable": self._hide_broker,
            "Kafka connection cut": self._cut_broker,
        }

    def run(self, seconds: float) -> None:
        """Break things for so long; then everything is whole again."""
        until = time.monotonic() + seconds
        names = list(self._faults)
        while time.monotonic() < until:
            name = self._rng.choice(names)
            self._faults[name]()
            self.told.faults[name] += 1
            self._over.wait(self._rng.uniform(0, 2))
            self._supervise()
        self._supervise()

    def _supervise(self) -> None:
        """Start again what has ended, as an orchestrator would."""
        for number, one in enumerate(self.processes):
            assert one.process is not None
            if one.process.poll() is not None:
                self.told.ended += 1
                sys.stderr.write(f"ended with {one.process.returncode}:\n{one.said()}\n")
                self._start(number)

    def _start(self, number: int) -> None:
        self.processes[number] = self._here.ingest(self.processes[number].group, self.processes[number].batch)
        self.processes[number].__enter__()

    def end(self) -> None:
        for one in self.processes:
            one.kill()

    def _any(self) -> int:
        return self._rng.randrange(len(self.processes))

    def _kill(self) -> None:
        number = self._any()
        self.processes[number].kill()
        self._start(number)

    def _tell(self) -> None:
        number = self._any()
        one = self.processes[number]
        # One that has only just been started knows no orders yet.
        wait_for(lambda: one.ready()["state"] != "", lambda: "does not say anything", one)
        assert one.stop() == 0, one.said()
        self._start(number)

    def _hold(self) -> None:
        process = self.processes[self._any()].process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        self._over.wait(self._rng.uniform(0.1, LONGEST_AWAY_S))
        process.send_signal(signal.SIGCONT)

    def _kill_store(self) -> None:
        self._store.kill()
        self._over.wait(self._rng.uniform(0, 1))
        self._store.start()

    def _ask(self, *words: str) -> None:
        with Redis.from_url(self._store.url, socket_timeout=PATIENCE_S) as client:
            client.execute_command(*words)

    def _for_a_while(self, begin: tuple[str, ...], end: tuple[str, ...]) -> None:
        self._ask(*begin)
        self._over.wait(self._rng.uniform(0.1, 2))
        self._ask(*end)

    def _set_back(self) -> None:
        """To the last backup; the first time there is none, then one is made."""
        with Redis.from_url(self._store.url, socket_timeout=PATIENCE_S) as client:
            if self._backup is not None:
                set_back(client, self._backup)
            self._backup = copy(client)

    def _slow(self) -> None:
        self._to_store.delay = 0.3
        self._over.wait(self._rng.uniform(0.5, 3))
        self._to_store.delay = 0.0

    def _cut_store(self) -> None:
        self._to_store.set(Trap(runs(self._rng.choice(SCRIPTS)), self._rng.choice(list(Moment))))

    def _cut_broker(self) -> None:
        self._to_broker.set(Trap(asks(self._rng.choice(list(REQUESTS.values()))), self._rng.choice(list(Moment))))

    def _kill_broker(self) -> None:
        self._broker.kill()
        self._broker.start()

    def _hide_broker(self) -> None:
        self._to_broker.refuse(True)
        self._over.wait(self._rng.uniform(0.1, LONGEST_AWAY_S))
        self._to_broker.refuse(False)

    @contextmanager
    def load(self, seed: int) -> Iterator[None]:
        """Records keep coming until the end of the block."""
        over = threading.Event()

        async def work() -> None:
            items = _endless(seed)
            while not over.is_set():
                # Whatever became of it: the log, read back at the end, is what counts.
                with suppress(KafkaError):
                    async with producer(self._here.place.kafka) as client:
                        while not over.is_set():
                            some = [next(items) for _ in range(20)]
                            await write(client, self._here.place.topic, PARTITIONS, some)
                            await asyncio.sleep(0.05)

        thread = threading.Thread(target=asyncio.run, args=(work(),))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look how long nothing is applied until the end of the block."""
        over = threading.Event()

        def work() -> None:
            moved, before = time.monotonic(), 0
            with Redis.from_url(self._store.url, socket_timeout=PATIENCE_S) as client:
                while not over.wait(LOOK_S):
                    with suppress(RedisError):
                        positions = sum(self._here.place.positions(client))
                        if positions > before:
                            self.told.stall = max(self.told.stall, time.monotonic() - moved)
                            moved = time.monotonic()
                        before = positions

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def finish(self) -> None:
        """Wait until all is applied, and compare with the oracle; every dead letter is there, too."""
        here = self._here.reread()
        here.wait(*self.processes)
        here.check()
        counts: Counter[str] = Counter()
        for state in here.expected.values():
            counts.update(state.counts)
        letters = sum(count for outcome, count in counts.items() if outcome.startswith("dead/"))
        assert len(read_letters(here.place.kafka, here.place.topic)) == letters
        self.told.records, self.told.matches = sum(here.ends), counts["applied"]


def _endless(seed: int) -> Iterator[Item]:
    """Mixtures without end; each names its matches anew, or most would be ids used before."""
    for turn in itertools.count():
        for one in mixture(seed + turn, CHUNK, PARTITIONS):
            yield one._replace(value=one.value and one.value.replace(b'"id": "', b'"id": "%d-' % turn))


def run(seconds: float, seed: int, folder: Path) -> Told:
    """Run chaos for so long; what differs from the oracle's is an AssertionError."""
    rng = random.Random(seed)
    with ExitStack() as stack:
        to_broker, to_store = (stack.enter_context(Proxy(kind)) for kind in (proxy.Kafka, proxy.Redis))
        addresses = {"advertised.listeners": f"PLAINTEXT://{HOST}:{to_broker.port}"}
        broker = KafkaServer(folder / "kafka", ensure_jars(home() / "jars"), properties=addresses)
        broker.begin()
        stack.callback(broker.stop)
        to_broker.target = broker.port
        broker.wait()
        store = stack.enter_context(ValkeyServer(folder / "store"))
        to_store.target = store.port
        place = Place(f"{HOST}:{to_broker.port}", f"redis://{HOST}:{to_store.port}/0", "matches", PARTITIONS, "chaos")
        make(place.kafka, place.topic, PARTITIONS)
        here = Replay(place, {}, {}, lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}", folder)
        chaos = Chaos(broker, store, to_broker, to_store, here, rng)
        stack.callback(chaos.end)
        chaos.processes += [here.ingest("chaos", 50).__enter__() for _ in range(PROCESSES)]
        for one in chaos.processes:
            one.wait_ready(lambda said: bool(said["ready"]))
        with chaos.watched(), chaos.load(seed):
            chaos.run(seconds)
        with chaos.watched():
            chaos.finish()
    return chaos.told


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make chaos", description="Random faults under load, and the oracle at the end."
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    # What the producer says of every broken connection is the fault itself.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    say = sys.stdout.write
    say(f"seed {options.seed}, {PROCESSES} processes, {PARTITIONS} partitions, {options.seconds:g} s\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        told = run(options.seconds, options.seed, Path(folder))
    for name, count in sorted(told.faults.items()):
        say(f"{count:5} {name}\n")
    say(f"{told.faults.total()} faults survived, {told.ended} processes ended by themselves\n")
    say(f"{told.matches} matches applied of {told.records} offsets; equal to the oracle\n")
    say(f"longest time in which nothing was applied: {told.stall:.1f} s\n")


if __name__ == "__main__":
    main()
