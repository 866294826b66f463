"""Matches of a queue: what always holds of them, and how near they come to the best choice of all."""

import itertools
import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, ndtr

from service.columns import Floats
from service.matchups.field import Field
from service.matchups.lineup import even_sides, packable
from service.matchups.queue import Pace, Round, form
from service.ratings.link import CODES, Link

NO_PAIRS = np.empty((0, 2), dtype=np.int64)
Match = Sequence[Sequence[int]]


class Hall(NamedTuple):
    """Parties that wait, and what they want."""

    field: Field
    parties: list[list[int]]
    waited: Floats
    met: list[tuple[int, int]]
    most: int
    side_count: int
    side_size: int
    pace: Pace

    def form(self) -> Round:
        met = np.array(self.met, dtype=np.int64).reshape(-1, 2)
        return form(self.field, self.parties, self.waited, met, *self[4:])

    def off(self, match: Match) -> float:
        """How far a match is from even, as `Pace` has it, in plain Python."""
        sides = [[player for party in side for player in self.parties[party]] for side in match]
        parties = [self.parties[party] for side in match for party in side]
        return max(
            self._widest([(self._sum("location", side), self._sum("variance", side)) for side in sides]),
            self.pace.spread
            * self._widest(
                [(self._sum("location", one) / len(one), self._sum("variance", one) / len(one)) for one in parties]
            ),
        )

    def _sum(self, name: str, players: Sequence[int]) -> float:
        return math.fsum(getattr(self.field, name)[player] for player in players)

    def _widest(self, performances: Sequence[tuple[float, float]]) -> float:
        link = ndtr if self.field.link == "normal" else expit
        return max(
            float(link(abs(one - other) / math.sqrt(noise + more))) - 0.5
            for (one, noise), (other, more) in itertools.combinations(performances, 2)
        )

    def allowed(self, match: Match) -> float:
        return max(float(self.pace.allowed(self.waited)[party]) for side in match for party in side)

    def worth(self, match: Match) -> float:
        """How far within what is allowed; below 0 where it may not be."""
        return self.allowed(match) - self.off(match)


def field_of(location: Floats, variance: Floats, link: Link) -> Field:
    return Field(
        location, np.sqrt(variance), location, variance, link, np.zeros(len(location)), NO_PAIRS.astype(np.int32)
    )


@st.composite
def halls(draw: st.DrawFn) -> Hall:
    side_count, side_size = draw(st.sampled_from([(2, 1), (2, 2), (2, 3), (3, 1), (2, 5), (3, 2)]))
    sizes = draw(st.lists(st.integers(1, side_size), max_size=14))
    players, rng = sum(sizes), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Few different numbers, so that some are equal.
    location = rng.choice([0.0, 0.5, 1.0, -2.0], players) if draw(st.booleans()) else rng.normal(0.0, 1.0, players)
    of = iter(rng.permutation(players).tolist())
    parties = [[next(of) for _ in range(size)] for size in sizes]
    waited = rng.choice([0.0, 10.0, 59.0, 60.0, 100.0], len(parties)) if draw(st.booleans()) else np.zeros(len(parties))
    pairs = list(itertools.combinations(range(players), 2))
    met = draw(st.lists(st.sampled_from(pairs), max_size=20)) if pairs else []
    pace = Pace(
        close=draw(st.sampled_from([0.0, 0.1, 0.5])), most_wait=60.0, spread=draw(st.sampled_from([0.0, 0.5, 1.0]))
    )
    link: Link = draw(st.sampled_from(["logistic", "normal"]))
    field = field_of(location, rng.uniform(0.2, 0.6, players), link)
    return Hall(field, parties, waited, met, draw(st.integers(1, 6)), side_count, side_size, pace)


