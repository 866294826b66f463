"""What takes long to show of bad records and of memory: ``make chaos`` runs it, ``make test`` does not."""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.hostile import accounted, among_good_ones, hostile
from tests.ingesting import Ingesting, Place
from tests.made_up import RECORDED
from tests.oracle import partition_of
from tests.replay import begin
from tests.topics import Item, make, make_topic, producer

PARTITIONS = 3
HOSTILE, GOOD = 125_000, 20_000
SETTLED = 20_000
"""Records after which everything is in memory that is to stay there."""
MORE = 32 << 20
"""Bytes by which memory may differ from one moment to the next: what is fetched and on its way."""

MATCHES, HALVES = 5_000_000, 2
POOL_MATCHES, POOL_PLAYERS = 2_500, 600
"""Pools come and go like seasons, each with players of its own: 600,000 players a partition in all."""

WAIT_S = 900.0


@contextmanager
def server_of_its_own(jars: tuple[Path, ...]) -> Iterator[KafkaServer]:
    """Its log is large, and is gone with it."""
    with tempfile.TemporaryDirectory() as folder, KafkaServer(Path(folder), jars) as kafka:
        yield kafka


class Sample(NamedTuple):
    """Of an ingest process: its processor seconds, offsets that are in, resident bytes."""

    seconds: float
    applied: int
    resident: int


def samples(place: Place, end: int, ingest: Ingesting) -> list[Sample]:
    """Look from the first batch on, again and again, until so many offsets are in."""
    assert ingest.process is not None
    process = psutil.Process(ingest.process.pid)
    place.wait_past(1, ingest)
    found: list[Sample] = []
    deadline = time.monotonic() + WAIT_S
    with place.client() as client:
        while not found or found[-1].applied < end:
            assert time.monotonic() < deadline, f"stands at {found[-1]}\n{ingest.said()}"
            used = process.cpu_times()
            applied = sum(place.positions(client))
            found.append(Sample(used.user + used.system, applied, process.memory_info().rss))
            threading.Event().wait(0.05)
    return found


def test_a_hundred_thousand_hostile_records(
    jars: tuple[Path, ...], valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    with server_of_its_own(jars) as kafka:
        items = among_good_ones(22, HOSTILE, GOOD, PARTITIONS)
        here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, items)
        with here.ingest() as ingest:
            found = samples(here.place, sum(here.ends), ingest)
            died = accounted(here, ingest)
    before = max(one.resident for one in found if one.applied < 2 * SETTLED)
    after = max(one.resident for one in found if one.applied >= sum(here.ends) - SETTLED)
    print(f"{died} died of {sum(here.ends)}; RSS {before >> 20} MiB, then {after >> 20} MiB")  # noqa: T201  # for its reader
    assert died > 100_000
    assert after < before + MORE


def good_ones(count: int) -> Iterator[Item]:
    chance = random.Random(3)
    for number in range(count):
        first, second = chance.sample(range(2_000), 2)
        yield Item(b"x", duel("x", number, first, second), RECORDED + number)


def duel(pool: str, number: int, first: int, second: int) -> bytes:
    return (
        f'{{"id":"m{number}","pool":"{pool}","at":{RECORDED + number},"sides":'
        f'[{{"players":["p{first}"],"rank":1}},{{"players":["p{second}"],"rank":2}}]}}'
    ).encode()


def small(items: Iterator[Item]) -> Iterator[Item]:
    """All in one place, and none of those that are as long as thousands of others."""
    return (one._replace(partition=0) for one in items if one.value is None or len(one.value) < 2_000)


def test_bad_records_are_no_slower_than_good_ones(
    jars: tuple[Path, ...], valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    """By the processor time that ingest takes for each, which does not hang on what else the machine does."""
    took: dict[str, float] = {}
    kinds = {"good": good_ones(100_000), "bad": small(hostile(23, 100_000, 1))}
    with server_of_its_own(jars) as kafka:
        for kind, items in kinds.items():
            place = Place(kafka.bootstrap, valkey.url, unique("matches"), 1, unique("installation"))
            written = list(items)
            make(place.kafka, place.topic, 1, written)
            with Ingesting(place, tmp_path / f"{kind}.log", unique("group")) as ingest:
                found = samples(place, len(written), ingest)
            took[kind] = (found[-1].seconds - found[0].seconds) / (found[-1].applied - found[0].applied)
    print({kind: f"{1e6 * seconds:.1f} us" for kind, seconds in took.items()})  # noqa: T201  # for its reader
    assert took["bad"] < 2.5 * took["good"]


async def fill(kafka: str, topic: str, count: int) -> None:
    """Write matches as fast as they can be made: half of them for each of two partitions."""
    names: list[list[str]] = [[] for _ in range(HALVES)]
    for number in itertools.count():
        pool = f"season-{number}"
        names[partition_of(pool, HALVES)].append(pool)
        if min(map(len, names)) * POOL_MATCHES * HALVES >= count:
            break
    chance = random.Random(4)
    async with producer(kafka) as client:
        batches = [client.create_batch() for _ in range(HALVES)]
        for number in range(count // HALVES):
            first = int(chance.random() * POOL_PLAYERS)
            for half, pools in enumerate(names):
                pool = pools[number // POOL_MATCHES]
                value = duel(pool, number, first, (first + 1 + number % 7) % POOL_PLAYERS)
                record = {"timestamp": RECORDED + number, "key": pool.encode(), "value": value}
                if batches[half].append(**record) is None:
                    await client.send_batch(batches[half], topic, partition=half)
                    batches[half] = client.create_batch()
                    assert batches[half].append(**record) is not None
        for half, batch in enumerate(batches):
            await client.send_batch(batch, topic, partition=half)
        await client.flush()


def test_memory_is_flat(jars: tuple[Path, ...], unique: Unique, tmp_path: Path) -> None:
    """Past every bound: 1,000,000 ids and 250,000 players of each partition, 1,000 pools that come and go."""
    with (
        server_of_its_own(jars) as kafka,
        ValkeyServer(tmp_path / "store", extra=["--appendonly", "no"]) as store,
    ):
        place = Place(kafka.bootstrap, store.url, "matches", HALVES, unique("installation"))
        asyncio.run(make_topic(place.kafka, place.topic, HALVES))
        filling = threading.Thread(target=asyncio.run, args=(fill(place.kafka, place.topic, MATCHES),))
        filling.start()
        try:
            with Ingesting(place, tmp_path / "ingest.log", unique("group")) as ingest:
                found = samples(place, MATCHES, ingest)
                assert ingest.metric('standings_records_total{outcome="applied"}') == MATCHES
        finally:
            filling.join()
        with place.client() as client:
            counts = [client.hget(place.keys(number).state, "count/applied") for number in range(HALVES)]
    assert counts == [b"%d" % (MATCHES // HALVES)] * HALVES
    quarters = [
        [one.resident >> 20 for one in found if quarter <= 4 * one.applied / MATCHES < quarter + 1]
        for quarter in range(4)
    ]
    print(f"{MATCHES} matches, {found[-1].seconds:.0f} s of a processor")  # noqa: T201  # for its reader
    for quarter, those in enumerate(quarters, 1):
        print(f"quarter {quarter}: RSS {those[0]} MiB first, {those[-1]} last, {max(those)} most")  # noqa: T201  # for its reader
    # By then every bound was reached; what is cleared at its bound makes a saw's teeth.
    assert max(quarters[3]) << 20 < (max(quarters[2]) << 20) + MORE
