"""A rating in one step: the expected score is the score, the deviation is the spread that results have by chance."""

import math

import numpy as np
import pytest

from service.columns import Floats, lay_out
from service.match import Match, Side
from service.performance import MOST_RESULTS, UNLIKELY, performance
from service.ratings import create, unexpected
from service.ratings.link import CODES, expected_score
from tests.property.scenes import bits

SLOPE = math.log(10) / 400
ELO = create("elo")


def rows(ratings: Floats) -> Floats:
    return ELO.seeded(ratings, np.full(len(ratings), 100.0), ELO.opening())


def chances(rating: float, ratings: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(SLOPE * (ratings - rating)))
    return found


def test_a_place_in_a_field_is_the_root_of_codeelo() -> None:
    field = np.random.default_rng(3).normal(1500, 300, 200)
    for place in (1.5, 20, 150, 200):
        scores = np.zeros(200)
        scores[: math.floor(201 - place)] = 1.0
        if place % 1:
            scores[math.floor(201 - place)] = 0.5
        found = performance(ELO, rows(field), ELO.opening(), np.zeros(200), scores)
        assert found.rating is not None
        assert 1 + chances(-found.rating, -field).sum() == pytest.approx(place, rel=1e-9)
        information = (SLOPE**2 * chances(found.rating, field) * (1 - chances(found.rating, field))).sum()
        assert found.deviation == pytest.approx(1 / math.sqrt(information), rel=1e-6)
        low, high = found.interval
        assert found.deviation is not None
        assert low is not None
        assert high is not None
        assert (low + high) / 2 == pytest.approx(found.rating)
        assert (high - low) / 2 == pytest.approx(1.96 * found.deviation, rel=1e-4)


@pytest.mark.parametrize("name", ["elo", "glicko2", "elo_mmx", "kalman"])
def test_somebody_of_that_rating_is_expected_to_score_just_this(name: str) -> None:
    system, draw = create(name), np.random.default_rng(5)
    skills = system.seeded(draw.normal(1500, 300, 20), draw.uniform(50, 200, 20), system.opening())
    rest, scores = draw.uniform(0, 400, 20), draw.choice([0.0, 0.5, 1.0], 20)
    before = bits(skills, rest, scores)
    found = performance(system, skills, system.opening(), rest, scores)
    assert bits(skills, rest, scores) == before
    assert found.rating is not None
    mine = system.seeded(np.array([found.rating]), np.array([0.001]), system.opening())
    total = 0.0
    for opponent, days in zip(skills, rest, strict=True):
        columns = lay_out([Match("1", "pool", 0, (Side(("0",), rank=1), Side(("1",), rank=2)))], [0, 1])
        seen, pair = unexpected(columns), np.stack((mine[0], opponent))
        system.update(columns, np.array([0.0, days]), pair, system.opening(), seen)
        gap = (seen.location[0] - seen.location[1]) / math.sqrt(seen.variance.sum())
        total += expected_score(CODES[system.link], gap, float(np.nan_to_num(seen.zone[0])))
    assert total == pytest.approx(scores.sum(), abs=1e-5)


def test_more_rest_of_the_field_says_less() -> None:
    system = create("glicko2")
    skills = system.seeded(np.linspace(1300, 1700, 10), np.full(10, 60.0), system.opening())
    scores = np.array([1.0] * 7 + [0.0] * 3)
    fresh, rested = (
        performance(system, skills, system.opening(), np.full(10, days), scores).deviation for days in (0.0, 4_000.0)
    )
    assert fresh is not None
    assert rested is not None
    assert rested > 1.05 * fresh


@pytest.mark.parametrize("count", [1, 7, MOST_RESULTS])
def test_all_won_and_all_lost_have_a_bound_and_no_rating(count: int) -> None:
    field = np.random.default_rng(count).normal(1500, 300, count)
    arguments = ELO, rows(field), ELO.opening(), np.zeros(count)
    won = performance(*arguments, np.ones(count))
    lost = performance(*arguments, np.zeros(count))
    assert (won.rating, won.deviation, won.interval[1]) == (None, None, None)
    assert (lost.rating, lost.deviation, lost.interval[0]) == (None, None, None)
    (low, _), (_, high) = won.interval, lost.interval
    assert low is not None
    assert high is not None
    assert np.log(chances(low, field)).sum() == pytest.approx(math.log(UNLIKELY), rel=1e-6)
    assert np.log(1 - chances(high, field)).sum() == pytest.approx(math.log(UNLIKELY), rel=1e-6)


def test_more_points_are_a_higher_rating_and_far_fields_do_no_harm() -> None:
    field = np.array([1e6, 1e6 + 300, -1e6])
    last = -math.inf
    for scores in ([0, 0, 0.5], [0, 0.5, 1], [0.5, 0.5, 1], [1, 0.5, 1]):
        found = performance(ELO, rows(field), ELO.opening(), np.zeros(3), np.array(scores, float))
        assert found.rating is not None
        assert found.rating > last
        last = found.rating
    assert performance(ELO, rows(field), ELO.opening(), np.zeros(3), np.array([0.0, 0.0, 1.0])) == (
        None,
        None,
        (None, None),
    )


def test_it_varies_less_than_elo_game_by_game_and_by_what_it_says() -> None:
    """A fixed strength of 1700 in 100 games against a known field, as in CodeElo."""
    draw, true = np.random.default_rng(11), 1700.0
    at_once, by_game, said = [], [], []
    for _ in range(60):
        field = draw.normal(1500, 250, 100)
        scores = (draw.random(100) < chances(true, field)).astype(float)
        found = performance(ELO, rows(field), ELO.opening(), np.zeros(100), scores)
        assert found.rating is not None
        assert found.deviation is not None
        rating = 1500.0
        for other, result in zip(field.tolist(), scores.tolist(), strict=True):
            rating += 32 * (result - 1 / (1 + math.exp(SLOPE * (other - rating))))
        at_once.append(found.rating)
        by_game.append(rating)
        said.append(found.deviation)
    assert np.var(at_once) < 0.8 * np.var(by_game)
    assert np.mean(at_once) == pytest.approx(true, abs=10)
    assert np.std(at_once) == pytest.approx(np.mean(said), rel=0.15)
