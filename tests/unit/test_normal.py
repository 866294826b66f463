"""The normal distribution's tails, against SciPy and plain integration, and where neither reaches."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr

from service.ratings.normal import NARROWEST, TAIL, above, between, beyond, cdf, density


@pytest.mark.parametrize("x", [*np.linspace(-37, 9, 93), TAIL, math.nextafter(TAIL, 0)])
def test_against_scipy(x: float) -> None:
    assert cdf(x) == pytest.approx(ndtr(x), rel=1e-13)
    v, w = above(x)
    hazard = math.exp(-0.5 * x * x - 0.5 * math.log(2 * math.pi) - log_ndtr(x))
    assert v == pytest.approx(hazard, rel=1e-12)
    if x > -8:
        # Further out, V + x loses its digits here but not there.
        assert w == pytest.approx(hazard * (hazard + x), rel=1e-9)
    assert density(x) == pytest.approx(math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi), rel=1e-14)


@pytest.mark.parametrize("x", [-25.0, -1e2, -1e4, -1e8, -1e150])
def test_far_out(x: float) -> None:
    """By the first terms of the tail's series: V = -x - 1/x + 2/x^3, W = 1 - 1/x^2 + 6/x^4."""
    v, w = above(x)
    assert v == pytest.approx(-x - 1 / x + 2 / x / x / x, rel=1e-6)
    assert w == pytest.approx(1 - 1 / x / x, rel=1e-4)
    assert 0 < w <= 1
    assert beyond(x) == pytest.approx(-1 / x, rel=1e-2)


@given(x=st.floats(-1e6, 1e6), step=st.floats(0, 10))
@settings(deadline=None)
def test_a_bigger_surprise_tells_more(x: float, step: float) -> None:
    v, w = above(x)
    more, taken = above(x - step)
    assert more >= v * (1 - 1e-12) >= 0
    assert 1 >= taken >= w * (1 - 1e-12) >= 0


@pytest.mark.parametrize("low", [-9.0, -6.5, -4.0, -1.0, -0.2, 0.0, 0.7, 3.9, 8.0])
@pytest.mark.parametrize("width", [1e-3, 0.05, 0.4, 3.0, 20.0])
def test_intervals_against_integration(low: float, width: float) -> None:
    high = low + width
    top = min(max(0.0, low), high)
    moments = [
        quad(lambda z, p=power: z**p * math.exp(0.5 * (top * top - z * z)), low, high, points=[top], epsrel=1e-12)[0]
        for power in range(3)
    ]
    mean = moments[1] / moments[0]
    v, w = between(low, high)
    assert v == pytest.approx(mean, rel=1e-8, abs=1e-9)
    assert w == pytest.approx(1 - (moments[2] / moments[0] - mean * mean), rel=1e-7, abs=1e-8)


@given(low=st.floats(-1e5, 1e5), width=st.floats(NARROWEST / 10, 50))
@settings(deadline=None)
def test_intervals_are_finite_and_mirror_images(low: float, width: float) -> None:
    high = low + width
    v, w = between(low, high)
    assert low <= v <= high
    assert 0 <= w <= 1
    assert between(-high, -low) == (-v, w)
