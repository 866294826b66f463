"""Pair counts: however a log is cut, dropped and read again, they are the oracle's, and so is what is read of them."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from consumers import pairs as module
from service.pairs import MOST_PAIRED, number_of, players_of
from service.pools import Pools
from service.problems import Problem
from service.store import pairs as reading
from service.store.layout import Keys
from service.store.pairs import PairCounts, Pairs, read_pairs
from standings.embedded import ValkeyServer
from tests import stored
from tests.conftest import Unique
from tests.league import duel, league, tie
from tests.made_up import unique_name
from tests.oracle_match import Match, read
from tests.oracle_pairs import Pairs as Expected

POOL = "arena"
ARENA = Pools().configured(POOL)
FEW = 7
"""Players whose pairs are counted, where all are 9."""
WIDEST = 5


@st.composite
def matches(draw: st.DrawFn, most: int = 30) -> list[dict[str, Any]]:
    """Matches of a few players: duels, ties, several sides, teams, ranks or scores, weights; some come twice."""
    made: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, most))):
        if made and draw(st.integers(0, 9)) == 9:
            made.append(draw(st.sampled_from(made)))
            continue
        count = draw(st.sampled_from([2, 2, 2, 3, 4, WIDEST]))
        players = draw(st.permutations([f"p{one}" for one in range(9)]))[:count]
        places = [draw(st.integers(1, 3)) for _ in players]
        kind = draw(st.sampled_from(["rank", "score"]))
        sides: list[dict[str, Any]] = [
            {"players": [player], kind: place} for player, place in zip(players, places, strict=True)
        ]
        if draw(st.integers(0, 9)) == 9:
            sides[0]["players"] += ["q"]
        weight = draw(st.sampled_from([None, None, 0.1, 3, 1e-7]))
        match = {"id": f"m{number}", "at": number, "pool": POOL, "sides": sides}
        if draw(st.booleans()):
            match["matchup"] = "1-0-mu-7"
        if draw(st.integers(0, 9)) == 9:
            match["home"] = 0
        made.append(match if weight is None else {**match, "weight": weight})
    return made


class Counted:
    """The oracle's counts after each match."""

    def __init__(self, played: Sequence[dict[str, Any]], most_players: int) -> None:
        self.pairs = Expected()
        seen = set()
        for offset, match in enumerate(played):
            if match["id"] not in seen:
                seen.add(match["id"])
                found = read(json.dumps(match).encode())
                assert isinstance(found, Match)
                self.pairs.add(found, offset + 1, most_players)

    def check(self, found: Pairs) -> None:
        assert found.names == list(self.pairs.numbers)
        assert (found.left_out, found.heavy) == (self.pairs.left_out, self.pairs.heavy)
        size = len(found.names)
        wins, ties = np.zeros((2, size, size))
        for (one, other), (first, second, both, _) in self.pairs.counts.items():
            low, high = self.pairs.numbers[one], self.pairs.numbers[other]
            wins[low, high], wins[high, low] = first + both / 2, second + both / 2
            ties[low, high] = ties[high, low] = both
        assert np.array_equal(found.wins, wins)
        assert np.array_equal(found.ties, ties)

    def changed_after(self, position: int) -> set[tuple[int, int]]:
        numbers = self.pairs.numbers
        return {
            (numbers[one], numbers[other]) for (one, other), counts in self.pairs.counts.items() if counts[3] > position
        }


