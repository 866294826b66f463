"""Weng-Lin under Plackett and Luce's model: the places are filled one after another, each by a choice among the rest.

Two sides are the paper's case, to the last digit; for more it is repaired in three places.

The paper divides all gaps by one c, the root of the sum of all performance variances, so that the more sides there are,
the less anybody learns. Here c is that of two sides of the match's mean variance; what a side learns is divided by that
of itself and a mean opponent. Choices follow each other independently, so their precisions add up: their sum is divided
as in `service.ratings.weng_lin`, with the variance of the skill alone, and is at most what a performance tells. Moves
are divided by what an order of equals tells in the mean.

The paper counts sides that share a place as one choice, shared out: of five equals the two joint winners get 0.3 each
and the third 0.47. (So does Davidson and Luce's model where ties are rare.) Here a tie is every order of the tied, each
counted alike: the mean of their updates, a place of the group for each, so that joint winners end at least as high as
whoever comes next. For two that is the paper's tie. Where several of a group are still to be chosen, they are
put at its mean strength, which is exact for groups of two and of equals.

What a margin adds belongs to pairs, as in `weng_lin_bt`, each counted 2 / K times: the same for two sides.

References
----------
R. C. Weng, C.-J. Lin, A Bayesian approximation method for online ranking, JMLR 12, 2011, algorithm 4.
D. Firth, I. Kosmidis, H. L. Turner, Davidson-Luce model for multi-item choice with ties, arXiv:1909.07123, 2019.
B. Efron, The efficiency of Cox's likelihood function for censored data, J. Amer. Statist. Assoc. 72, 1977.
"""

from __future__ import annotations

import math
from typing import ClassVar, Final

import numba
import numpy as np

from service.columns import Floats, Integers, Matches
from service.ratings import Expected
from service.ratings.canonical import sorted_sum
from service.ratings.link import Link, logistic
from service.ratings.weng_lin import Terms, WengLin, crowding, learn, meet

FURTHEST: Final = 300.0
"""Gaps that are larger, in units of c, count as this: nobody's chance is told from 0 so far off."""


