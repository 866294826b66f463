"""Operating a partition: ``standings verify``, ``rebuild`` and ``skip``."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumers.dead_letters import DeadLettersUnavailable
from consumers.takeover import Undecided
from service.broker import describe_topic
from service.log import LogUnavailable
from service.pool_file import PoolsInvalid, read_pools
from service.pools import Pools
from service.records import extents
from service.settings import Settings
from service.store.connection import Store, StoreUnavailable
from service.store.generations import MOST_SKIPPED, Denied
from service.store.generations import drop_old as drop_generations
from service.store.generations import skip as note_skipped
from service.store.layout import Keys
from service.store.partition import look
from standings.errors import Mistake, Trouble

if TYPE_CHECKING:
    from consumers.compare import Verified
    from consumers.rebuild import Compared, Rebuilt
    from consumers.replay import Shown

LOOK_S: Final = 0.1
"""The bar is drawn anew this often at most."""


async def verify(settings: Settings, partition: int) -> Verified:
    """Compare a partition with its log.

    Parameters
    ----------
    settings : Settings
    partition : int

    Raises
    ------
    Mistake
        There is no such partition, or nothing stored of it; the pools file cannot be used.
    Trouble
        The log does not lead to what is stored; Kafka or Redis does not answer.
    """
    from consumers.verify import verify as compare

    async with _partition(settings, partition, stored=True) as (store, pools, partitions):
        conflicts = pools.conflicts((await look(store, _keys(settings, partition))).fingerprints)
        if conflicts:
            raise Mistake(f"--pools: the partition was rated otherwise: {conflicts[0]}")
        with _bar(f"verify partition {partition}") as shown:
            return await compare(settings, store, pools, partition, partitions, shown)


async def rebuild(settings: Settings, partition: int, rate: int | None) -> Rebuilt:
    """Build a partition again from its log and switch to it.

    Parameters
    ----------
    settings : Settings
    partition : int
    rate : int or None
        Records a second, at most.

    Raises
    ------
    Mistake, Trouble
        As `verify`.
    """
    from consumers.rebuild import rebuild as build_again

    async with _partition(settings, partition, stored=True) as (store, pools, partitions):
        with _bar(f"rebuild partition {partition}") as shown:
            return await build_again(settings, store, pools, partition, partitions, rate, shown)


async def drop_old(settings: Settings, partition: int) -> list[str]:
    """Delete the generations of a partition that are no longer read; answers which.

    Raises
    ------
    Mistake, Trouble
        As `verify`.
    """
    async with _partition(settings, partition, stored=False) as (store, _, _):
        return await drop_generations(store, _keys(settings, partition))


async def skip(settings: Settings, partition: int, offsets: str) -> int:
    """Note that offsets of a partition are to be passed.

    Parameters
    ----------
    settings : Settings
    partition : int
    offsets : str
        One, or the first and the last with a hyphen between.

    Returns
    -------
    int
        How many were not noted before.

    Raises
    ------
    Mistake
        They are none, or already in, or not in the log yet, or too many.
    Trouble
        Kafka or Redis does not answer.
    """
    first, last = _range(offsets)
    async with _partition(settings, partition, stored=False) as (store, _, partitions):
        log = (await extents(settings.brokers, settings.topic, partitions))[partition]
        if last >= log.end:
            raise Mistake(f"OFFSET {offsets}: the log of partition {partition} ends at {log.end}")
        keys = (await look(store, _keys(settings, partition))).keys
        match await note_skipped(store, keys, range(first, last + 1), int(time.time() * 1000)):
            case Denied("past", position):
                raise Mistake(
                    f"OFFSET {offsets}: the partition stands at {position}, so {first} is in already or in an"
                    f" unfinished rebuild: only what comes next can be passed"
                )
            case Denied("full", count):
                raise Mistake(f"OFFSET {offsets}: at most {MOST_SKIPPED:,} offsets can be passed, {count} are")
            case Denied(_, detail):
                raise Trouble(f"generation {detail} was made the live one meanwhile: say it again")
            case int(count):
                return count


def _range(offsets: str) -> tuple[int, int]:
    first, hyphen, last = offsets.partition("-")
    if not hyphen:
        last = first
    if not (all(text.isascii() and text.isdigit() and len(text) < 16 for text in (first, last))):
        raise Mistake(f"OFFSET {offsets}: not an offset; give one, such as 1841, or the first and the last: 1841-1850")
    if not int(first) <= int(last) < int(first) + MOST_SKIPPED:
        raise Mistake(f"OFFSET {offsets}: give the first and the last of at most {MOST_SKIPPED:,} offsets")
    return int(first), int(last)


def _keys(settings: Settings, partition: int) -> Keys:
    return Keys(settings.installation, settings.topic, partition)


@asynccontextmanager
async def _partition(settings: Settings, partition: int, stored: bool) -> AsyncIterator[tuple[Store, Pools, int]]:
    """Give the store, the pools and the number of partitions; tell what goes wrong in one line."""
    try:
        pools = read_pools(settings.pools)
        store = Store(settings.redis.get_secret_value())
    except PoolsInvalid as error:
        raise Mistake(str(error)) from error
    except ValueError as error:
        raise Mistake("--redis: not an address of Redis; it is redis://USER:PASSWORD@HOST:PORT/DB") from error
    try:
        topic = await describe_topic(settings.brokers, settings.topic)
        if topic is None:
            raise Mistake(f"--topic: Kafka at {settings.kafka} has no topic {settings.topic!r}")
        if partition >= topic.partitions:
            raise Mistake(f"PARTITION {partition}: the topic has {topic.partitions}, counted from 0")
        if stored:
            found = await look(store, _keys(settings, partition))
            if found.position is None and not found.torn:
                raise Mistake(f"PARTITION {partition}: nothing is stored of it: ingest builds it from the log")
        yield store, pools, topic.partitions
    except Undecided as error:
        raise Trouble(f"partition {partition}: {error}") from error
    except (LogUnavailable, StoreUnavailable, DeadLettersUnavailable) as error:
        raise Trouble(str(error)) from error
    finally:
        await store.close()


@contextmanager
def _bar(title: str) -> Iterator[Shown]:
    """Show rate and remaining time on the terminal; nothing where standard error is none."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f} records/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=None, rate=0.0)
        begun: tuple[float, int] | None = None
        last = 0.0

        def show(position: int, target: int) -> None:
            nonlocal begun, last
            now = time.monotonic()
            begun = begun or (now, position)
            if now - last > LOOK_S:
                last = now
                rate = (position - begun[1]) / max(0.001, now - begun[0])
                bar.update(task, completed=position, total=target, rate=rate)

        yield show


