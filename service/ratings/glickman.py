"""What Glickman's two systems share: the sides of a match, their pairs, and what a player learns of the side's result.

A side plays with the mean of its players' ratings. To a player on a team of n, the result is one on that mean: an n-th
of the slope, blurred by the deviations of the others, so that the least known player moves most. A player alone, in a
match of two sides, is the papers' case, step by step.
"""

from __future__ import annotations

import math

import numba

from service.columns import Floats, Integers, Matches
from service.ratings.pairs import arrange, first_of_two, flattened, outcome, seen, share
from service.ratings.teams import column_total, total


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def blurred_by(scale: float) -> float:
    """By what the variance of a skill flattens the expected score: ``g(RD) = 1 / sqrt(1 + blur RD^2)``.

    Parameters
    ----------
    scale : float
        Points of rating to a natural unit of strength.
    """
    return 3.0 / (math.pi * math.pi) / (scale * scale)


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def field(
    matches: Matches,
    match: int,
    skills: Floats,
    before: Floats,
    now: Floats,
    scale: float,
    home: float,
    location: Floats,
    variance: Floats,
    spread: Floats,
    sways: Floats,
) -> None:
    """Lay out the sides of a match.

    Parameters
    ----------
    skills : float64[n, columns]
        The first column is the rating.
    before, now : float64[p]
        Variance of each player's skill, as others see it and as it is at the match.
    location, variance : float64[s]
        Of all matches: each side's mean rating, lifted at home, and the variance of its performance.
    spread : float64[widest]
        Of this one: the sum of ``before`` over each side.
    sways : float64[1, widest]
        Slope of the expected score against each side.
    """
    blur, first = blurred_by(scale), matches.side_start[match]
    for side in range(first, matches.side_start[match + 1]):
        low, high = matches.player_start[side], matches.player_start[side + 1]
        size = float(high - low)
        location[side] = column_total(skills, 0, matches.player, low, high) / size
        variance[side] = scale * scale * (0.5 + blur * total(now, low, high) / (size * size))
        summed = total(before, low, high)
        spread[side - first] = summed
        sways[0, side - first] = flattened(1.0 / scale, blur * summed / (size * size))
    if matches.home[match] >= 0:
        location[first + matches.home[match]] += home


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def compare(
    matches: Matches,
    match: int,
    location: Floats,
    sways: Floats,
    order: Integers,
    score: Floats,
    information: Floats,
) -> None:
    """What each side's mean learns from all the others; see `service.ratings.pairs.seen`."""
    first, sides = matches.side_start[match], matches.side_start[match + 1] - matches.side_start[match]
    order[0] = first_of_two(location[first], location[first + 1])
    order[1] = 1 - order[0]
    if sides > 2:
        arrange(location, matches.rank, first, sides, sways, order)
    for i in range(sides):
        score[i] = information[i] = 0.0
    times, sway = share(sides), sways[0]
    for above in range(sides - 1):
        i = order[above]
        for below in range(above + 1, sides):
            q = order[below]
            result = outcome(matches.rank[first + i], matches.rank[first + q])
            gap = location[first + i] - location[first + q]
            learned, told = seen(times, sway[q], gap, result)
            score[i] += learned
            information[i] += told
            learned, told = seen(times, sway[i], -gap, 1.0 - result)
            score[q] += learned
            information[q] += told


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def lesson(size: int, others: float, weight: float, score: float, information: float) -> tuple[float, float]:
    """Score and information for one player of a side of ``size``, from those for its mean.

    Parameters
    ----------
    others : float
        Sum of the variances of the rest of the side, who stand between the player and the result.
    """
    n = float(size)
    part = n * n + others * weight * information
    return n * weight * score / part, weight * information / part
