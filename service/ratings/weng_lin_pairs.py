"""Full sets of pairs, as Weng and Lin rate a match: by a logistic or a normal link, added up as `weng_lin` says."""

from __future__ import annotations

import math

import numba
import numpy as np

from service.columns import Floats, Integers, Matches
from service.ratings.canonical import strongest_first
from service.ratings.link import NORMAL, logistic
from service.ratings.normal import above, between, density
from service.ratings.weng_lin import Terms, crowding, learn, meet


@numba.njit(cache=True)
def compare(link: int, x: float, zone: float, ranked: int) -> tuple[float, float, float]:
    """What a pair's result says of a gap expected at ``x``, in its own deviations.

    Parameters
    ----------
    ranked : int
        Below 0 if the first was before the other, above 0 if behind it, 0 for a tie.

    Returns
    -------
    move, heard, told : float
        The slope of its log-likelihood; the information that was to be expected; what it held.
    """
    if link == NORMAL:
        # Were there no ties, density(x)^2 / (cdf(x) cdf(-x)), and nothing divided by the smaller chance.
        slope, upset = density(x), above(-abs(x))[0]
        heard = slope * upset / (1.0 - slope / upset)
        if ranked == 0:
            move, told = between(-zone - x, zone - x)
        elif ranked < 0:
            move, told = above(x - zone)
        else:
            move, told = above(-x - zone)
            move = -move
        return move, heard, told
    win, loss = logistic(x), logistic(-x)
    move = 0.5 * (loss - win) if ranked == 0 else loss if ranked < 0 else -win
    return move, win * loss, win * loss


@numba.njit(cache=True)
def _sum_pairs(
    link: int, location: Floats, variance: Floats, spread: Floats, rank: Integers, score: Floats, margin: float,
    epsilon: float, sums: Floats,
) -> None:  # fmt: skip
    """Sum over all pairs of a match, for each side, what they pull, were to tell and tell; float64[3, sides]."""
    sides = len(location)
    sums[:, :sides] = 0.0
    order = strongest_first(location, rank, spread.reshape((1, sides)))
    for first in range(sides - 1):
        i = order[first]
        for second in range(first + 1, sides):
            q = order[second]
            both = variance[i] + variance[q]
            c = math.sqrt(both)
            move, heard, told = compare(link, (location[i] - location[q]) / c, epsilon / c, rank[i] - rank[q])
            gap = score[i] - score[q]
            if margin > 0.0 and not math.isnan(gap):
                move *= 1.0 + margin * math.log1p(abs(gap))
            sums[0, i] += move / c
            sums[0, q] -= move / c
            sums[1, i] += heard / both
            sums[1, q] += heard / both
            # The paper's gamma, sqrt(spread) / c: the surer a side is, the less it is told.
            sums[2, i] += math.sqrt(spread[i]) / c * told / both
            sums[2, q] += math.sqrt(spread[q]) / c * told / both


@numba.njit(cache=True)
def rate_pairs(
    link: int,
    matches: Matches,
    rest: Floats,
    skills: Floats,
    terms: Terms,
    epsilon: float,
    location: Floats,
    variance: Floats,
    zone: Floats,
) -> None:
    """Rate matches as full sets of pairs, in place: Thurstone-Mosteller by the normal link, else Bradley-Terry.

    Parameters
    ----------
    epsilon : float
        Gap of performances below which two sides tie, in points; 0 where the model has none.
    """
    rating, before, spread = np.empty(len(rest)), np.empty(len(rest)), np.empty(len(location))
    sums = np.empty((3, np.diff(matches.side_start).max()))
    # A logistic of slope 1 / c is the gap of two Gumbel performances, each of which tells half of what a normal does.
    noise = terms.noise if link == NORMAL else 2.0 * terms.noise
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        meet(match, matches, rest, skills, terms, rating, before, location, variance, spread)
        if end - first == 2 and epsilon > 0.0:
            zone[match] = epsilon / math.sqrt(variance[first] + variance[first + 1])
        _sum_pairs(
            link, location[first:end], variance[first:end], spread[first:end], matches.rank[first:end],
            matches.score[first:end], terms.margin, epsilon, sums,
        )  # fmt: skip
        for side in range(first, end):
            low, high = matches.player_start[side], matches.player_start[side + 1]
            pull, heard, told = sums[0, side - first], sums[1, side - first], sums[2, side - first]
            seen, sides = spread[side] + noise, end - first
            once = crowding(heard, seen, sides)
            learn(
                skills, matches.player[low:high], before[low:high], matches.weight[match],
                pull / once, heard / once, told / crowding(told, seen, sides), terms.kappa,
            )  # fmt: skip
