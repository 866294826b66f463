"""A match under `kalman`: what it tells of each side, and so of its players and of the pool.

An outcome of two sides is taken in closed form. A margin shows the gap of the performances itself and stands in for the
outcome, once its scale is known and as long as margins look like one kind: see `kalman_learn`.
"""

from __future__ import annotations

import math
from typing import Final

import numba
import numpy as np

from service.columns import Floats, Integers, Matches
from service.ratings.canonical import sorted_sum, strongest_first
from service.ratings.kalman_learn import (
    DRIFT,
    EFFECT_FORGOTTEN,
    FARTHEST,
    FIRST_MARGINS,
    HEADCOUNT,
    HOME,
    LEAST_DRIFT,
    LEAST_SPREAD,
    MARGIN_SCALE,
    MARGIN_TAILS,
    MARGINS,
    MOST_DRIFT,
    MOST_EFFECT,
    MOST_SPREAD,
    MOST_TAILS,
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
    MEAN,
    SCORE,
    START,
    UNIT,
    VARIANCE,
    learn,
    rested,
)
from service.ratings.kalman_sides import learn_places
from service.ratings.normal import above, between

PAIR: Final = np.array([0, 1])
LEARNED: Final = (
    (0, SPREAD, math.log(LEAST_SPREAD), math.log(MOST_SPREAD)),
    (2, DRIFT, math.log(LEAST_DRIFT), math.log(MOST_DRIFT)),
)
"""Of what `_learn_skills` sums: where it is, where the number stands in the pool's row, and its bounds."""

NOISE: Final = 6
AT_HOME: Final = 7
COUNT: Final = 8
"""Beside a side's state: variance of its performance about its strength, whether it is at home, by how many players it
is larger than the mean side."""


@numba.njit(cache=True)
def _gather(states: Floats, player_start: Integers, home: int, pool: Floats, sides: Floats) -> None:
    """Sum the players of each side of a match, and add what home and headcount are worth.

    Parameters
    ----------
    states : float64[p, 6]
    player_start : int64[k + 1]
        The first is the first row of ``states``.
    home : int
    pool : float64[13]
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
    won = 0 if rank[0] == rank[1] else 1 if rank[0] < rank[1] else -1
    learn_zone(pool, abs(x), zone, won if x >= 0.0 else -won, weight)
    if margin > 0.0 and not math.isnan(points[0]):
        seen = won * abs(points[0] - points[1]) ** margin
        shown = pool[MARGINS] >= FIRST_MARGINS and pool[MARGIN_TAILS] <= MOST_TAILS
        root, scale = math.sqrt(noise), math.sqrt(pool[MARGIN_SCALE])
        learn_margin(pool, seen, gap[MEAN] / root, gap[VARIANCE] / noise, weight)
        if shown:
            off = root * seen / scale - gap[MEAN]
            return min(max(off, -FARTHEST * deviation), FARTHEST * deviation) / total, 1.0 / total
    if won != 0:
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
def _learn_effects(
    pool: Floats, sides: Floats, order: Integers, score: Floats, information: Floats, weight: float
) -> None:
    home = told_of_home = headcount = told_of_headcount = 0.0
    for place, i in enumerate(order):
        size = sides[i, COUNT]
        home += score[place] * sides[i, AT_HOME]
        told_of_home += information[place] * sides[i, AT_HOME]
        headcount += score[place] * size
        told_of_headcount += information[place] * size * size
    told_of_headcount *= len(order) / (len(order) - 1.0)
    step(pool, HOME, weight * home, weight * told_of_home, EFFECT_FORGOTTEN, -MOST_EFFECT, MOST_EFFECT)
    step(pool, HEADCOUNT, weight * headcount, weight * told_of_headcount, EFFECT_FORGOTTEN, -MOST_EFFECT, MOST_EFFECT)


@numba.njit(cache=True)
def update(
    matches: Matches,
    rest: Floats,
    skills: Floats,
    pool: Floats,
    location: Floats,
    variance: Floats,
    zones: Floats,
    margin: float,
) -> None:
    """Rate matches in order, in place.

    Parameters
    ----------
    matches, rest, skills, pool
        As `RatingSystem.update` has them.
    location, variance : float64[s]
        Filled with what was expected of each side's performance, in points.
    zones : float64[m]
        Filled for matches of two sides with half the width of the gaps that end in a tie, in the pair's deviation.
    margin : float
        Power to which a margin counts; 0 for no margins.
    """
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
