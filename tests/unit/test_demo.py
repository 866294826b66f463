"""The demo league: seeded, valid, and of all the shapes that it promises."""

from collections import Counter

import numpy as np
import pytest

from service.columns import lay_out
from service.match import Match, decode, encode
from standings.demo import PLAYERS, POOLS, SEED, League


@pytest.fixture(scope="module")
def matches() -> list[Match]:
    league = League(SEED, 1)
    return [league.play(at) for at in range(3_000)]


def test_the_same_seed_and_run_give_the_same_matches(matches: list[Match]) -> None:
    again = League(SEED, 1)
    assert [again.play(at) for at in range(100)] == matches[:100]


def test_another_run_plays_other_matches_with_the_same_players(matches: list[Match]) -> None:
    other = League(SEED, 2)
    later = [other.play(at) for at in range(3_000)]
    assert not {match.id for match in matches} & {match.id for match in later}
    assert [match.sides for match in matches] != [match.sides for match in later]
    assert other.players == League(SEED, 1).players


def test_every_match_can_be_used_and_says_that_it_is_simulated(matches: list[Match]) -> None:
    for match in matches:
        assert decode(encode(match)) == match
        assert match.tags == ("simulated",)
    assert len({match.id for match in matches}) == len(matches)
    assert [match.at for match in matches] == list(range(3_000))


def test_pools_have_their_shapes(matches: list[Match]) -> None:
    assert Counter(match.pool for match in matches) == dict.fromkeys(POOLS, 1_000)
    by_pool = {pool: [match for match in matches if match.pool == pool] for pool in POOLS}
    assert all([len(side.players) for side in match.sides] == [1, 1] for match in by_pool["demo.duel"])
    ties = sum(match.sides[0].rank == match.sides[1].rank for match in by_pool["demo.duel"])
    assert 50 < ties < 200
    sizes = {tuple(len(side.players) for side in match.sides) for match in by_pool["demo.teams"]}
    assert {first for first, _ in sizes} == {second for _, second in sizes} == {2, 3, 4, 5}
    assert any(first != second for first, second in sizes)
    for match in by_pool["demo.race"]:
        ranks = sorted(side.rank or 0 for side in match.sides)
        assert ranks == [1 + sum(other < rank for other in ranks) for rank in ranks]
        assert len(ranks) == 8
    assert any(len({side.rank for side in match.sides}) < 8 for match in by_pool["demo.race"])


def test_players_have_names_of_their_own() -> None:
    players = League(SEED, 1).players
    assert len(set(players)) == PLAYERS == 64
    assert all(name.isalpha() and name.istitle() for name in players)


@pytest.mark.parametrize("pool", POOLS)
def test_the_stronger_do_better_and_strength_drifts(pool: str) -> None:
    league = League(SEED, 1)
    before = league._skill[pool].copy()
    beaten = dict.fromkeys(league.players, 0)
    for at in range(6_000):
        match = league.play(at)
        if match.pool != pool:
            continue
        places = lay_out([match], range(sum(len(side.players) for side in match.sides))).rank.tolist()
        for side, place in zip(match.sides, places, strict=True):
            for player in side.players:
                beaten[player] += sum(other > place for other in places) - sum(other < place for other in places)
    assert np.corrcoef(before, list(beaten.values()))[0, 1] > 0.7
    drift = np.abs(league._skill[pool] - before)
    assert 0 < drift.mean() < 0.5
