"""Glicko: a rating and its deviation, which shrinks with every match and grows with rest.

The paper rates whole periods. Here matches come one by one, so each is a period's result, and the deviation grows with
the days between, in fractions of a period. Without days between two matches nothing grows. Teams are taken as
`service.ratings.glickman` says, a match of K sides as its pairs, see `service.ratings.pairs`; a player alone, in a
match of two sides, is the paper's case, step by step.

References
----------
M. E. Glickman, The Glicko system, Boston University, 1995 and later revisions.
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
from service.ratings.glickman import compare, field, lesson
from service.ratings.link import Link

RATING: Final = 0
DEVIATION: Final = 1

SCALE: Final = 400.0 / math.log(10.0)
"""Points of rating to a natural unit of strength: the paper's 1 / q."""


class Glicko(RatingSystem, frozen=True, kw_only=True):
    """Glicko with draws, teams, free-for-alls, home advantage and days of rest.

    Parameters
    ----------
    c : float
        What one period of rest adds to a deviation, in squares: ``RD'^2 = RD^2 + c^2``.
    start : float
        Rating of a newcomer.
    deviation : float
        Deviation of a newcomer, and the most that anybody's can be.
    least_deviation : float
        The deviation below which no match brings it, so that ratings never freeze.
    periods_per_day : float
        Rating periods in a day of rest.
    home : float
        Points that the side at home is stronger by.

    Examples
    --------
    >>> Glicko().newcomer().tolist()
    [1500.0, 350.0]
    """

    name: ClassVar[str] = "glicko"
    revision: ClassVar[int] = 1
    # The pairs of the largest match take about a fifth of a second.
    shapes: ClassVar[Shapes] = Shapes(most_sides=5_000)
    promises: ClassVar[frozenset[Promise]] = frozenset(
        ("neutral_tie", "monotone_place", "deviation_shrinks", "rest_grows")
    )
    link: ClassVar[Link] = "logistic"
    skill_columns: ClassVar[tuple[str, ...]] = ("rating", "deviation")

    c: Annotated[float, Meta(ge=1, le=1000)] = 63.2
    start: Annotated[float, Meta(ge=-1e6, le=1e6)] = 1500.0
    deviation: Annotated[float, Meta(ge=100, le=1000)] = 350.0
    least_deviation: Annotated[float, Meta(ge=1, le=75)] = 30.0
    periods_per_day: Annotated[float, Meta(ge=0.001, le=1000)] = 6 / 365.25
    home: Annotated[float, Meta(ge=-1000, le=1000)] = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match: rating and deviation at the start."""
        return np.array([self.start, self.deviation])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating; a deviation counts up to a newcomer's."""
        return np.column_stack((rating, np.minimum(deviation, self.deviation)))

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`."""
        least, most = self.least_deviation * self.least_deviation, self.deviation * self.deviation
        drift = self.c * self.c * self.periods_per_day
        _update(matches, rest, skills, expected.location, expected.variance, drift, least, most, self.home)

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating, and the deviation grown by rest."""
        grown = skills[:, DEVIATION] * skills[:, DEVIATION] + rest * (self.c * self.c * self.periods_per_day)
        return skills[:, RATING].copy(), np.sqrt(np.minimum(grown, self.deviation * self.deviation))


@numba.njit(cache=True)
def _update(
    matches: Matches,
    rest: Floats,
    skills: Floats,
    location: Floats,
    variance: Floats,
    drift: float,
    least: float,
    most: float,
    home: float,
) -> None:
    widest = np.diff(matches.side_start).max()
    # Of each side: variances summed, the slope against it, what its mean learns.
    spread, sways, order = np.empty(widest), np.empty((1, widest)), np.empty(widest, np.int64)
    score, information = np.empty(widest), np.empty(widest)
    # Of each player: the variance at the match.
    now = np.empty(len(rest))
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        for slot in range(matches.player_start[first], matches.player_start[end]):
            deviation = skills[matches.player[slot], DEVIATION]
            now[slot] = min(deviation * deviation + rest[slot] * drift, most)
        field(matches, match, skills, now, now, SCALE, home, location, variance, spread, sways)
        compare(matches, match, location, sways, order, score, information)
        weight = matches.weight[match]
        for i in range(end - first):
            low, high = matches.player_start[first + i], matches.player_start[first + i + 1]
            for slot in range(low, high):
                mine, told = lesson(high - low, spread[i] - now[slot], weight, score[i], information[i])
                after = now[slot] / (1.0 + now[slot] * told)
                row = matches.player[slot]
                skills[row, RATING] += after * mine
                # Whoever comes surer than the least stays so.
                skills[row, DEVIATION] = math.sqrt(max(after, min(now[slot], least)))
