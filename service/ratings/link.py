"""Links: from a gap between two predicted performances to the chances of a win, a tie and a loss.

The gap is in units of the pair's own deviation, ``x = (location[i] - location[q]) / sqrt(variance[i] + variance[q])``.
The zone is what makes ties: under ``logistic`` and ``normal`` half the width of the gaps that end in one, in the unit
of ``x``; under ``davidson`` the chance of a tie over the geometric mean of those of a win and of a loss, halved.

References
----------
P. V. Rao, L. L. Kupper, Ties in paired-comparison experiments, J. Amer. Statist. Assoc. 62, 1967.
R. R. Davidson, On extending the Bradley-Terry model to accommodate ties, the same 65, 1970.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numba

from service.ratings.normal import cdf, density

Link = Literal["logistic", "normal", "davidson"]

LOGISTIC: Final = 0
NORMAL: Final = 1
DAVIDSON: Final = 2
CODES: Final[dict[Link, int]] = {"logistic": LOGISTIC, "normal": NORMAL, "davidson": DAVIDSON}
"""How compiled code knows a link."""


@numba.njit(cache=True)
def logistic(x: float) -> float:
    """Chance of a standard logistic variable below ``x``.

    Examples
    --------
    >>> logistic(0.0), logistic(-1e6) < 1e-300
    (0.5, True)
    """
    # Past 700 the compiled exp would give infinity, and Python's an OverflowError.
    return 1.0 / (1.0 + math.exp(min(-x, 700.0)))


@numba.njit(cache=True)
def below(link: int, x: float) -> float:
    """The link itself: chance to be before the other, were there no ties."""
    return cdf(x) if link == NORMAL else logistic(x)


@numba.njit(cache=True)
def slope(link: int, x: float) -> float:
    """Derivative of `below` in ``x``."""
    if link == NORMAL:
        return density(x)
    chance = logistic(x)
    return chance * (1.0 - chance)


@numba.njit(cache=True)
def outcome_chances(link: int, x: float, zone: float) -> tuple[float, float, float]:
    """Chances of a win, a tie and a loss.

    Examples
    --------
    >>> [round(chance, 3) for chance in outcome_chances(LOGISTIC, 1.0, 0.5)]
    [0.622, 0.195, 0.182]
    >>> [round(chance, 3) for chance in outcome_chances(DAVIDSON, 0.0, 0.5)]
    [0.333, 0.333, 0.333]
    """
    if link == DAVIDSON:
        # By the stronger one's strength, so that nothing overflows; the other's is that much smaller.
        small = math.exp(-abs(x))
        tie = 2.0 * zone * math.sqrt(small)
        total = 1.0 + small + tie
        win, loss = (1.0 / total, small / total) if x > 0.0 else (small / total, 1.0 / total)
        return win, tie / total, loss
    win, loss = below(link, x - zone), below(link, -x - zone)
    return win, max(0.0, 1.0 - win - loss), loss


@numba.njit(cache=True)
def expected_score(link: int, x: float, zone: float) -> float:
    """Chance to be before the other, a tie counting one half.

    Examples
    --------
    >>> expected_score(NORMAL, 0.0, 0.3), round(expected_score(LOGISTIC, 1.0, 0.5), 3)
    (0.5, 0.72)
    """
    if zone == 0.0:
        return below(link, x)
    win, _, loss = outcome_chances(link, x, zone)
    # Exactly one half between equals, and of both sides exactly 1: win + tie / 2 would be off by the last bit.
    return 0.5 + 0.5 * (win - loss)
