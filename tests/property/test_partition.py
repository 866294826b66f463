"""A partition in memory: however its records are fetched, cut, dropped and read again, the same is stored."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers import partition as module
from consumers.judge import Judge
from consumers.partition import BATCH_BYTES, BATCH_ROWS, Batch, Partition
from service.pools import SEEN_WINDOW, Pool, configured
from service.ratings.elo import Elo
from service.store.apply import Applied, Change, apply
from service.store.connection import Argument, Store
from service.store.layout import LAYOUT, Keys
from service.store.partition import Fields, Loaded, load
from service.store.rows import SEEN

KEYS = Keys("test", "matches", 0)
POOLS = ("chess", "go", "blitz.2026")


@dataclass
class Record:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def flat(pairs: dict[bytes, bytes]) -> list[bytes]:
    return [part for pair in pairs.items() for part in pair]


def words(arguments: Sequence[Argument]) -> list[bytes]:
    return [argument if isinstance(argument, bytes) else str(argument).encode() for argument in arguments]


class MemoryStore:
    """Stands for Redis: hashes and sorted sets in dicts, and what the scripts do, in Python."""

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
        layout, _, start, end = sent[:4]
        state = self.content.setdefault(keys[1], {})
        assert state.get(b"position", b"") == start, "this stand-in only takes what fits"
        at = 4
        for key in (keys[2], keys[1]):
            count = int(sent[at])
            pairs = dict(zip(sent[at + 1 : at + 1 + 2 * count : 2], sent[at + 2 : at + 1 + 2 * count : 2], strict=True))
            found = self.content.setdefault(key, {})
            assert key == keys[1] or all(found.get(field, value) == value for field, value in pairs.items())
            found.update(pairs)
            at += 1 + 2 * count
        while at < len(sent):
            found = self.content.setdefault(keys[int(sent[at]) - 1], {})
            command, count = sent[at + 1], int(sent[at + 2])
            width = 1 if command == b"HDEL" else 2
            items = sent[at + 3 : at + 3 + width * count]
            at += 3 + width * count
            if command == b"HDEL":
                for field in items:
                    del found[field]
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
        values = [[self.content.get(key, {}).get(field.encode()) for field in fields] for key, fields in wanted]
        return Fields("1", None, values)

    def stored(self, window: int) -> dict[str, object]:
        """Everything, with the blocks of ids laid open down to the window."""
        told: dict[str, object] = {key: dict(found) for key, found in self.content.items() if key != KEYS.seen}
        position = int(self.content.get(KEYS.state, {}).get(b"position", b"0"))
        blocks = self.content.get(KEYS.seen, {}).values()
        entries = np.concatenate([np.empty(0, SEEN), *(np.frombuffer(block, SEEN) for block in blocks)])
        told["seen"] = sorted(entries[entries["offset"] >= position - window].tolist())
        return told


def new_partition(store: MemoryStore) -> Partition:
    return Partition(store.load(), Judge(0, lambda pool: 1 if pool == "elsewhere" else 0), partitions=2)


def play(store: MemoryStore, partition: Partition, batch: Batch) -> Change:
    """Read what is missing and rate the batch; it is not applied yet."""
    if wanted := partition.wanted():
        partition.fill(store.read(wanted))
    assert not partition.wanted()
    return partition.rate(batch)


def straight(records: Sequence[Record], end: int) -> MemoryStore:
    """The log in plain order: one fetch, one record a batch."""
    store = MemoryStore()
    partition = new_partition(store)
    for batch in partition.cut(0, records, end, 1):
        store.apply(play(store, partition, batch))
    return store


def disturbed(records: Sequence[Record], end: int, data: st.DataObject) -> MemoryStore:
    """The same log in fetches and batches of any size, with one batch on its way while the next is prepared."""
    store = MemoryStore()
    partition = new_partition(store)
    position, pending = 0, None
    while position < end:
        some = [record for record in records if record.offset >= position]
        # What shrinks goes on: the simplest draw is a large fetch up to the next record.
        some = some[: data.draw(st.integers(0, 12).map(lambda less: 12 - less), label="fetched")]
        # The consumer's position may lie beyond the last record; an empty fetch leaves it, or moves it over a gap.
        following = min((r.offset for r in records if r.offset >= position and r not in some), default=end)
        least = max(position, some[-1].offset + 1 if some else position)
        until = following - data.draw(st.integers(0, following - least), label="short of the next by")
        for batch in partition.cut(position, some, until, data.draw(st.integers(1, 12), label="most")):
            change = play(store, partition, batch)
            if pending is not None:
                store.apply(pending)
            pending = change
            assert (change.start or 0) == position
            position = batch.end
            event = data.draw(st.sampled_from(["", "", "", "clear", "lost", "restart"]), label="event")
            if event == "clear":
                store.apply(pending)
                pending = None
                partition.clear()
            elif event:
                # The script on its way came through, or did not; what was prepared after it is dropped.
                if event == "restart":
                    store.apply(pending)
                pending, partition = None, new_partition(store)
                position = store.load().position or 0
                break
        assert position <= end
        if position >= end and pending is not None:
            store.apply(pending)
            pending = None
    return store


def match(number: int, pool: str, rows: Sequence[int], draw: np.random.Generator) -> bytes:
    tied = draw.random() < 0.2
    sides = [
        {"players": [f"p{row}"], "rank": 1 if tied else place}
        if number % 2
        else {"players": [f"p{row}"], "score": place}
        for place, row in enumerate(rows, 1)
    ]
    return json.dumps({"id": str(number), "pool": pool, "at": 86_400_000 * number, "sides": sides}).encode()


def made_up(seed: int, count: int) -> tuple[list[Record], int]:
    """Records of several pools with gaps, repeats, reused ids and dead letters; and where the log ends."""
    draw, offset, records, sent = np.random.default_rng(seed), 0, [], []
    for number in range(count):
        offset += int(draw.choice([0, 0, 0, 1, 30]))
        pool = POOLS[draw.integers(len(POOLS))]
        value: bytes | None = match(number, pool, draw.permutation(9)[: draw.integers(2, 5)].tolist(), draw)
        key: bytes | None = pool.encode()
        sent.append((key, value))
        kind = draw.random()
        if kind < 0.15:
            key, value = sent[draw.integers(len(sent))]
        elif kind < 0.25:
            value = match(int(draw.integers(number + 1)), pool, [1, 2], draw)
        elif kind < 0.4:
            key, value = [(None, value), (key, None), (key, b"{"), (b"elsewhere", value), (b"x", value)][
                draw.integers(5)
            ]
        records.append(Record(offset, 86_400_000 * number, key, value))
        offset += 1
    return records, offset + int(draw.integers(0, 3))


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 40),
    window=st.sampled_from([3, 20, SEEN_WINDOW]),
    data=st.data(),
)
@settings(deadline=None, max_examples=80, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
def test_any_way_through_a_log_stores_the_same(seed: int, count: int, window: int, data: st.DataObject) -> None:
    records, end = made_up(seed, count)
    with patch.object(module, "SEEN_WINDOW", window):
        assert disturbed(records, end, data).stored(window) == straight(records, end).stored(window)


def test_the_made_up_logs_hold_everything() -> None:
    """Or the property above would say little."""
    records, end = made_up(1, 400)
    counts = new_partition(straight(records, end))._counts
    reasons = {"null_value", "malformed", "wrong_key", "wrong_partition", "id_reused"}
    assert set(counts) == {"applied", "duplicate", *(f"dead/{reason}" for reason in reasons)}
    assert min(counts.values()) > 5
    assert sum(counts.values()) == 400


def test_what_is_stored() -> None:
    value = b'{"id":"1","pool":"chess","at":5,"sides":[{"players":["ann"],"rank":1},{"players":["bob"],"rank":2}]}'
    store = straight([Record(4, 1, b"chess", value), Record(5, 2, b"chess", value), Record(7, 3, None, None)], 9)
    state = store.content[KEYS.state]
    assert (state[b"position"], state[b"layout"], state[b"torn"], state[b"partitions"]) == (
        b"9",
        LAYOUT.encode(),
        b"",
        b"2",
    )
    assert (state[b"count/applied"], state[b"count/duplicate"], state[b"count/dead/null_value"]) == (b"1", b"1", b"1")
    assert (state[b"anchor_offset"], state[b"anchor_timestamp"]) == (b"7", b"3")
    assert store.content[KEYS.board("chess", "elo")] == {b"ann": b"1516.0", b"bob": b"1484.0"}
    assert store.content[KEYS.pools] == {b"chess": b"0"}
    assert list(store.content[KEYS.fingerprints]) == [b"chess/elo"]
    assert np.frombuffer(store.content[KEYS.totals][b"chess"], "<i8").tolist() == [1, 5, 5]
    # An empty range moves the position and nothing else; the anchor stays.
    before = {key: dict(found) for key, found in store.content.items()}
    partition = new_partition(store)
    (batch,) = partition.cut(9, [], 12, 100)
    store.apply(play(store, partition, batch))
    before[KEYS.state][b"position"] = b"12"
    assert store.content == before


def record(offset: int, pool: str, *sides: Sequence[str]) -> Record:
    sent = [{"players": list(players), "rank": place} for place, players in enumerate(sides, 1)]
    value = json.dumps({"id": str(offset), "pool": pool, "at": 0, "sides": sent}, ensure_ascii=False).encode()
    return Record(offset, 0, pool.encode(), value)


def long_name(number: int) -> str:
    return str(number).rjust(128, "x")


LOGS = {
    "two new players a match": [record(n, "chess", [long_name(2 * n)], [long_name(2 * n + 1)]) for n in range(1_500)],
    "the same two players": [record(n, "chess", ["ann"], ["bob"]) for n in range(3_000)],
    "teams": [
        record(n, "chess", [f"{n}/a/{i}" for i in range(100)], [f"{n}/b/{i}" for i in range(100)]) for n in range(25)
    ],
    "a pool of its own for every match": [record(n, str(n).rjust(128, "p"), ["ann"], ["bob"]) for n in range(800)],
    "all pools in turn": [record(n, POOLS[n % 3], [long_name(n)], [long_name(-n - 1)]) for n in range(900)],
}


@pytest.mark.parametrize("records", LOGS.values(), ids=LOGS.keys())
def test_bounds_of_a_batch(records: list[Record]) -> None:
    store = MemoryStore()
    partition = new_partition(store)
    taken = 0
    for batch in partition.cut(0, records, len(records), 5_000):
        change = play(store, partition, batch)
        rows = sum(
            len(section.items) // 2
            for section in change.sections
            if section.key.endswith("/elo") and "/rows/" in section.key
        )
        store.apply(change)
        assert rows <= BATCH_ROWS
        assert store.bytes_of_last_apply <= BATCH_BYTES
        taken += batch.applied
    assert taken == len(records)


class Second(Elo, frozen=True, kw_only=True):
    """A shadow."""

    name: ClassVar[str] = "second"


class Third(Elo, frozen=True, kw_only=True):
    """Another."""

    name: ClassVar[str] = "third"


def test_shadows_are_bounded_and_stored_alike() -> None:
    records = LOGS["two new players a match"][:1_000]

    def shadowed(name: str) -> Pool:
        return replace(configured(name), systems=(Elo(), Second(k=10), Third()))

    with patch.object(module, "configured", shadowed):
        test_bounds_of_a_batch(records)
        store = straight(records[:50], 50)
    alone = straight(records[:50], 50)
    for key, content in alone.content.items():
        if "/rows/" in key or "/board/" in key:
            assert store.content[key] == content
            assert store.content[key.replace("elo", "third")] == content
            assert store.content[key.replace("elo", "second")] != content
    assert set(store.content[KEYS.learned]) == {b"chess/elo", b"chess/second", b"chess/third"}


def test_a_batch_is_filled() -> None:
    """Bounds are no excuse for small batches: ordinary names and pools come near to them."""
    records = [record(n, "chess", [f"a{n}"], [f"b{n}"]) for n in range(3_000)]
    sizes = []
    store = MemoryStore()
    partition = new_partition(store)
    for batch in partition.cut(0, records, len(records), 5_000):
        store.apply(play(store, partition, batch))
        sizes.append(batch.applied)
    assert sizes == [1_000] * 3


def test_a_match_larger_than_a_batch_goes_alone() -> None:
    crowd = [[f"{number}"] for number in range(4_000)]
    records = [record(0, "chess", ["ann"], ["bob"]), record(1, "chess", *crowd), record(2, "chess", ["ann"], ["bob"])]
    store = MemoryStore()
    partition = new_partition(store)
    ranges = []
    for batch in partition.cut(0, records, 3, 5_000):
        store.apply(play(store, partition, batch))
        ranges.append((batch.start, batch.end, batch.applied))
    assert ranges == [(0, 1, 1), (1, 2, 1), (2, 3, 1)]
    assert store.stored(SEEN_WINDOW) == straight(records, 3).stored(SEEN_WINDOW)


@pytest.mark.parametrize("most", [1, 2, 7])
def test_no_batch_has_more_records_than_asked(most: int) -> None:
    records, end = made_up(3, 60)
    store = MemoryStore()
    partition = new_partition(store)
    batches = []
    for batch in partition.cut(0, records, end, most):
        store.apply(play(store, partition, batch))
        batches.append(batch)
    assert [batch.start for batch in batches] == [0, *(batch.end for batch in batches[:-1])]
    assert batches[-1].end == end
    assert [r for batch in batches for r in batch.records] == records
    assert all(1 <= len(batch.records) <= most for batch in batches)
    assert all(
        batch.applied + batch.duplicates + len(batch.letters) == len(batch.records)
        and len(batch.accepted) == batch.applied
        for batch in batches
    )


def test_a_pool_whose_first_match_does_not_fit_any_more_waits_for_the_next_batch() -> None:
    crowd = [record(n, "chess", [f"a{n}"], [f"b{n}"]) for n in range(1, BATCH_ROWS // 2 + 1)]
    records = [record(0, "go", ["ann"], ["bob"]), *crowd, record(len(crowd) + 1, "go", ["ann"], ["bob"])]
    store = straight(records[:1], 1)
    partition = new_partition(store)
    for batch in partition.cut(1, records[1:], len(records), 5_000):
        store.apply(play(store, partition, batch))
    assert store.stored(SEEN_WINDOW) == straight(records, len(records)).stored(SEEN_WINDOW)
