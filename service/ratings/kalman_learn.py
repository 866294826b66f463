"""What `kalman` learns for a whole pool: each number takes a step up the likelihood of every result.

How long it is, see `service.ratings.climb`. All of it lives in the pool's row, a value and its variance each.
"""

from __future__ import annotations

import math
from typing import Final

import numba

from service.columns import Floats
from service.ratings.climb import climbed, narrowed
from service.ratings.normal import cdf, density

SPREAD: Final = 0
DRIFT: Final = 2
ZONE: Final = 4
HOME: Final = 6
HEADCOUNT: Final = 8
"""Where a learned number stands in the pool's row; its variance is next to it. The first three are logarithms."""

MARGINS: Final = 10
MARGIN_SCALE: Final = 11
MARGIN_TAILS: Final = 12

FIRST_VARIANCE: Final = 0.25
SKILL_FORGOTTEN: Final = 1e-5
ZONE_FORGOTTEN: Final = 1e-7
EFFECT_FORGOTTEN: Final = 1e-6

LEAST_SPREAD: Final = 0.05
MOST_SPREAD: Final = 5.0
LEAST_DRIFT: Final = 1e-5
MOST_DRIFT: Final = 100.0
LEAST_ZONE: Final = 1e-4
MOST_ZONE: Final = 5.0
MOST_EFFECT: Final = 5.0

FIRST_MARGINS: Final = 10.0
"""Margins that only set their scale: starting it from one alone, a 0-0, ruins what follows."""

WINDOW: Final = 5000.0
FARTHEST: Final = 4.0
"""A margin counts as at most so many deviations off what was expected."""

NORMAL_TAILS: Final = 3.0
MOST_TAILS: Final = 5.0
TAILS_KNOWN: Final = 100.0
"""Tails are the mean fourth power of what margins are off by, in deviations: 3 of a normal. Margins with tails above 5
are not of one kind, such as captures in one match and frags in the next: outcomes tell more. That tails are normal is
taken to be known from so many matches."""

LEAST_SCALE: Final = 1e-24
MOST_SCALE: Final = 1e24
LEAST_CHANCE: Final = 1e-15


@numba.njit(cache=True)
def step(pool: Floats, at: int, score: float, information: float, forgotten: float, least: float, most: float) -> None:
    """Move a learned number by the slope of a result's log-likelihood in it, given what the result tells of it."""
    pool[at + 1] = narrowed(pool[at + 1], forgotten, information)
    pool[at] = climbed(pool[at], pool[at + 1] * score, least, most)


@numba.njit(cache=True)
def learn_zone(pool: Floats, gap: float, zone: float, favourite: int, weight: float) -> None:
    """Learn the half width of the gaps that end in a tie from what a match of two sides ended in.

    Parameters
    ----------
    pool : float64[13]
    gap, zone : float
        What was expected of the stronger side, never negative, and the zone, both in the pair's own deviation.
    favourite : int
        1 if that side won, 0 for a tie, -1 if it lost.
    weight : float
    """
    win, loss = cdf(gap - zone), cdf(-gap - zone)
    tie = cdf(zone - gap) - loss
    by_win, by_loss = -zone * density(gap - zone), -zone * density(gap + zone)
    by_tie = -by_win - by_loss
    win, tie, loss = max(win, LEAST_CHANCE), max(tie, LEAST_CHANCE), max(loss, LEAST_CHANCE)
    score = by_win / win if favourite > 0 else by_loss / loss if favourite < 0 else by_tie / tie
    information = by_win * by_win / win + by_tie * by_tie / tie + by_loss * by_loss / loss
    step(pool, ZONE, weight * score, weight * information, ZONE_FORGOTTEN, math.log(LEAST_ZONE), math.log(MOST_ZONE))


@numba.njit(cache=True)
def learn_margin(pool: Floats, seen: float, gap: float, variance: float, weight: float) -> None:
    """Learn how large margins are, by a running mean of their squares about what was expected.

    Parameters
    ----------
    pool : float64[13]
    seen : float
        The margin after its power.
    gap : float
        What was expected, in units of the noise, and its variance, without the noise.
    variance : float
    weight : float
    """
    first = pool[MARGINS] < FIRST_MARGINS
    if first:
        if seen == 0.0:
            return
        square = seen * seen / (1.0 + variance + gap * gap)
    else:
        scale = math.sqrt(pool[MARGIN_SCALE])
        off = (seen - scale * gap) / math.sqrt(1.0 + variance)
        off = min(max(off, -FARTHEST * scale), FARTHEST * scale)
        square = off * off
        fourth = square * square / (pool[MARGIN_SCALE] * pool[MARGIN_SCALE])
        pool[MARGIN_TAILS] += (fourth - pool[MARGIN_TAILS]) * weight / (min(pool[MARGINS], WINDOW) + TAILS_KNOWN)
    pool[MARGINS] += weight
    pool[MARGIN_SCALE] += (square - pool[MARGIN_SCALE]) * weight / min(pool[MARGINS], WINDOW)
    pool[MARGIN_SCALE] = min(max(pool[MARGIN_SCALE], LEAST_SCALE), MOST_SCALE)
