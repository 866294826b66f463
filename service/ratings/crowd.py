"""Performances in a contest of thousands: the roots of sums over all its sides, tabulated on the way.

A side performed where its result is most likely: at the root of a sum over all sides, of which those below it pull up,
those above it pull down, and those that share its place, itself among them, hold it. All sides of a place have one
root, and a better place never has a lower one.

Up to `DIRECT` sides each root is found in the sum itself. For more, one goes down from the first place: the sum is kept
at the two nearest points of a grid, with two derivatives, and what lies between is interpolated. A place further down
changes those points by the few sides that change hands, and only a new point costs a sum over all, so that the work
grows with the sides times a hundred points or so, not with their square.

The grid does not depend on places and is so fine that the interpolation's error is some 1e-10 of a deviation.
"""

from __future__ import annotations

import math
from typing import Final

import numba
import numpy as np

from service.columns import Floats, Integers
from service.ratings.canonical import strongest_first
from service.ratings.link import LOGISTIC, logistic
from service.ratings.normal import above

DIRECT: Final = 64
"""Up to so many sides nothing is tabulated."""

STEP: Final = 0.15
"""From point to point of the grid, in the scale of the steepest side."""

ROUNDS: Final = 100
NEAREST: Final = 4e-16
FLAT: Final = 1e-3
"""Where a sum is so much flatter than one side could make it, rounding decides where Newton's method ends, and the root
is halved for instead: then a better place cannot end below a worse one by so much as a bit."""

POINT: Final = 0
VALUE: Final = 1
SLOPE: Final = 2
BEND: Final = 3


@numba.njit(cache=True)
def _pull(link: int, z: float, hold: int) -> tuple[float, float, float]:
    """What one side pulls another by, who performed at ``z`` of its scales above it; with two derivatives in ``z``.

    It is the slope of the log-likelihood of a win (``hold`` 1), a loss (-1) or the same place (0).
    """
    if link == LOGISTIC:
        chance = logistic(z)
        slope = chance * (1.0 - chance)
        bend = slope * (1.0 - 2.0 * chance)
        if hold > 0:
            return logistic(-z), -slope, -bend
        if hold < 0:
            return -chance, -slope, -bend
        return 1.0 - 2.0 * chance, -2.0 * slope, -2.0 * bend
    if hold == 0:
        return -z, -1.0, 0.0
    v, w = above(z if hold > 0 else -z)
    bend = w * ((z if hold > 0 else -z) + 2.0 * v) - v
    return (v, -w, bend) if hold > 0 else (-v, -w, -bend)


@numba.njit(cache=True)
def pulls(link: int, x: float, first: int, end: int, location: Floats, sway: Floats) -> tuple[float, float, float]:
    """Sum of what all sides pull a side at ``x`` by, of those from ``first`` to ``end`` it shares the place.

    Parameters
    ----------
    link : int
        `LOGISTIC` or `NORMAL`: how performances scatter.
    x : float
    first, end : int
        Those before lie above, those after below.
    location, sway : float64[n]
        Best place first: where the sides were expected, and one over the scale of their performance.

    Returns
    -------
    value, slope, bend : float
        It falls with ``x``.
    """
    value = slope = bend = 0.0
    for side in range(len(location)):
        hold = -1 if side < first else 0 if side < end else 1
        steep = sway[side]
        one, two, three = _pull(link, (x - location[side]) * steep, hold)
        value += steep * one
        slope += steep * steep * two
        bend += steep * steep * steep * three
    return value, slope, bend


@numba.njit(cache=True)
def root(
    link: int,
    level: float,
    first: int,
    end: int,
    location: Floats,
    sway: Floats,
    low: float,
    high: float,
    guess: float,
) -> float:
    """Where the sum of `pulls` falls through ``level``, between ``low`` and ``high``, which it is known to do."""
    least, most, x, slope = low, high, guess, 0.0
    steepest = sway.max()
    for _ in range(ROUNDS):
        value, slope, _ = pulls(link, x, first, end, location, sway)
        if value > level:
            least = x
        else:
            most = x
        step = x - (value - level) / slope if slope < 0.0 else math.inf
        if not least <= step <= most:
            step = 0.5 * (least + most)
        moved = abs(step - x)
        x = step
        if moved <= NEAREST * (abs(x) + 1.0 / steepest):
            break
    if -slope >= FLAT * steepest * steepest:
        return x
    # From ends that are the same whatever the place, so that all decisions of a better place are as high or higher.
    while True:
        x = 0.5 * (low + high)
        if not low < x < high:
            return high
        value, _, _ = pulls(link, x, first, end, location, sway)
        if value > level:
            low = x
        else:
            high = x


@numba.njit(cache=True)
def reach(location: Floats, sway: Floats) -> tuple[float, float]:
    """Between which points all roots of a contest lie."""
    flattest = sway.min()
    span = (math.log(2.0 * len(location) * sway.max() / flattest) + 1.0) / flattest
    return location.min() - span, location.max() + span


@numba.njit(cache=True)
def grid(sway: Floats) -> float:
    """Step of the grid."""
    return float(STEP / sway.max())


@numba.njit(cache=True)
def fill(
    link: int, index: float, step: float, first: int, end: int, location: Floats, sway: Floats, node: Floats
) -> None:
    """Make a point of the grid: float64[4], its index and the sum there with two derivatives."""
    value, slope, bend = pulls(link, index * step, first, end, location, sway)
    node[POINT], node[VALUE], node[SLOPE], node[BEND] = index, value, slope, bend


