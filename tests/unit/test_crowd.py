"""Performances in contests against the plain sums over all sides, solved by SciPy."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, log_ndtr

from service.columns import Floats, Integers
from service.ratings.crowd import DIRECT, performances, pulls
from service.ratings.link import LOGISTIC, NORMAL

LINKS = pytest.mark.parametrize("link", [LOGISTIC, NORMAL])


def contest(sides: int, seed: int, places: int) -> tuple[Floats, Floats, Integers]:
    """Locations, one over the scales, ranks with ties: as a contest has them, ranks skipping those that tie."""
    draw = np.random.default_rng(seed)
    location = draw.normal(1500, 400, sides)
    sway = 1 / draw.uniform(110, 230, sides)
    place = draw.integers(0, places, sides)
    return location, sway, 1 + (place[:, None] > place).sum(axis=1)


def found(link: int, location: Floats, sway: Floats, rank: Integers) -> Floats:
    performance = np.empty(len(location))
    performances(link, location, sway, rank, performance)
    return performance


def plain(link: int, location: Floats, sway: Floats, rank: Integers, place: int) -> float:
    """The root by the formula of the paper, all sides one by one."""
    worse, tied, better = sway * (rank > place), sway * (rank == place), sway * (rank < place)

    def pull(x: float) -> float:
        z = (x - location) * sway
        if link == LOGISTIC:
            return float((worse * expit(-z) - better * expit(z) + tied * (expit(-z) - expit(z))).sum())
        density = -0.5 * z * z - 0.5 * math.log(2 * math.pi)
        won, lost = np.exp(density - log_ndtr(z)), np.exp(density - log_ndtr(-z))
        return float((worse * won - better * lost - tied * z).sum())

    return float(brentq(pull, location.min() - 5e3, location.max() + 5e3, xtol=1e-11))


@LINKS
@pytest.mark.parametrize(("sides", "places"), [(2, 2), (3, 2), (DIRECT, 20), (DIRECT + 1, 20), (300, 1), (1_000, 250)])
def test_performances_are_the_roots_of_the_plain_sums(link: int, sides: int, places: int) -> None:
    field = contest(sides, sides, places)
    got, rank = found(link, *field), field[2]
    for place in np.unique(rank)[:: 1 + sides // 100]:
        same = got[rank == place]
        assert (same == same[0]).all()
        assert same[0] == pytest.approx(plain(link, *field, int(place)), rel=1e-9)


@LINKS
@pytest.mark.parametrize("sides", [40, 400])
def test_the_listing_changes_no_bit_and_a_better_place_is_a_better_performance(link: int, sides: int) -> None:
    location, sway, rank = contest(sides, 3, sides // 3)
    # Sides that are equal in all or in part.
    location[: sides // 4], sway[: sides // 5] = location[0], sway[0]
    got = found(link, location, sway, rank)
    turned = np.random.default_rng(1).permutation(sides)
    assert found(link, location[turned], sway[turned], rank[turned]).tobytes() == got[turned].tobytes()
    assert (np.diff(got[np.argsort(rank, kind="stable")]) <= 0).all()
    one = int(np.argmax(rank))
    last = -math.inf
    for place in range(2 * sides, 0, -2 * (1 + sides // 50)):
        moved = 2 * rank
        moved[one] = place - 1
        performance = found(link, location, sway, moved)[one]
        assert performance >= last - 1e-9
        last = performance


@LINKS
@pytest.mark.parametrize("sides", [2, DIRECT, 200])
def test_far_apart_it_stays_finite_and_in_order(link: int, sides: int) -> None:
    """Everybody ends where nobody thought, over 25 deviations and over a million points."""
    for gap in (25 * 200.0, 1e6):
        location = np.linspace(0.0, gap, sides)
        got = found(link, location, np.full(sides, 1 / 200), np.arange(1, sides + 1))
        assert np.isfinite(got).all()
        assert (np.diff(got) <= 0).all()


@LINKS
def test_derivatives(link: int) -> None:
    location, sway, _ = contest(7, 5, 7)
    for x in (-500.0, 1300.0, 1800.0, 6000.0):
        low, middle, high = (pulls(link, x + step, 2, 4, location, sway) for step in (-0.5, 0.0, 0.5))
        assert middle[1] == pytest.approx(high[0] - low[0], rel=1e-5)
        assert middle[2] == pytest.approx(high[1] - low[1], rel=1e-4, abs=1e-14)
