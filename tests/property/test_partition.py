"""A partition in memory: however its records are fetched, cut, dropped and read again, the same is stored."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers import partition as module
from consumers.judge import Judge
from consumers.partition import BATCH_BYTES, BATCH_ROWS, Batch, Partition
from service.pool_file import parse_pools
from service.pools import DROPPED, SEEN_WINDOW, Pools
from service.store.apply import WIDTH, Applied, Change, apply
from service.store.connection import Argument, Store
from service.store.layout import LAYOUT, Keys
from service.store.partition import Fields, Loaded, load
from service.store.rows import SEEN
from service.store.streams import unpack_receipt, unpack_touched

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
"""A board of Elo that is ordered by deviations too, since those hang on what the pool as a whole has learned."""


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
            found = self.content.setdefault(keys[int(sent[at]) - 1], {})
            command, count = sent[at + 1], int(sent[at + 2])
            width = WIDTH[command.decode()]
            items = sent[at + 3 : at + 3 + width * count]
            at += 3 + width * count
            if command == b"HDEL":
                for name in items:
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
    if wanted := partition.wanted():
        partition.fill(store.read(wanted))
    assert not partition.wanted()
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


def seed_of(number: int, pool: str, rows: Sequence[int], draw: np.random.Generator) -> bytes:
    # A system that the pool has, but for three in ten.
    system = "glicko2" if pool.startswith("arena") is bool(draw.random() < 0.7) else "elo"
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
    reasons = {"null_value", "malformed", "wrong_key", "wrong_partition", "id_reused", "unknown_name"}
    assert set(counts) == {"applied", "duplicate", *(f"dead/{reason}" for reason in reasons)}
    assert min(counts.values()) > 4
    assert sum(counts.values()) == 400


def test_receipts_say_what_became_of_those_that_asked() -> None:
    records, end = made_up(2, 200)
    store = straight(records, end)
    receipts = {int(at): unpack_receipt(value) for at, value in store.content[KEYS.receipts].items()}
    assert list(receipts) == [record.offset + 1 for record in records if RECEIPT[0] in record.headers]
    assert {receipt.outcome for receipt in receipts.values()} == {"applied", "duplicate", "dead_letter"}
    asked = {record.offset + 1: json.loads(record.value) for record in records if record.value not in (None, b"{")}
    for at, receipt in receipts.items():
        assert (receipt.outcome == "dead_letter") == bool(receipt.reason) == bool(receipt.detail)
        assert (receipt.outcome == "applied") == bool(receipt.moves)
        if receipt.moves:
            named = [one["player"] for one in asked[at].get("players", ())]
            named += [player for side in asked[at].get("sides", ()) for player in side["players"]]
            assert [move.player for move in receipt.moves] == named


def test_a_receipt_is_what_stood_before_and_after() -> None:
    """Each asks alone: what the board shows afterwards is what the receipt promised."""
    records = [replace(one, headers=RECEIPT) for one in made_up(3, 120)[0]]
    store, values = MemoryStore(), dict[tuple[str, str], float]()
    partition = new_partition(store)
    for batch in partition.cut(0, records, records[-1].offset + 1, 1):
        store.apply(play(store, partition, batch))
        ((_, value),) = list(store.content[KEYS.receipts].items())[-1:]
        for pool in batch.accepted_of:
            live = "glicko2" if pool.startswith("arena") else "elo"
            board = store.content[KEYS.board(pool, live)]
            for move in unpack_receipt(value).moves:
                assert move.value[0] == values.get((pool, move.player))
                assert repr(move.value[1]).encode() == board[move.player.encode()]
                values[pool, move.player] = move.value[1]


@pytest.mark.parametrize("pool", NAMES)
def test_the_board_does_not_hang_on_how_the_log_is_cut(pool: str) -> None:
    """Elo's deviation hangs on a pool's row that moves with every match, of whomever."""
    draw = np.random.default_rng(4)
    records = [
        Record(n, 86_400_000 * n, pool.encode(), match(n, pool, draw.permutation(30)[:2].tolist(), draw))
        for n in range(60)
    ]
    store = MemoryStore()
    partition = new_partition(store)
    for batch in partition.cut(0, records, 60, 60):
        store.apply(play(store, partition, batch))
    assert store.stored(SEEN_WINDOW) == straight(records, 60).stored(SEEN_WINDOW)


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
    assert json.loads(store.content[KEYS.fingerprints][b"chess/elo"])["k"] == 32.0
    (changes,) = store.content[KEYS.changes].items()
    assert (changes[0], json.loads(changes[1])) == (b"5", {"start": 0, "pools": {"chess": ["ann", "bob"]}})
    assert KEYS.receipts not in store.content
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


def seeds(offset: int, pool: str, names: Sequence[str]) -> Record:
    players = [{"player": name, "rating": 1 / 3, "deviation": 100 / 3} for name in names]
    fields = {"type": "seed", "id": str(offset), "pool": pool, "at": 0, "system": "elo", "players": players}
    return Record(offset, 0, pool.encode(), json.dumps(fields, ensure_ascii=False).encode())


def long_name(number: int) -> str:
    """Quotation marks take twice their room in a receipt."""
    return str(number).rjust(128, '"')


LOGS = {
    "two new players a match": [record(n, "chess", [long_name(2 * n)], [long_name(2 * n + 1)]) for n in range(1_500)],
    "the same two players": [record(n, "chess", ["ann"], ["bob"]) for n in range(3_000)],
    "teams": [
        record(n, "chess", [f"{n}/a/{i}" for i in range(100)], [f"{n}/b/{i}" for i in range(100)]) for n in range(25)
    ],
    "a pool of its own for every match": [record(n, str(n).rjust(128, "p"), ["ann"], ["bob"]) for n in range(800)],
    "all pools in turn": [record(n, NAMES[n % 3], [long_name(n)], [long_name(-n - 1)]) for n in range(900)],
    "seeds": [seeds(n, "chess", [long_name(1_000 * n + i) for i in range(1_000)]) for n in range(5)],
}


@pytest.mark.parametrize("asked", [False, True], ids=["", "receipts"])
@pytest.mark.parametrize("records", LOGS.values(), ids=LOGS.keys())
def test_bounds_of_a_batch(records: list[Record], asked: bool) -> None:
    hold_to_bounds(records, asked, POOLS)


def hold_to_bounds(records: list[Record], asked: bool, pools: Pools) -> None:
    store = MemoryStore()
    partition = new_partition(store, pools)
    taken = 0
    if asked:
        records = [replace(record, headers=RECEIPT) for record in records]
    for batch in partition.cut(0, records, len(records), 5_000):
        change = play(store, partition, batch)
        rows = sum(
            len(section.items) // 2
            for section in change.sections
            if section.key.endswith("/elo") and "/rows/" in section.key
        )
        store.apply(change)
        assert rows <= BATCH_ROWS
        assert store.bytes_of_last_apply <= BATCH_BYTES or len(batch.records) == 1
        taken += batch.applied
    assert taken == len(records)
    assert len(store.content.get(KEYS.receipts, {})) == (len(records) if asked else 0)


def test_receipts_of_what_is_not_applied_are_bounded_too() -> None:
    """A dead letter's detail may name what is wrong at length."""
    twice = record(0, "chess", [long_name(1)], [long_name(1)]).value
    records = [Record(n, 0, b"chess", twice, RECEIPT) for n in range(5_000)]
    store = MemoryStore()
    partition = new_partition(store)
    taken = 0
    for batch in partition.cut(0, records, 5_000, 5_000):
        store.apply(play(store, partition, batch))
        assert store.bytes_of_last_apply <= BATCH_BYTES
        taken += len(batch.letters)
    assert taken == len(store.content[KEYS.receipts]) == 5_000


