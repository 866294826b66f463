"""How well a system predicts, match by match, and what is learned of ties where it has no model of them.

Two sides are scored twice: two-way, the expected score against the result with a tie as one half; and three-way, the
chances of win, tie and loss. More sides: the mean over pairs that did not tie, each match counting once. A system
without a model of ties has a zone learned from its own predictions, in which the gaps that end in one lie.

References
----------
A. P. Dawid, Present position and potential developments: the prequential approach, Journal of the Royal Statistical
Society A 147, 1984.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numba
import numpy as np

from service.columns import Floats, Integers, Matches
from service.ratings import Expected
from service.ratings.climb import climbed, narrowed
from service.ratings.link import CODES, Link, expected_score, outcome_chances, slope

BINS: Final = 10
SCORED: Final = 0
LOG_LOSS: Final = 1
BRIER: Final = 2
DECIDED: Final = 3
RIGHT: Final = 4
TWO_SIDED: Final = 5
THREE_WAY: Final = 6
ZONE: Final = 7
ZONE_VARIANCE: Final = 8
FIRST_BIN: Final = 9
SCORE_COLUMNS: Final = FIRST_BIN + 3 * BINS
"""Sums over scored matches: count, log-loss, Brier; count of decided ones, how many of them were foreseen; count of
those of two sides, their three-way log-loss; the learned zone's logarithm and how unsure that is; then for each tenth
of predicted chance its weight, the sum of the chances and the sum of the results."""

ALL_PAIRS: Final = 100
STRIDES: Final = 50
"""Of a match with more sides than `ALL_PAIRS`, each is compared with so many others on either hand, evenly spread over
the order of places: all pairs of thousands would take longer than rating them."""

FIRST_ZONE: Final = 0.2
FIRST_ZONE_VARIANCE: Final = 0.25
FORGOTTEN: Final = 1e-7
"""Added to the variance with every match, so that a pool whose ties become rarer is followed."""

LEAST_ZONE: Final = 1e-4
LARGEST_ZONE: Final = 5.0
LEAST_CHANCE: Final = 1e-15


class Losses(NamedTuple):
    """How badly each of ``m`` matches was predicted: minus the logarithm of the chance of what came.

    Attributes
    ----------
    two_way : float64[m]
        NaN where all sides of a larger match tied.
    three_way : float64[m]
        NaN where there were more than two sides.
    """

    two_way: Floats
    three_way: Floats


def unscored() -> Floats:
    """Scores of a pool that has not seen a match."""
    scores = np.zeros(SCORE_COLUMNS)
    scores[ZONE], scores[ZONE_VARIANCE] = math.log(FIRST_ZONE), FIRST_ZONE_VARIANCE
    return scores


def score(matches: Matches, expected: Expected, link: Link, scores: Floats) -> Losses:
    """Score predictions in order, adding to the sums, in place.

    Parameters
    ----------
    matches : Matches
        ``m`` of them.
    expected : Expected
        What a system expected of them.
    link : Link
        Of that system.
    scores : float64[SCORE_COLUMNS]
    """
    losses = Losses(np.full(len(matches.at), np.nan), np.full(len(matches.at), np.nan))
    _score(matches, expected, CODES[link], scores, losses)
    return losses


@numba.njit(cache=True)
def _score(matches: Matches, expected: Expected, link: int, scores: Floats, losses: Losses) -> None:
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        location, variance = expected.location[first:end], expected.variance[first:end]
        rank = matches.rank[first:end]
        if end - first == 2:
            gap = (location[0] - location[1]) / math.sqrt(variance[0] + variance[1])
            losses.three_way[match] = _score_outcome(link, gap, rank, expected.zone[match], scores)
            known = 0.0 if math.isnan(expected.zone[match]) else expected.zone[match]
            result = 0.5 if rank[0] == rank[1] else 1.0 if rank[0] < rank[1] else 0.0
            sums = _compare(_bounded(expected_score(link, gap, known)), result, 1.0, scores)
        else:
            sums = _score_pairs(link, location, variance, rank, scores)
        if sums[0] == 0.0:
            continue
        losses.two_way[match] = sums[1] / sums[0]
        scores[SCORED] += 1.0
        scores[LOG_LOSS] += sums[1] / sums[0]
        scores[BRIER] += sums[2] / sums[0]
        if end - first > 2 or rank[0] != rank[1]:
            scores[DECIDED] += 1.0
            scores[RIGHT] += sums[3] / sums[0]


@numba.njit(cache=True)
def _bounded(chance: float) -> float:
    return min(max(chance, LEAST_CHANCE), 1.0 - LEAST_CHANCE)


@numba.njit(cache=True)
def _score_pairs(
    link: int, location: Floats, variance: Floats, rank: Integers, scores: Floats
) -> tuple[float, float, float, float]:
    """Compare sides of a match with each other; sums as `_compare` gives them."""
    pairs = _untied_pairs(location, variance, rank)
    log_loss = brier = right = 0.0
    for place in range(len(pairs)):
        i, q = pairs[place]
        gap = (location[i] - location[q]) / math.sqrt(variance[i] + variance[q])
        result = 1.0 if rank[i] < rank[q] else 0.0
        one = _compare(_bounded(expected_score(link, gap, 0.0)), result, float(len(pairs)), scores)
        log_loss, brier, right = log_loss + one[1], brier + one[2], right + one[3]
    return float(len(pairs)), log_loss, brier, right


@numba.njit(cache=True)
def _untied_pairs(location: Floats, variance: Floats, rank: Integers) -> Integers:
    """All pairs of sides up to `ALL_PAIRS`, above it `STRIDES` of each; int64[n, 2]."""
    sides = len(rank)
    every = sides <= ALL_PAIRS
    order = np.arange(sides) if every else _by_place(location, variance, rank)
    pairs, count = np.empty((sides * (sides - 1) // 2 if every else sides * STRIDES, 2), np.int64), 0
    for step in range(sides - 1 if every else STRIDES):
        stride = step + 1 if every else 1 + step * ((sides - 1) // 2 - 1) // (STRIDES - 1)
        for place in range(sides - stride if every else sides):
            i, q = order[place], order[(place + stride) % sides]
            if rank[i] != rank[q]:
                pairs[count] = i, q
                count += 1
    return pairs[:count]


@numba.njit(cache=True)
def _by_place(location: Floats, variance: Floats, rank: Integers) -> Integers:
    """Sides by place, then by what was expected of them: those that are left are interchangeable."""
    order = np.argsort(variance, kind="mergesort")
    order = order[np.argsort(location[order], kind="mergesort")]
    return order[np.argsort(rank[order], kind="mergesort")]


@numba.njit(cache=True)
def _compare(chance: float, result: float, pairs: float, scores: Floats) -> tuple[float, float, float, float]:
    """Score one of so many pairs: 1, log-loss, Brier, whether it was foreseen (chances of one half count half)."""
    if result == 0.5:
        log_loss, right = -0.5 * math.log(chance) - 0.5 * math.log(1.0 - chance), 0.0
    else:
        log_loss = -math.log(chance if result > 0.5 else 1.0 - chance)
        right = 0.5 if chance == 0.5 else 1.0 if (chance > 0.5) == (result > 0.5) else 0.0
    # Both sides of the pair, half each, so that which one is listed first cannot matter.
    _bin(scores, chance, result, 0.5 / pairs)
    _bin(scores, 1.0 - chance, 1.0 - result, 0.5 / pairs)
    return 1.0, log_loss, (chance - result) * (chance - result), right


@numba.njit(cache=True)
def _bin(scores: Floats, chance: float, result: float, weight: float) -> None:
    # Compiled code would write past the array for what is no number.
    place = FIRST_BIN + 3 * max(0, min(BINS - 1, int(chance * BINS)))
    scores[place] += weight
    scores[place + 1] += weight * chance
    scores[place + 2] += weight * result


@numba.njit(cache=True)
def _score_outcome(link: int, gap: float, rank: Integers, zone: float, scores: Floats) -> float:
    """Three-way log-loss of a match of two; where the system knows no zone, the learned one is used and learns."""
    learning = math.isnan(zone)
    if learning:
        zone = math.exp(scores[ZONE])
    win, tie, loss = outcome_chances(link, gap, zone)
    chance = tie if rank[0] == rank[1] else win if rank[0] < rank[1] else loss
    if learning:
        _learn_zone(link, gap, zone, rank, scores)
    scores[TWO_SIDED] += 1.0
    scores[THREE_WAY] -= math.log(_bounded(chance))
    return -math.log(_bounded(chance))


@numba.njit(cache=True)
def _learn_zone(link: int, gap: float, zone: float, rank: Integers, scores: Floats) -> None:
    """A step up the likelihood of the outcome in the zone's logarithm."""
    chances = outcome_chances(link, gap, zone)
    win, loss = -zone * slope(link, gap - zone), -zone * slope(link, -gap - zone)
    slopes = (win, -win - loss, loss)
    came = 1 if rank[0] == rank[1] else 0 if rank[0] < rank[1] else 2
    information = 0.0
    for chance, change in zip(chances, slopes):  # noqa: B905  compiled code knows no `strict`
        information += change * change / _bounded(chance)
    scores[ZONE_VARIANCE] = narrowed(scores[ZONE_VARIANCE], FORGOTTEN, information)
    step = scores[ZONE_VARIANCE] * slopes[came] / _bounded(chances[came])
    scores[ZONE] = climbed(scores[ZONE], step, math.log(LEAST_ZONE), math.log(LARGEST_ZONE))
