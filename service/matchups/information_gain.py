"""Information gain: the matchup whose result is expected to settle the most of the order.

By the joint posterior of all skills, not each player's own: what a match tells of its players it also tells of all
whom they have met. How unsure the order of a pair is, is the entropy of who is really ahead; how much of that one
result can settle is the share that skill has in the variance of what will be seen.

References
----------
N. Houlsby et al., Bayesian active learning for classification and preference learning, 2011.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, NamedTuple

import numba
import numpy as np
from msgspec import Meta
from scipy.special import entr, ndtr

from service.columns import Floats
from service.matchups import Goal, Law, Need, Policy
from service.matchups.field import Field
from service.matchups.posterior import Posterior

_STEPS: Final = 512
_FARTHEST: Final = 8.0
_gaps = ndtr(np.arange(_STEPS * _FARTHEST + 2) / _STEPS)
_ENTROPY: Final[Floats] = (entr(_gaps) + entr(1.0 - _gaps)) / math.log(2.0)
"""Entropy in bits of who is ahead, by how many deviations the means are apart; read between two of its values."""

_MORE_THAN_ONE: Final = 1.0 + 1e-12
"""Above the largest entropy, rounding included."""

_MEAN_SHARE: Final = 0.3
"""Of a set's next member the worst gain with those taken counts whole, the mean gain by this much."""


class InformationGain(Policy, frozen=True):
    """Play what tells the most: the order of the field with the fewest matches.

    Parameters
    ----------
    top : int
        Only who are the first so many is wanted, in any order; 0 wants the whole order.
    """

    name: ClassVar[str] = "information_gain"
    goals: ClassVar[frozenset[Goal]] = frozenset({"full", "top_k", "best"})
    needs: ClassVar[frozenset[Need]] = frozenset({"pairs", "posterior"})
    spreads: ClassVar[bool] = True
    unit: ClassVar[str] = "bits"

    top: Annotated[int, Meta(ge=0, le=1_000)] = 0

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """The best pair for sure, then whoever tells the most beside those taken."""
        assert field.posterior is not None, "whoever chooses the policy sees to its needs"
        return _Greedy(field.posterior, _wanted(field.posterior, self.top))


class _Greedy(NamedTuple):
    posterior: Posterior
    wanted: Floats
    """float64[n]: by how much each player's pairs count."""

    def chances(self, taken: Sequence[int]) -> Floats:
        mean, covariance, noise = self.posterior.mean, self.posterior.covariance, self.posterior.noise
        chances = np.zeros(len(mean))
        if not taken:
            chances[_best_pair(mean, covariance, self.wanted, 2.0 * noise * noise, _ENTROPY)] = 1.0
            return chances
        gains = np.stack([self._with(player) for player in taken])
        beside = gains.min(axis=0) + _MEAN_SHARE * gains.mean(axis=0)
        beside[list(taken)] = -1.0
        chances[beside.argmax()] = 1.0
        return chances

    def score(self, taken: Sequence[int]) -> float:
        """Bits about the order of its pairs."""
        return float(sum(self._with(player)[list(taken[:place])].sum() for place, player in enumerate(taken)))

    def _with(self, player: int) -> Floats:
        mean, covariance, noise = self.posterior.mean, self.posterior.covariance, self.posterior.noise
        return _gains(mean, covariance, self.wanted, 2.0 * noise * noise, _ENTROPY, player)


def _wanted(posterior: Posterior, top: int) -> Floats:
    """How unsure it is on which side of the line below the first ``top`` each player is, in bits; 1 where all count."""
    if not 0 < top < len(posterior.mean):
        return np.ones(len(posterior.mean))
    upper, lower = np.sort(posterior.mean)[::-1][top - 1 : top + 1]
    inside = ndtr((posterior.mean - 0.5 * (upper + lower)) / np.sqrt(np.diag(posterior.covariance)))
    unsure: Floats = (entr(inside) + entr(1.0 - inside)) / math.log(2.0)
    return unsure


@numba.njit(cache=True)
def _gain(mean: Floats, covariance: Floats, wanted: Floats, twice: float, entropy: Floats, a: int, b: int) -> float:
    variance = covariance[a, a] + covariance[b, b] - 2.0 * covariance[a, b]
    if variance <= 0.0:
        return 0.0
    at = abs(mean[a] - mean[b]) / math.sqrt(variance) * _STEPS
    if at >= _STEPS * _FARTHEST:
        return 0.0
    below = int(at)
    bits: float = entropy[below] + (at - below) * (entropy[below + 1] - entropy[below])
    share: float = variance / (variance + twice) * max(wanted[a], wanted[b])
    return bits * share


@numba.njit(cache=True)
def _gains(mean: Floats, covariance: Floats, wanted: Floats, twice: float, entropy: Floats, a: int) -> Floats:
    """What a result of one player against each tells, in bits, float64[n]."""
    gains = np.zeros(len(mean))
    for b in range(len(mean)):
        if b != a:
            gains[b] = _gain(mean, covariance, wanted, twice, entropy, a, b)
    return gains


@numba.njit(cache=True)
def _best_pair(mean: Floats, covariance: Floats, wanted: Floats, twice: float, entropy: Floats) -> int:
    """The first of the two whose result tells the most; of equal ones those who stand first."""
    best, found = -1.0, 0
    # Side by side in memory: along the diagonal each would be a line of the cache.
    spread = np.diag(covariance).copy()
    for a in range(len(mean)):
        for b in range(a + 1, len(mean)):
            variance = spread[a] + spread[b] - 2.0 * covariance[a, b]
            # No more than one bit at that share; most pairs need no look at their means.
            if variance / (variance + twice) * max(wanted[a], wanted[b]) * _MORE_THAN_ONE <= best:
                continue
            gain = _gain(mean, covariance, wanted, twice, entropy, a, b)
            if gain > best:
                best, found = gain, a
    return found
