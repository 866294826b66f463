"""Where the pools of an installation lie, and reads of a partition in whatever generation is live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Final

from service.partitioner import Partitioner, partition_of
from service.pools import Pool
from service.problems import Problem
from service.ratings import RatingSystem
from service.store.apply import position_of
from service.store.connection import Argument, Store
from service.store.layout import LAYOUT, Keys

COUNT_S: Final = 5.0
"""The number of partitions is read again this often: an installation may be emptied and begun anew."""

LOOKED_AT: Final = 64
"""Partitions that are asked for that number. Each running one knows it, so the first is nearly always enough."""


class Unreadable(Exception):
    """What is stored must not be served: another version wrote it, or a script broke off half way."""


@dataclass(frozen=True, slots=True)
class Position:
    """What an answer stands for.

    Attributes
    ----------
    generation : str
        The generation that was read.
    partition : int
        The partition.
    offset : int
        The next offset: everything before it is in.

    Examples
    --------
    >>> str(Position("1", 3, 184468))
    '1-3-184468'
    """

    generation: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.generation}-{self.partition}-{self.offset}"

    def covers(self, other: Position) -> bool:
        """Whether all that is in at another position of the partition is in here.

        A later generation continues the same log: it was switched to because it had come further.
        """
        return (int(self.generation), self.offset) >= (int(other.generation), other.offset)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one script call read.

    Attributes
    ----------
    position : Position
        What the values stand for.
    values : list
        What the script answers after its first four.
    """

    position: Position
    values: list[Any]


class Partitions:
    """The partitions of one installation.

    Parameters
    ----------
    store : Store
    installation, topic : str
        Parts of every key.
    partitioner : {"murmur2", "crc32"}
        How the topic's producers place a pool.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        store: Store,
        installation: str,
        topic: str,
        partitioner: Partitioner,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._first = Keys(installation, topic, 0)
        self._partition_of = lru_cache(4096)(partial(partition_of, partitioner=partitioner))
        self._clock = clock
        # The generation that each partition was last seen in, so that a rebuilt one costs one call, not two.
        self._keys: dict[int, Keys] = {}
        self._count = 0
        self._count_until = 0.0

    async def count(self) -> int:
        """Read how many partitions the topic has; 0 where nothing was ever applied.

        Raises
        ------
        StoreUnavailable
        """
        # An empty installation is looked at each time: its first match may have been applied meanwhile.
        if not self._count or self._clock() >= self._count_until:
            self._count = await self._find_count()
            self._count_until = self._clock() + COUNT_S
        return self._count

    async def holding(self, pool: str) -> int:
        """Compute the partition where a pool is, if it is anywhere.

        Raises
        ------
        Problem
            ``unknown_pool`` where it cannot be.
        StoreUnavailable
        """
        count = await self.count()
        if count == 0:
            raise unknown_pool(pool)
        return self._partition_of(pool, count)

    async def read(
        self,
        partition: int,
        script: str,
        names: Callable[[Keys], Sequence[str]],
        arguments: Sequence[Argument],
    ) -> Answer:
        """Run a reading script in the generation that is live.

        Parameters
        ----------
        partition : int
        script : str
            Its first two KEYS are live and state; it answers live generation, position, torn mark, layout,
            then values.
        names : callable
            The other KEYS, in a given generation.
        arguments : sequence
            ARGV.

        Raises
        ------
        StoreUnavailable, Unreadable
        """
        keys, (position, torn, layout, *values) = await self._read(partition, script, names, arguments)
        if layout not in (b"", LAYOUT.encode()):
            raise Unreadable(
                f"partition {partition} is stored in layout {layout.decode()}, this version reads {LAYOUT}"
            )
        if torn:
            raise Unreadable(f"partition {partition} is torn: a write broke off on its way to {torn.decode()}")
        return Answer(Position(keys.generation, partition, position_of(position) or 0), values)

    async def position(self, partition: int) -> Position:
        """Read where a partition stands.

        Raises
        ------
        StoreUnavailable, Unreadable
        """
        return (await self.read(partition, "read_fields", lambda keys: (), ())).position

    async def check(self) -> None:
        """See that Redis answers and that this version can read the layout of every partition.

        Raises
        ------
        StoreUnavailable, Unreadable
        """
        await self._store.ping()
        found = await asyncio.gather(*(self._state(partition) for partition in range(await self.count())))
        if others := {layout.decode() for _, _, layout, *_ in found} - {"", LAYOUT}:
            raise Unreadable(
                f"partitions are stored in layout {', '.join(sorted(others))}, this version reads {LAYOUT}"
            )

    async def _find_count(self) -> int:
        for partition in range(LOOKED_AT):
            *_, (count,) = await self._state(partition)
            if count is not None:
                return int(count)
        return 0

    async def _state(self, partition: int) -> list[Any]:
        # Not by `read`: a partition that is torn still knows how many there are.
        _, answer = await self._read(partition, "read_fields", lambda keys: (keys.state,), (1, "partitions"))
        return answer

    async def _read(
        self,
        partition: int,
        script: str,
        names: Callable[[Keys], Sequence[str]],
        arguments: Sequence[Argument],
    ) -> tuple[Keys, list[Any]]:
        keys = self._keys.get(partition) or replace(self._first, partition=partition)
        while True:
            answer = await self._store.run(script, (keys.live, keys.state, *names(keys)), arguments)
            live = answer[0].decode()
            if live == keys.generation:
                break
            keys = replace(keys, generation=live)
        self._keys[partition] = keys
        return keys, answer[1:]


def check_fingerprint(pool: Pool, system: RatingSystem, stored: bytes | None) -> None:
    """Refuse rows that were made otherwise than this process is configured: it would misread them.

    Raises
    ------
    Unreadable
    """
    if stored is not None and stored.decode() != pool.fingerprint(system):
        raise Unreadable(
            f"the ratings of pool {pool.name!r} under {system.name!r} were made with other parameters than this process"
            " is configured with: give it the pools file that ingest has"
        )


def unknown_pool(pool: str) -> Problem:
    """Build the problem of a pool that is not there."""
    return Problem("unknown_pool", f"no match of the pool {pool!r} was applied yet")
