"""Loops over the sites of a joint posterior, compiled: what `service.matchups.posterior` goes through again and again.

A site is a normal factor on the difference of two skills that stands for one win of the first; see there.
"""

from __future__ import annotations

import math
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from service.columns import Floats
from service.ratings.normal import above, cdf, density

_DAMPING: Final = 0.5
"""A site's share of the way to where all others call it; all are moved at once, and whole steps would swing."""


@numba.njit(cache=True)
def _site(
    mean: float, variance: float, wins: float, precision: float, shift: float, twice: float
) -> tuple[float, float, float, float]:
    """Where all else calls the site of one win: its precision, its shift, slope and information of its log evidence.

    Slope and information are by the logarithm of the noise; the latter is expected of either result, since what is
    seen while the noise is far too low is nearly as large as its square. With less than one win, all there is of the
    site is taken out to see what is left; with more, one win.
    """
    out = min(wins, 1.0)
    left = 1.0 / variance - out * precision
    if left * variance < 1e-9:
        return precision, shift, 0.0, 0.0
    cavity = 1.0 / left
    at = cavity * (mean / variance - out * shift)
    total = cavity + twice
    x = at / math.sqrt(total)
    v, w = above(x)
    gone = min(w / total * cavity, 1.0 - 1e-12)
    new = gone / (1.0 - gone) / cavity
    seen = at + cavity * v / math.sqrt(total)
    odds = cdf(x) * cdf(-x)
    share = x * twice / total
    information = (density(x) * share) ** 2 / odds if odds > 0.0 else 0.0
    return new, seen * (left + new) - at * left, -v * share, information


@numba.njit(cache=True, nogil=True)
def sweep(
    mean: Floats, covariance: Floats, precision: Floats, shift: Floats, wins: Floats, noise: float
) -> tuple[float, float, float]:
    """Move every site; returns the longest move of a difference, and slope and information of the log noise."""
    twice = 2.0 * noise * noise
    longest = slope = information = 0.0
    for a in range(len(mean)):
        for b in range(len(mean)):
            if wins[a, b] == 0.0:
                continue
            variance = covariance[a, a] + covariance[b, b] - 2.0 * covariance[a, b]
            known = precision[a, b]
            gap = mean[a] - mean[b]
            new, moved, steep, told = _site(gap, variance, wins[a, b], known, shift[a, b], twice)
            share = _DAMPING if known > 0.0 else 1.0
            precision[a, b] += share * (new - known)
            change = share * (moved - shift[a, b])
            shift[a, b] += change
            longest = max(longest, wins[a, b] * abs(change - share * (new - known) * gap) * math.sqrt(variance))
            slope += wins[a, b] * steep
            information += wins[a, b] * told
    return longest, slope, information


@numba.njit(cache=True)
def _add(mean: Floats, covariance: Floats, a: int, b: int, precision: float, shift: float) -> None:
    """Multiply by a normal factor on the difference of two skills (Sherman and Morrison)."""
    variance = covariance[a, a] + covariance[b, b] - 2.0 * covariance[a, b]
    direction = covariance[:, a] - covariance[:, b]
    pull = (shift - precision * (mean[a] - mean[b])) / (1.0 + precision * variance)
    shrink = precision / (1.0 + precision * variance)
    for row in range(len(mean)):
        mean[row] += pull * direction[row]
        by = shrink * direction[row]
        for column in range(len(mean)):
            covariance[row, column] -= by * direction[column]


@numba.njit(cache=True, nogil=True)
def absorb(
    mean: Floats,
    covariance: Floats,
    precision: Floats,
    shift: Floats,
    before: Floats,
    wins: Floats,
    pairs: npt.NDArray[np.int64],
    noise: float,
) -> None:
    """Take new results of some ordered pairs in, all but ``before``, ``wins`` and ``pairs`` in place.

    Each pair's site comes to stand between what it was and what the rest calls for, by how many of its wins are new.
    """
    twice = 2.0 * noise * noise
    for pair in range(len(pairs)):
        a, b = pairs[pair]
        variance = covariance[a, a] + covariance[b, b] - 2.0 * covariance[a, b]
        site = _site(mean[a] - mean[b], variance, before[a, b], precision[a, b], shift[a, b], twice)
        more = wins[a, b] - before[a, b]
        _add(mean, covariance, a, b, more * site[0], more * site[1])
        precision[a, b] += more / wins[a, b] * (site[0] - precision[a, b])
        shift[a, b] += more / wins[a, b] * (site[1] - shift[a, b])


@numba.njit(cache=True, nogil=True)
def foresee(
    covariance: Floats,
    mean: Floats,
    players: npt.NDArray[np.int32],
    ends: npt.NDArray[np.int64],
    twice: float,
    between: Floats,
) -> None:
    """Add up, by pair, the precision that matches are expected to bring."""
    start = 0
    for end in ends:
        share = 3.0 / (end - start + 1.0)
        for i in range(start, end):
            for q in range(start, i):
                a, b = players[i], players[q]
                expected = _expected(covariance, mean, a, b, share, twice)
                between[a, b] += expected
                between[b, a] += expected
        start = end


@numba.njit(cache=True)
def _expected(covariance: Floats, mean: Floats, a: int, b: int, share: float, twice: float) -> float:
    """Precision of the difference of two that a result between them is expected to bring, at this share of one."""
    variance = covariance[a, a] + covariance[b, b] - 2.0 * covariance[a, b]
    x = (mean[a] - mean[b]) / math.sqrt(variance + twice)
    odds = cdf(x) * cdf(-x)
    # The share of the variance that a result takes away on average; a result that is sure takes none.
    gone: float = share * density(x) ** 2 / odds * variance / (variance + twice) if odds > 0.0 else 0.0
    precision: float = gone / (1.0 - gone) / variance
    return precision


@numba.njit(cache=True)
def expect(covariance: Floats, mean: Floats, players: npt.NDArray[np.int32], twice: float) -> None:
    """Take in, in place, what a match of these players is expected to tell: its pairs one after the other."""
    nothing = np.zeros(len(mean))
    share = 3.0 / (len(players) + 1.0)
    for i in range(len(players)):
        for q in range(i):
            a, b = players[i], players[q]
            _add(nothing, covariance, a, b, _expected(covariance, mean, a, b, share, twice), 0.0)
