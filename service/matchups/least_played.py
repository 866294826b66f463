"""Least played: those with the fewest matches first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from service.columns import Floats
from service.matchups import Goal, Law, Policy
from service.matchups.chances import greatest
from service.matchups.field import Field


class LeastPlayed(Policy, frozen=True):
    """Those with the fewest matches, matches under way included: everybody plays equally often."""

    name: ClassVar[str] = "least_played"
    goals: ClassVar[frozenset[Goal]] = frozenset({"cover"})
    spreads: ClassVar[bool] = True
    unit: ClassVar[str] = "matches behind the average"

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """Of those left the one with the fewest matches; equals alike."""
        return _Fewest(field.matches)


class _Fewest(NamedTuple):
    matches: Floats

    def chances(self, taken: Sequence[int]) -> Floats:
        return greatest(-self.matches, taken)

    def score(self, taken: Sequence[int]) -> float:
        return float(self.matches.mean() - self.matches[list(taken)].mean())
