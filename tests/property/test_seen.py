"""Seen ids: a dict that remembers, against the table and the blocks it is stored as."""

import itertools
from collections.abc import Sequence

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from consumers.seen import BLOCK, DUPLICATE, NEW, REUSED, SeenIds
from service.store.rows import SEEN, Seen

QUICK = settings(deadline=None, max_examples=150, print_blob=True)

Entry = tuple[int, int, int]
"""Offset, id, content."""


def entries(items: Sequence[Entry]) -> Seen:
    """Ids spread over both halves, many of them falling on the same place of the table."""
    found = np.empty(len(items), SEEN)
    for place, (offset, name, content) in enumerate(items):
        found[place] = (offset, name % 3, (name // 3) * 1024, content)
    return found


class Model:
    """Says what the design says: a duplicate at o was accepted in [o - window, o)."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.accepted: dict[int, tuple[int, int]] = {}

    def admit(self, offset: int, name: int, content: int) -> int:
        if name in self.accepted:
            at, before = self.accepted[name]
            if offset - self.window <= at < offset:
                return DUPLICATE if content == before else REUSED
        self.accepted[name] = (offset, content)
        return NEW


class Stored:
    """The hash of blocks, as Redis would hold it."""

    def __init__(self) -> None:
        self.blocks: dict[str, bytes] = {}

    def write(self, seen: SeenIds, accepted: Seen, end: int) -> None:
        written, dropped = seen.store(accepted, end)
        assert not set(written) & set(dropped)
        self.blocks.update(written)
        for name in dropped:
            del self.blocks[name]

    def load(self, window: int) -> SeenIds:
        return SeenIds(window, {name: np.frombuffer(block, SEEN) for name, block in self.blocks.items()})

    def offsets(self) -> list[int]:
        held = [np.frombuffer(block, SEEN)["offset"].tolist() for block in self.blocks.values()]
        return sorted(offset for block in held for offset in block)


@st.composite
def logs(draw: st.DrawFn) -> tuple[int, list[Entry]]:
    """A window, and records with gaps between their offsets; few ids, so that many return."""
    window = draw(st.integers(1, 40))
    offset, items = draw(st.integers(0, 3)), []
    for _ in range(draw(st.integers(0, 60))):
        items.append((offset, draw(st.integers(0, 12)), draw(st.integers(0, 1))))
        offset += draw(st.sampled_from([1, 1, 1, 2, 7, 45]))
    return window, items


def cut(items: list[Entry], cuts: set[int]) -> list[list[Entry]]:
    edges = [0, *sorted(place for place in cuts if 0 < place < len(items)), len(items)]
    return [items[low:high] for low, high in itertools.pairwise(edges)]


@given(log=logs(), cuts=st.sets(st.integers(1, 59)), reloads=st.sets(st.integers(0, 59)))
@QUICK
def test_decisions_are_the_models_for_any_batches_and_reloads(
    log: tuple[int, list[Entry]], cuts: set[int], reloads: set[int]
) -> None:
    window, items = log
    model, stored = Model(window), Stored()
    seen = stored.load(window)
    for number, batch in enumerate(cut(items, cuts)):
        if number in reloads:
            seen = stored.load(window)
        candidates = entries(batch)
        outcomes = seen.admit(candidates)
        assert outcomes.tolist() == [model.admit(*item) for item in batch]
        end = batch[-1][0] + 1 if batch else 0
        stored.write(seen, candidates[outcomes == NEW], end)
        # What is stored is what was accepted, each once, and all of it that the window still holds.
        live = sorted(at for at, _ in model.accepted.values() if at >= end - window)
        held = stored.offsets()
        assert len(held) == len(set(held))
        assert set(live) <= set(held)


@given(log=logs(), cuts=st.sets(st.integers(1, 59)), fetches=st.sets(st.integers(1, 59)))
@QUICK
def test_ids_may_be_admitted_ahead_of_being_stored(
    log: tuple[int, list[Entry]], cuts: set[int], fetches: set[int]
) -> None:
    """A fetch is judged at once, then stored in several batches: the blocks are those of the batches alone."""
    window, items = log
    ahead, together = Stored(), Stored()
    early, plain = ahead.load(window), together.load(window)
    for fetch in cut(items, fetches):
        accepted = entries(fetch)
        accepted = accepted[early.admit(accepted) == NEW]
        for batch in cut(fetch, {place % max(1, len(fetch)) for place in cuts}):
            if batch:
                ours = accepted[(accepted["offset"] >= batch[0][0]) & (accepted["offset"] <= batch[-1][0])]
                ahead.write(early, ours, batch[-1][0] + 1)
                candidates = entries(batch)
                together.write(plain, candidates[plain.admit(candidates) == NEW], batch[-1][0] + 1)
    assert ahead.blocks == together.blocks


@given(window=st.integers(1, 10_000), start=st.integers(0, 2**60), content=st.integers(0, 2**32 - 1))
@QUICK
def test_expiry_is_exact(window: int, start: int, content: int) -> None:
    def decide(gap: int, changed: int = 0) -> int:
        stored = Stored()
        seen = stored.load(window)
        first = entries([(start, 5, content)])
        assert seen.admit(first).tolist() == [NEW]
        stored.write(seen, first, start + 1)
        again = entries([(start + gap, 5, content ^ changed)])
        fresh, kept = stored.load(window).admit(again), seen.admit(again)
        assert fresh.tolist() == kept.tolist()
        return int(kept[0])

    assert decide(window) == decide(1) == DUPLICATE
    assert decide(window, changed=1) == REUSED
    assert decide(window + 1) == decide(window + 1, changed=1) == NEW


def test_a_block_goes_when_its_last_entry_does() -> None:
    nothing = np.empty(0, SEEN)
    for end, dropped in [(15, []), (16, ["3"]), (10**9, ["3"])]:
        seen = SeenIds(10, {"3": entries([(3, 1, 7), (5, 2, 7)])})
        assert seen.store(nothing, end) == ({}, dropped)
        assert seen.store(nothing, end) == ({}, [])


@given(seed=st.integers(0, 2**32 - 1), window=st.integers(150, 1_200), block=st.integers(1, 400))
@settings(QUICK, max_examples=10, phases=[Phase.generate])
def test_a_long_log_of_ids_that_return_near_the_end_of_the_window(seed: int, window: int, block: int) -> None:
    """Long enough for the table to be laid out anew and for many blocks; read again from them now and then."""
    draw, model, stored = np.random.default_rng(seed), Model(window), Stored()
    seen, offset, names = stored.load(window), 0, list(range(3_000))
    while offset < len(names):
        batch: list[Entry] = []
        for at in range(offset, min(offset + block, len(names))):
            back = window + int(draw.integers(-1, 2))
            if draw.random() < 0.3 and back <= at:
                names[at] = names[at - back]
            batch.append((at, names[at], 0))
        offset = batch[-1][0] + 1
        candidates = entries(batch)
        outcomes = seen.admit(candidates)
        assert outcomes.tolist() == [model.admit(*item) for item in batch]
        stored.write(seen, candidates[outcomes == NEW], offset)
        held = stored.offsets()
        assert len(held) == len(set(held))
        assert {at for at, _ in model.accepted.values() if at >= offset - window} <= set(held)
        if draw.random() < 0.3:
            seen = stored.load(window)


def test_accepted_again_after_expiry_begins_a_new_window() -> None:
    seen = SeenIds(10, {})
    offsets = [0, 10, 11, 20, 21, 22]
    outcomes = [seen.admit(entries([(offset, 1, 7)])).tolist() for offset in offsets]
    # 10 still knows 0 and does not renew it; 11 begins anew, until 21.
    assert outcomes == [[NEW], [DUPLICATE], [NEW], [DUPLICATE], [DUPLICATE], [NEW]]


def test_an_expired_id_is_right_after_a_reload_whatever_the_order_of_its_blocks() -> None:
    """Both acceptances of one id are stored; the later one counts."""
    first, second = entries([(0, 1, 7)]), entries([(50, 1, 8)])
    for blocks in ({"0": first, "50": second}, {"50": second, "0": first}):
        seen = SeenIds(10, blocks)
        assert seen.admit(entries([(55, 1, 8), (56, 1, 7), (61, 1, 7)])).tolist() == [DUPLICATE, REUSED, NEW]


def test_halves_of_the_digest_both_count() -> None:
    seen = SeenIds(10, {})
    items = np.array([(0, 1, 2, 9), (1, 1, 3, 9), (2, 2, 2, 9), (3, 2, 1, 9), (4, 1, 2, 9), (5, 2**64 - 1, 0, 9)], SEEN)
    assert seen.admit(items).tolist() == [NEW, NEW, NEW, NEW, DUPLICATE, NEW]


@given(sizes=st.lists(st.integers(0, 3 * BLOCK), min_size=1, max_size=12), window=st.integers(1, 4 * BLOCK))
@QUICK
def test_blocks_are_filled_and_deleted(sizes: list[int], window: int) -> None:
    stored, offset = Stored(), 0
    seen = stored.load(window)
    for size in sizes:
        accepted = entries([(offset + place, offset + place, 0) for place in range(size)])
        assert not seen.admit(accepted).any()
        offset += size
        before = dict(stored.blocks)
        stored.write(seen, accepted, offset)
        written = [name for name, block in stored.blocks.items() if before.get(name) != block]
        assert len(written) <= 1, "a batch writes one block"
        held = stored.offsets()
        # Nothing that still counts is gone; of the rest only what shares a block with it, or the block that is open.
        assert held == list(range(offset - len(held), offset))
        assert len(held) >= min(window, offset)
        assert all(
            len(packed) <= BLOCK * SEEN.itemsize or len(packed) // SEEN.itemsize in sizes
            for packed in stored.blocks.values()
        )
        lengths = {name: len(np.frombuffer(block, SEEN)) for name, block in stored.blocks.items()}
        ordered = [lengths[name] for name in sorted(lengths, key=int)]
        assert all(one + other > BLOCK for one, other in itertools.pairwise(ordered))
        assert all(
            max(np.frombuffer(block, SEEN)["offset"]) >= offset - window
            for name, block in stored.blocks.items()
            if name not in (written or [max(stored.blocks, key=int)])
        )


def test_memory_is_bounded_by_the_window() -> None:
    window, batch = 5_000, 1_000
    seen, stored, sizes = SeenIds(window, {}), Stored(), set()
    for start in range(0, 400_000, batch):
        accepted = entries([(offset, offset, 0) for offset in range(start, start + batch)])
        assert not seen.admit(accepted).any()
        stored.write(seen, accepted, start + batch)
        sizes.add(len(seen._table))
        assert len(stored.blocks) <= window // batch + 2
    assert max(sizes) <= 8 * (window + batch)


def test_nothing_at_all() -> None:
    seen = SeenIds(10, {"0": np.empty(0, SEEN)})
    assert seen.admit(np.empty(0, SEEN)).tolist() == []
    assert seen.store(np.empty(0, SEEN), 100) == ({}, [])
