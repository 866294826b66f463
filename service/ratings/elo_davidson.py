"""Elo with ties as an outcome of their own, by Davidson's model.

Of two sides the chances of a win, a tie and a loss are as ``1 : 2 nu exp(-x / 2) : exp(-x)``, with the gap ``x`` in
natural units and the pool's own ``nu``: of equals, ``nu / (1 + nu)`` tie. A rating moves by the step times the gradient
of the likelihood, the score less the expected score of that model. The gap is ``(1 + nu) ln(10) / scale`` times that of
the ratings: so between equals a point is worth as much as in Elo however common ties are, and without ties (``nu = 0``)
as well as with draws that are one half of a win and one half of a loss (``nu = 1``) this is Elo. The tie parameter is
learned from the same results, a step up the likelihood of its logarithm at each match, see `service.ratings.climb`.

A team plays with the mean of its players' ratings and each of them moves by the team's step. A match of K sides is
taken as its pairs, see `service.ratings.pairs`. How far off a rating may be, a belief beside it says, see
`service.ratings.belief`, which looks at the results through the same model.

References
----------
R. R. Davidson, On extending the Bradley-Terry model to accommodate ties, J. Amer. Statist. Assoc. 65, 1970.
L. Szczecinski, A. Djebbi, Understanding draws in Elo rating algorithm, J. Quantitative Analysis in Sports 16, 2020.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Final

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats, Matches
from service.ratings import Expected, Promise, RatingSystem, Shapes
from service.ratings.belief import (
    BELIEF,
    COUNT,
    RATING,
    SHIFT,
    VARIANCE,
    deviations,
    parted,
    revised,
    sway_of,
    team,
)
from service.ratings.climb import climbed, narrowed
from service.ratings.link import DAVIDSON, Link, outcome_chances
from service.ratings.pairs import arrange, first_of_two, outcome, share

LOG_NU: Final = 2
LOG_NU_VARIANCE: Final = 3

FIRST_NU: Final = 0.25
"""A fifth of the matches of equals tie, until results say otherwise."""

FIRST_VARIANCE: Final = 1.0
FORGOTTEN: Final = 1e-6
"""Added to the variance with every match: nu follows the last few thousand, as skills spread and ties become rarer."""

LEAST_NU: Final = 1e-4
LARGEST_NU: Final = 100.0


class EloDavidson(RatingSystem, frozen=True, kw_only=True):
    """Elo that predicts ties, and learns how common they are; teams, free-for-alls and home advantage.

    Parameters
    ----------
    k : float
        The step: points that a sure loser gains by a win.
    scale : float
        As in Elo: between equals a point is worth ``ln(10) / (4 scale)`` of a win.
    start : float
        Rating of a newcomer.
    deviation : float
        Deviation of a newcomer.
    home : float
        Points that the side at home is stronger by.

    Examples
    --------
    >>> EloDavidson().opening().round(3).tolist()
    [0.0, 0.0, -1.386, 1.0]
    """

    name: ClassVar[str] = "elo_davidson"
    revision: ClassVar[int] = 1
    # The pairs of the largest match take about a third of a second.
    shapes: ClassVar[Shapes] = Shapes(most_sides=5_000)
    promises: ClassVar[frozenset[Promise]] = frozenset(("neutral_tie", "monotone_place", "zero_sum"))
    link: ClassVar[Link] = "davidson"
    skill_columns: ClassVar[tuple[str, ...]] = ("rating", "belief", "variance")
    pool_columns: ClassVar[tuple[str, ...]] = ("shift", "count", "log_nu", "log_nu_variance")

    k: Annotated[float, Meta(gt=0, le=1000)] = 32.0
    scale: Annotated[float, Meta(ge=1, le=1e6)] = 400.0
    start: Annotated[float, Meta(ge=-1e6, le=1e6)] = 1500.0
    deviation: Annotated[float, Meta(gt=0, le=1e6)] = 350.0
    home: Annotated[float, Meta(ge=-10_000, le=10_000)] = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match: rating and belief at the start."""
        return np.array([self.start, self.start, self.deviation * self.deviation])

    def opening(self) -> Floats:
        """Row of a pool before the first match: what is thought of ties."""
        return np.array([0.0, 0.0, math.log(FIRST_NU), FIRST_VARIANCE])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating: the belief is the rating, as sure as it is said to be."""
        return np.column_stack((rating, rating + pool[SHIFT], deviation * deviation))

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`. Rest changes nothing in Elo."""
        _update(matches, skills, pool, expected, self.k, math.log(10.0) / self.scale, self.home)

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating and deviation; Elo has no notion of rest."""
        return skills[:, RATING].copy(), deviations(skills, pool)


@numba.njit(cache=True, error_model="numpy")
def _foreseen(x: float, nu: float) -> tuple[float, float, float]:
    """Expected score at a gap, the variance of the score, and the chance of a tie."""
    win, tie, loss = outcome_chances(DAVIDSON, x, nu)
    # Exactly one half where there is no gap, so that no side is the first one there.
    score = 0.5 + 0.5 * (win - loss)
    middle = score - 0.5
    return score, win * (1.0 - score) * (1.0 - score) + tie * middle * middle + loss * score * score, tie


@numba.njit(cache=True, error_model="numpy")
def _update(
    matches: Matches, skills: Floats, pool: Floats, expected: Expected, k: float, slope_without: float, home: float
) -> None:
    # Each look into a tuple of arrays counts a reference, which costs as much as the arithmetic.
    side_start, player_start, player, rank, _, at_home, weights, _ = matches
    location, variance, zone = expected
    widest = np.diff(side_start).max()
    # Of each side: mean and variance of the belief, the slope against it; how far Elo moves it, in steps; what the
    # belief learns.
    beliefs, sway, order = np.empty((2, widest)), np.empty(widest), np.empty(widest, np.int64)
    move, pull, told = np.empty(widest), np.empty(widest), np.empty(widest)
    for match in range(len(side_start) - 1):
        first, sides, weight = side_start[match], side_start[match + 1] - side_start[match], weights[match]
        nu = math.exp(pool[LOG_NU])
        zone[match], slope = nu, slope_without * (1.0 + nu)
        for i in range(sides):
            low, high = player_start[first + i], player_start[first + i + 1]
            row = player[low]
            rating, belief, spread = skills[row, RATING], skills[row, BELIEF], skills[row, VARIANCE]
            if high - low > 1:
                rating, belief, spread = team(skills, player, low, high)
            lift = home if i == at_home[match] else 0.0
            location[first + i], variance[first + i] = rating + lift, 0.5 / (slope * slope)
            beliefs[0, i], beliefs[1, i], sway[i] = belief + lift, spread, sway_of(slope, spread)
            move[i] = pull[i] = told[i] = 0.0
        order[0] = first_of_two(location[first], location[first + 1])
        order[1] = 1 - order[0]
        if sides > 2:
            arrange(location, rank, first, sides, beliefs, order)
        off = 0.0
        for place in range(sides):
            off += beliefs[0, order[place]] - location[first + order[place]]
        pool[COUNT] += 1.0
        pool[SHIFT] = parted(pool[SHIFT], pool[COUNT], off / sides)
        times, surprise, information = share(sides), 0.0, 0.0
        for above in range(sides - 1):
            i = order[above]
            for below in range(above + 1, sides):
                q = order[below]
                result = outcome(rank[first + i], rank[first + q])
                score, _, tie = _foreseen(slope * (location[first + i] - location[first + q]), nu)
                moved = times * (result - score)
                move[i] += moved
                move[q] -= moved
                surprise += times * ((1.0 if result == 0.5 else 0.0) - tie)
                information += times * tie * (1.0 - tie)
                # Each sees the other through the other's variance.
                gap = beliefs[0, i] - beliefs[0, q]
                score, varies, _ = _foreseen(sway[q] * gap, nu)
                pull[i] += times * sway[q] * (result - score)
                told[i] += times * sway[q] * sway[q] * varies
                score, varies, _ = _foreseen(-sway[i] * gap, nu)
                pull[q] += times * sway[i] * (1.0 - result - score)
                told[q] += times * sway[i] * sway[i] * varies

        pool[LOG_NU_VARIANCE] = narrowed(pool[LOG_NU_VARIANCE], FORGOTTEN, weight * information)
        step = pool[LOG_NU_VARIANCE] * (weight * surprise)
        pool[LOG_NU] = climbed(pool[LOG_NU], step, math.log(LEAST_NU), math.log(LARGEST_NU))
        for i in range(sides):
            low, high = player_start[first + i], player_start[first + i + 1]
            for slot in range(low, high):
                row = player[slot]
                skills[row, RATING] += k * weight * move[i]
                gain, skills[row, VARIANCE] = revised(
                    skills[row, VARIANCE], high - low, beliefs[1, i], weight, pull[i], told[i], 0.5 * k / slope
                )
                skills[row, BELIEF] += gain
