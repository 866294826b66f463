"""``standings dead-letters replay``: dead letters that can be used by now, sent again as new records of the log."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumers.judge import Judge
from consumers.seen import SeenIds
from service.broker import describe_topic
from service.brokers import Brokers
from service.dead_letters import REPLAYED_HEADER, Found, pool_of
from service.log import LogUnavailable, answered, producer
from service.partitioner import partition_of
from service.pool_file import PoolsInvalid, read_pools
from service.pools import SEEN_WINDOW, Pools
from service.problems import Problem
from service.records import Extent, Place, extents, read_records
from service.settings import Settings
from service.store.connection import Store, StoreUnavailable
from service.store.layout import Keys
from service.store.partition import load
from service.store.streams import RECEIPT_HEADER
from standings.dead_letters import Filters, newest, readable
from standings.errors import Mistake, Trouble

CHUNK: Final = 500
CHUNK_BYTES: Final = 32 << 20
"""Letters, and bytes of their records, that are read and sent together."""

READ_S: Final = 30.0
SEND_S: Final = 20.0
STOP_S: Final = 5.0
"""Time for each chunk to be read, to be taken by Kafka, and for the producer to end."""

SHOWN: Final = 50
"""Letters left out that are listed one by one; all are counted."""


@dataclass(slots=True)
class Candidate:
    """A record as it would be sent; where it would lie is guessed from the end of the log."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(slots=True)
class Replayed:
    """What became of the letters.

    Attributes
    ----------
    topic : str
    sent : dict
        By pool and partition how many were sent, or would be.
    left_out : list of (Place, str, str)
        Those that were not, each with its reason and the detail.
    older : int
        Letters that were not looked at.
    """

    topic: str
    sent: Counter[tuple[str, int]] = field(default_factory=Counter)
    left_out: list[tuple[Place, str, str]] = field(default_factory=list)
    older: int = 0


