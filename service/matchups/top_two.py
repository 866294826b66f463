"""Top-two: the leader, and as often one who might be the leader in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from msgspec import Meta

from service.columns import Floats
from service.matchups import Goal, Law, Policy
from service.matchups.chances import left, of_the_rest
from service.matchups.field import Field
from service.matchups.particles import Particles, best_shares, draw_particles


class TopTwo(Policy, frozen=True, kw_only=True):
    """Top-two Thompson sampling: Thompson's leader with a fixed chance, else a challenger who is best without it.

    Parameters
    ----------
    beta : float
        Chance of the leader; of its challenger the rest.
    particles : int
        Draws of all skills by which leader and challengers are found.

    References
    ----------
    D. Russo, Simple Bayesian Algorithms for Best Arm Identification, COLT 2016.
    """

    name: ClassVar[str] = "top_two"
    goals: ClassVar[frozenset[Goal]] = frozenset({"best"})
    unit: ClassVar[str] = "chance that the best is among them"

    beta: Annotated[float, Meta(ge=0, le=1)] = 0.5
    particles: Particles = 64

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """Each side as the paper measures one arm, among those left.

        With ``p`` the shares of particles in which each is the best, that is ``beta p_i`` as the leader and
        ``(1 - beta) sum_j p_j p_i / (1 - p_j)`` as a challenger of ``j``. Where no particle knows a challenger,
        it is the best but for those taken.
        """
        particles = draw_particles(field, self.particles, rng)
        best = best_shares(particles, ())
        return _LeaderOrChallenger(particles, best, self._measured(particles, best))

    def _measured(self, particles: Floats, best: Floats) -> Floats:
        """Chance of each to be the one arm that is measured."""
        leader = int(best.argmax())
        if best[leader] == 1.0:
            challenger = best_shares(particles, (leader,))
        else:
            led = best / (1.0 - best)
            challenger = best * (led.sum() - led)
        measured: Floats = self.beta * best + (1.0 - self.beta) * challenger
        return measured


class _LeaderOrChallenger(NamedTuple):
    particles: Floats
    best: Floats
    measured: Floats

    def chances(self, taken: Sequence[int]) -> Floats:
        if self.measured[left(len(self.measured), taken)].any():
            return of_the_rest(self.measured, taken)
        return best_shares(self.particles, taken)

    def score(self, taken: Sequence[int]) -> float:
        return float(self.best[list(taken)].sum())
