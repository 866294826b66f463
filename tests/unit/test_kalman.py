"""Kalman against numerical integration, linear algebra and what must hold of any match."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from service.problems import Problem
from service.ratings import create
from service.ratings.kalman import Kalman
from service.ratings.kalman_learn import (
    HEADCOUNT,
    HOME,
    MARGIN_SCALE,
    MARGINS,
    SPREAD,
)
from tests.property.scenes import bits
from tests.unit.kalman_played import UNIT, YEAR, named, played


@pytest.mark.parametrize("ranks", [(1, 2), (2, 1), (1, 1)])
def test_outcomes_of_two_are_the_moments_of_their_posterior(ranks: tuple[int, int]) -> None:
    system = Kalman(home=0)
    pool = system.opening()
    skills = system.seeded(np.array([1650.0, 1420.0]), np.array([120.0, 200.0]), pool)
    gap, variance, zone = 230 / UNIT, (120**2 + 200**2) / UNIT**2, 0.2
    expected = played(system, [named([[0], [1]], ranks)], skills, pool)

    def chance(d: float) -> float:
        if ranks[0] == ranks[1]:
            return float(norm.cdf(zone - d) - norm.cdf(-zone - d))
        return float(norm.cdf(d - zone) if ranks[0] < ranks[1] else norm.cdf(-d - zone))

    moments = [
        quad(lambda d, power=power: d**power * chance(d) * norm.pdf(d, gap, math.sqrt(variance)), -12, 12)[0]
        for power in range(3)
    ]
    mean, square = moments[1] / moments[0], moments[2] / moments[0]
    score, information = (mean - gap) / variance, (variance - (square - mean**2)) / variance**2
    rating, deviation = system.view(skills, pool, np.zeros(2))
    opened = system.opening()
    # The spread as it stood: what was learned of it shows in the deviation.
    _, deviation = system.view(skills, opened, np.zeros(2))
    for place, (start, sd, sign) in enumerate([(1650, 120 / UNIT, 1), (1420, 200 / UNIT, -1)]):
        assert (rating[place] - start) / UNIT == pytest.approx(sign * sd**2 * score, rel=1e-8)
        assert (deviation[place] / UNIT) ** 2 == pytest.approx(sd**2 - sd**4 * information, rel=1e-7)
    if ranks[0] != ranks[1]:
        x = (expected.location[0] - expected.location[1]) / math.sqrt(expected.variance.sum())
        sign = 1 if ranks[0] < ranks[1] else -1
        # Home and headcount, still unsure, are no part of this match: one a side, nobody at home.
        assert norm.cdf(sign * x - expected.zone[0]) == pytest.approx(moments[0], rel=1e-8)


def test_a_margin_is_a_gaussian_look_at_the_gap() -> None:
    """Teams of two and three: conditioning of five skills at once, by linear algebra."""
    system = Kalman()
    pool = system.opening()
    pool[[HOME + 1, HEADCOUNT + 1]] = 1e-12
    pool[[HOME, HEADCOUNT, MARGINS, MARGIN_SCALE]] = [0.3, 0.4, 1e4, 4.0]
    sd = np.array([50.0, 210.0, 150.0, 90.0, 30.0])
    rating = np.array([1600.0, 1450.0, 1500.0, 1700.0, 1380.0])
    skills = system.seeded(rating, sd, pool)
    before = pool.copy()
    played(system, [named([[0, 1], [2, 3, 4]], [7, 2], scored=True, home=1)], skills, pool)
    look, prior = np.array([1.0, 1.0, -1.0, -1.0, -1.0]), np.diag((sd / UNIT) ** 2)
    expected = look @ (rating - 1500) / UNIT - 0.3 - 0.4
    seen = 5**0.75 / 2 * math.sqrt(2.5)
    gain = prior @ look / (look @ prior @ look + 2.5)
    found, deviation = system.view(skills, before, np.zeros(5))
    np.testing.assert_allclose((found - rating) / UNIT, gain * (seen - expected), rtol=1e-9)
    np.testing.assert_allclose((deviation / UNIT) ** 2, np.diag(prior - np.outer(gain, look @ prior)), rtol=1e-9)


def test_a_match_narrows_deviations_and_a_tie_of_equals_moves_nobody() -> None:
    """By the spread and drift as they stood before; three sides or two, points or places."""
    system, draw = Kalman(), np.random.default_rng(5)
    pool = system.opening()
    skills = system.seeded(draw.normal(1500, 200, 8), draw.uniform(20, 232, 8), pool)
    for sides in ([[0], [1]], [[2, 3], [4]], [[0], [5, 6], [1, 2], [7]]):
        for scored, weight in ((True, 1.0), (False, 0.2), (False, 1000.0)):
            now, learned = skills.copy(), pool.copy()
            played(system, [named(sides, range(1, len(sides) + 1), scored=scored, weight=weight)], now, learned)
            rows = [row for side in sides for row in side]
            before, after = (system.view(those, pool, np.zeros(8))[1] for those in (skills, now))
            assert (after[rows] < before[rows]).all()
            # A performance seen for sure would tell no more of its side.
            for side in sides:
                squares = (before[side] ** 2).sum(), (after[side] ** 2).sum()
                assert weight > 1 or 1 / squares[1] <= 1 / squares[0] + 1 / (UNIT**2 * len(side) / 2)
        twins, learned = skills.copy(), pool.copy()
        twins[:] = twins[0]
        even = [side[:1] for side in sides]
        played(system, [named(even, [1] * len(even))], twins, learned)
        np.testing.assert_allclose(twins[:, 0], skills[0, 0], rtol=1e-12)


@pytest.mark.parametrize("gap", [0.0, 25 * UNIT, 1e4, 1e6])
@pytest.mark.parametrize("others", [1, 2, 40])
def test_upsets_are_finite_and_in_order(gap: float, others: int) -> None:
    """However far the weaker side is behind: loss < tie < win, with deviations that shrink."""
    system = Kalman()
    ratings = []
    for place in (1, 2, 3):
        pool = system.opening()
        count = others + 1
        skills = system.seeded(np.array([1500.0 - gap, *[1500.0] * others]), np.full(count, 60.0), pool)
        played(system, [named([[row] for row in range(count)], [place, *[2] * others])], skills, pool)
        assert np.isfinite(skills).all()
        assert np.isfinite(pool).all()
        ratings.append(skills[0, 0])
    assert ratings[0] > ratings[1] > ratings[2] or (gap and ratings[0] > ratings[1] >= ratings[2] - 1e-9 * gap)


def test_wild_margins_stay_finite() -> None:
    draw, system = np.random.default_rng(10), Kalman(margin=1)
    skills, pool = np.tile(system.newcomer(), (10, 1)), system.opening()
    gaps = [*(1e6 * draw.standard_cauchy(2_000)).clip(-1e15, 1e15).tolist(), *[0.0] * 2_000, 5e-324, 2e15]
    matches = [
        named([[one], [other]], [gap / 2, -gap / 2], scored=True)
        for gap in gaps
        for one, other in [draw.choice(10, 2, replace=False).tolist()]
    ]
    played(system, matches, skills, pool)
    assert np.isfinite(skills).all()
    assert np.isfinite(pool).all()


def test_zeros_have_one_sign() -> None:
    """Long rests leave derivatives of 0, whose sign must not tell which side was listed first."""
    system, draw = Kalman(drift=2900, spread=15), np.random.default_rng(12)
    ways = [(np.tile(system.newcomer(), (6, 1)), system.opening()) for _ in range(2)]
    for _ in range(200):
        pair, first, rest = (
            draw.choice(6, 2, replace=False).tolist(),
            int(draw.integers(2)),
            float(draw.choice([0, 4e4])),
        )
        for turn, (skills, pool) in zip((1, -1), ways, strict=True):
            sides = [[row] for row in pair][::turn]
            played(system, [named(sides, [1 + first, 2 - first][::turn])], skills, pool, rest)
    assert bits(*ways[0]) == bits(*ways[1])
    assert (ways[0][0] == 0).any()


def test_rest_relaxes_towards_all() -> None:
    system = Kalman()
    pool = system.opening()
    skills = system.seeded(np.array([1900.0] * 3), np.array([30.0] * 3), pool)
    rating, deviation = system.view(skills, pool, np.array([0.0, YEAR, 1e6]))
    stays = math.exp(-((82 / UNIT) ** 2) / (2 * 0.8**2))
    assert rating.tolist() == pytest.approx([1900.0, 1500 + 400 * stays, 1500.0])
    assert deviation.tolist() == pytest.approx([30.0, math.sqrt(232**2 + (30**2 - 232**2) * stays**2), 232.0])
    # A newcomer is at rest already, and follows the pool's spread.
    pool[SPREAD] = math.log(0.5)
    assert system.view(system.newcomer()[None, :], pool, np.array([500.0]))[1][0] == pytest.approx(145.0)


def test_seeds_less_sure_than_the_spread() -> None:
    """The pool has learned that skills lie close: who comes as less sure is shown so, and learns from there."""
    system = Kalman()
    pool = system.opening()
    pool[SPREAD] = math.log(0.4)
    skills = system.seeded(np.array([1600.0, 1500.0]), np.array([200.0, 60.0]), pool)
    assert system.view(skills, pool, np.zeros(2))[1].tolist() == pytest.approx([200.0, 60.0])
    seen = [200.0]
    for _ in range(40):
        played(system, [named([[0], [1]], [1, 1])], skills, pool)
        pool[SPREAD] = math.log(0.4)
        seen.append(float(system.view(skills, pool, np.zeros(2))[1][0]))
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < 0.4 * UNIT
    assert skills[0, 1] > 0


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("spread", [15, "232", 1450], [14, 1451, "nan", "wide", None]),
        ("drift", [1, 2900], [0, 2901, "nan"]),
        ("zone", [0.03, 1450], [0, 1451, "nan"]),
        ("home", [-1000, 0, 1000], [-1001, 1001, "nan"]),
        ("margin", [0, 1], [-0.1, 1.1, "nan"]),
    ],
)
def test_parameters(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(create("kalman", {name: value}), name) == float(value)
    for value in bad:
        with pytest.raises(Problem) as caught:
            create("kalman", {name: value})
        assert caught.value.type.slug == "invalid_parameter"
        assert name in caught.value.detail
