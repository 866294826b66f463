"""What another policy would have been worth, from the matchups that one policy drew and what came of them.

Each drawn matchup weighs by how much likelier the other policy would have drawn it, from what was known then:
self-normalised inverse propensity weights. The weights are clipped, since a few very large ones would decide alone;
what is lost by that is bias which the interval does not hold. A policy that draws particles draws them anew: its
chance given those is right in the mean.

References
----------
D. G. Horvitz, D. J. Thompson, A generalization of sampling without replacement, J. Amer. Statist. Assoc. 47, 1952.
E. L. Ionides, Truncated importance sampling, J. Comput. Graph. Statist. 17, 2008.
B. Efron, C. Stein, The jackknife estimate of variance, Annals of Statistics 9, 1981.
F. E. Satterthwaite, An approximate distribution of estimates of variance components, Biometrics Bulletin 2, 1946.
A. Swaminathan, T. Joachims, The self-normalized estimator for counterfactual learning, NIPS 2015.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import numpy as np
from scipy.stats import t

from service.columns import Floats
from service.matchups import Policy
from service.matchups.draw import mixed, propensity_of
from service.matchups.field import Field
from service.ratings.link import CODES, expected_score

LEAST_EFFECTIVE: Final = 30.0
"""Matchups that the log must be worth for the other policy."""

LEAST_SUPPORT: Final = 0.95
"""Share of what the other policy would draw that the log must be able to show."""

_SURE: Final = 4.0
"""Deviations of the mean weight; of few large ones it strays far, and nobody is to be refused by chance."""

_LEAST_CHANCE: Final = 2.0**-20


class Reward(Protocol):
    """What a matchup was worth by its result."""

    def __call__(self, field: Field, ranks: Sequence[int]) -> float:
        """Give the reward.

        Parameters
        ----------
        field : Field
            Those who played, each alone on a side, as they were known when the matchup was drawn.
        ranks : sequence of int
            Their places.
        """
        ...


def upset(field: Field, ranks: Sequence[int]) -> float:
    """Share of pairs in which the one who was predicted to be behind came in before; a tie of either kind is half.

    Matches that are open have many: one half in the mean, where both are as likely.
    """
    a, b = np.triu_indices(len(field), 1)
    foretold, seen = np.sign(field.location[a] - field.location[b]), np.sign(np.subtract.outer(ranks, ranks)[b, a])
    return float(np.mean(0.5 * (1.0 - foretold * seen)))


def information(field: Field, ranks: Sequence[int]) -> float:
    """Bits that a result tells beyond what was predicted: -log2 of its chance, in the mean over pairs.

    A tie counts as half a win of each. What was foretold for sure tells nothing.
    """
    a, b = np.triu_indices(len(field), 1)
    gaps = (field.location[a] - field.location[b]) / np.sqrt(field.variance[a] + field.variance[b])
    chance = np.array([expected_score(CODES[field.link], gap, 0.0) for gap in gaps.tolist()])
    won = 0.5 * (1.0 + np.sign(np.subtract.outer(ranks, ranks)[b, a]))
    told = won * np.log2(np.maximum(chance, _LEAST_CHANCE)) + (1.0 - won) * np.log2(
        np.maximum(1 - chance, _LEAST_CHANCE)
    )
    return float(-np.mean(told))


REWARDS: Final[Mapping[str, Reward]] = MappingProxyType({"upset": upset, "information": information})


def weight(
    policy: Policy,
    floor: float,
    field: Field,
    players: Sequence[int],
    propensity: float | None,
    built: float,
    rng: np.random.Generator,
) -> float:
    """How much likelier a policy would have drawn a matchup than it was.

    Parameters
    ----------
    policy, floor
        The other policy.
    field : Field
        What was known when the matchup was drawn.
    players, propensity, built
        Of the matchup, as in `service.matchups.draw.Draw`.
    rng : numpy.random.Generator
        For the particles of the other policy.

    Examples
    --------
    >>> from service.matchups import create
    >>> from service.matchups.field import level
    >>> round(weight(create("uniform"), 0.0, level(4), (1, 3), 0.5, 0.25, np.random.default_rng(1)), 12)
    0.333333333333
    """
    law = policy.law(field, rng)
    if propensity is not None and (chance := propensity_of(law, len(field), players, floor)) is not None:
        return chance / propensity
    steps = (float(law.chances(players[:taken])[player]) for taken, player in enumerate(players))
    return mixed(math.prod(steps), floor, math.perm(len(field), len(players))) / built


class Estimate(NamedTuple):
    """What a policy would have been worth for each matchup, in the mean over what was known when they were drawn.

    Attributes
    ----------
    value, low, high : float
        With a 95 % interval; NaN where no matchup weighs anything.
    effective : float
        How many matchups of its own the log is worth.
    clipped : int
        Weights that were clipped.
    support, most_support : float
        Share of what it would draw that the log could show, by the mean weight, and how much that may be at most.
    """

    value: float
    low: float
    high: float
    effective: float
    clipped: int
    support: float
    most_support: float

    def refusal(self, matchups: int) -> str | None:
        """Say why it is no estimate; None if it is one."""
        if self.most_support < LEAST_SUPPORT:
            return f"the log shows {self.support:.1%} of what it would suggest; play with a floor"
        if not self.effective >= LEAST_EFFECTIVE:
            worth = (
                f"{matchups:,} matchups are worth {self.effective:.1f} of its own, and {LEAST_EFFECTIVE:g} are needed"
            )
            return f"{worth}; log more, or with a larger floor"
        return None


def estimate(weights: Floats, rewards: Floats, clip: float) -> Estimate:
    """Estimate a policy's value.

    Parameters
    ----------
    weights, rewards : float64[n]
        Of each matchup whose result is known: see `weight`, `Reward`.
    clip : float
        The largest weight.

    Examples
    --------
    >>> found = estimate(np.array([0.5, 1.5] * 50), np.array([0.0, 1.0] * 50), clip=100.0)
    >>> found.value, found.effective, found.support
    (0.75, 80.0, 1.0)
    >>> round(found.low, 2), round(found.high, 2)
    (0.67, 0.83)
    """
    count, held = len(weights), np.minimum(weights, clip)
    total = held.sum()
    if count < 2 or total == 0.0:
        return Estimate(math.nan, math.nan, math.nan, 0.0, 0, 0.0, 0.0)
    effective = total * total / np.square(held).sum()
    value = held @ rewards / total
    # What the value would be by leaving each one out (jackknife), and as many degrees of freedom as count in that.
    pull = np.square(held * (rewards - value) / np.maximum(total - held, np.finfo(np.float64).tiny))
    freedom = np.square(pull.sum()) / max(np.square(pull).sum(), np.finfo(np.float64).tiny)
    reach = math.sqrt(pull.sum()) * t.ppf(0.975, max(freedom - 1.0, 1.0))
    support = weights.mean()
    most = support + _SURE * weights.std(ddof=1) / math.sqrt(count)
    clipped = int(np.count_nonzero(weights > clip))
    return Estimate(
        float(value), float(value - reach), float(value + reach), float(effective), clipped, float(support), float(most)
    )
