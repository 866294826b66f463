"""Elo: the rating that moves by a step towards each result.

Two sides are the classical case. A team plays with the mean of its players' ratings and each of them moves
by the team's step. A match of K sides is taken as its pairs, see `service.ratings.pairs`. How far off a rating may
be, a belief beside it says, see `service.ratings.belief`.

The step is the same for all, or, as federations have it, larger for the new and smaller for good for those who once
reached the top.

References
----------
A. E. Elo, The Rating of Chessplayers, Past and Present, 1978.
FIDE Rating Regulations, section 8.3.3, 2024.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
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
from service.ratings.link import Link, logistic
from service.ratings.pairs import arrange, first_of_two, outcome, seen, share

MATCHES: Final = 3
PEAK: Final = 4


class Elo(RatingSystem, frozen=True, kw_only=True):
    """Elo with draws, teams, free-for-alls, home advantage and margins.

    Parameters
    ----------
    k : float
        The step: points that a sure loser gains by a win.
    new_k : float
        The step of the new.
    new_matches : float
        Matches for which a player is new; 0 for none.
    top_k : float
        The step of those who once reached the top, however low they have fallen since.
    top_rating : float
        The rating that is the top; as it stands, nobody reaches it.
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
    [1500.0, 1500.0, 122500.0, 0.0, 1500.0]
    >>> Elo(**Elo.presets["fide"]).top_k
    10.0
    """

    name: ClassVar[str] = "elo"
    revision: ClassVar[int] = 2
    # The pairs of the largest match take about a tenth of a second.
    shapes: ClassVar[Shapes] = Shapes(most_sides=5_000)
    promises: ClassVar[frozenset[Promise]] = frozenset(("neutral_tie", "monotone_place", "monotone_margin"))
    link: ClassVar[Link] = "logistic"
    presets: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "fide": {"k": 20.0, "new_k": 40.0, "new_matches": 30.0, "top_k": 10.0, "top_rating": 2400.0}
    }
    skill_columns: ClassVar[tuple[str, ...]] = ("rating", "belief", "variance", "matches", "peak")
    pool_columns: ClassVar[tuple[str, ...]] = ("shift", "count")

    k: Annotated[float, Meta(gt=0, le=1000)] = 32.0
    new_k: Annotated[float, Meta(gt=0, le=1000)] = 40.0
    new_matches: Annotated[float, Meta(ge=0, le=10_000)] = 0.0
    top_k: Annotated[float, Meta(gt=0, le=1000)] = 10.0
    top_rating: Annotated[float, Meta(ge=-1e6, le=1e12)] = 1e12
    scale: Annotated[float, Meta(ge=1, le=1e6)] = 400.0
    start: Annotated[float, Meta(ge=-1e6, le=1e6)] = 1500.0
    deviation: Annotated[float, Meta(gt=0, le=1e6)] = 350.0
    home: Annotated[float, Meta(ge=-10_000, le=10_000)] = 0.0
    margin: Annotated[float, Meta(ge=0, le=10)] = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match: rating and belief at the start."""
        return np.array([self.start, self.start, self.deviation * self.deviation, 0.0, self.start])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating: the belief is the rating, as sure as it is said to be.

        They are not new any more.
        """
        played = np.full(len(rating), self.new_matches)
        return np.column_stack((rating, rating + pool[SHIFT], deviation * deviation, played, rating))

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`. Rest changes nothing in Elo."""
        slope = math.log(10.0) / self.scale
        steps = (self.k, self.new_k, self.new_matches, self.top_k, self.top_rating)
        _update(matches, skills, pool, expected.location, expected.variance, steps, slope, self.home, self.margin)

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating and deviation; Elo has no notion of rest."""
        return skills[:, RATING].copy(), deviations(skills, pool)


@numba.njit(cache=True, error_model="numpy")
def _step(matches: float, peak: float, steps: tuple[float, float, float, float, float]) -> float:
    """Points that a player of so many matches gains at most, by ``k, new_k, new_matches, top_k, top_rating``."""
    if matches < steps[2]:
        return steps[1]
    return steps[3] if peak >= steps[4] else steps[0]


@numba.njit(cache=True, error_model="numpy")
def _update(
    matches: Matches,
    skills: Floats,
    pool: Floats,
    location: Floats,
    variance: Floats,
    steps: tuple[float, float, float, float, float],
    slope: float,
    home: float,
    margin: float,
) -> None:
    # Each look into a tuple of arrays counts a reference, which costs as much as the arithmetic.
    side_start, player_start, player, rank, score, at_home, weights, _ = matches
    widest = np.diff(side_start).max()
    # Of each side: mean and variance of the belief, the slope against it; how far Elo moves it, in steps; what the
    # belief learns.
    beliefs, sway, order = np.empty((2, widest)), np.empty(widest), np.empty(widest, np.int64)
    move, pull, told = np.empty(widest), np.empty(widest), np.empty(widest)
    for match in range(len(side_start) - 1):
        first, sides, weight = side_start[match], side_start[match + 1] - side_start[match], weights[match]
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
        times = share(sides)
        for above in range(sides - 1):
            i = order[above]
            for below in range(above + 1, sides):
                q = order[below]
                result = outcome(rank[first + i], rank[first + q])
                factor = times
                points = score[first + i] - score[first + q]
                if margin > 0.0 and not math.isnan(points):
                    factor *= 1.0 + margin * math.log1p(abs(points))
                moved = factor * (result - logistic(slope * (location[first + i] - location[first + q])))
                move[i] += moved
                move[q] -= moved
                gap = beliefs[0, i] - beliefs[0, q]
                learned, information = seen(times, sway[q], gap, result)
                pull[i] += learned
                told[i] += information
                learned, information = seen(times, sway[i], -gap, 1.0 - result)
                pull[q] += learned
                told[q] += information

        for i in range(sides):
            low, high = player_start[first + i], player_start[first + i + 1]
            for slot in range(low, high):
                row = player[slot]
                step = _step(skills[row, MATCHES], skills[row, PEAK], steps)
                skills[row, RATING] += step * weight * move[i]
                skills[row, MATCHES] += 1.0
                skills[row, PEAK] = max(skills[row, PEAK], skills[row, RATING])
                gain, skills[row, VARIANCE] = revised(
                    skills[row, VARIANCE], high - low, beliefs[1, i], weight, pull[i], told[i], 0.5 * step / slope
                )
                skills[row, BELIEF] += gain
