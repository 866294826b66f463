"""Elo: the rating that moves by a fixed step towards each result.

Two sides are the classical case. A team plays with the mean of its players' ratings and each of them moves
by the team's step. A match of K sides is taken as its pairs, each counted ``3 / (K + 1)`` times: K(K - 1)/2
pairs that share their performances hold less than K(K - 1)/2 independent results.

Elo itself keeps no deviation. What is kept here is the standard error of the recursion that Elo is: the
update, linearised at the present ratings, passes on the errors of all who play and adds the variance of the
result; it settles at what a step of this size can know.

References
----------
A. E. Elo, The Rating of Chessplayers, Past and Present, 1978.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Final, Literal

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats, Matches
from service.ratings import Promise, RatingSystem, Shapes
from service.ratings.canonical import sorted_sum, strongest_first

RATING: Final = 0
VARIANCE: Final = 1


class Elo(RatingSystem, frozen=True, kw_only=True):
    """Elo with draws, teams, free-for-alls, home advantage and margins.

    Parameters
    ----------
    k : float
        The step: points that a sure loser gains by a win.
    scale : float
        Gap at which the better side is expected to score 10 of 11.
    start : float
        Rating of a newcomer.
    deviation : float
        Deviation of a newcomer.
    home : float
        Points that the side at home is stronger by.
    margin : float
        The step is multiplied by ``1 + margin * log(1 + |gap of scores|)``; 0 ignores scores.

    Examples
    --------
    >>> Elo(k=20).newcomer().tolist()
    [1500.0, 122500.0]
    """

    name: ClassVar[str] = "elo"
    revision: ClassVar[int] = 1
    # The pairs of the largest match take about a tenth of a second.
    shapes: ClassVar[Shapes] = Shapes(most_sides=5_000)
    promises: ClassVar[frozenset[Promise]] = frozenset(
        ("neutral_tie", "monotone_place", "monotone_margin", "zero_sum", "deviation_shrinks")
    )
    link: ClassVar[Literal["logistic", "normal"]] = "logistic"
    skill_columns: ClassVar[tuple[str, ...]] = ("rating", "variance")

    k: Annotated[float, Meta(gt=0, le=1000)] = 32.0
    scale: Annotated[float, Meta(ge=1, le=1e6)] = 400.0
    start: Annotated[float, Meta(ge=-1e6, le=1e6)] = 1500.0
    deviation: Annotated[float, Meta(gt=0, le=1e6)] = 350.0
    home: Annotated[float, Meta(ge=-10_000, le=10_000)] = 0.0
    margin: Annotated[float, Meta(ge=0, le=10)] = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match: start, deviation squared."""
        return np.array([self.start, self.deviation * self.deviation])

    def update(
        self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, location: Floats, variance: Floats
    ) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`. Rest changes nothing in Elo."""
        _update(matches, skills, location, variance, self.k, math.log(10.0) / self.scale, self.home, self.margin)

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating and deviation; Elo has no notion of rest."""
        return skills[:, RATING].copy(), np.sqrt(skills[:, VARIANCE])


@numba.njit(cache=True)
def _update(
    matches: Matches,
    skills: Floats,
    location: Floats,
    variance: Floats,
    k: float,
    slope: float,
    home: float,
    margin: float,
) -> None:
    performance = 0.5 / (slope * slope)
    scratch = np.empty((5, np.diff(matches.side_start).max()))
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        sides = end - first
        # In shares of the step: each side's move, what its pairs tell, and two sums for the variance.
        spread, move, told, others, chance = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
        scratch[1:, :sides] = 0.0
        for side in range(first, end):
            low, high = matches.player_start[side], matches.player_start[side + 1]
            if high - low == 1:
                location[side] = skills[matches.player[low], RATING]
                spread[side - first] = skills[matches.player[low], VARIANCE]
            else:
                team = skills[matches.player[low:high]]
                location[side] = sorted_sum(team[:, RATING]) / (high - low)
                spread[side - first] = sorted_sum(team[:, VARIANCE]) / ((high - low) * (high - low))
            variance[side] = performance
        if matches.home[match] >= 0:
            location[first + matches.home[match]] += home

        order = strongest_first(location[first:end], matches.rank[first:end], spread[:sides])
        share = 3.0 / (sides + 1.0)
        for above in range(sides - 1):
            i = order[above]
            for below in range(above + 1, sides):
                q = order[below]
                expected = 1.0 / (1.0 + math.exp(-slope * (location[first + i] - location[first + q])))
                result = 0.5
                if matches.rank[first + i] != matches.rank[first + q]:
                    result = 1.0 if matches.rank[first + i] < matches.rank[first + q] else 0.0
                factor = 1.0
                gap = matches.score[first + i] - matches.score[first + q]
                if margin > 0.0 and not math.isnan(gap):
                    factor += margin * math.log1p(abs(gap))
                part = share * factor
                moved = part * (result - expected)
                tells = part * expected * (1.0 - expected)
                move[i] += moved
                move[q] -= moved
                told[i] += tells
                told[q] += tells
                others[i] += tells * tells * spread[q]
                others[q] += tells * tells * spread[i]
                chance[i] += factor * tells
                chance[q] += factor * tells

        step = k * matches.weight[match]
        for i in range(sides):
            low, high = matches.player_start[first + i], matches.player_start[first + i + 1]
            pull = step * slope * told[i]
            passed = pull * pull * spread[i] + step * step * (slope * slope * others[i] + chance[i])
            for player in matches.player[low:high]:
                skills[player, RATING] += step * move[i]
                before = skills[player, VARIANCE]
                after = before - 2.0 * pull / (high - low) * before + passed
                skills[player, VARIANCE] = min(before, after)
