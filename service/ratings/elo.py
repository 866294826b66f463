"""Elo: the rating that moves by a fixed step towards each result.

Two sides are the classical case. A team plays with the mean of its players' ratings and each of them moves
by the team's step. A match of K sides is taken as its pairs, each counted ``3 / (K + 1)`` times: K(K - 1)/2
pairs that share their performances hold less than K(K - 1)/2 independent results.

Elo itself does not say how far off it may be, and its own recursion cannot: while skills are still squeezed
together near the start, it takes mismatches for even matches. So a Gaussian belief is kept beside each rating,
updated by the same results as Glicko would, and the deviation is the root mean square error of the rating under
that belief. The belief never gets surer than a step of size ``k`` leaves Elo at best, ``k * scale / (2 ln 10)``.
Elo moves as many points up as down, the belief does not, so over decades their levels part; since only gaps mean
anything, the pool's row learns how far, and that much is no error.

References
----------
A. E. Elo, The Rating of Chessplayers, Past and Present, 1978.
M. E. Glickman, Parameter estimation in large dynamic paired comparison experiments, Applied Statistics 48, 1999.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Final

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats, Matches
from service.ratings import Expected, Promise, RatingSystem, Shapes
from service.ratings.canonical import sorted_sum, strongest_first
from service.ratings.link import Link, logistic

RATING: Final = 0
BELIEF: Final = 1
VARIANCE: Final = 2

SHIFT: Final = 0
COUNT: Final = 1

SHIFT_MATCHES: Final = 1000.0
"""The level by which beliefs lie off the ratings is a running mean over about so many matches."""

BLUR: Final = math.pi / 8
"""A logistic seen through a normal error of variance v is nearly one that is flatter by sqrt(1 + BLUR v)."""


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
    [1500.0, 1500.0, 122500.0]
    """

    name: ClassVar[str] = "elo"
    revision: ClassVar[int] = 1
    # The pairs of the largest match take about a tenth of a second.
    shapes: ClassVar[Shapes] = Shapes(most_sides=5_000)
    promises: ClassVar[frozenset[Promise]] = frozenset(("neutral_tie", "monotone_place", "monotone_margin", "zero_sum"))
    link: ClassVar[Link] = "logistic"
    skill_columns: ClassVar[tuple[str, ...]] = ("rating", "belief", "variance")
    pool_columns: ClassVar[tuple[str, ...]] = ("shift", "count")

    k: Annotated[float, Meta(gt=0, le=1000)] = 32.0
    scale: Annotated[float, Meta(ge=1, le=1e6)] = 400.0
    start: Annotated[float, Meta(ge=-1e6, le=1e6)] = 1500.0
    deviation: Annotated[float, Meta(gt=0, le=1e6)] = 350.0
    home: Annotated[float, Meta(ge=-10_000, le=10_000)] = 0.0
    margin: Annotated[float, Meta(ge=0, le=10)] = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match: rating and belief at the start."""
        return np.array([self.start, self.start, self.deviation * self.deviation])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating: the belief is the rating, as sure as it is said to be."""
        return np.column_stack((rating, rating + pool[SHIFT], deviation * deviation))

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`. Rest changes nothing in Elo."""
        slope = math.log(10.0) / self.scale
        _update(matches, skills, pool, expected.location, expected.variance, self.k, slope, self.home, self.margin)

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating and deviation; Elo has no notion of rest."""
        off = skills[:, BELIEF] - skills[:, RATING] - pool[SHIFT]
        return skills[:, RATING].copy(), np.sqrt(skills[:, VARIANCE] + off * off)


@numba.njit(cache=True)
def _update(
    matches: Matches,
    skills: Floats,
    pool: Floats,
    location: Floats,
    variance: Floats,
    k: float,
    slope: float,
    home: float,
    margin: float,
) -> None:
    performance = 0.5 / (slope * slope)
    surest = 0.5 * k / slope
    scratch = np.empty((5, np.diff(matches.side_start).max()))
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        sides = end - first
        # Of each side: mean and variance of the belief; how far Elo moves it, in steps; what the belief learns.
        belief, spread, move, pull, told = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
        scratch[2:, :sides] = 0.0
        for side in range(first, end):
            low, high = matches.player_start[side], matches.player_start[side + 1]
            variance[side] = performance
            if high - low == 1:
                row = skills[matches.player[low]]
                location[side], belief[side - first], spread[side - first] = row[RATING], row[BELIEF], row[VARIANCE]
            else:
                team = skills[matches.player[low:high]]
                location[side] = sorted_sum(team[:, RATING]) / (high - low)
                belief[side - first] = sorted_sum(team[:, BELIEF]) / (high - low)
                spread[side - first] = sorted_sum(team[:, VARIANCE]) / ((high - low) * (high - low))
        if matches.home[match] >= 0:
            location[first + matches.home[match]] += home
            belief[matches.home[match]] += home

        order = strongest_first(location[first:end], matches.rank[first:end], scratch[:2, :sides])
        shift = 0.0
        for i in order:
            shift += belief[i] - location[first + i]
        pool[COUNT] += 1.0
        pool[SHIFT] += (shift / sides - pool[SHIFT]) / min(pool[COUNT], SHIFT_MATCHES)
        share = 3.0 / (sides + 1.0)
        for above in range(sides - 1):
            i = order[above]
            for below in range(above + 1, sides):
                q = order[below]
                result = 0.5
                if matches.rank[first + i] != matches.rank[first + q]:
                    result = 1.0 if matches.rank[first + i] < matches.rank[first + q] else 0.0
                factor = share
                gap = matches.score[first + i] - matches.score[first + q]
                if margin > 0.0 and not math.isnan(gap):
                    factor *= 1.0 + margin * math.log1p(abs(gap))
                moved = factor * (result - logistic(slope * (location[first + i] - location[first + q])))
                move[i] += moved
                move[q] -= moved

                # Each sees the other through the other's variance.
                flat = slope / math.sqrt(1.0 + BLUR * slope * slope * spread[q])
                chance = logistic(flat * (belief[i] - belief[q]))
                pull[i] += share * flat * (result - chance)
                told[i] += share * flat * flat * chance * (1.0 - chance)
                flat = slope / math.sqrt(1.0 + BLUR * slope * slope * spread[i])
                chance = logistic(flat * (belief[q] - belief[i]))
                pull[q] += share * flat * (1.0 - result - chance)
                told[q] += share * flat * flat * chance * (1.0 - chance)

        weight = matches.weight[match]
        for i in range(sides):
            low, high = matches.player_start[first + i], matches.player_start[first + i + 1]
            after = 1.0 / (1.0 / spread[i] + weight * told[i])
            for player in matches.player[low:high]:
                row = skills[player]
                row[RATING] += k * weight * move[i]
                # A player's part in the side's error, and so in what is learned of it.
                part = row[VARIANCE] / (high - low) / spread[i]
                row[BELIEF] += part * after * weight * pull[i]
                row[VARIANCE] = max(row[VARIANCE] - part * part * (spread[i] - after), min(row[VARIANCE], surest))
