"""Links: chances that are chances, mirror images, and agree with each other where the models do."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ratings.link import CODES, DAVIDSON, LOGISTIC, below, expected_score, outcome_chances, slope

links = st.sampled_from(sorted(CODES.values()))


@given(link=links, x=st.floats(-1e9, 1e9), zone=st.floats(0, 20))
@settings(deadline=None)
def test_chances_are_chances(link: int, x: float, zone: float) -> None:
    win, tie, loss = outcome_chances(link, x, zone)
    assert min(win, tie, loss) >= 0
    assert win + tie + loss == pytest.approx(1, abs=1e-15)
    assert outcome_chances(link, -x, zone) == pytest.approx((loss, tie, win), abs=1e-15)
    assert expected_score(link, x, zone) == pytest.approx(win + tie / 2, abs=1e-15)
    assert expected_score(link, x, 0.0) == below(link, x)
    assert expected_score(link, 0.0, zone) == 0.5


@given(link=links, x=st.floats(-5, 5))
@settings(deadline=None)
def test_slope_is_the_derivative(link: int, x: float) -> None:
    step = 1e-5
    assert slope(link, x) == pytest.approx((below(link, x + step) - below(link, x - step)) / (2 * step), rel=1e-4)


@given(x=st.floats(-30, 30), zone=st.floats(0.01, 5))
@settings(deadline=None)
def test_ties_as_their_papers_have_them(x: float, zone: float) -> None:
    win, tie, loss = outcome_chances(DAVIDSON, x, zone)
    assert tie == pytest.approx(2 * zone * math.sqrt(win * loss), rel=1e-9)
    assert win == pytest.approx(loss * math.exp(x), rel=1e-9)
    # Rao and Kupper: with theta = exp(zone), win = p / (p + theta q).
    win, tie, loss = outcome_chances(LOGISTIC, x, zone)
    strength, theta = math.exp(x), math.exp(zone)
    assert win == pytest.approx(strength / (strength + theta), rel=1e-9)
    assert loss == pytest.approx(1 / (1 + theta * strength), rel=1e-9)
