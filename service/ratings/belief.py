"""A Gaussian belief beside an Elo rating, which says how far off the rating may be.

Elo itself does not say so, and its own recursion cannot: while skills are still squeezed together near the start, it
takes mismatches for even matches. So a belief is kept beside each rating, updated by the same results as Glicko would,
and the deviation is the root mean square error of the rating under that belief. The belief never gets surer than a
step of size ``k`` leaves Elo at best, ``k * scale / (2 ln 10)``. Elo moves as many points up as down, the belief does
not, so over decades their levels part; since only gaps mean anything, the pool's row learns how far, and that much is
no error.

References
----------
M. E. Glickman, Parameter estimation in large dynamic paired comparison experiments, Applied Statistics 48, 1999.
"""

from __future__ import annotations

import math
from typing import Final

import numba
import numpy as np

from service.columns import Floats, Integers
from service.ratings.pairs import flattened
from service.ratings.teams import column_total

RATING: Final = 0
BELIEF: Final = 1
VARIANCE: Final = 2
"""Columns of a player's row."""

SHIFT: Final = 0
COUNT: Final = 1
"""Columns of a pool's row."""

SHIFT_MATCHES: Final = 1000.0
"""The level by which beliefs lie off the ratings is a running mean over about so many matches."""

BLUR: Final = math.pi / 8
"""A logistic seen through a normal error of variance v is nearly one that is flatter by sqrt(1 + BLUR v)."""


def deviations(skills: Floats, pool: Floats) -> Floats:
    """Root mean square error of each rating under the belief beside it, float64[n]."""
    off = skills[:, BELIEF] - skills[:, RATING] - pool[SHIFT]
    found: Floats = np.sqrt(skills[:, VARIANCE] + off * off)
    return found


@numba.njit(cache=True)
def team(skills: Floats, player: Integers, low: int, high: int) -> tuple[float, float, float]:
    """Means of rating and belief of those in the slots from ``low`` to ``high``, and the variance of the latter."""
    size = float(high - low)
    rating = column_total(skills, RATING, player, low, high) / size
    belief = column_total(skills, BELIEF, player, low, high) / size
    return rating, belief, column_total(skills, VARIANCE, player, low, high) / (size * size)


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def sway_of(slope: float, spread: float) -> float:
    """Slope of the expected score against a side about which the belief has this variance."""
    return flattened(slope, BLUR * slope * slope * spread)


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def parted(shift: float, count: float, seen: float) -> float:
    """How far the level of the beliefs has parted from that of the ratings, after a match that has seen so much."""
    return shift + (seen - shift) / min(count, SHIFT_MATCHES)


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def revised(
    known: float, size: int, spread: float, weight: float, pull: float, told: float, surest: float
) -> tuple[float, float]:
    """Update the belief about one player on a side of ``size``, of whose mean this much was learned.

    Parameters
    ----------
    known : float
        Variance of the belief about the player.
    spread : float
        Variance of that about the side's mean.
    pull, told : float
        Score and information about it, see `service.ratings.pairs.seen`.
    surest : float
        The variance below which the belief does not fall.

    Returns
    -------
    gain, variance : float
        What the belief moves by, and its new variance.
    """
    after = 1.0 / (1.0 / spread + weight * told)
    # A player's part in the side's error, and so in what is learned of it.
    part = known / size / spread
    return part * after * weight * pull, max(known - part * part * (spread - after), min(known, surest))