@settings(deadline=None)
@given(hall=halls())
def test_what_holds_of_every_round(hall: Hall) -> None:
    found = hall.form()
    taken = [party for match in found.matches for side in match.sides for party in side]
    assert sorted([*taken, *found.left]) == list(range(len(hall.parties)))
    assert found.left == sorted(found.left)
    assert len(found.matches) <= hall.most
    parties_of = {player: party for party, players in enumerate(hall.parties) for player in players}
    met = {frozenset((parties_of[one], parties_of[other])) for one, other in hall.met}
    late = hall.waited >= hall.pace.most_wait
    for match, off in found.matches:
        assert [sum(len(hall.parties[party]) for party in side) for side in match] == [hall.side_size] * hall.side_count
        assert off == pytest.approx(hall.off(match), abs=1e-9)
        assert off <= hall.allowed(match)
        among = [party for side in match for party in side]
        if not late[among].any():
            assert met.isdisjoint(map(frozenset, itertools.combinations(among, 2)))
    # The longest waiting come first, and none of them waits on while a match with it can be filled.
    if len(found.matches) == hall.most:
        return
    for party in np.flatnonzero(late).tolist():
        others = [len(hall.parties[other]) for other in found.left if other != party]
        if party in found.left:
            assert not fills(len(hall.parties[party]), others, hall.side_count, hall.side_size)
    assert found == hall.form()


def fills(first: int, others: Sequence[int], side_count: int, side_size: int) -> bool:
    """Whether a party and some of the others fill a match, by trying all."""

    @cache
    def tried(rooms: tuple[int, ...], index: int) -> bool:
        if not any(rooms):
            return True
        if index == len(others):
            return False
        ways = {
            tuple(sorted((*rooms[:side], room - others[index], *rooms[side + 1 :])))
            for side, room in enumerate(rooms)
            if room >= others[index]
        }
        return tried(rooms, index + 1) or any(tried(way, index + 1) for way in ways)

    return tried((side_size - first, *[side_size] * (side_count - 1)), 0)


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), max_size=7), st.integers(2, 3), st.data())
def test_what_can_be_filled(sizes: list[int], side_count: int, data: st.DataObject) -> None:
    room = data.draw(st.lists(st.integers(0, 5), min_size=side_count, max_size=side_count))

    def tried(rooms: list[int], rest: list[int]) -> bool:
        if not any(rooms):
            return True
        ways = (
            [*rooms[:side], had - rest[0], *rooms[side + 1 :]]
            for side, had in enumerate(rooms)
            if rest and had >= rest[0]
        )
        return bool(rest) and (tried(rooms, rest[1:]) or any(tried(way, rest[1:]) for way in ways))

    assert packable(np.array(room), np.bincount(sizes, minlength=6)) == tried(room, sizes)


