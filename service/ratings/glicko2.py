"""Glicko-2: a rating, its deviation, and a volatility that says how steady the skill behind it is.

The paper rates whole periods. Here matches come one by one, so each is a period's result, while the deviation grows
with the days between: what lies further back than the period that ends with the match is rest and is grown by the
volatility as it was known, the rest of the time by the volatility as the match leaves it. Without days between two
matches nothing grows.

A match of K sides is taken as its pairs, all from the state before it, each counted ``3 / (K + 1)`` times, as in
`elo`. A side plays with the mean of its players' ratings. To a player on a team of n, the result is one on that mean:
an n-th of the slope, blurred by the deviations of the others, so that the least known player moves most. A player
alone, in a match of two sides, is the paper's case, step by step.

Matches make a player better known, with one exception that the paper means: a result so unlikely that the volatility
rises by it can leave the deviation a trace above what rest alone would have made of it.

References
----------
M. E. Glickman, Example of the Glicko-2 system, Boston University, 2013 and later revisions.
M. E. Glickman, Dynamic paired comparison models with stochastic variances, Journal of Applied Statistics 28, 2001.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Final

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats, Integers, Matches
from service.ratings import Expected, Promise, RatingSystem, Shapes
from service.ratings.canonical import sorted_sum, strongest_first
from service.ratings.link import Link, logistic

RATING: Final = 0
DEVIATION: Final = 1
VOLATILITY: Final = 2

SCALE: Final = 173.7178
"""Points of rating to one of the paper's inner unit. All is reckoned in points, the volatility kept as published."""

SLOPE: Final = 1.0 / SCALE
BLUR: Final = 3.0 / (math.pi * math.pi) / (SCALE * SCALE)
"""Against skills known with a variance of v, a gap counts ``1 / sqrt(1 + BLUR v)`` of itself: the paper's g."""

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
    row: Floats,
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
    row[VOLATILITY] = _volatility(row[VOLATILITY], most_volatility, tau, variance, score, information)
    step = SCALE * row[VOLATILITY]
    before = min(variance + min(periods, 1.0) * (step * step), most)
    after = before / (1.0 + before * information)
    row[RATING] += after * score
    row[DEVIATION] = math.sqrt(max(after, least))


@numba.njit(cache=True)
def _compare(location: Floats, rank: Integers, sway: Floats, score: Floats, information: Floats) -> None:
    """Steps 3 and 4 of the paper over all pairs of a match: what each side's mean learns from the others."""
    sides = len(location)
    share = 3.0 / (sides + 1.0)
    order = strongest_first(location, rank, sway.reshape((1, sides)))
    for above in range(sides - 1):
        i = order[above]
        for below in range(above + 1, sides):
            q = order[below]
            result = 0.5
            if rank[i] != rank[q]:
                result = 1.0 if rank[i] < rank[q] else 0.0
            gap = location[i] - location[q]
            # Each sees the other through the other's deviation.
            chance = logistic(sway[q] * gap)
            score[i] += share * sway[q] * (result - chance)
            information[i] += share * sway[q] * sway[q] * chance * (1.0 - chance)
            chance = logistic(-sway[i] * gap)
            score[q] += share * sway[i] * (1.0 - result - chance)
            information[q] += share * sway[i] * sway[i] * chance * (1.0 - chance)


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
    # Of each side: variances summed, the slope against it, what its mean learns.
    widest = np.diff(matches.side_start).max()
    spread, sway, score, information = np.empty(widest), np.empty(widest), np.empty(widest), np.empty(widest)
    # Of each player: rating, variance before the period that ends with the match, and at the match.
    rating, before, now = np.empty(len(rest)), np.empty(len(rest)), np.empty(len(rest))
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        sides = end - first
        for side in range(first, end):
            low, high = matches.player_start[side], matches.player_start[side + 1]
            for slot in range(low, high):
                row = skills[matches.player[slot]]
                periods = rest[slot] * periods_per_day
                rating[slot] = row[RATING]
                before[slot] = _grown(row[DEVIATION], row[VOLATILITY], max(0.0, periods - 1.0), most)
                now[slot] = _grown(row[DEVIATION], row[VOLATILITY], periods, most)
            size = float(high - low)
            location[side] = sorted_sum(rating[low:high]) / size
            variance[side] = SCALE * SCALE * (0.5 + BLUR * sorted_sum(now[low:high]) / (size * size))
            spread[side - first] = sorted_sum(before[low:high])
            sway[side - first] = SLOPE / math.sqrt(1.0 + BLUR * spread[side - first] / (size * size))
        if matches.home[match] >= 0:
            location[first + matches.home[match]] += home

        score[:sides] = 0.0
        information[:sides] = 0.0
        _compare(location[first:end], matches.rank[first:end], sway[:sides], score[:sides], information[:sides])
        weight = matches.weight[match]
        for i in range(sides):
            low, high = matches.player_start[first + i], matches.player_start[first + i + 1]
            size = float(high - low)
            for slot in range(low, high):
                # The others of the side stand between the player and the result, as a blur of its mean.
                part = size * size + (spread[i] - before[slot]) * weight * information[i]
                _learn(
                    skills[matches.player[slot]], before[slot], rest[slot] * periods_per_day,
                    size * weight * score[i] / part, weight * information[i] / part,
                    tau, least, most, most_volatility,
                )  # fmt: skip
