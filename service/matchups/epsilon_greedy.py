"""Epsilon-greedy: the best as they stand, and now and then anybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from msgspec import Meta

from service.columns import Floats
from service.matchups import Goal, Law, Policy
from service.matchups.chances import even, greatest
from service.matchups.field import Field


class EpsilonGreedy(Policy, frozen=True, kw_only=True):
    """The highest rated, each replaced by anybody with a fixed chance.

    Parameters
    ----------
    epsilon : float
        Chance of each side to be anybody of those left.

    References
    ----------
    A. Slivkins, Introduction to Multi-Armed Bandits, section 1.2, 2019.
    """

    name: ClassVar[str] = "epsilon_greedy"
    goals: ClassVar[frozenset[Goal]] = frozenset({"best"})
    unit: ClassVar[str] = "rating"

    epsilon: Annotated[float, Meta(ge=0, le=1)] = 0.2

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """Of those left the highest rated, equals alike; each side is anybody with the chance ``epsilon``."""
        return _Greedy(field.rating, self.epsilon)


class _Greedy(NamedTuple):
    rating: Floats
    epsilon: float

    def chances(self, taken: Sequence[int]) -> Floats:
        exploited = greatest(self.rating, taken)
        explored = even(len(self.rating), taken)
        mixed: Floats = (1.0 - self.epsilon) * exploited + self.epsilon * explored
        return mixed

    def score(self, taken: Sequence[int]) -> float:
        return float(self.rating[list(taken)].mean())
