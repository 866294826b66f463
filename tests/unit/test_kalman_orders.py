"""What `kalman` learns of an order of many sides, against plain root finding and simulated skills."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, log_ndtr
from scipy.stats import norm

from service.columns import Floats, Integers
from service.ratings.kalman_sides import MOST_EXACT, learn_places


def places_of(count: int, *, noise: float = 0.5) -> tuple[Floats, Floats, Floats]:
    """Newcomers of a spread of 1."""
    return np.zeros(count), np.ones(count), np.full(count, noise)


def told(
    mean: Floats, variance: Floats, noise: Floats, rank: Sequence[int] | Integers, zone: float
) -> tuple[Floats, Floats]:
    score, information = np.empty(len(mean)), np.empty(len(mean))
    learn_places(mean, variance, noise, np.asarray(rank), zone, score, information)
    return score, information


def test_orders_are_the_most_likely_performance_of_each_side() -> None:
    """By a root finder on the formula as it is written, SciPy's normal tails, ties and all."""
    draw = np.random.default_rng(2)
    mean, variance, noise = draw.normal(0, 2, 7), draw.uniform(0.01, 2, 7), np.array([1, 1, 2, 1, 3, 1, 1]) / 2
    rank, zone, step = np.array([3, 1, 2, 2, 7, 3, 6]), 0.4, 1e-4
    score, information = told(mean, variance, noise, rank, zone)
    for i in range(7):

        def log_likelihood(x: float, i: int = i) -> float:
            total = 0.0
            for q in set(range(7)) - {i}:
                r, half = math.sqrt(variance[q] + noise[q]), zone * math.sqrt(noise[i] + noise[q])
                if rank[i] == rank[q]:
                    total += math.log(norm.cdf((x - mean[q] + half) / r) - norm.cdf((x - mean[q] - half) / r))
                else:
                    sign = 1 if rank[i] < rank[q] else -1
                    total += float(log_ndtr((sign * (x - mean[q]) - half) / r))
            return total

        whole = variance[i] + noise[i]

        def slope(x: float, i: int = i, whole: float = whole) -> float:
            rise = log_likelihood(x + step, i) - log_likelihood(x - step, i)
            return float(rise / (2 * step) - (x - mean[i]) / whole)

        best = brentq(slope, -4, 4, xtol=1e-12)
        bend = -(log_likelihood(best + step) - 2 * log_likelihood(best) + log_likelihood(best - step)) / step**2
        assert score[i] == pytest.approx((best - mean[i]) / whole, abs=1e-7)
        assert information[i] == pytest.approx(bend / (1 + bend * whole), rel=1e-5)
        assert information[i] < 1 / whole


def test_a_tabulated_order_is_the_same_root() -> None:
    """200 sides by the logistic form, each by a root finder of its own."""
    draw = np.random.default_rng(3)
    mean, variance = draw.normal(0, 1, 200), draw.uniform(0.02, 3, 200)
    noise, rank = draw.integers(1, 5, 200) / 2, draw.integers(1, 60, 200)
    mean[0], mean[1], rank[1] = 60.0, -60.0, 1
    score, information = told(mean, variance, noise, rank, 0.2)
    scale = np.sqrt(variance + noise) * math.sqrt(3) / math.pi
    for i in range(0, 200, 13):
        others = np.arange(200) != i
        beaten = ((rank > rank[i]) + 0.5 * (rank == rank[i]))[others] / scale[others]
        whole = variance[i] + noise[i]

        def slope(x: float, i: int = i, others: Any = others, beaten: Any = beaten, whole: float = whole) -> float:
            chance = expit((x - mean[others]) / scale[others])
            return float(beaten.sum() - (chance / scale[others]).sum() - (x - mean[i]) / whole)

        best = brentq(slope, -100, 100, xtol=1e-13)
        chance = expit((best - mean[others]) / scale[others])
        bend = (chance * (1 - chance) / scale[others] ** 2).sum()
        assert score[i] == pytest.approx((best - mean[i]) / whole, abs=2e-6)
        assert information[i] == pytest.approx(bend / (1 + bend * whole), rel=1e-3)


def test_the_tabulated_form_is_near_the_exact_one() -> None:
    draw = np.random.default_rng(4)
    count = MOST_EXACT
    mean, variance, noise = draw.normal(0, 1, count), draw.uniform(0.1, 1, count), np.full(count, 0.5)
    performance = mean + draw.normal(0, 1, count) * np.sqrt(variance + noise)
    rank = 1 + np.argsort(np.argsort(-performance))
    exact, sharp = told(mean, variance, noise, rank, 0.0)
    # One far below all others, who loses to them as foreseen, makes it one side too many for the exact form.
    far = (np.append(mean, -40.0), np.append(variance, 1.0), np.append(noise, 0.5), np.append(rank, count + 1))
    score, information = told(*far, 0.0)
    assert np.corrcoef(exact, score[:-1])[0, 1] > 0.99
    assert np.abs(exact - score[:-1]).max() < 0.15
    np.testing.assert_allclose(information[:-1], sharp, rtol=0.12)


def test_two_by_the_order_is_near_two_in_closed_form() -> None:
    score, information = told(*places_of(2), [1, 2], 0.0)
    # V and W of 0 over the deviation of the gap, sqrt(3), and its square.
    assert score[0] == pytest.approx(0.797885 / math.sqrt(3), rel=0.12)
    assert information[0] == pytest.approx(0.63662 / 3, rel=0.12)


@pytest.mark.parametrize(("count", "left"), [(2, 0.791), (4, 0.614), (8, 0.503), (16, 0.424)])
def test_orders_are_not_counted_too_often(count: int, left: float) -> None:
    """Skills of spread 1, one match: what is left of the variance, and whether that is what is stated."""
    draw, rounds = np.random.default_rng(count), 12_000 // count
    error = stated = 0.0
    for _ in range(rounds):
        skill = draw.normal(0, 1, count)
        performance = skill + draw.normal(0, math.sqrt(0.5), count)
        rank = 1 + np.argsort(np.argsort(-performance))
        score, information = told(*places_of(count), rank, 0.0)
        error += float(((score - skill) ** 2).sum())
        stated += float((1 - information).sum())
    assert error / (rounds * count) == pytest.approx(left, rel=0.05)
    assert 0.96 < error / stated < 1.06
