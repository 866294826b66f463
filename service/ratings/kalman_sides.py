"""What the order of three or more sides tells `kalman` of each: the most likely performance, and how sharply.

Given its own performance, a side's comparisons with the others are independent of each other. So the order is a
likelihood of one number a side, log-concave, with one most likely value; and however many the others are, it tells no
more of the side than its performance itself would.

Up to `MOST_EXACT` sides the comparisons are normal and a tie is a zone. Above, they are logistic and a tie is half a
win and half a loss: then all sides share one function, which is tabulated once.
"""

from __future__ import annotations

import math
from typing import Final

import numba
import numpy as np

from service.columns import Floats, Integers
from service.ratings.normal import above, between

MOST_EXACT: Final = 32
ROUNDS: Final = 60
NEARNESS: Final = 1e-14

LOGISTIC_SHARE: Final = math.sqrt(3.0) / math.pi
"""Scale of the logistic distribution whose standard deviation is 1."""

TAIL: Final = 12.0
"""So many scales beyond all sides, 20,000 of them pull less than the side's own past: nobody's root lies farther."""

NODES_A_SCALE: Final = 6.0
MOST_NODES: Final = 4096
"""Enough for strengths that lie 60,000 points apart; beyond, nodes are farther from each other."""


@numba.njit(cache=True)
def learn_places(
    mean: Floats, variance: Floats, noise: Floats, rank: Integers, zone: float, score: Floats, information: Floats
) -> None:
    """Slope and curvature of the log-likelihood of an order in every side's strength.

    Parameters
    ----------
    mean, variance : float64[k]
        Strength of each side as known before, in an order that does not depend on how the match is listed.
    noise : float64[k]
        Variance of each side's performance about its strength.
    rank : int64[k]
    zone : float
        Half width of the gaps that end in a tie, in units of the noise of both.
    score, information : float64[k]
        Filled.
    """
    if len(mean) <= MOST_EXACT:
        for side in range(len(mean)):
            _learn_exactly(side, mean, variance, noise, rank, zone, score, information)
    else:
        _learn_tabulated(mean, variance + noise, rank, score, information)


@numba.njit(cache=True)
def _slope(
    x: float, side: int, mean: Floats, variance: Floats, noise: Floats, rank: Integers, zone: float
) -> tuple[float, float]:
    """First derivative of a side's log-likelihood in its performance, and the second one negated."""
    slope = curve = 0.0
    for q in range(len(mean)):
        if q == side:
            continue
        r = math.sqrt(variance[q] + noise[q])
        half = zone * math.sqrt(noise[side] + noise[q]) / r
        gap = (x - mean[q]) / r
        if rank[side] == rank[q]:
            v, w = between(-half - gap, half - gap)
        elif rank[side] < rank[q]:
            v, w = above(gap - half)
        else:
            v, w = above(-gap - half)
            v = -v
        slope += v / r
        curve += w / (r * r)
    return slope, curve


@numba.njit(cache=True)
def _learn_exactly(
    side: int, mean: Floats, variance: Floats, noise: Floats, rank: Integers, zone: float, score: Floats,
    information: Floats,
) -> None:  # fmt: skip
    total = variance[side] + noise[side]
    slope, curve = _slope(mean[side], side, mean, variance, noise, rank, zone)
    # Both terms fall in z, so the root lies between no move and the move that the first slope alone would make.
    low, high = min(0.0, total * slope), max(0.0, total * slope)
    z = 0.0
    for _ in range(ROUNDS):
        excess = slope - z / total
        if excess > 0.0:
            low = z
        else:
            high = z
        following = z + excess / (curve + 1.0 / total)
        if not low < following < high:
            following = 0.5 * (low + high)
        moved = abs(following - z)
        z = following
        slope, curve = _slope(mean[side] + z, side, mean, variance, noise, rank, zone)
        if moved <= NEARNESS * (1.0 + abs(z)):
            break
    score[side] = z / total
    information[side] = curve / (1.0 + curve * total)