class Bench:
    """Judges records as ingest will at the end of the log: by the pools as configured now, by the ids remembered.

    Parameters
    ----------
    settings : Settings
    store : Store
    pools : Pools
    logs : dict of Extent
        Of the topic of matches, by partition.
    """

    def __init__(self, settings: Settings, store: Store, pools: Pools, logs: dict[int, Extent]) -> None:
        self._settings = settings
        self._store = store
        self._pools = pools
        self._ends = {number: log.end for number, log in logs.items()}
        self._judges: dict[int, tuple[Judge, SeenIds]] = {}

    def place(self, pool: str) -> int:
        """Partition in which a pool belongs."""
        return partition_of(pool, len(self._ends), self._settings.partitioner)

    async def judge(self, found: Found, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Candidate:
        """Make a record of a letter; it is then remembered as sent.

        Raises
        ------
        Problem
            It would be a dead letter again; its slug is the reason.
        _Duplicate
            Its match is in already.
        StoreUnavailable
        """
        # What names no pool is refused wherever it is judged.
        pool = pool_of(value, None)
        partition = 0 if pool is None else self.place(pool)
        judge, seen = await self._judge(partition)
        origin = "/".join(map(str, found.letter.place)).encode()
        kept = [(name, text) for name, text in headers if name not in (REPLAYED_HEADER, RECEIPT_HEADER)]
        candidate = Candidate(
            partition=partition,
            offset=self._ends[partition],
            timestamp=int(time.time() * 1000),
            key=None if pool is None else pool.encode(),
            value=value,
            headers=[*kept, (REPLAYED_HEADER, origin)],
        )
        (verdict,) = judge.judge([candidate], seen).found
        if verdict is None:
            raise _Duplicate
        if isinstance(verdict, Problem):
            raise verdict
        self._ends[partition] += 1
        return candidate

    async def _judge(self, partition: int) -> tuple[Judge, SeenIds]:
        if partition not in self._judges:
            settings = self._settings
            loaded = await load(self._store, Keys(settings.installation, settings.topic, partition))
            if not loaded.readable:
                raise Trouble(
                    f"partition {partition} is stored in layout {loaded.layout}, which this version cannot read"
                )
            self._ends[partition] = max(self._ends[partition], loaded.position or 0)
            self._judges[partition] = Judge(partition, self.place, self._pools), SeenIds(SEEN_WINDOW, loaded.seen)
        return self._judges[partition]


class _Duplicate(Exception):
    """The match was rated, or stands before in this replay."""


async def replay(settings: Settings, filters: Filters, dry_run: bool) -> Replayed:
    """Send again what can be used by now, in the order in which it was recorded.

    Parameters
    ----------
    settings : Settings
    filters : Filters
        Which letters.
    dry_run : bool
        Whether only to find out what would be sent.

    Raises
    ------
    Mistake
        There is no such topic, or the pools file or Redis' address cannot be used.
    Trouble
        Kafka or Redis does not answer; replaying again is safe.
    """
    try:
        pools = read_pools(settings.pools)
        store = Store(settings.redis.get_secret_value())
    except PoolsInvalid as error:
        raise Mistake(str(error)) from error
    except ValueError:
        # The error's own text may hold a part of the password.
        raise Mistake("the address of Redis cannot be used: it is redis://USER:PASSWORD@HOST:PORT/DB") from None
    read = await newest(settings)
    done = Replayed(settings.topic, older=read.older)
    chosen = [found for found in read.found if filters.take(found.letter)]
    chosen.sort(key=lambda found: (found.timestamp, found.letter.place))
    try:
        topic = await describe_topic(settings.brokers, settings.topic)
        if topic is None:
            raise Mistake(f"Kafka at {settings.kafka} has no topic {settings.topic!r}")
        bench = Bench(settings, store, pools, await extents(settings.brokers, settings.topic, topic.partitions))
        async with nullcontext() if dry_run else _started(settings.brokers) as client:
            for chunk in _chunks(chosen):
                candidates = await _judge_all(settings.brokers, chunk, bench, done)
                if client is not None:
                    await _send_all(client, settings.topic, candidates)
                for one in candidates:
                    done.sent[(one.key or b"").decode(), one.partition] += 1
    except (LogUnavailable, StoreUnavailable) as error:
        sent = (
            "" if dry_run else f"; {done.sent.total():,} were sent for certain, and a second replay counts none twice"
        )
        raise Trouble(f"{error}{sent}") from error
    finally:
        await store.close()
    return done


@asynccontextmanager
async def _started(kafka: Brokers) -> AsyncIterator[Any]:
    client = producer(kafka)
    try:
        with answered():
            await client.start()
        yield client
    finally:
        # What was not acknowledged by now is not counted as sent.
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await client.stop()


def _chunks(chosen: Sequence[Found]) -> Iterator[list[Found]]:
    chunk: list[Found] = []
    size = 0
    for found in chosen:
        more = found.letter.bytes or 0
        if chunk and (len(chunk) == CHUNK or size + more > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(found)
        size += more
    if chunk:
        yield chunk


async def _judge_all(kafka: Brokers, chunk: Sequence[Found], bench: Bench, done: Replayed) -> list[Candidate]:
    """Read the records of letters and choose those that are to be sent; notes the others."""
    records = await read_records(kafka, [found.letter.place for found in chunk], READ_S)
    whole = {found.letter.place: found for found in chunk}
    originals = {place: record for place, record in records.items() if whole[place].is_of(record)}
    missing = [found.lies for place, found in whole.items() if place not in originals and not found.letter.cut]
    letters = await read_records(kafka, missing, READ_S) if missing else {}
    candidates = []
    for place, found in whole.items():
        record = originals.get(place) or letters.get(found.lies)
        # A letter's own headers say why it is one.
        headers = record.headers if record is not None and place in originals else ()
        if record is None:
            done.left_out.append((place, "gone", "the log no longer has the record, and its letter keeps only a part"))
            continue
        try:
            candidates.append(await bench.judge(found, record.value, headers))
        except Problem as problem:
            done.left_out.append((place, problem.type.slug, problem.detail))
        except _Duplicate:
            done.left_out.append((place, "duplicate", "its match is in already"))
    return candidates


async def _send_all(client: Any, topic: str, candidates: Sequence[Candidate]) -> None:
    """Send records and wait until Kafka has all of them."""
    try:
        with answered():
            async with asyncio.timeout(SEND_S):
                sent = [
                    await client.send(topic, one.value, one.key, partition=one.partition, headers=one.headers)
                    for one in candidates
                ]
                await asyncio.gather(*sent)
    except TimeoutError as error:
        raise LogUnavailable(f"Kafka did not take what was sent within {SEND_S:g} s") from error


def show_replayed(done: Replayed, dry_run: bool) -> None:
    """Print what was sent and what was left out, with the reasons."""
    console = Console()
    would = "would be " if dry_run else ""
    left: Counter[str] = Counter(reason for _, reason, _ in done.left_out)
    if done.sent:
        table = Table("pool", "partition", f"{would}sent")
        for (pool, partition), count in sorted(done.sent.items()):
            table.add_row(Text(pool), str(partition), f"{count:,}")
        console.print(table)
    if done.left_out:
        table = Table("left out", "reason", "detail")
        for place, reason, detail in done.left_out[:SHOWN]:
            names = (f"{place.partition}/{place.offset}", reason, readable(detail))
            table.add_row(*(Text(name, overflow="fold") for name in names))
        console.print(table)
    if len(done.left_out) > SHOWN:
        console.print(f"{len(done.left_out) - SHOWN:,} more were left out")
    counts = ", ".join(f"{count:,} {reason}" for reason, count in left.most_common())
    said = f"{done.sent.total():,} {would}sent to {done.topic}, {left.total():,} left out"
    console.print(said + (f": {counts}" if counts else ""), highlight=False, soft_wrap=True)
    if done.older:
        console.print(f"{done.older:,} older letters were not looked at")
