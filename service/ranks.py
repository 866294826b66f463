"""What a place on the board means: shared ranks, percentiles, and how sure a rank is. Pure.

A rank counts players by their board value; its interval counts them by what is known of their skill: rating
and deviation. A player is surely better than another where the gap of the ratings is more than 1.96 times
the standard deviation of that gap.
"""

from __future__ import annotations

import math
from typing import Final

import numba
import numpy as np

from service.columns import Floats, Integers

SURE: Final = 1.96
"""Standard deviations of a 95 % interval."""


def shared_ranks(values: Floats, first: int, above: int) -> Integers:
    """Ranks of consecutive rows of a board: 1 + how many players have a larger value.

    Parameters
    ----------
    values : float64[n]
        What the board is ordered by, falling.
    first : int
        Place of the first row, from 0.
    above : int
        Players with a larger value than the first row's.

    Returns
    -------
    int64[n]

    Examples
    --------
    >>> shared_ranks(np.array([7.0, 7.0, 5.0]), first=3, above=2).tolist()
    [3, 3, 6]
    """
    begins = np.arange(first, first + len(values))
    begins[:1] = above
    begins[1:][values[1:] == values[:-1]] = 0
    return np.maximum.accumulate(begins) + 1


def percentiles(ranks: Integers, total: int) -> Floats:
    """Share of players, in percent, whose value is not above the player's: 100 at the top, never 0.

    Examples
    --------
    >>> percentiles(np.array([1, 1, 3, 4]), total=4).tolist()
    [100.0, 100.0, 50.0, 25.0]
    """
    return 100.0 * (total - ranks + 1) / total


def rank_intervals(
    rating: Floats, deviation: Floats, ranks: Integers, total: int, pool_rating: Floats, pool_deviation: Floats
) -> tuple[Integers, Integers]:
    """Lowest and highest rank that a player may deserve.

    ``1 + (players surely better)`` and ``total - (players surely worse)``. Where fewer players than the total
    are given, the counts are scaled up, rounded so that the interval is rather too wide. An interval always
    holds the rank itself, which a board that is not ordered by rating alone could put outside.

    Parameters
    ----------
    rating, deviation : float64[n]
        The players asked about.
    ranks : int64[n]
        Their ranks on the board.
    total : int
        Players on the board.
    pool_rating, pool_deviation : float64[m]
        Every player of the pool, or a random sample of them, in no order.

    Returns
    -------
    low, high : int64[n]

    Examples
    --------
    >>> rating, deviation = np.array([1900.0, 1850.0, 1500.0]), np.array([20.0, 30.0, 40.0])
    >>> low, high = rank_intervals(rating, deviation, np.array([1, 2, 3]), 3, rating, deviation)
    >>> low.tolist(), high.tolist()
    ([1, 1, 3], [2, 2, 3])
    """
    better, worse = np.empty(len(rating), np.int64), np.empty(len(rating), np.int64)
    _count_sure(rating, deviation * deviation, pool_rating, pool_deviation * pool_deviation, better, worse)
    known = max(1, len(pool_rating))
    low, high = 1 + better * total // known, total - worse * total // known
    return np.minimum(low, ranks), np.maximum(high, ranks)


@numba.njit(cache=True)
def _count_sure(
    rating: Floats, variance: Floats, pool_rating: Floats, pool_variance: Floats, better: Integers, worse: Integers
) -> None:
    for i in range(len(rating)):
        above = below = 0
        for q in range(len(pool_rating)):
            gap = pool_rating[q] - rating[i]
            sure = SURE * math.sqrt(pool_variance[q] + variance[i])
            above += gap > sure
            below += -gap > sure
        better[i], worse[i] = above, below