@numba.njit(cache=True)
def _learn_tabulated(mean: Floats, total: Floats, rank: Integers, score: Floats, information: Floats) -> None:
    scale = LOGISTIC_SHARE * np.sqrt(total)
    widest = scale.max()
    first, last = mean.min() - TAIL * widest, mean.max() + TAIL * widest
    nodes = min(int((last - first) / scale.min() * NODES_A_SCALE) + 2, MOST_NODES)
    stride = (last - first) / (nodes - 1)
    pull, slope = _tabulate(mean, scale, first, stride, nodes)
    beaten = _beaten(scale, rank)
    for side in range(len(mean)):
        x, curve = _root(mean[side], scale[side], total[side], beaten[side], pull, slope, first, stride)
        score[side] = (x - mean[side]) / total[side]
        information[side] = curve / (1.0 + curve * total[side])


@numba.njit(cache=True)
def _tabulate(mean: Floats, scale: Floats, first: float, stride: float, nodes: int) -> tuple[Floats, Floats]:
    """Sum over all sides of ``logistic((x - mean) / scale) / scale`` at evenly spaced ``x``, and its derivative."""
    pull, slope = np.zeros(nodes), np.zeros(nodes)
    for q in range(len(mean)):
        part = 1.0 / scale[q]
        # Below, the logistic is nothing, and the exponential would overflow.
        begin = max(0, math.floor((mean[q] - 40.0 * scale[q] - first) / stride))
        against = math.exp((mean[q] - first - begin * stride) * part)
        factor = math.exp(-stride * part)
        for node in range(begin, nodes):
            chance = 1.0 / (1.0 + against)
            pull[node] += part * chance
            slope[node] += part * part * chance * (1.0 - chance)
            against *= factor
    return pull, slope


@numba.njit(cache=True)
def _beaten(scale: Floats, rank: Integers) -> Floats:
    """Sum of ``1 / scale`` over the sides that each one is before, those that it ties with counted half."""
    found = np.empty(len(scale))
    order = np.argsort(-rank, kind="mergesort")
    below, at = 0.0, 0
    while at < len(order):
        tied, end = 0.0, at
        while end < len(order) and rank[order[end]] == rank[order[at]]:
            tied += 1.0 / scale[order[end]]
            end += 1
        for place in range(at, end):
            found[order[place]] = below + 0.5 * (tied - 1.0 / scale[order[place]])
        below += tied
        at = end
    return found


@numba.njit(cache=True)
def _root(
    mean: float, scale: float, total: float, beaten: float, pull: Floats, slope: Floats, first: float, stride: float
) -> tuple[float, float]:
    """The most likely performance, and the curvature there of what the others tell."""
    low, high = 0, len(pull) - 1
    while high - low > 1:
        middle = (low + high) // 2
        x = first + middle * stride
        own = 1.0 / (scale + scale * math.exp(min((mean - x) / scale, 700.0)))
        if beaten + own - pull[middle] > (x - mean) / total:
            low = middle
        else:
            high = middle
    left, right = 0.0, 1.0
    share, curve = 0.5, 0.0
    for _ in range(ROUNDS):
        # Cubic between the nodes, by the value and the slope at both.
        back = 1.0 - share
        value = (
            pull[low] * (1.0 + 2.0 * share) * back * back
            + pull[high] * share * share * (3.0 - 2.0 * share)
            + stride * share * back * (slope[low] * back - slope[high] * share)
        )
        curve = (
            6.0 * share * back * (pull[high] - pull[low]) / stride
            + slope[low] * back * (1.0 - 3.0 * share)
            + slope[high] * share * (3.0 * share - 2.0)
        )
        x = first + (low + share) * stride
        own = 1.0 / (1.0 + math.exp(min((mean - x) / scale, 700.0)))
        curve = max(curve - own * (1.0 - own) / (scale * scale), 0.0)
        excess = beaten + own / scale - value - (x - mean) / total
        if excess > 0.0:
            left = share
        else:
            right = share
        following = share + excess / (curve + 1.0 / total) / stride
        if not left < following < right:
            following = 0.5 * (left + right)
        moved = abs(following - share)
        share = following
        if moved <= NEARNESS:
            break
    return first + (low + share) * stride, curve
