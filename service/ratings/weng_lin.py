"""What the Weng-Lin systems share: how a match is met, how a full set of pairs is added up, how players learn.

Weng and Lin sum over the opponents of a match as if each were a match of its own, so that the variance collapses where
there are many. But all opponents look at one and the same performance. Of n equal looks that would each leave
``1 - h r`` of the variance r of a performance, together they leave ``1 - H r`` with ``H = n h / (1 + (n - 1) h r)``:
the precisions add up and the performance's own variance counts once. So whatever is summed over the opponents is
divided by ``1 + sum * r * (K - 2) / (K - 1)``. For two sides that is 1 and the paper's numbers stand; for any K it
keeps ``H < 1 / r``: nobody learns more than from a performance that was seen exactly.

For moves the sum is the information that was to be expected, whatever came: so a better place never costs.

References
----------
R. C. Weng, C.-J. Lin, A Bayesian approximation method for online ranking, JMLR 12, 2011.
V. Joshy, OpenSkill: a faster asymmetric multi-team, multiplayer rating system, JOSS 9, 2024 (names and scale).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats, Integers, Matches
from service.ratings.canonical import sorted_sum, strongest_first
from service.ratings.link import NORMAL, logistic
from service.ratings.normal import above, between, density

RATING: Final = 0
VARIANCE: Final = 1

LEAST_TOLD: Final = 1e-12
"""Share of the variance that even a result that was certain takes away, so that no deviation stands still."""

Mu = Annotated[float, Meta(ge=-1e6, le=1e6)]
Sigma = Annotated[float, Meta(ge=0.1, le=1e4)]
Beta = Annotated[float, Meta(ge=0.1, le=1e4)]
Tau = Annotated[float, Meta(ge=0, le=1e3)]
Drift = Annotated[float, Meta(ge=1e-4, le=1e3)]
Kappa = Annotated[float, Meta(ge=1e-9, le=0.5)]
Home = Annotated[float, Meta(ge=-1e4, le=1e4)]
Margin = Annotated[float, Meta(ge=0, le=10)]

OPENSKILL: Final[Mapping[str, float]] = {
    "mu": 25.0, "sigma": 25.0 / 3.0, "beta": 25.0 / 6.0, "tau": 25.0 / 300.0, "kappa": 1e-4, "drift": 1e-4,
}  # fmt: skip
"""The library's defaults. It knows no days; the least drift is 0.02 in a century."""


class Terms(NamedTuple):
    """A system's parameters as the loops take them.

    Attributes
    ----------
    noise, step, drift : float
        Squares of ``beta``, ``tau`` and ``drift``.
    most : float
        The variance that a newcomer brings into the first match, and the largest that there is.
    kappa, home, margin : float
        As in the systems.
    """

    noise: float
    step: float
    drift: float
    most: float
    kappa: float
    home: float
    margin: float


def terms_of(*, sigma: float, beta: float, tau: float, drift: float, kappa: float, home: float, margin: float) -> Terms:
    """Square what is only used squared."""
    step = float(tau * tau)
    return Terms(
        float(beta * beta), step, float(drift * drift), sigma * sigma + step, kappa, float(home), float(margin)
    )


def deviations(skills: Floats, rest: Floats, terms: Terms) -> Floats:
    """Deviations as they are read after days of rest: they drift, but never past a newcomer's first match."""
    found: Floats = np.sqrt(np.minimum(skills[:, VARIANCE] + rest * terms.drift, terms.most))
    return found


@numba.njit(cache=True)
def meet(
    match: int,
    matches: Matches,
    rest: Floats,
    skills: Floats,
    terms: Terms,
    rating: Floats,
    before: Floats,
    location: Floats,
    variance: Floats,
    spread: Floats,
) -> None:
    """Fill in what is known of a match before its result.

    Parameters
    ----------
    rating, before : float64[p]
        Each player's rating, and variance after the days of rest and the step of this match.
    location, variance : float64[s]
        Each side's performance.
    spread : float64[s]
        Of that variance, the players' part.
    """
    for side in range(matches.side_start[match], matches.side_start[match + 1]):
        low, high = matches.player_start[side], matches.player_start[side + 1]
        for slot in range(low, high):
            row = skills[matches.player[slot]]
            rating[slot] = row[RATING]
            before[slot] = min(row[VARIANCE] + rest[slot] * terms.drift + terms.step, terms.most)
        location[side] = sorted_sum(rating[low:high])
        spread[side] = sorted_sum(before[low:high])
        variance[side] = spread[side] + terms.noise
    if matches.home[match] >= 0:
        location[matches.side_start[match] + matches.home[match]] += terms.home


@numba.njit(cache=True)
def crowding(total: float, seen: float, sides: int) -> float:
    """What a sum over the opponents is to be divided by, see above, where each looks at a variance of ``seen``."""
    return 1.0 + total * seen * (sides - 2) / (sides - 1)


@numba.njit(cache=True)
def learn(
    skills: Floats, players: Integers, before: Floats, weight: float, pull: float, heard: float, told: float,
    kappa: float,
) -> None:  # fmt: skip
    """Move the players of a side and narrow their variances.

    A match of weight u holds u times the information that it would hold alone.

    Parameters
    ----------
    pull : float
        Where the side's location is pulled to, over the variance of who is pulled.
    heard : float
        Information that was to be expected of the match, as a share of a variance and over it.
    told : float
        What it turned out to hold, likewise.
    """
    for slot, player in enumerate(players):
        row, variance = skills[player], before[slot]
        share = variance * heard
        row[RATING] += weight * variance * pull / (1.0 - share + weight * share)
        share = max(variance * told, LEAST_TOLD)
        row[VARIANCE] = variance * max((1.0 - share) / (1.0 - share + weight * share), kappa)


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
