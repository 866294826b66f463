"""A partition and the store under it, both in memory, and logs of a few matches to bring in."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np

from consumers.judge import Judge
from consumers.partition import Batch, Partition
from service.pool_file import parse_pools
from service.pools import Pools
from service.store.apply import WIDTH, Applied, Change, apply
from service.store.connection import Argument, Store
from service.store.layout import Keys
from service.store.partition import Fields, Loaded, load
from service.store.rows import SEEN
from service.store.streams import unpack_touched

KEYS = Keys("test", "matches", 0)
NAMES = ("chess", "go", "arena.2026")
RECEIPT = (("receipt", b""),)

POOLS = parse_pools(
    """
    [pools.go]
    deviations = 2.0
    [pools."arena.*"]
    profile = "arena"
    shadows = [{system = "elo", parameters = {k = 24}}]
    """,
    "pools.toml",
)
"""Boards of Elo and of kalman that are ordered by deviations too, since those hang on what the pool has learned."""


@dataclass
class Record:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def flat(pairs: dict[bytes, bytes]) -> list[bytes]:
    return [part for pair in pairs.items() for part in pair]


def words(arguments: Sequence[Argument]) -> list[bytes]:
    return [argument if isinstance(argument, bytes) else str(argument).encode() for argument in arguments]


class MemoryStore:
    """Stands for Redis: hashes, sorted sets and streams in dicts, and what the scripts do, in Python."""

    def __init__(self) -> None:
        self.content: dict[str, dict[bytes, bytes]] = {}
        self.bytes_of_last_apply = 0

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        hashes = [self.content.get(key, {}) for key in keys]
        if name == "load_partition":
            return [b"1", *(flat(found) for found in hashes[1:])]
        sent = words(arguments)
        self.bytes_of_last_apply = sum(map(len, [*words(keys), *sent]))
        return self._apply(keys, sent)

    def _apply(self, keys: Sequence[str], sent: list[bytes]) -> list[bytes]:
        layout, _, _, start, end = sent[:5]
        state = self.content.setdefault(keys[1], {})
        assert state.get(b"position", b"") == start, "this stand-in only takes what fits"
        at = 5
        for key in (keys[2], keys[1]):
            count = int(sent[at])
            pairs = dict(zip(sent[at + 1 : at + 1 + 2 * count : 2], sent[at + 2 : at + 1 + 2 * count : 2], strict=True))
            found = self.content.setdefault(key, {})
            assert key == keys[1] or all(found.get(name, value) == value for name, value in pairs.items())
            found.update(pairs)
            at += 1 + 2 * count
        while at < len(sent):
            key_index = int(sent[at]) - 1
            found = self.content.setdefault(keys[key_index], {})
            command, count = sent[at + 1], int(sent[at + 2])
            width = WIDTH[command.decode()]
            items = sent[at + 3 : at + 3 + width * count]
            at += 3 + width * count
            if command == b"HDEL":
                for name in items:
                    # Whether a lease is open, ingest does not know.
                    if "/leases/" in keys[key_index]:
                        found.pop(name, None)
                    else:
                        del found[name]
            elif command == b"XADD":
                for most, entry, value in zip(items[::3], items[1::3], items[2::3], strict=True):
                    assert int(entry) > int(next(reversed(found), b"0"))
                    found[entry] = value
                    while len(found) > int(most):
                        del found[next(iter(found))]
            else:
                first, second = items[::2], items[1::2]
                found.update(zip(second, first, strict=True) if command == b"ZADD" else zip(first, second, strict=True))
        state.update({b"position": end, b"layout": layout, b"torn": b""})
        return [b"applied"]

    def load(self) -> Loaded:
        return asyncio.run(load(cast("Store", self), KEYS))

    def apply(self, change: Change) -> None:
        assert asyncio.run(apply(cast("Store", self), KEYS, change)) == Applied()

    def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> Fields:
        values = [[self.content.get(key, {}).get(name.encode()) for name in fields] for key, fields in wanted]
        return Fields("1", None, values)

    def stored(self, window: int) -> dict[str, object]:
        """Everything but how it was cut: ids down to the window in whatever blocks, changes in whatever ranges."""
        cut = (KEYS.seen, KEYS.changes)
        told: dict[str, object] = {key: dict(found) for key, found in self.content.items() if key not in cut}
        told["changed"] = self.changed()
        position = int(self.content.get(KEYS.state, {}).get(b"position", b"0"))
        blocks = self.content.get(KEYS.seen, {}).values()
        entries = np.concatenate([np.empty(0, SEEN), *(np.frombuffer(block, SEEN) for block in blocks)])
        told["seen"] = sorted(entries[entries["offset"] >= position - window].tolist())
        return told

    def changed(self) -> dict[str, set[str]]:
        """Players that were touched, by pool; sees that no range overlaps another."""
        entries = [(unpack_touched(value), int(end)) for end, value in self.content.get(KEYS.changes, {}).items()]
        assert all(touched.start < end for touched, end in entries)
        assert all(end <= touched.start for (_, end), (touched, _) in pairwise(entries))
        found: dict[str, set[str]] = {}
        for touched, _ in entries:
            for pool, names in touched.pools.items():
                found.setdefault(pool, set()).update(names)
        return found


def new_partition(store: MemoryStore, pools: Pools = POOLS) -> Partition:
    return Partition(store.load(), Judge(0, lambda pool: 1 if pool == "elsewhere" else 0, pools), partitions=2)


def play(store: MemoryStore, partition: Partition, batch: Batch) -> Change:
    """Read what is missing and rate the batch; it is not applied yet."""
    while wanted := partition.wanted():
        partition.fill(store.read(wanted))
    return partition.rate(batch)


def go_on(store: MemoryStore, start: int, records: Sequence[Record], end: int, pools: Pools = POOLS) -> MemoryStore:
    """More of the log in plain order by a new owner: one fetch, one record a batch."""
    partition = new_partition(store, pools)
    for batch in partition.cut(start, records, end, 1):
        store.apply(play(store, partition, batch))
    return store


def straight(records: Sequence[Record], end: int, pools: Pools = POOLS) -> MemoryStore:
    """The log in plain order: one fetch, one record a batch."""
    return go_on(MemoryStore(), 0, records, end, pools)


def match(number: int, pool: str, rows: Sequence[int], draw: np.random.Generator) -> bytes:
    tied = draw.random() < 0.2
    sides = [
        {"players": [f"p{row}"], "rank": 1 if tied else place}
        if number % 2
        else {"players": [f"p{row}"], "score": place}
        for place, row in enumerate(rows, 1)
    ]
    return json.dumps({"id": str(number), "pool": pool, "at": 86_400_000 * number, "sides": sides}).encode()


def seed_of(number: int, pool: str, rows: Sequence[int], draw: np.random.Generator) -> bytes:
    # A system that the pool has, but for three in ten.
    system = "kalman" if draw.random() < 0.7 else "glicko2"
    players = [
        {"player": f"p{row}", "rating": 1_000.0 + 100 * row, **({"deviation": 70} if row % 2 else {})} for row in rows
    ]
    fields = {"type": "seed", "id": str(number), "pool": pool, "at": 86_400_000 * number, "system": system}
    return json.dumps({**fields, "players": players}).encode()


def made_up(seed: int, count: int) -> tuple[list[Record], int]:
    """Records of several pools with gaps, seeds, repeats, reused ids and dead letters; and where the log ends.

    A third of them asks for a receipt.
    """
    draw, offset, records, sent = np.random.default_rng(seed), 0, [], []
    for number in range(count):
        offset += int(draw.choice([0, 0, 0, 1, 30]))
        pool = NAMES[draw.integers(len(NAMES))]
        value: bytes | None = match(number, pool, draw.permutation(9)[: draw.integers(2, 5)].tolist(), draw)
        key: bytes | None = pool.encode()
        sent.append((key, value))
        kind = draw.random()
        if kind < 0.15:
            key, value = sent[draw.integers(len(sent))]
        elif kind < 0.25:
            value = match(int(draw.integers(number + 1)), pool, [1, 2], draw)
        elif kind < 0.33:
            value = seed_of(number, pool, draw.permutation(12)[: draw.integers(1, 4)].tolist(), draw)
        elif kind < 0.48:
            key, value = [(None, value), (key, None), (key, b"{"), (b"elsewhere", value), (b"x", value)][
                draw.integers(5)
            ]
        headers = ("other", b"x"), *RECEIPT
        records.append(Record(offset, 86_400_000 * number, key, value, headers[: draw.integers(3)]))
        offset += 1
    return records, offset + int(draw.integers(0, 3))


def record(offset: int, pool: str, *sides: Sequence[str]) -> Record:
    sent = [{"players": list(players), "rank": place} for place, players in enumerate(sides, 1)]
    value = json.dumps({"id": str(offset), "pool": pool, "at": 0, "sides": sent}, ensure_ascii=False).encode()
    return Record(offset, 0, pool.encode(), value)


SHADOWED = parse_pools('[[pools."*".shadows]]\nsystem = "glicko2"\nparameters.tau = 0.7', "pools.toml")
ALONE = Pools()
