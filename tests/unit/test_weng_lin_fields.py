"""The Weng-Lin systems in matches of many sides, where each learns once from a performance that all others look at."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.columns import NO_HOME, Matches
from service.rate import empty, rate
from service.ratings import create
from tests.unit.test_weng_lin import BETA, BT, EVERY, NEW, PL, TM, Player, after, alone, library_after


@pytest.mark.parametrize(("name", "count"), [(TM, 8), (BT, 17)])
def test_deviations_do_not_collapse(name: str, count: int) -> None:
    """The library sums the pairs' information as if each were a match: 8.33 to 0.083 in one, and frozen from then."""
    field, places = alone([NEW] * count), range(1, count + 1)
    assert library_after(name, field, places)[0][0].deviation < 0.084
    assert all(side[0].deviation > BETA for side in after(name, field, places))


def test_orders_of_many_are_learned_from() -> None:
    """The library divides all gaps of 100 sides by a c of 93: 8.333 to 8.32."""
    field, places = alone([NEW] * 100), range(1, 101)
    assert library_after(PL, field, places)[0][0].deviation > 8.31
    found = [side[0].deviation for side in after(PL, field, places)]
    assert np.mean(found) < 7.6
    assert min(found) > BETA


@EVERY
@given(places=st.lists(st.integers(1, 6), min_size=2, max_size=9))
@settings(deadline=None, max_examples=60)
def test_of_equals_no_better_place_ends_lower(name: str, places: list[int]) -> None:
    found = [side[0].rating for side in after(name, alone([NEW] * len(places)), places)]
    for place, rating in zip(places, found, strict=True):
        assert all(rating >= other - 1e-9 for worse, other in zip(places, found, strict=True) if worse >= place)


@st.composite
def fields(draw: st.DrawFn) -> tuple[list[Player], list[int], dict[str, Any]]:
    count = draw(st.integers(2, 12) | st.just(60))
    scale = draw(st.sampled_from([0.1, 3.0, 30.0]))
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    players = [Player(*one) for one in zip(chance.normal(0, scale, count), chance.uniform(0.3, 9, count), strict=True)]
    places = chance.integers(1, draw(st.integers(1, count)), count, endpoint=True)
    parameters = {"sigma": 9.0, "beta": draw(st.sampled_from([0.1, 1.0, BETA, 40.0])), "tau": 0.0, "kappa": 1e-9}
    return players, places.tolist(), parameters


@EVERY
@given(field=fields(), weight=st.sampled_from([1.0, 0.2]))
@settings(deadline=None, max_examples=100)
def test_a_match_tells_something_and_at_most_a_performance(
    name: str, field: tuple[list[Player], list[int], dict[str, Any]], weight: float
) -> None:
    """Of single players: ``1/v < 1/v' <= 1/v + 1/beta^2``."""
    players, places, parameters = field
    found = after(name, alone(players), places, weight=weight, **parameters)
    for was, (now,) in zip(players, found, strict=True):
        before, told = was.deviation**-2, weight / parameters["beta"] ** 2
        assert before < now.deviation**-2 <= (before + told) * (1 + 1e-12)


def test_pairs_of_a_free_for_all_share_one_look() -> None:
    """Four sides, teams among them, by the formula of the module as it is written down."""
    sides = [[Player(28, 5)], [Player(14, 4), Player(15, 2)], [Player(20, 8)], [Player(22, 1)]]
    places, weight, step = (2, 1, 2, 3), 0.7, (25 / 300) ** 2
    spread = [sum(player.deviation**2 + step for player in side) for side in sides]
    mean = [sum(player.rating for player in side) for side in sides]
    found = after(BT, sides, places, weight=weight)
    for i, side in enumerate(sides):
        move = heard = told = 0.0
        for q in set(range(4)) - {i}:
            c = math.sqrt(spread[i] + spread[q] + 2 * BETA**2)
            chance = 1 / (1 + math.exp((mean[q] - mean[i]) / c))
            move += (0.5 + 0.5 * ((places[i] < places[q]) - (places[i] > places[q])) - chance) / c
            heard += chance * (1 - chance) / c**2
            told += math.sqrt(spread[i]) / c * chance * (1 - chance) / c**2
        once, seen = 2 / 3, spread[i] + 2 * BETA**2
        move, heard, told = (
            move / (1 + heard * seen * once), heard / (1 + heard * seen * once), told / (1 + told * seen * once)
        )  # fmt: skip
        for was, now in zip(side, found[i], strict=True):
            variance = was.deviation**2 + step
            gain = variance / (1 - variance * heard + weight * variance * heard)
            assert now.rating - was.rating == pytest.approx(weight * gain * move, rel=1e-9)
            single = 1 / (variance * (1 - variance * told)) - 1 / variance
            assert now.deviation**-2 == pytest.approx(1 / variance + weight * single, rel=1e-12)


@pytest.mark.parametrize(("name", "low", "high"), [(BT, 0.75, 1.25), (TM, 0.75, 1.1)])
@pytest.mark.parametrize("count", [2, 8, 30])
def test_a_free_for_all_is_not_overcounted(name: str, low: float, high: float, count: int) -> None:
    """Newcomers whose skills and performances are as the system believes: squared error over stated variance."""
    draw, system, matches = np.random.default_rng(3), create(name), 6_000 // count
    truth = draw.normal(25, 25 / 3, (matches, count))
    noise = draw.normal(0, BETA, truth.shape) if name == TM else draw.gumbel(0, math.sqrt(2) * BETA, truth.shape)
    ranks = (-(truth + noise)).argsort(axis=1).argsort(axis=1) + 1
    fields = Matches(
        side_start=np.arange(0, truth.size + 1, count), player_start=np.arange(truth.size + 1),
        player=np.arange(truth.size), rank=ranks.ravel(), score=np.full(truth.size, np.nan),
        home=np.full(matches, NO_HOME), weight=np.ones(matches), at=np.zeros(matches, np.int64),
    )  # fmt: skip
    table = empty(system, truth.size)
    rate(system, fields, table)
    rating, deviation = system.view(table.skills, table.pool, np.zeros(truth.size))
    assert low < float(((rating - truth.ravel()) ** 2).mean() / (deviation**2).mean()) < high
