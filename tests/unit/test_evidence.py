"""Evidence against a win chance holds however often one looks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.special import betaln
from scipy.stats import binom

from service.matchups.evidence import evidence, exceeds, interval

counts = st.floats(0.0, 1e5)


@pytest.mark.parametrize("chance", [0.5, 0.3])
@pytest.mark.parametrize(("ties", "share"), [(0.0, 1.0), (0.4, 1.0), (0.0, 0.6)])
def test_the_true_chance_is_ruled_out_no_more_often_than_delta(chance: float, ties: float, share: float) -> None:
    """At any of a thousand looks, in a thousand streams; and not so much less often that matches would be wasted."""
    rng, delta, streams, looks = np.random.default_rng(11), 0.1, 1000, 1000
    drawn = rng.random((streams, looks))
    won = (drawn < chance - ties / 2) + 0.5 * ((drawn >= chance - ties / 2) & (drawn < chance + ties / 2))
    wins = share * np.cumsum(won, axis=1)
    losses = share * np.cumsum(1.0 - won, axis=1)
    weighed = betaln(wins + 1, losses + 1) - wins * np.log(chance) - losses * np.log1p(-chance)
    assert evidence(wins[0, -1], losses[0, -1], chance) == pytest.approx(weighed[0, -1])
    errors = int((weighed.max(axis=1) >= -math.log(delta)).sum())
    assert errors <= binom.ppf(0.99, streams, delta)
    if not ties and share == 1.0:
        assert errors >= streams * delta / 10


@hypothesis_settings(deadline=None)
@given(won=counts, lost=counts, needed=st.floats(0.1, 30.0), chance=st.floats(0.001, 0.999))
def test_an_interval_holds_the_chances_that_are_not_ruled_out(
    won: float, lost: float, needed: float, chance: float
) -> None:
    low, high = interval(won, lost, needed)
    assert 0.0 <= low < high <= 1.0
    if won + lost > 0.0:
        assert low <= won / (won + lost) + 1e-12
        assert won / (won + lost) <= high + 1e-12
    assert interval(lost, won, needed) == pytest.approx((1.0 - high, 1.0 - low), abs=1e-12)
    if min(abs(chance - low), abs(chance - high)) > 1e-6:
        assert exceeds(won, lost, chance, needed) == (chance < low)
        assert exceeds(lost, won, 1.0 - chance, needed) == (chance > high)
