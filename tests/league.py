"""Fills a store by the path on which results really arrive, without Kafka: records, judge, rating, one script."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from consumers.judge import Judge
from consumers.partition import Partition
from service.partitioner import partition_of
from service.pools import LIVE, Pools
from service.rate import Table
from service.ratings import create
from service.store.apply import Applied, apply
from service.store.board import Boards
from service.store.connection import Store
from service.store.layout import Keys
from service.store.partition import load, read_fields
from service.store.partitions import Partitions
from service.store.rows import unpack_learned, unpack_rows

AT = 1_795_000_000_000
"""When the first match is played; each next one a second later."""

TOPIC = "matches"


@dataclass(slots=True)
class Record:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def duel(pool: str, winner: str, loser: str) -> dict[str, Any]:
    return {"pool": pool, "sides": [{"players": [winner], "rank": 1}, {"players": [loser], "rank": 2}]}


def tie(pool: str, sides: Iterable[Sequence[str]]) -> dict[str, Any]:
    """A match that moves no rating where all sides are of newcomers."""
    return {"pool": pool, "sides": [{"players": list(side), "rank": 1} for side in sides]}


def newcomers(pool: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Matches after which all of many players, two sides at least, stand where newcomers begin."""
    sides = [names[start : start + 50] for start in range(0, len(names), 50)]
    # More sides at once are tabulated, which moves them by the last bits.
    return [tie(pool, sides[start : start + 32]) for start in range(0, len(sides), 32)]


class Owner:
    """The owner of one partition: applies matches as they are played."""

    def __init__(self, store: Store, keys: Keys, partitions: int, pools: Pools | None = None) -> None:
        self._store = store
        self._pools = pools or Pools()
        self._keys = keys
        self._partitions = partitions
        self._partition: Partition | None = None
        self._position = 0

    async def play(self, matches: Sequence[Mapping[str, Any]] = ()) -> int:
        """Apply matches, each in the order given, as one range; answers the position after it."""
        if self._partition is None:
            judge = Judge(self._keys.partition, lambda pool: partition_of(pool, self._partitions), self._pools)
            self._partition = Partition(await load(self._store, self._keys), judge, self._partitions)
        records = []
        for offset, match in enumerate(matches, self._position):
            at = AT + 1000 * offset
            value = json.dumps({"id": f"m-{offset}", "at": at, **match}).encode()
            records.append(Record(offset, at, match["pool"].encode(), value))
        end = self._position + len(records)
        for batch in self._partition.cut(self._position, records, end, 5_000):
            assert not batch.letters, batch.letters[0][1].detail
            while wanted := self._partition.wanted():
                self._partition.fill(await read_fields(self._store, self._partition.keys, wanted))
            change = self._partition.rate(batch)
            assert await apply(self._store, self._partition.keys, change) == Applied()
        self._position = end
        return end


class League:
    """An installation with a store, owners of its partitions, and what reads it."""

    def __init__(self, url: str, installation: str, partitions: int = 1) -> None:
        self.url = url
        self.installation = installation
        self.store = Store(url)
        self.partitions = Partitions(self.store, installation, TOPIC, "murmur2")
        self.boards = Boards(self.partitions)
        self.owners = [Owner(self.store, self.keys(index), partitions) for index in range(partitions)]

    def keys(self, partition: int = 0) -> Keys:
        return Keys(self.installation, TOPIC, partition)

    async def play(self, *matches: Mapping[str, Any]) -> None:
        """Apply matches where their pools belong; partitions without any get an empty range."""
        for index, owner in enumerate(self.owners):
            await owner.play([match for match in matches if partition_of(match["pool"], len(self.owners)) == index])

    async def table(self, pool: str, *players: str) -> Table:
        """Rows of players as they are stored under the system of pools that are not configured."""
        keys, system = self.keys(partition_of(pool, len(self.owners))), create(LIVE)
        rows = await self.store.command("HMGET", keys.rows(pool, LIVE), *players)
        learned = await self.store.command("HGET", keys.learned, f"{pool}/{LIVE}")
        return Table(*unpack_rows(rows, system), *unpack_learned(learned, system))


@asynccontextmanager
async def league(url: str, installation: str, partitions: int = 1) -> AsyncIterator[League]:
    made = League(url, installation, partitions)
    try:
        yield made
    finally:
        await made.store.close()
