"""A batch is as large as its bounds allow, whatever its records are, and no larger."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from consumers.partition import BATCH_BYTES, BATCH_ROWS
from service.pools import SEEN_WINDOW, Pools
from tests.memory_store import (
    ALONE,
    KEYS,
    NAMES,
    POOLS,
    RECEIPT,
    SHADOWED,
    MemoryStore,
    Record,
    made_up,
    new_partition,
    play,
    record,
    straight,
)


def seeds(offset: int, pool: str, names: Sequence[str]) -> Record:
    players = [{"player": name, "rating": 1 / 3, "deviation": 100 / 3} for name in names]
    fields = {"type": "seed", "id": str(offset), "pool": pool, "at": 0, "system": "kalman", "players": players}
    return Record(offset, 0, pool.encode(), json.dumps(fields, ensure_ascii=False).encode())


def result(offset: int) -> Record:
    """A result between the same two players, of a matchup whose id is as long as one may be."""
    match = json.loads(record(offset, "chess", ["ann"], ["bob"]).value or b"")
    value = json.dumps({**match, "matchup": str(offset).rjust(128, "m")}).encode()
    return Record(offset, 0, b"chess", value)


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
    "an arena where all meet all": [
        record(n, "arena.2026", [long_name(n % 60)], [long_name(60 + n // 60)]) for n in range(1_500)
    ],
    "crowds in an arena": [record(n, "arena.2026", *([long_name(n + i)] for i in range(60))) for n in range(20)],
    "results of matchups": [result(n) for n in range(8_000)],
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
            if (section.key.endswith("/kalman") and "/rows/" in section.key) or "/pairs/" in section.key
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


def test_shadows_are_bounded_and_stored_alike() -> None:
    records = LOGS["two new players a match"][:1_000]
    hold_to_bounds(records, True, SHADOWED)
    store, alone = straight(records[:50], 50, SHADOWED), straight(records[:50], 50, ALONE)
    for key, content in alone.content.items():
        if "/rows/" in key or "/board/" in key:
            assert store.content[key] == content
            assert store.content[key.replace("kalman", "glicko2")].keys() == content.keys()
            assert store.content[key.replace("kalman", "glicko2")] != content
    assert set(store.content[KEYS.learned]) == {b"chess/kalman", b"chess/glicko2"}


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
