"""UCB: a pivot who has played least, and the rivals of whom it is least clear how they compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, NamedTuple

import numpy as np
from msgspec import Meta

from service.columns import Floats
from service.matchups import Goal, Law, Need, Policy
from service.matchups.chances import greatest, meetings
from service.matchups.field import Field

BELOW: Final = 3.0
"""A player is compared by the rating less so many deviations, as K-Sort Arena's board has it."""

SUREST: Final = 1e-6
"""A pair's deviation is taken to be no less, for it may be 0."""

LEAST: Final = 3.0 / 17.0
"""What one match of 16 sides counts for a pair: the least that a pair which met can have."""


class Ucb(Policy, frozen=True, kw_only=True):
    """K-Sort Arena's rule: a pivot with the fewest matches, then rivals of its strength whom it seldom met.

    Parameters
    ----------
    alpha : float
        Weight of having seldom met, in deviations of the pair.

    References
    ----------
    Z. Li et al., K-Sort Arena: Efficient and Reliable Benchmarking for Generative Models via K-wise Human Preferences,
    arXiv 2408.14468, 2024.
    """

    name: ClassVar[str] = "ucb"
    goals: ClassVar[frozenset[Goal]] = frozenset({"full"})
    needs: ClassVar[frozenset[Need]] = frozenset({"pairs"})
    spreads: ClassVar[bool] = True
    unit: ClassVar[str] = "deviations of the pair"

    alpha: Annotated[float, Meta(ge=0, le=100)] = 1.0

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """First one with the fewest matches; then rivals by their upper bound with the first, equals alike.

        The bound of ``i`` and ``q`` is ``-|S_i - S_q| + alpha sqrt(ln(n) / n_iq)`` with ``S`` in deviations of the
        pair. The paper prints the first term without its minus, which would seek the farthest rival; its text and
        its figures mean the nearest. A rival never met comes before every other.
        """
        assert field.wins is not None
        count = float(field.wins.sum()) + len(field.under_way)
        return _Bounds(field, self.alpha * self.alpha * math.log(max(1.0, count)))


class _Bounds(NamedTuple):
    field: Field
    seldom: float

    def chances(self, taken: Sequence[int]) -> Floats:
        if not taken:
            return greatest(-self.field.matches, taken)
        met, bound = self._bounds(taken[0])
        # Only among equals of an infinite bound does the gap decide.
        unmet = met == 0.0
        unmet[list(taken)] = False
        return greatest(np.where(unmet, bound, -np.inf) if unmet.any() else bound, taken)

    def score(self, taken: Sequence[int]) -> float:
        _, bound = self._bounds(taken[0])
        return float(bound[list(taken[1:])].mean())

    def _bounds(self, pivot: int) -> tuple[Floats, Floats]:
        """How often the pivot met each, and the bound; of those never met as of those who met once among 16."""
        worth = self.field.rating - BELOW * self.field.deviation
        spread = np.maximum(np.hypot(self.field.deviation, self.field.deviation[pivot]), SUREST)
        met = meetings(self.field, pivot)
        return met, np.sqrt(self.seldom / np.maximum(met, LEAST)) - np.abs(worth - worth[pivot]) / spread