class WengLinPL(WengLin, frozen=True, kw_only=True):
    """Weng-Lin, Plackett-Luce: teams, free-for-alls, ties, home advantage, margins and days of rest.

    Parameters
    ----------
    margin : float
        What two sides learn of their gap is multiplied by ``1 + margin * log(1 + |gap of scores|)``; 0 ignores scores.

    The others are those of `WengLin`.

    Examples
    --------
    >>> WengLinPL(sigma=8.0).newcomer().tolist()
    [25.0, 64.0]
    """

    name: ClassVar[str] = "weng_lin_pl"
    revision: ClassVar[int] = 1
    link: ClassVar[Link] = "logistic"

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`."""
        _update(matches, rest, skills, self.terms(), expected.location, expected.variance)


@numba.njit(cache=True)
def _by_place(location: Floats, rank: Integers) -> Integers:
    """Sides by place from the best, those of one place by location from the lowest; the rest are interchangeable."""
    if len(rank) == 2:
        swap = rank[1] < rank[0] or (rank[1] == rank[0] and location[1] < location[0])
        return np.array([1, 0]) if swap else np.array([0, 1])
    order = np.argsort(location, kind="mergesort")
    return order[np.argsort(rank[order], kind="mergesort")]


@numba.njit(cache=True)
def _place_end(order: Integers, rank: Integers, start: int) -> int:
    """Where the sides end that share a place with the one at ``start``."""
    end = start + 1
    while end < len(order) and rank[order[end]] == rank[order[start]]:
        end += 1
    return end


@numba.njit(cache=True)
def _times(gap: float) -> float:
    """How many times as strong somebody is; gap in units of c."""
    return math.exp(min(gap, FURTHEST))


@numba.njit(cache=True)
def _sum_strengths(location: Floats, rank: Integers, order: Integers, c: float, top: Floats, below: Floats) -> float:
    """Sum strengths ``exp(location / c)`` from the last place up, each sum in units of the best in it.

    Parameters
    ----------
    top : float64[sides]
        Filled in by position: location of the best one at the same place or below it.
    below : float64[sides]
        The sum over all that are below the place, likewise; its unit is the ``top`` of the next place.

    Returns
    -------
    float
        The sum over all.
    """
    end = len(order)
    highest, total = location[order[end - 1]], 0.0
    while end > 0:
        start = end - 1
        while start > 0 and rank[order[start - 1]] == rank[order[end - 1]]:
            start -= 1
        below[start:end] = total
        # Within a place the last is the best.
        rise = max(location[order[end - 1]] - highest, 0.0)
        highest, total = highest + rise, total * math.exp(-rise / c)
        top[start:end] = highest
        for position in range(start, end):
            total += math.exp((location[order[position]] - highest) / c)
        end = start
    return total


@numba.njit(cache=True)
def _choose(location: Floats, rank: Integers, order: Integers, c: float, scratch: Floats, sums: Floats) -> None:
    """Fill in each side's slope and information of the order, and its information of the first choice alone.

    Parameters
    ----------
    scratch : float64[2, sides]
    sums : float64[3, sides]
        The slope, the information of the first choice, that of all choices; in units of c.
    """
    top, below = scratch[0], scratch[1]
    everybody = _sum_strengths(location, rank, order, c, top, below)
    # Over all choices of places above: 1 / (strength of those that were left), and its square.
    once = twice = 0.0
    start = 0
    while start < len(order):
        end = _place_end(order, rank, start)
        size, best = end - start, location[order[end - 1]]
        next_top = top[end] if end < len(order) else best
        own = 0.0
        for position in range(start, end):
            own += math.exp((location[order[position]] - best) / c) if size > 1 else 1.0
        # From the unit of what is left here to everybody.
        share = math.exp((top[start] - top[0]) / c) / everybody
        for position in range(start, end):
            side = order[position]
            mine = math.exp((location[side] - top[start]) / c)
            chances, squares = mine * once, mine * mine * twice
            # In units of this one's strength: all that are below, and a mean mate.
            under = below[start] * _times((next_top - location[side]) / c)
            mate = 0.0
            if size > 1:
                mate = max(own * _times((best - location[side]) / c) - 1.0, 0.0) / (size - 1)
            # With so many of the place left to be chosen, this one is still among them in left / size of the orders.
            for left in range(1, size + 1):
                chance = 1.0 / (1.0 + under + (left - 1) * mate)
                chances += left * chance / size
                squares += left * chance * chance / size
            first = mine * share
            sums[0, side], sums[1, side], sums[2, side] = 1.0 - chances, first * (1.0 - first), chances - squares
        if end < len(order):
            fall = math.exp((next_top - top[start]) / c)
            once, twice = once * fall, twice * (fall * fall)
            for position in range(start, end):
                chance = 1.0 / (below[start] + _times((location[order[position]] - next_top) / c))
                once += chance / size
                twice += chance * chance / size
            for left in range(2, size + 1):
                chance = 1.0 / (below[start] + own * _times((best - next_top) / c) * left / size)
                once += chance
                twice += chance * chance
        start = end


@numba.njit(cache=True)
def _add_margins(location: Floats, score: Floats, order: Integers, c: float, margin: float, more: Floats) -> None:
    """Add what the gaps of scores pull each side by, in units of c."""
    share = 2.0 * margin / len(order)
    for first in range(len(order) - 1):
        i = order[first]
        for second in range(first + 1, len(order)):
            q = order[second]
            pull = share * math.log1p(score[i] - score[q]) * logistic((location[q] - location[i]) / c)
            more[i] += pull
            more[q] -= pull


@numba.njit(cache=True)
def _update(matches: Matches, rest: Floats, skills: Floats, terms: Terms, location: Floats, variance: Floats) -> None:
    rating, before, spread = np.empty(len(rest)), np.empty(len(rest)), np.empty(len(location))
    widest = np.diff(matches.side_start).max()
    scratch, sums, more = np.empty((2, widest)), np.empty((3, widest)), np.empty(widest)
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        sides = end - first
        meet(match, matches, rest, skills, terms, rating, before, location, variance, spread)
        total = sorted_sum(variance[first:end])
        c = math.sqrt(2.0 * total / sides)
        order = _by_place(location[first:end], matches.rank[first:end])
        _choose(location[first:end], matches.rank[first:end], order, c, scratch, sums)
        # Divided by what the choices told in fact, those behind, who saw more of them, would lose less than is gained
        # by those before.
        mean_told = 0.0
        for left in range(1, sides + 1):
            mean_told += (1.0 - 1.0 / left) / sides
        more[:sides] = 0.0
        if terms.margin > 0.0 and not math.isnan(matches.score[first]):
            _add_margins(location[first:end], matches.score[first:end], order, c, terms.margin, more)
        for i in range(sides):
            side = first + i
            low, high = matches.player_start[side], matches.player_start[side + 1]
            both = variance[side] + (total - variance[side]) / (sides - 1)
            own, seen = math.sqrt(both), spread[side]
            pull = sums[0, i] / crowding(mean_told / both, seen, sides) + more[i]
            told = math.sqrt(seen) / own * max(sums[2, i], 0.0) / both
            learn(
                skills, matches.player[low:high], before[low:high], matches.weight[match], pull / own,
                sums[1, i] / both, min(told / crowding(told, seen, sides), 1.0 / variance[side]), terms.kappa,
            )  # fmt: skip
