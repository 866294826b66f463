"""Particles: skills of all candidates, drawn as what is known of them has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats
from service.matchups.chances import Left, left
from service.matchups.field import Field

Particles = Annotated[int, Meta(ge=1, le=256)]
"""How many particles a policy draws; its law is exact given them."""

RIDGE: Final = 1e-9
"""Added to a joint posterior's variances, since rounding may have taken it below 0 somewhere."""


def draw_particles(field: Field, count: int, rng: np.random.Generator) -> Floats:
    """Draw skills: from the joint posterior where the field has one, else each candidate's on its own.

    Returns
    -------
    float64[count, n]

    Examples
    --------
    >>> from service.matchups.field import level
    >>> draw_particles(level(3), 2, np.random.default_rng(7)).shape
    (2, 3)
    """
    particles = rng.standard_normal((count, len(field)))
    if field.posterior is None:
        particles *= field.deviation
        particles += field.rating
        return particles
    covariance = field.posterior.covariance.copy()
    covariance[np.diag_indices_from(covariance)] += RIDGE
    joint: Floats = field.posterior.mean + particles @ np.linalg.cholesky(covariance).T
    return joint


def best_shares(particles: Floats, taken: Sequence[int]) -> Floats:
    """Share of the particles in which each is the best of those left; equals share one.

    Parameters
    ----------
    particles : float64[m, n]
    taken : sequence of int
        Fewer than ``n``.

    Returns
    -------
    float64[n]

    Examples
    --------
    >>> best_shares(np.array([[3.0, 2.0, 1.0], [2.0, 2.0, 1.0]]), []).tolist()
    [0.75, 0.25, 0.0]
    >>> best_shares(np.array([[3.0, 2.0, 1.0], [2.0, 2.0, 3.0]]), [2]).tolist()
    [0.75, 0.25, 0.0]
    """
    return _best_shares(particles, left(particles.shape[1], taken))


@numba.njit(cache=True)
def _best_shares(particles: Floats, free: Left) -> Floats:
    count, candidates = particles.shape
    shares = np.zeros(candidates)
    equals = np.empty(candidates, dtype=np.int64)
    for particle in range(count):
        best, found = -np.inf, 0
        for i in range(candidates):
            if free[i] and particles[particle, i] >= best:
                if particles[particle, i] > best:
                    best, found = particles[particle, i], 0
                equals[found] = i
                found += 1
        for place in range(found):
            shares[equals[place]] += 1.0 / found
    # Divided once, so that who is the best in every particle has a share of exactly 1.
    for i in range(candidates):
        shares[i] /= count
    return shares
