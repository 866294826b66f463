"""Uniform: every set of candidates is as likely as every other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from service.columns import Floats
from service.matchups import Goal, Law, Policy
from service.matchups.chances import even
from service.matchups.field import Field


class Uniform(Policy, frozen=True):
    """Everybody alike: what every other policy is measured against, and what needs no excuse in a study."""

    name: ClassVar[str] = "uniform"
    goals: ClassVar[frozenset[Goal]] = frozenset({"cover"})
    unit: ClassVar[str] = "none"

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """Each of those left alike."""
        return _Alike(len(field))


class _Alike(NamedTuple):
    candidates: int

    def chances(self, taken: Sequence[int]) -> Floats:
        return even(self.candidates, taken)

    def score(self, taken: Sequence[int]) -> float:
        return 0.0