def show_verified(found: Verified) -> None:
    """Print what was found, the first differences by name."""
    console = Console()
    where = f"partition {found.partition}, generation {found.generation}, position {found.position:,}"
    if found.equal:
        console.print(
            f"{where}: {found.values:,} values are what {found.records:,} records make of them", highlight=False
        )
        return
    kinds = ", ".join(f"{count:,} of {kind}" for kind, count in found.different.items())
    console.print(f"{where}: of {found.values:,} values differ: {kinds}", highlight=False)
    table = Table("what", "pool", "system", "player", "field", "expected", "stored")
    for one in found.differences:
        texts = (one.kind, one.pool, one.system, one.player, one.field, one.expected or "-", one.stored or "-")
        table.add_row(*map(Text, texts))
    console.print(table)
    if (more := sum(found.different.values()) - len(found.differences)) > 0:
        console.print(f"and {more:,} more", highlight=False)


def show_rebuilt(partition: int, found: Rebuilt) -> None:
    """Say on standard error what became of a rebuild."""
    lines = []
    if found.discarded:
        lines.append(f"an unfinished rebuild was begun anew: {found.discarded}")
    elif found.begun:
        lines.append(f"an unfinished rebuild went on from {found.begun:,}")
    lines.append(f"{found.records:,} records; generation {found.generation} is live from position {found.position:,}")
    lines += _compared(found.compared)
    lines.append(f"the one before is kept until: standings rebuild {partition} --drop-old")
    for line in lines:
        sys.stderr.write(f"partition {partition}: {line}\n")


def _compared(found: Compared) -> Iterator[str]:
    if not found.whole:
        yield "totals could not be compared with the generation before"
    elif not found.counts and not found.different:
        yield "counts and totals are those of the generation before"
    for outcome, (before, now) in found.counts.items():
        yield f"records {outcome}: {before:,} before, {now:,} now"
    for pool, (before, now) in found.pools.items():
        yield f"pool {pool!r}: {before:,} matches before, {now:,} now"
    if (more := found.different - len(found.pools)) > 0:
        yield f"and {more:,} more pools"