@pytest.mark.parametrize(
    ("sizes", "sides"),
    [([1] * 10, 2), ([3, 2, 2, 2, 1], 2), ([2, 1, 1, 1, 1, 1, 1], 2), ([1] * 8, 4), ([2, 1, 2, 1], 2)],
)
def test_sides_are_as_even_as_can_be(sizes: list[int], sides: int) -> None:
    rng = np.random.default_rng(len(sizes))
    players = sum(sizes)
    for _ in range(4):
        field = field_of(rng.normal(0.0, 1.0, players) + 1500.0, rng.uniform(0.5, 1.0, players), "normal")
        starts = np.concatenate(([0], np.cumsum(sizes)))
        parties = [list(range(low, high)) for low, high in itertools.pairwise(starts.tolist())]
        hall = Hall(field, parties, np.zeros(len(sizes)), [], 1, sides, players // sides, Pace(spread=0.0))
        ways = [
            [[party for party, to in enumerate(way) if to == side] for side in range(sides)]
            for way in itertools.product(range(sides), repeat=len(sizes))
            if way[0] == 0 and np.all(np.bincount(way, sizes, sides) == players // sides)
        ]
        side = np.array([to for party in range(len(sizes)) for to, one in enumerate(ways[-1]) if party in one])
        location, variance = (np.add.reduceat(values, starts[:-1]) for values in (field.location, field.variance))
        found = even_sides(CODES["normal"], np.array(sizes), location, variance, side, sides, 0.0)
        assert found == pytest.approx(min(map(hall.off, ways)), abs=1e-9)
        assert found == pytest.approx(hall.off([np.flatnonzero(side == to).tolist() for to in range(sides)]), abs=1e-9)


def random_hall(players: int, side_size: int, seed: int) -> Hall:
    rng = np.random.default_rng(seed)
    field = field_of(rng.normal(0.0, 1.0, players), rng.uniform(0.2, 0.6, players), "normal")
    waited = rng.choice([rng.uniform(0.0, 60.0, players), np.zeros(players)])
    met = [tuple(rng.choice(players, 2, replace=False).tolist()) for _ in range(3)]
    pace = Pace(close=float(rng.choice([0.05, 0.2, 0.4])), most_wait=60.0)
    return Hall(field, [[one] for one in range(players)], waited, met, players // (2 * side_size), 2, side_size, pace)


def best_worth(hall: Hall) -> float:
    """The most that any choice of matches of single players is worth, by trying all."""
    met = set(map(frozenset, hall.met))
    needed = 2 * hall.side_size

    @cache
    def of(among: tuple[int, ...]) -> float:
        if met & set(map(frozenset, itertools.combinations(among, 2))):
            return 0.0
        halves = itertools.combinations(among[1:], hall.side_size - 1)
        ways = (((among[0], *half), tuple(one for one in among[1:] if one not in half)) for half in halves)
        return max(hall.worth(way) for way in ways)

    @cache
    def best(left: tuple[int, ...]) -> float:
        if len(left) < needed:
            return 0.0
        first, *others = left
        rest = (
            max(0.0, of((first, *with_it))) + best(tuple(one for one in others if one not in with_it))
            for with_it in itertools.combinations(others, needed - 1)
        )
        return max(best(tuple(others)), *rest)

    return best(tuple(range(len(hall.parties))))


@pytest.mark.parametrize(("side_size", "least", "mean"), [(1, 0.5, 0.97), (2, 0.25, 0.85)])
def test_next_to_the_best_choice_of_all(side_size: int, least: float, mean: float) -> None:
    shares = []
    for seed in range(60):
        hall = random_hall(8, side_size, seed)
        found = sum(hall.worth(match.sides) for match in hall.form().matches)
        best = best_worth(hall)
        assert least * best - 1e-9 <= found <= best + 1e-9
        shares.append((found, best))
    found, best = map(sum, zip(*shares, strict=True))
    assert found >= mean * best


def test_players_on_a_line_are_paired_with_their_neighbours() -> None:
    strengths = np.array([3.0, 0.0, 6.1, 2.9, 0.2, 6.0])
    hall = Hall(
        field_of(strengths, np.full(6, 4.0), "normal"), [[one] for one in range(6)], np.zeros(6), [], 9, 2, 1, Pace()
    )
    assert {match.sides for match in hall.form().matches} == {((0,), (3,)), ((2,), (5,)), ((1,), (4,))}
    met = hall._replace(met=[(0, 3)], pace=Pace(close=0.5))
    assert all(set(match.sides) != {(0,), (3,)} for match in met.form().matches)
    # Two who are alone wait until one of them waited too long; a third is preferred even then.
    two = hall._replace(parties=[[0], [3]], waited=np.array([119.0, 0.0]), met=[(3, 0)])
    assert two.form() == Round([], [0, 1])
    assert len(two._replace(waited=np.array([120.0, 0.0])).form().matches) == 1
    three = hall._replace(parties=[[0], [3], [1]], waited=np.array([120.0, 0.0, 0.0]), met=[(3, 0)])
    assert [match.sides for match in three.form().matches] == [((0,), (2,))]


def test_nobody_waits_too_long_while_there_are_others() -> None:
    rng = np.random.default_rng(5)
    strength = rng.normal(0.0, 1.5, 400)
    field = field_of(strength, np.full(400, 0.5), "logistic")
    pace, count, tick = Pace(close=0.02, most_wait=60.0), 3, 5.0
    waiting: dict[int, float] = {}
    arrivals = iter(range(400))
    waits = []
    for now in np.arange(0.0, 600.0, tick):
        waiting |= dict.fromkeys(itertools.islice(arrivals, int(rng.poisson(3.0))), now)
        players = list(waiting)
        waited = np.array([now - waiting[player] for player in players])
        found = form(field, [[player] for player in players], waited, NO_PAIRS, count, 2, 1, pace)
        gone = [players[party] for match in found.matches for side in match.sides for party in side]
        waits += [now - waiting.pop(player) for player in gone]
        assert (
            len(found.matches) == count
            or all(waited[party] < pace.most_wait for party in found.left)
            or len(waiting) < 2
        )
    assert len(waits) > 300
    assert max(waits) <= pace.most_wait
