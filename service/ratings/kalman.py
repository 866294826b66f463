"""Kalman: skills as Gaussian processes, and everything else about the pool learned from its results.

A skill wanders about the mean of all skills and is drawn back to it (Ornstein-Uhlenbeck); a result is seen through
normal performances, with a zone of gaps that end in a tie. Every result moves means and variances by the slope and the
curvature of its log-likelihood: of an outcome of two sides, in closed form; of a margin, which shows the gap itself and
stands in for the outcome; of the order of more sides, see `kalman_sides`.

How widely skills are spread, how fast they drift, how wide the zone is, what home and headcount are worth and how
large margins are is learned on the way, pool by pool; see `kalman_learn`. For spread and drift each player's row holds
the derivatives of mean and variance, carried along as the filter goes.

A row says what is known of a skill beyond the spread of all, ``1/variance - 1/spread^2``: a newcomer's is nothing, and
what the pool learns of the spread reaches a player when it is next read or rated.

References
----------
G. E. Uhlenbeck, L. S. Ornstein, On the theory of the Brownian motion, Physical Review 36, 1930.
R. E. Kalman, A new approach to linear filtering and prediction problems, Journal of Basic Engineering 82, 1960.
R. Herbrich, T. Minka, T. Graepel, TrueSkill: a Bayesian skill rating system, NIPS 2006.
L. Ljung, T. Soderstrom, Theory and Practice of Recursive Identification, 1983.
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
from service.ratings.kalman_learn import (
    DRIFT,
    EFFECT_FORGOTTEN,
    FARTHEST,
    FIRST_MARGINS,
    FIRST_VARIANCE,
    HEADCOUNT,
    HOME,
    LEAST_DRIFT,
    LEAST_SPREAD,
    MARGIN_SCALE,
    MARGINS,
    MOST_DRIFT,
    MOST_EFFECT,
    MOST_SPREAD,
    SKILL_FORGOTTEN,
    SPREAD,
    ZONE,
    learn_margin,
    learn_zone,
    step,
)
from service.ratings.kalman_player import (
    BY_DRIFT,
    BY_SPREAD,
    INFORMATION,
    KNOWN,
    KNOWN_BY_SPREAD,
    MEAN,
    RATING,
    SCORE,
    START,
    UNIT,
    VARIANCE,
    learn,
    rested,
)
from service.ratings.kalman_sides import learn_places
from service.ratings.link import Link
from service.ratings.normal import above, between

START: Final = 1500.0
UNIT: Final = 290.0
"""Points to one deviation of the difference of two players' performances: what all is reckoned in."""

PAIR: Final = np.array([0, 1])
LEARNED: Final = (
    (0, SPREAD, math.log(LEAST_SPREAD), math.log(MOST_SPREAD)),
    (2, DRIFT, math.log(LEAST_DRIFT), math.log(MOST_DRIFT)),
)
"""Of what `_learn_skills` sums: where the number stands in the pool's row, and its bounds."""

NOISE: Final = 6
AT_HOME: Final = 7
COUNT: Final = 8
"""Beside a side's state: variance of its performance about its strength, whether it is at home, its headcount."""


