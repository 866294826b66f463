"""A partition in memory: however its records are fetched, cut, dropped and read again, the same is stored."""

import json
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers import partition as module
from service.pools import DROPPED, SEEN_WINDOW
from service.store.layout import LAYOUT
from service.store.streams import unpack_receipt
from tests.memory_store import (
    ALONE,
    KEYS,
    NAMES,
    RECEIPT,
    SHADOWED,
    MemoryStore,
    Record,
    go_on,
    made_up,
    match,
    new_partition,
    play,
    record,
    straight,
)


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
            board = store.content[KEYS.board(pool, "kalman")]
            for move in unpack_receipt(value).moves:
                assert move.value[0] == values.get((pool, move.player))
                assert repr(move.value[1]).encode() == board[move.player.encode()]
                values[pool, move.player] = move.value[1]


@pytest.mark.parametrize("pool", NAMES)
def test_the_board_does_not_hang_on_how_the_log_is_cut(pool: str) -> None:
    """Elo's deviation and kalman's hang on a pool's row that moves with every match, of whomever."""
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
    board = store.content[KEYS.board("chess", "kalman")]
    assert board == {b"ann": b"1608.6674775103872", b"bob": b"1391.3325224896128"}
    assert store.content[KEYS.pools] == {b"chess": b"0"}
    assert list(store.content[KEYS.fingerprints]) == [b"chess/kalman"]
    assert json.loads(store.content[KEYS.fingerprints][b"chess/kalman"])["spread"] == 232.0
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