@given(played=matches(), data=st.data())
@settings(max_examples=30)
def test_they_are_the_oracles_and_so_is_what_is_read(
    valkey: ValkeyServer, played: list[dict[str, Any]], data: st.DataObject
) -> None:
    async def run() -> Keys:
        async with league(valkey.url, unique_name("pairs")) as made:
            held, done = None, 0
            (owner,) = made.owners
            while done < len(played):
                count = data.draw(st.integers(1, len(played) - done), label="played at once")
                done = await owner.play(played[done : done + count])
                event = data.draw(st.sampled_from(["", "clear", "read"]), label="event")
                if event == "clear" and owner._partition is not None:
                    owner._partition.clear()
                elif event == "read":
                    before = 0 if held is None else held.position.offset
                    held = await read_pairs(made.partitions, ARENA, held)
                    expected = Counted(played[:done], FEW)
                    expected.check(held)
                    assert set(map(tuple, held.changed.tolist())) == expected.changed_after(before)
                    assert (held.position.offset, held.revision) == (done, _last(played[:done]))
            Counted(played, FEW).check(await read_pairs(made.partitions, ARENA))
            return made.keys()

    # As many pairs in a piece as a match can have, and one more; fewer than there are.
    with patch.object(module, "MOST_PAIRED", FEW), patch.object(reading, "PIECE", WIDEST * (WIDEST - 1) // 2 + 1):
        keys = asyncio.run(run())
    with Redis.from_url(valkey.url) as client:
        found = stored.stored(client, keys).pools[POOL].pairs
    assert found == Counted(played, FEW).pairs


def _last(played: Sequence[dict[str, Any]]) -> int:
    """Position after the last match that is no repeat."""
    first: dict[str, int] = {match["id"]: offset + 1 for offset, match in reversed(list(enumerate(played)))}
    return max(first.values())


def test_pairs_are_numbered_without_a_gap() -> None:
    every = [(low, high) for high in range(MOST_PAIRED) for low in range(high)]
    found = players_of(np.arange(len(every)))
    assert list(zip(*(part.tolist() for part in found), strict=True)) == every
    assert [number_of(high, low) for low, high in every[:5_000]] == list(range(5_000))


def test_what_is_read_while_matches_come_stands_for_one_position(redis_server: ValkeyServer, unique: Unique) -> None:
    draw = np.random.default_rng(5)
    played = [duel(POOL, *(f"p{one}" for one in draw.permutation(20)[:2])) for _ in range(300)]

    async def run() -> None:
        async with league(redis_server.url, unique("pairs")) as made:
            reads: list[Pairs] = []
            await made.play(played[0])

            async def write() -> None:
                for match in played[1:]:
                    await made.play(match)

            async def look() -> None:
                held = None
                while not writing.done():
                    fresh = await read_pairs(made.partitions, ARENA)
                    held = await read_pairs(made.partitions, ARENA, held)
                    reads.extend((fresh, held))

            writing = asyncio.create_task(write())
            await asyncio.gather(writing, look())
            sent = [{"id": str(number), "at": 0, **match} for number, match in enumerate(played)]
            for found in {found.position.offset: found for found in reads[:40] + reads[-40:]}.values():
                Counted(sent[: found.position.offset], MOST_PAIRED).check(found)
            assert len({found.position.offset for found in reads}) > 5

    # 190 pairs: a dozen pieces at least, between which others are written.
    with patch.object(reading, "PIECE", 16):
        asyncio.run(run())


def test_what_is_held_is_dropped_where_redis_went_back(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        installation = unique("pairs")
        async with league(valkey.url, installation) as made:
            await made.play(*[duel(POOL, "ann", "bob")] * 3)
            counts = PairCounts(made.partitions)
            before = await counts.read(ARENA)
            assert (before.names, before.wins.tolist()) == (["ann", "bob"], [[0, 3], [0, 0]])
            again = await counts.read(ARENA)
            assert (again.wins.tolist(), again.changed.tolist()) == (before.wins.tolist(), [])
            for key in await made.store.command("KEYS", f"*{installation}*"):
                await made.store.command("DEL", key)
            async with league(valkey.url, installation) as other:
                await other.play(duel(POOL, "cid", "ann"))
            after = await counts.read(ARENA)
            assert (after.names, after.wins.tolist()) == (["cid", "ann"], [[0, 1], [0, 0]])
            wins, _ = after.among(["ann", "nobody", "cid"])
            assert wins.tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]

    asyncio.run(run())


def test_few_pools_are_held(valkey: ValkeyServer, unique: Unique) -> None:
    names = [f"arena.{number}" for number in range(reading.MOST_HELD + 2)]

    async def run() -> None:
        async with league(valkey.url, unique("pairs")) as made:
            await made.play(*(duel(name, "ann", "bob") for name in names))
            counts = PairCounts(made.partitions)
            for name in names:
                assert (await counts.read(Pools().configured(name))).wins.tolist() == [[0, 1], [0, 0]]
            assert list(counts._held) == names[2:]

    asyncio.run(run())


def test_matches_that_come_faster_than_they_are_read(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with league(valkey.url, unique("pairs")) as made:
            await made.play(*(tie(POOL, [[f"p{one}"], [f"q{one}"]]) for one in range(5)))
            with pytest.raises(Problem) as caught:
                await read_pairs(made.partitions, ARENA)
            assert caught.value.type.slug == "too_busy"

    with patch.object(reading, "PIECE", 2), patch.object(reading, "MOST_PIECES", 3):
        asyncio.run(run())
