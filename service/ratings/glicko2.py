"""Glicko-2: a rating, its deviation, and a volatility that says how steady the skill behind it is.

The paper rates whole periods. Here matches come one by one, so each is a period's result, while the deviation grows
with the days between: what lies further back than the period that ends with the match is rest and is grown by the
volatility as it was known, the rest of the time by the volatility as the match leaves it. Without days between two
matches nothing grows.

Teams are taken as `service.ratings.glickman` says, a match of K sides as its pairs, see `service.ratings.pairs`; a
player alone, in a match of two sides, is the paper's case, step by step.

Matches make a player better known, with one exception that the paper means: a result so unlikely that the volatility
rises by it can leave the deviation a trace above what rest alone would have made of it.

References
----------
M. E. Glickman, Example of the Glicko-2 system, Boston University, 2013 and later revisions.
M. E. Glickman, Dynamic paired comparison models with stochastic variances, Journal of Applied Statistics 28, 2001.
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
from service.ratings.glickman import compare, field, lesson
from service.ratings.link import Link

RATING: Final = 0
DEVIATION: Final = 1
VOLATILITY: Final = 2

SCALE: Final = 173.7178
"""Points of rating to one of the paper's inner unit. All is reckoned in points, the volatility kept as published."""

ROUNDS: Final = 100
NEARNESS: Final = 1e-12
"""The search for a volatility ends here; the paper asks for 1e-6. It takes three to five rounds."""


