"""Exp3: weights by how often each wins against all others, and a share for everybody that falls with time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats
from service.matchups import Goal, Law, Policy
from service.matchups.chances import boltzmann, of_the_rest
from service.matchups.field import Field
from service.ratings.link import CODES, below


class Exp3(Policy, frozen=True, kw_only=True):
    """Duelling Exp3: exponential weights of Borda scores, mixed with everybody alike.

    The paper's learning rate, with the matches so far in place of the horizon; so it needs to know neither and can
    begin at any time. Its weights add up estimates of single matches, each divided by the chance of that match. Here
    nothing is kept: as many matches as there were, times the Borda score as all results have it, or as the ratings
    predict it where no pairs are kept. That has less noise, so the defaults learn faster and mix in less than the
    paper; but who changes is noticed only as results of long ago are outweighed, so the paper's bound against an
    adversary does not hold.

    Parameters
    ----------
    rate : float
        Learning rate, in units of the paper's.
    mixing : float
        Share of everybody alike, in units of the paper's.

    References
    ----------
    A. Saha, T. Koren, Y. Mansour, Adversarial Dueling Bandits, ICML 2021.
    P. Auer, N. Cesa-Bianchi, Y. Freund, R. E. Schapire, The nonstochastic multiarmed bandit problem, SIAM J. Comput.
    32, 2002.
    """

    name: ClassVar[str] = "exp3"
    goals: ClassVar[frozenset[Goal]] = frozenset({"best"})
    unit: ClassVar[str] = "chance to win against anybody"

    rate: Annotated[float, Meta(ge=0.01, le=100)] = 3.0
    mixing: Annotated[float, Meta(ge=0.01, le=100)] = 0.3

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """Each side by the same chances, among those left.

        With ``n`` candidates, ``t`` matches and Borda scores ``b`` they are
        ``(1 - gamma) softmax(rate eta t b) + gamma / n``, where
        ``eta = (ln(n) / (t sqrt(n)))^(2/3)`` and ``gamma = min(1, mixing sqrt(eta n))``.
        """
        borda = _by_ratings(field) if field.wins is None else _by_wins(field.wins)
        count = len(field)
        # As many as if all had two sides.
        played = max(1.0, 0.5 * float(field.matches.sum()))
        eta = (math.log(count) / (played * math.sqrt(count))) ** (2.0 / 3.0)
        gamma = min(1.0, self.mixing * math.sqrt(eta * count))
        return _Weights(borda, (1.0 - gamma) * boltzmann(self.rate * eta * played * borda, ()) + gamma / count)


class _Weights(NamedTuple):
    borda: Floats
    weights: Floats

    def chances(self, taken: Sequence[int]) -> Floats:
        return of_the_rest(self.weights, taken)

    def score(self, taken: Sequence[int]) -> float:
        return float(self.borda[list(taken)].mean())


@numba.njit(cache=True)
def _by_wins(wins: Floats) -> Floats:
    """Mean share of wins against each other one; half a win of both is added, so a pair that never met is even."""
    scores = np.zeros(len(wins))
    for i in range(len(wins)):
        for q in range(i):
            share = (wins[i, q] + 0.5) / (wins[i, q] + wins[q, i] + 1.0)
            scores[i] += share
            scores[q] += 1.0 - share
    for i in range(len(wins)):
        scores[i] /= len(wins) - 1
    return scores


def _by_ratings(field: Field) -> Floats:
    """Predicted chance against one drawn from a normal distribution with the field's mean and variance.

    Under the normal link that is the mean chance against such a field; no look at every pair is needed.
    """
    spread = np.sqrt(field.variance + field.variance.mean() + field.location.var())
    code = CODES[field.link]
    return np.array([below(code, gap) for gap in ((field.location - field.location.mean()) / spread).tolist()])
