"""Thompson: each plays as often as it may be the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from service.columns import Floats
from service.matchups import Goal, Law, Policy
from service.matchups.field import Field
from service.matchups.particles import Particles, best_shares, draw_particles


class Thompson(Policy, frozen=True, kw_only=True):
    """Thompson sampling: each side is taken with the chance that it is the best of those left.

    Parameters
    ----------
    particles : int
        Draws of all skills by which these chances are found.

    References
    ----------
    W. R. Thompson, On the likelihood that one unknown probability exceeds another in view of the evidence of two
    samples, Biometrika 25, 1933.
    """

    name: ClassVar[str] = "thompson"
    goals: ClassVar[frozenset[Goal]] = frozenset({"best"})
    unit: ClassVar[str] = "chance that the best is among them"

    particles: Particles = 64

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """Of those left each by the share of particles in which it is the best; each side looks at all particles."""
        return _Best(draw_particles(field, self.particles, rng))


class _Best(NamedTuple):
    particles: Floats

    def chances(self, taken: Sequence[int]) -> Floats:
        return best_shares(self.particles, taken)

    def score(self, taken: Sequence[int]) -> float:
        return float(best_shares(self.particles, ())[list(taken)].sum())
