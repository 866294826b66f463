"""Lineups: parties of several sizes spread over the sides of one match, so that these are even."""

from __future__ import annotations

import math
from typing import Final

import numba
import numpy as np

from service.columns import Floats, Integers
from service.ratings.link import below

MOST_LOOKS: Final = 4_096
"""Parties placed, at most, in search of the evenest lineup of a match; two sides of six take less."""


@numba.njit(cache=True)
def lopsided(link: int, location: Floats, variance: Floats) -> float:
    """How far the win chance of the most lopsided pair is from one half.

    Parameters
    ----------
    link : int
        See `service.ratings.link.CODES`.
    location, variance : float64[n]

    Examples
    --------
    >>> round(lopsided(0, np.array([1.0, 0.0, 0.5]), np.array([0.5, 0.5, 0.5])), 3)
    0.231
    """
    widest = 0.0
    for i in range(len(location)):
        for q in range(i):
            gap = location[i] - location[q]
            widest = max(widest, gap * gap / (variance[i] + variance[q]))
    # The link rises, so the widest gap is the most lopsided pair.
    return below(link, math.sqrt(widest)) - 0.5


@numba.njit(cache=True)
def packable(room: Integers, sizes: Integers) -> bool:
    """Whether parties can fill what room there is, to the last place.

    Parameters
    ----------
    room : int64[sides]
        Places that each side has left.
    sizes : int64[most + 1]
        How many parties there are of each size.

    Examples
    --------
    >>> packable(np.array([3, 3]), np.array([0, 0, 3, 0])), packable(np.array([3, 3]), np.array([0, 2, 2, 0]))
    (False, True)
    """
    if sizes[1] >= room.sum():
        return True
    room, sizes = room.copy(), sizes.copy()
    # What was taken, the largest of a side first, and for which side: a stack to go back by.
    taken, taker = np.empty(room.sum(), np.int64), np.empty(room.sum(), np.int64)
    depth, side, largest = 0, 0, len(sizes) - 1
    for _ in range(MOST_LOOKS):
        while side < len(room) and room[side] == 0:
            side, largest = side + 1, len(sizes) - 1
        if side == len(room):
            return True
        size = min(largest, room[side])
        while size > 0 and sizes[size] == 0:
            size -= 1
        if size > 0:
            taken[depth], taker[depth] = size, side
            sizes[size] -= 1
            room[side] -= size
            depth, largest = depth + 1, size
            continue
        if depth == 0:
            return False
        depth -= 1
        side, largest = taker[depth], taken[depth] - 1
        sizes[taken[depth]] += 1
        room[side] += taken[depth]
    return False


@numba.njit(cache=True)
def even_sides(
    link: int, size: Integers, location: Floats, variance: Floats, side: Integers, sides: int, enough: float
) -> float:
    """Spread the parties of a match over its sides.

    The largest and strongest go first, each to where it evens out most; then all other ways are tried, as long as that
    takes no more than `MOST_LOOKS`.

    Parameters
    ----------
    link : int
    size : int64[m]
        Players of each party.
    location, variance : float64[m]
        Sums over its players.
    side : int64[m]
        A way that fits; the evenest is written over it.
    sides : int
    enough : float
        As lopsided as that is even enough: others are not looked for.

    Returns
    -------
    float
        How lopsided it is, see `lopsided`.

    Examples
    --------
    >>> side = np.array([0, 0, 1, 1])
    >>> even_sides(0, np.ones(4, np.int64), np.array([4.0, 3.0, 2.0, 1.0]), np.ones(4), side, 2, 0.0), side.tolist()
    (0.0, [0, 1, 1, 0])
    """
    count, players = len(side), size.sum()
    off = location - location.sum() / players * size
    sums, spreads = np.zeros(sides), np.zeros(sides)
    for i in range(count):
        sums[side[i]] += off[i]
        spreads[side[i]] += variance[i]
    best = lopsided(link, sums, spreads)
    order = _descending(size * (1.0 + 2.0 * np.abs(off).max()) + np.abs(off))
    room = np.full(sides, players // sides)
    # Of each depth: the sides in the order tried, how many were, where its party is put, and what was there before.
    tries, tried = np.empty((count, sides), np.int64), np.zeros(count, np.int64)
    put, kept = np.full(count, -1), np.empty((count, 2))
    emptied = np.zeros(count, np.bool_)
    sums[:], spreads[:] = 0.0, 0.0
    tries[0] = np.arange(sides)
    depth = looks = 0
    while best > enough and looks < MOST_LOOKS and depth >= 0:
        party, to = order[depth], put[depth]
        if to >= 0:
            # As it was to the last bit, which subtraction would not give.
            sums[to], spreads[to] = kept[depth, 0], kept[depth, 1]
            room[to] += size[party]
            put[depth] = -1
        while tried[depth] < sides and put[depth] < 0:
            to = tries[depth, tried[depth]]
            tried[depth] += 1
            # Sides without anybody are alike: one of them will do.
            empty = room[to] * sides == players
            if room[to] >= size[party] and not (empty and emptied[depth]):
                emptied[depth] |= empty
                put[depth] = to
        if put[depth] < 0:
            depth -= 1
            continue
        looks += 1
        kept[depth, 0], kept[depth, 1] = sums[to], spreads[to]
        sums[to] += off[party]
        spreads[to] += variance[party]
        room[to] -= size[party]
        if depth < count - 1:
            depth += 1
            tried[depth], emptied[depth] = 0, False
            tries[depth] = _descending(-sums if off[order[depth]] > 0.0 else sums)
            continue
        found = lopsided(link, sums, spreads)
        if found < best:
            best = found
            for i in range(count):
                side[order[i]] = put[i]
    return best


@numba.njit(cache=True)
def _descending(values: Floats) -> Integers:
    """Places of a few values from the largest on; equals as they stand."""
    order = np.arange(len(values))
    for i in range(1, len(values)):
        q = i
        while q > 0 and values[order[q - 1]] < values[i]:
            order[q] = order[q - 1]
            q -= 1
        order[q] = i
    return order