def test_receipts_are_the_last_ones() -> None:
    records = [Record(n, 0, None, None, RECEIPT) for n in range(12_000)]
    store = MemoryStore()
    partition = new_partition(store)
    for batch in partition.cut(0, records, 12_000, 5_000):
        store.apply(play(store, partition, batch))
    assert list(map(int, store.content[KEYS.receipts])) == list(range(2_001, 12_001))


SHADOWED = parse_pools('[[pools."*".shadows]]\nsystem = "glicko2"\nparameters.tau = 0.7', "pools.toml")
ALONE = Pools()


def test_shadows_are_bounded_and_stored_alike() -> None:
    records = LOGS["two new players a match"][:1_000]
    hold_to_bounds(records, True, SHADOWED)
    store, alone = straight(records[:50], 50, SHADOWED), straight(records[:50], 50, ALONE)
    for key, content in alone.content.items():
        if "/rows/" in key or "/board/" in key:
            assert store.content[key] == content
            assert store.content[key.replace("elo", "glicko2")].keys() == content.keys()
            assert store.content[key.replace("elo", "glicko2")] != content
    assert set(store.content[KEYS.learned]) == {b"chess/elo", b"chess/glicko2"}


def test_a_shadow_that_was_taken_away_is_marked_and_stays_so() -> None:
    records = [record(n, pool, ["ann"], ["bob"]) for n, pool in enumerate(("chess", "go", "chess", "go", "chess"))]
    store = straight(records[:2], 2, SHADOWED)
    prints = store.content[KEYS.fingerprints]
    assert json.loads(prints[b"chess/glicko2"])["tau"] == 0.7
    before = {key: dict(found) for key, found in store.content.items() if key.endswith("/glicko2")}
    go_on(store, 2, records[2:3], 3, ALONE)
    # With the next batch of its own pool: nothing of the other one was left out yet.
    assert prints[b"chess/glicko2"] == DROPPED.encode()
    assert json.loads(prints[b"go/glicko2"])["tau"] == 0.7
    assert {key: found for key, found in store.content.items() if key.endswith("/glicko2")} == before
    assert ALONE.conflicts(store.load().fingerprints) == []
    (line,) = SHADOWED.conflicts(store.load().fingerprints)
    assert "'chess'" in line
    assert "'glicko2' was taken away for a while" in line
    go_on(store, 3, records[3:], 5, ALONE)
    assert {prints[b"chess/glicko2"], prints[b"go/glicko2"]} == {DROPPED.encode()}
    assert len(SHADOWED.conflicts(store.load().fingerprints)) == 2
    assert {key: found for key, found in store.content.items() if key.endswith("/glicko2")} == before


def test_a_batch_that_was_lost_marks_again() -> None:
    store = straight([record(0, "chess", ["ann"], ["bob"])], 1, SHADOWED)
    partition = new_partition(store, ALONE)
    more = [record(1, "chess", ["ann"], ["bob"])]
    (batch,) = partition.cut(1, more, 2, 10)
    play(store, partition, batch)
    go_on(store, 1, more, 2, ALONE)
    assert store.content[KEYS.fingerprints][b"chess/glicko2"] == DROPPED.encode()


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