@numba.njit(cache=True)
def descend(
    link: int,
    level: float,
    step: float,
    lowest: float,
    first: int,
    end: int,
    location: Floats,
    sway: Floats,
    cell: Floats,
) -> None:
    """Go down the grid until the sum falls through ``level`` between the two points of ``cell``, float64[2, 4]."""
    left, right = cell[0], cell[1]
    bottom = math.floor(lowest / step)
    if left[VALUE] > level:
        return
    stride = 1.0
    while left[VALUE] <= level and left[POINT] > bottom:
        right[:] = left
        fill(link, max(bottom, left[POINT] - stride), step, first, end, location, sway, left)
        stride *= 2.0
    middle = np.empty(4)
    while right[POINT] - left[POINT] > 1.0:
        fill(link, math.floor(0.5 * (left[POINT] + right[POINT])), step, first, end, location, sway, middle)
        if middle[VALUE] > level:
            left[:] = middle
        else:
            right[:] = middle


@numba.njit(cache=True)
def between(t: float, step: float, cell: Floats) -> tuple[float, float]:
    """The sum at ``t`` of the way between the points of a cell, and its slope: a polynomial that fits all six figures.

    Returns
    -------
    value, slope : float
        The slope by ``t``.
    """
    start, rise, curve = cell[0, VALUE], step * cell[0, SLOPE], step * step * cell[0, BEND]
    # What is left for the higher powers.
    a = cell[1, VALUE] - start - rise - 0.5 * curve
    b = step * cell[1, SLOPE] - rise - curve
    c = step * step * cell[1, BEND] - curve
    third, fourth, fifth = 10.0 * a - 4.0 * b + 0.5 * c, -15.0 * a + 7.0 * b - c, 6.0 * a - 3.0 * b + 0.5 * c
    value = start + t * (rise + t * (0.5 * curve + t * (third + t * (fourth + t * fifth))))
    return value, rise + t * (curve + t * (3.0 * third + t * (4.0 * fourth + t * 5.0 * fifth)))


@numba.njit(cache=True)
def crossing(level: float, step: float, cell: Floats) -> float:
    """Where the sum falls through ``level`` within a cell."""
    low, high = 0.0, 1.0
    t = 0.5
    for _ in range(ROUNDS):
        value, slope = between(t, step, cell)
        if value > level:
            low = t
        else:
            high = t
        moved = t - (value - level) / slope if slope < 0.0 else -1.0
        if not low <= moved <= high:
            moved = 0.5 * (low + high)
        if abs(moved - t) <= NEAREST:
            break
        t = moved
    return float(step * (cell[0, POINT] + t))


@numba.njit(cache=True)
def by_place(location: Floats, sway: Floats, rank: Integers) -> Integers:
    """Indices of sides by place, then by what was expected of them: those that are left are interchangeable."""
    order = strongest_first(location, rank, sway.reshape((1, len(sway))))
    if len(order) == 2:
        # Sorting costs more than all else in a match of two.
        return order[::-1].copy() if rank[order[1]] < rank[order[0]] else order
    return order[np.argsort(rank[order], kind="mergesort")]


@numba.njit(cache=True)
def _hand_over(
    link: int, step: float, first: int, end: int, last: int, location: Floats, sway: Floats, cell: Floats
) -> None:
    """Bring a cell from the place of the sides from ``first`` to ``end`` to that of those from there to ``last``."""
    for node in cell:
        for side in range(first, last):
            steep = sway[side]
            z = (node[POINT] * step - location[side]) * steep
            was, was_slope, was_bend = _pull(link, z, 0 if side < end else 1)
            now, now_slope, now_bend = _pull(link, z, -1 if side < end else 0)
            node[VALUE] += steep * (now - was)
            node[SLOPE] += steep * steep * (now_slope - was_slope)
            node[BEND] += steep * steep * steep * (now_bend - was_bend)


@numba.njit(cache=True)
def performances(link: int, location: Floats, sway: Floats, rank: Integers, found: Floats) -> None:
    """Find where every side of a match performed.

    Parameters
    ----------
    link : int
        `LOGISTIC` or `NORMAL`.
    location, sway : float64[n]
        Where the sides were expected, and one over the scale of their performance, in any order.
    rank : int64[n]
    found : float64[n]
        Filled.
    """
    order = by_place(location, sway, rank)
    location, sway, rank = location[order], sway[order], rank[order]
    sides = len(order)
    low, high = reach(location, sway)
    step, cell = grid(sway), np.empty((2, 4))
    first, previous, x = 0, 0, 0.0
    while first < sides:
        end = first + 1
        while end < sides and rank[end] == rank[first]:
            end += 1
        if sides <= DIRECT:
            x = root(link, 0.0, first, end, location, sway, low, high, location[first])
        else:
            if first == 0:
                for node in range(2):
                    fill(link, math.ceil(high / step) + node, step, first, end, location, sway, cell[node])
            else:
                _hand_over(link, step, previous, first, end, location, sway, cell)
            descend(link, 0.0, step, low, first, end, location, sway, cell)
            x = crossing(0.0, step, cell)
        found[order[first:end]] = x
        first, previous = end, first
