"""Candidates as a policy sees them: as every system predicts them pair by pair, and what is under way counted."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from service.candidates import field_of
from service.columns import lay_out
from service.match import Match, Side
from service.matchups.posterior import unknown
from service.predict import forecast
from service.rate import DAY_MS, MATCHES, Table, empty, rate
from service.ratings import RatingSystem, create, systems

AT = 1_795_000_000_000


def meeting(at: float) -> Match:
    return Match("1", "chess", int(at), (Side(("ann",), rank=1), Side(("bob",), rank=2)))


def filled(system: RatingSystem, players: int) -> Table:
    """A table after some random matches, days apart; the last player is a newcomer."""
    chance, table = np.random.default_rng(players), empty(system, players)
    for day in range(30):
        pair = chance.choice(players - 1, 2, replace=False).tolist()
        rate(system, lay_out([meeting(AT + day * DAY_MS)], pair), table)
    return table


@pytest.mark.parametrize("name", systems())
def test_they_perform_as_forecasts_of_each_pair_say(name: str) -> None:
    system = create(name)
    for players in (2, 7, 8):
        table, at = filled(system, players + 1), AT + 50 * DAY_MS
        before = [column.copy() for column in table]
        field = field_of(system, table, at)
        assert all(np.array_equal(now, then) for now, then in zip(table, before, strict=True))
        assert field.link == system.link
        for pair in permutations(range(players + 1), 2):
            rows = list(pair)
            pool = table._replace(tallies=table.tallies[rows], skills=table.skills[rows])
            found = forecast(system, meeting(at), pool)
            assert np.array_equal(field.location[rows], found.location)
            assert np.array_equal(field.variance[rows], found.variance)


def test_ratings_are_those_of_the_moment() -> None:
    glicko = create("glicko2")
    table = filled(glicko, 5)
    now, later = field_of(glicko, table, AT + 50 * DAY_MS), field_of(glicko, table, AT + 500 * DAY_MS)
    rest = (AT + 500 * DAY_MS - table.tallies[:-1, 3]) / DAY_MS
    rating, deviation = glicko.view(table.skills[:-1], table.pool, rest)
    assert np.array_equal(later.rating[:-1], rating)
    assert np.array_equal(later.deviation[:-1], deviation)
    assert (later.deviation[:-1] > now.deviation[:-1]).all()
    # A newcomer does not rest.
    assert later.deviation[-1] == now.deviation[-1]


def test_matches_under_way_are_those_of_the_field() -> None:
    elo = create("elo")
    table, posterior = filled(elo, 6), replace(unknown(6), mean=np.linspace(-1.0, 1.0, 6))
    leases = [(4, 0, 2), (1, 4), (5, 3, 1, 0)]
    wins = np.arange(36.0).reshape(6, 6)
    found = field_of(elo, table, AT, under_way=leases, wins=wins, posterior=posterior)
    one_by_one = field_of(elo, table, AT)
    assert np.array_equal(one_by_one.matches, table.tallies[:, MATCHES])
    for players in leases:
        one_by_one = one_by_one.with_match(players)
    assert np.array_equal(found.matches, one_by_one.matches)
    assert np.array_equal(found.under_way, one_by_one.under_way)
    assert found.under_way.dtype == one_by_one.under_way.dtype
    assert found.wins is wins
    assert found.posterior is posterior


def test_the_field_of_some_is_as_if_the_others_only_played_with_them() -> None:
    elo = create("elo")
    table = filled(elo, 6)
    leases = [(4, 0), (1, 4, 2), (5, 3)]
    some = np.array([4, 2, 0], np.int32)
    found = field_of(elo, table, AT, under_way=leases, wins=np.arange(36.0).reshape(6, 6)).among(some)
    alone = field_of(elo, table, AT)
    for column in ("rating", "deviation", "location", "variance"):
        assert np.array_equal(getattr(found, column), getattr(alone, column)[some])
    assert np.array_equal(found.matches, alone.matches[some] + [2.0, 1.0, 1.0])
    assert found.under_way.tolist() == [[0, 2], [0, 1]]
    assert found.wins is not None
    assert found.wins.tolist() == [[28.0, 26.0, 24.0], [16.0, 14.0, 12.0], [4.0, 2.0, 0.0]]