class Kalman(RatingSystem, frozen=True, kw_only=True):
    """This project's own system, which takes every shape of match and learns its parameters from each pool.

    All but ``margin`` are where learning starts, in points of rating.

    Parameters
    ----------
    spread : float
        Deviation of the skills of all: a newcomer's.
    drift : float
        Deviation of a skill's change in a year, were it not drawn back to the mean.
    zone : float
        Half the width of the gaps of two players' performances that end in a tie.
    home : float
        What the side at home is stronger by.
    margin : float
        A gap of scores counts as its power: 0.75 or so; 0 ignores scores.

    Examples
    --------
    >>> Kalman().newcomer().tolist()
    [1500.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    name: ClassVar[str] = "kalman"
    revision: ClassVar[int] = 1
    shapes: ClassVar[Shapes] = Shapes(most_sides=20_000)
    promises: ClassVar[frozenset[Promise]] = frozenset(
        ("neutral_tie", "monotone_place", "monotone_margin", "rest_grows")
    )
    link: ClassVar[Link] = "normal"
    skill_columns: ClassVar[tuple[str, ...]] = (
        "rating", "known", "mean_by_spread", "known_by_spread", "mean_by_drift", "known_by_drift",
    )  # fmt: skip
    pool_columns: ClassVar[tuple[str, ...]] = (
        "log_spread", "log_spread_variance", "log_drift", "log_drift_variance", "log_zone", "log_zone_variance",
        "home", "home_variance", "headcount", "headcount_variance", "margins", "margin_scale",
    )  # fmt: skip

    spread: Annotated[float, Meta(ge=15, le=1450)] = 232.0
    drift: Annotated[float, Meta(ge=1, le=2900)] = 82.0
    zone: Annotated[float, Meta(ge=0.03, le=1450)] = 58.0
    home: Annotated[float, Meta(ge=-1000, le=1000)] = 58.0
    margin: Annotated[float, Meta(ge=0, le=1)] = 0.75

    def newcomer(self) -> Floats:
        """Row of a player before the first match: nothing is known beyond the spread of all."""
        return np.array([START, 0.0, 0.0, 0.0, 0.0, 0.0])

    def opening(self) -> Floats:
        """Row of a pool before the first match: the starts, and how unsure they are."""
        starts = (
            math.log(self.spread / UNIT), 2.0 * math.log(self.drift / UNIT), math.log(self.zone / UNIT),
            self.home / UNIT, 0.0,
        )  # fmt: skip
        return np.array([number for start in starts for number in (start, FIRST_VARIANCE)] + [0.0, 0.0])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating; what they were given does not change with the spread."""
        skills, spread = np.zeros((len(rating), len(self.skill_columns))), math.exp(2.0 * pool[SPREAD])
        variance = (deviation / UNIT) ** 2
        skills[:, RATING] = rating
        skills[:, KNOWN] = np.where(variance <= spread, 1.0 / variance - 1.0 / spread, spread - variance)
        skills[:, KNOWN_BY_SPREAD] = np.where(variance <= spread, 2.0 / spread, 2.0 * spread)
        return skills

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`."""
        _update(
            matches, rest, skills, pool, expected.location, expected.variance, expected.zone, self.margin
        )

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating and deviation, both relaxed towards those of all by rest."""
        return _views(skills, pool, rest)


@numba.njit(cache=True)
def _views(skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
    spread, drift = math.exp(2.0 * pool[SPREAD]), math.exp(pool[DRIFT])
    rating, deviation, state = np.empty(len(skills)), np.empty(len(skills)), np.empty(6)
    for index in range(len(skills)):
        rested(skills[index], spread, drift, rest[index], state)
        deviation[index] = UNIT * math.sqrt(state[VARIANCE])
        # Without rest it is shown to the last bit.
        rating[index] = START + UNIT * state[MEAN] if rest[index] > 0.0 else skills[index, RATING]
    return rating, deviation


@numba.njit(cache=True)
def _gather(states: Floats, player_start: Integers, home: int, pool: Floats, sides: Floats) -> None:
    """Sum the players of each side of a match, and add what home and headcount are worth.

    Parameters
    ----------
    states : float64[p, 6]
    player_start : int64[k + 1]
        The first is the first row of ``states``.
    home : int
    pool : float64[12]
    sides : float64[k, 9]
        Filled.
    """
    count, begin = len(sides), player_start[0]
    mean_size = (player_start[count] - begin) / count
    for i in range(count):
        low, high, side = player_start[i] - begin, player_start[i + 1] - begin, sides[i]
        for column in range(6):
            side[column] = states[low, column] if high - low == 1 else sorted_sum(states[low:high, column])
        side[NOISE] = 0.5 * (high - low)
        side[AT_HOME] = 1.0 if i == home else 0.0
        side[COUNT] = high - low - mean_size
        side[MEAN] += pool[HOME] * side[AT_HOME] + pool[HEADCOUNT] * side[COUNT]
        # Of the headcounts' differences, not of themselves.
        square = side[COUNT] * side[COUNT] * count / (count - 1.0)
        side[VARIANCE] += pool[HOME + 1] * side[AT_HOME] + pool[HEADCOUNT + 1] * square


@numba.njit(cache=True)
def _compare(
    gap: Floats, noise: float, rank: Integers, points: Floats, weight: float, margin: float, zone: float, pool: Floats
) -> tuple[float, float]:
    """Slope and curvature of the log-likelihood of a result of two sides in the gap of their strengths.

    What it tells of zone and margins is learned. A margin shows the gap itself, so that the outcome adds nothing.
    """
    total = gap[VARIANCE] + noise
    deviation = math.sqrt(total)
    x = gap[MEAN] / deviation
    won = 0.0 if rank[0] == rank[1] else 1.0 if rank[0] < rank[1] else -1.0
    learn_zone(pool, abs(x), zone, won if x >= 0.0 else -won, weight)
    if margin > 0.0 and not math.isnan(points[0]):
        seen = won * abs(points[0] - points[1]) ** margin
        scaled, scale = pool[MARGINS] >= FIRST_MARGINS, math.sqrt(pool[MARGIN_SCALE])
        root = math.sqrt(noise)
        learn_margin(pool, seen, gap[MEAN] / root, gap[VARIANCE] / noise, weight)
        if scaled:
            off = root * seen / scale - gap[MEAN]
            return min(max(off, -FARTHEST * deviation), FARTHEST * deviation) / total, 1.0 / total
    if won != 0.0:
        v, w = above(won * x - zone)
        return won * v / deviation, w / total
    v, w = between(-zone - x, zone - x)
    return v / deviation, w / total


@numba.njit(cache=True)
def _tell(told: Floats, state: Floats, noise: float, score: float, information: float, weight: float) -> None:
    """Slope and curvature of a match of a weight, and their derivatives by way of the state that they are of.

    A match of weight 1000 must not overshoot what seeing the strength itself would tell.
    """
    total = state[VARIANCE] + noise
    factor = weight / (1.0 + max(weight - 1.0, 0.0) * state[VARIANCE] / total)
    told[SCORE], told[INFORMATION] = factor * score, factor * information
    for by in (BY_SPREAD, BY_DRIFT):
        told[by] = -told[INFORMATION] * (state[by] + told[SCORE] * state[by + 1])
        told[by + 1] = -told[INFORMATION] * told[INFORMATION] * state[by + 1]


@numba.njit(cache=True)
def _learn_skills(sums: Floats, state: Floats, score: float, information: float) -> None:
    """Add what a result tells of the logarithms of spread and drift: slope and information of each."""
    for by in (BY_SPREAD, BY_DRIFT):
        slope, bend = state[by], state[by + 1]
        sums[by - 2] += score * slope + 0.5 * (score * score - information) * bend
        sums[by - 1] += information * (slope * slope + 0.5 * information * bend * bend)


@numba.njit(cache=True)
def _learn_effects(pool: Floats, sides: Floats, order: Integers, score: Floats, information: Floats, weight: float) -> None:
    home = told_of_home = headcount = told_of_headcount = 0.0
    for place, i in enumerate(order):
        size = sides[i, COUNT]
        home += score[place] * sides[i, AT_HOME]
        told_of_home += information[place] * sides[i, AT_HOME]
        headcount += score[place] * size
        told_of_headcount += information[place] * size * size
    told_of_headcount *= len(order) / (len(order) - 1.0)
    step(pool, HOME, weight * home, weight * told_of_home, EFFECT_FORGOTTEN, -MOST_EFFECT, MOST_EFFECT)
    step(
        pool, HEADCOUNT, weight * headcount, weight * told_of_headcount, EFFECT_FORGOTTEN, -MOST_EFFECT, MOST_EFFECT
    )


@numba.njit(cache=True)
def _update(
    matches: Matches,
    rest: Floats,
    skills: Floats,
    pool: Floats,
    location: Floats,
    variance: Floats,
    zones: Floats,
    margin: float,
) -> None:
    widest = np.diff(matches.side_start).max()
    crowd = np.diff(matches.player_start[matches.side_start]).max()
    states, known = np.empty((crowd, 6)), np.empty(crowd)
    all_sides, told, gap = np.empty((widest, 9)), np.empty((widest, 6)), np.empty(6)
    scores, informations, sums = np.empty(widest), np.empty(widest), np.empty(4)
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        count, weight = end - first, matches.weight[match]
        spread, drift = math.exp(2.0 * pool[SPREAD]), math.exp(pool[DRIFT])
        low, high = matches.player_start[first], matches.player_start[end]
        for slot in range(low, high):
            known[slot - low] = rested(skills[matches.player[slot]], spread, drift, rest[slot], states[slot - low])
        sides, rank = all_sides[:count], matches.rank[first:end]
        _gather(states, matches.player_start[first : end + 1], matches.home[match], pool, sides)
        for i in range(count):
            location[first + i] = START + UNIT * sides[i, MEAN]
            variance[first + i] = UNIT * UNIT * (sides[i, VARIANCE] + sides[i, NOISE])

        score, information = scores[:count], informations[:count]
        sums[:] = 0.0
        if count == 2:
            order = PAIR
            noise = sides[0, NOISE] + sides[1, NOISE]
            for column in range(0, 6, 2):
                gap[column] = sides[0, column] - sides[1, column]
                gap[column + 1] = sides[0, column + 1] + sides[1, column + 1]
            zones[match] = math.exp(pool[ZONE]) * math.sqrt(noise / (gap[VARIANCE] + noise))
            score[0], information[0] = _compare(
                gap, noise, rank, matches.score[first:end], weight, margin, zones[match], pool
            )
            score[1], information[1] = -score[0], information[0]
            _tell(told[0], gap, noise, score[0], information[0], weight)
            for column in range(0, 6, 2):
                told[1, column], told[1, column + 1] = -told[0, column], told[0, column + 1]
            _learn_skills(sums, gap, score[0], information[0])
        else:
            columns = np.ascontiguousarray(sides.T)
            order = strongest_first(columns[MEAN], rank, columns[1:])
            columns = columns[:, order]
            learn_places(
                columns[MEAN], columns[VARIANCE], columns[NOISE], rank[order], math.exp(pool[ZONE]), score, information
            )
            for place, i in enumerate(order):
                _tell(told[i], sides[i], sides[i, NOISE], score[place], information[place], weight)
                _learn_skills(sums, sides[i], score[place], information[place])

        for i in range(count):
            for slot in range(matches.player_start[first + i], matches.player_start[first + i + 1]):
                learn(skills[matches.player[slot]], states[slot - low], known[slot - low], spread, told[i])
        _learn_effects(pool, sides, order, score, information, weight)
        for place, at, least, most in LEARNED:
            step(pool, at, weight * sums[place], weight * sums[place + 1], SKILL_FORGOTTEN, least, most)