class Glicko2(RatingSystem, frozen=True, kw_only=True):
    """Glicko-2 with draws, teams, free-for-alls, home advantage and days of rest.

    Parameters
    ----------
    tau : float
        How readily results change a volatility; the paper finds 0.3 to 1.2 sensible, 0 keeps it.
    start : float
        Rating of a newcomer.
    deviation : float
        Deviation of a newcomer, and the most that anybody's can be.
    least_deviation : float
        The deviation below which no match brings it, so that ratings never freeze.
    volatility : float
        Volatility of a newcomer: what one period adds to a deviation, in units of 173.7178 points.
    most_volatility : float
        The most that a volatility can be.
    periods_per_day : float
        Rating periods in a day of rest.
    home : float
        Points that the side at home is stronger by.

    Examples
    --------
    >>> Glicko2().newcomer().tolist()
    [1500.0, 350.0, 0.06]
    """

    name: ClassVar[str] = "glicko2"
    revision: ClassVar[int] = 1
    # The pairs of the largest match take about a fifth of a second.
    shapes: ClassVar[Shapes] = Shapes(most_sides=5_000)
    promises: ClassVar[frozenset[Promise]] = frozenset(("neutral_tie", "monotone_place", "rest_grows"))
    link: ClassVar[Link] = "logistic"
    presets: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "lichess": {
            "tau": 0.75,
            "start": 1500.0,
            "deviation": 500.0,
            "least_deviation": 45.0,
            "volatility": 0.09,
            "most_volatility": 0.1,
            "periods_per_day": 0.21436,
            "home": 11.782457,
        }
    }  # fmt: skip
    skill_columns: ClassVar[tuple[str, ...]] = ("rating", "deviation", "volatility")

    tau: Annotated[float, Meta(ge=0, le=2)] = 0.5
    start: Annotated[float, Meta(ge=-1e6, le=1e6)] = 1500.0
    deviation: Annotated[float, Meta(ge=100, le=1000)] = 350.0
    least_deviation: Annotated[float, Meta(ge=1, le=75)] = 45.0
    volatility: Annotated[float, Meta(ge=0.001, le=0.1)] = 0.06
    most_volatility: Annotated[float, Meta(ge=0.1, le=0.3)] = 0.1
    periods_per_day: Annotated[float, Meta(ge=0.001, le=1000)] = 0.21436
    home: Annotated[float, Meta(ge=-1000, le=1000)] = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match: rating, deviation and volatility at the start."""
        return np.array([self.start, self.deviation, self.volatility])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating; a deviation counts up to a newcomer's."""
        volatility = np.full(len(rating), self.volatility)
        return np.column_stack((rating, np.minimum(deviation, self.deviation), volatility))

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`."""
        least, most = self.least_deviation * self.least_deviation, self.deviation * self.deviation
        _update(
            matches, rest, skills, expected.location, expected.variance,
            self.tau, least, most, self.most_volatility, self.periods_per_day, self.home,
        )  # fmt: skip

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating, and the deviation grown by rest."""
        most = self.deviation * self.deviation
        return skills[:, RATING].copy(), _deviations(skills, rest, self.periods_per_day, most)


@numba.njit(cache=True)
def _grown(deviation: float, volatility: float, periods: float, most: float) -> float:
    """Variance of a skill after so many periods of rest."""
    step = SCALE * volatility
    return min(deviation * deviation + periods * (step * step), most)


@numba.njit(cache=True)
def _deviations(skills: Floats, rest: Floats, periods_per_day: float, most: float) -> Floats:
    found = np.empty(len(skills))
    for index, row in enumerate(skills):
        found[index] = math.sqrt(_grown(row[DEVIATION], row[VOLATILITY], rest[index] * periods_per_day, most))
    return found


@numba.njit(cache=True)
def _excess(x: float, half: float, drift: float, variance: float, score: float, information: float) -> float:
    """The paper's f, times -tau squared: zero where the volatility has grown by a factor of ``exp(x / 2)``.

    Written with the score ``Delta / v`` and the information ``1 / v``, both of which stay finite where v does not.
    """
    drift *= math.exp(x)
    told = 1.0 / (1.0 + (variance + drift) * information)
    return x - half * drift * (score * told * (score * told) - information * told)


@numba.njit(cache=True)
def _volatility(volatility: float, most: float, tau: float, variance: float, score: float, information: float) -> float:
    """Step 5 of the paper: the root by the Illinois form of regula falsi, never above ``most``."""
    half = 0.5 * tau * tau
    step = SCALE * volatility
    drift = step * step
    near, at_near = 0.0, _excess(0.0, half, drift, variance, score, information)
    # A dull result takes at most one half of tau squared off the logarithm; a surprise may add to it without end.
    far = 2.0 * math.log(most / volatility) if at_near < 0.0 else -half
    at_far = _excess(far, half, drift, variance, score, information)
    if at_near < 0.0 and at_far <= 0.0:
        return most
    for _ in range(ROUNDS):
        if abs(at_near) <= NEARNESS:
            break
        x = near + (far - near) * (at_near / (at_near - at_far))
        at_x = _excess(x, half, drift, variance, score, information)
        if at_x * at_near <= 0.0:
            far, at_far = near, at_near
        else:
            at_far *= 0.5
        near, at_near = x, at_x
    return volatility * math.exp(0.5 * near)


@numba.njit(cache=True)
def _learn(
    skills: Floats,
    row: int,
    variance: float,
    periods: float,
    score: float,
    information: float,
    tau: float,
    least: float,
    most: float,
    most_volatility: float,
) -> None:
    """Steps 5 to 8 of the paper for one player, whose skill had the variance before the match's period."""
    volatility = _volatility(skills[row, VOLATILITY], most_volatility, tau, variance, score, information)
    step = SCALE * volatility
    before = min(variance + min(periods, 1.0) * (step * step), most)
    after = before / (1.0 + before * information)
    skills[row, RATING] += after * score
    skills[row, DEVIATION] = math.sqrt(max(after, least))
    skills[row, VOLATILITY] = volatility


@numba.njit(cache=True)
def _update(
    matches: Matches,
    rest: Floats,
    skills: Floats,
    location: Floats,
    variance: Floats,
    tau: float,
    least: float,
    most: float,
    most_volatility: float,
    periods_per_day: float,
    home: float,
) -> None:
    widest = np.diff(matches.side_start).max()
    # Of each side: variances summed, the slope against it, what its mean learns.
    spread, sways, order = np.empty(widest), np.empty((1, widest)), np.empty(widest, np.int64)
    score, information = np.empty(widest), np.empty(widest)
    # Of each player: the variance before the period that ends with the match, and at the match.
    before, now = np.empty(len(rest)), np.empty(len(rest))
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        for slot in range(matches.player_start[first], matches.player_start[end]):
            row = matches.player[slot]
            deviation, volatility, periods = (
                skills[row, DEVIATION],
                skills[row, VOLATILITY],
                rest[slot] * periods_per_day,
            )
            before[slot] = _grown(deviation, volatility, max(0.0, periods - 1.0), most)
            now[slot] = _grown(deviation, volatility, periods, most)
        field(matches, match, skills, before, now, SCALE, home, location, variance, spread, sways)
        compare(matches, match, location, sways, order, score, information)
        weight = matches.weight[match]
        for i in range(end - first):
            low, high = matches.player_start[first + i], matches.player_start[first + i + 1]
            for slot in range(low, high):
                mine, told = lesson(high - low, spread[i] - before[slot], weight, score[i], information[i])
                _learn(
                    skills, matches.player[slot], before[slot], rest[slot] * periods_per_day, mine, told,
                    tau, least, most, most_volatility,
                )  # fmt: skip
