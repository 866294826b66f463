"""What is to be expected of a match that was not played: each side's chance to be first, and to be before another.

A system fills in the predicted performances before it looks at the result, so a forecast is an update of copied rows,
whatever the result. Pure: arrays in, arrays out.

References
----------
R. D. Luce, Individual Choice Behavior, 1959; R. L. Plackett, The analysis of permutations, Applied Statistics 24, 1975.
J. I. Yellott, The relationship between Luce's choice axiom, Thurstone's theory of comparative judgment, and the double
exponential distribution, Journal of Mathematical Psychology 15, 1977.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from scipy.special import expit, log_ndtr, ndtr

from service.columns import Floats, lay_out
from service.match import Match
from service.rate import DAY_MS, LAST_AT, MATCHES, Table
from service.ratings import RatingSystem

WIDEST: Final = 32.0
"""A performance that varies less than a 32nd of what the widest does is taken to vary so much."""

STEP: Final = 0.25
"""Nodes of the quadrature, in the least scale. The trapezoid's error falls as exp(-pi^2 / STEP), some 1e-17."""

_LOG_ROOT_2PI: Final = 0.5 * math.log(2.0 * math.pi)
_GUMBEL_MEDIAN: Final = -math.log(math.log(2.0))


class Forecast(NamedTuple):
    """What a system expects of a match of ``s`` sides.

    Attributes
    ----------
    location, variance : float64[s]
        Predicted performance of each side, in the unit of the system's link; see `RatingSystem.link`. The variance
        holds the players' deviations, grown to the match, where the system reckons with them (Glicko-2 does, Elo has
        one performance for all): then the chances are nearer to even the less is known, and are not to be widened.
    win : float64[s]
        Chance of each side to be first, a shared first place counted in parts; they add up to 1. Of two sides by
        the link, so a tie counts one half; of more see `first_chances`.
    """

    location: Floats
    variance: Floats
    win: Floats


def forecast(system: RatingSystem, match: Match, table: Table) -> Forecast:
    """Predict a match under a rating system; nothing is changed.

    Parameters
    ----------
    system : RatingSystem
        Must take the match; see `RatingSystem.refusal`.
    match : Match
        Checked; its ranks are of no account.
    table : Table
        Rows of its players, one each, in the order in which it names them.

    Examples
    --------
    >>> from service.match import Side
    >>> from service.rate import empty
    >>> from service.ratings import create
    >>> match = Match("1", "chess", 0, (Side(("ann",), rank=1), Side(("bob",), rank=2)))
    >>> elo = create("elo")
    >>> table = empty(elo, 2)
    >>> table.skills[0, 0] += 400.0
    >>> forecast(elo, match, table).win.round(4).tolist()
    [0.9091, 0.0909]
    """
    columns = lay_out([match], range(len(table.tallies)))
    last = table.tallies[:, LAST_AT]
    new = (table.tallies[:, MATCHES] == 0.0) & (last == 0.0)
    rest = np.where(new, 0.0, np.maximum(0.0, float(columns.at[0]) - last) / DAY_MS)
    location, variance = np.empty(len(match.sides)), np.empty(len(match.sides))
    system.update(columns, rest, table.skills.copy(), table.pool.copy(), location, variance)
    normal = system.link == "normal"
    if len(location) == 2:
        return Forecast(location, variance, before_chances(location, variance, normal)[[0, 1], [1, 0]])
    return Forecast(location, variance, first_chances(location, variance, normal))


def before_chances(location: Floats, variance: Floats, normal: bool) -> Floats:
    """Chance of each side to be before each other one, by the link; a tie counts one half.

    Parameters
    ----------
    location, variance : float64[s]
    normal : bool
        Whether the link is normal, not logistic.

    Returns
    -------
    float64[s, s]
        One half on the diagonal.

    Examples
    --------
    >>> before_chances(np.array([1.0, 0.0]), np.array([0.5, 0.5]), normal=False).round(3).tolist()
    [[0.5, 0.731], [0.269, 0.5]]
    """
    gap = (location[:, None] - location) / np.sqrt(variance[:, None] + variance)
    chances: Floats = ndtr(gap) if normal else expit(gap)
    return chances


def first_chances(location: Floats, variance: Floats, normal: bool) -> Floats:
    """Chance of each side to have the best of independent performances.

    They are normal under the normal link. Under the logistic link they follow Gumbel's distribution with the location
    as median and the scale ``sqrt(2 variance)``: with equal variances any two of them compare by the link exactly, and
    the chances are those of Plackett and Luce, ``exp(location / scale)`` in proportion. With unequal variances no such
    performances exist that agree with the link in every pair; these keep to it within 0.05, and within 0.013 between
    sides of one location, while no variance is more than ten times another.

    Parameters
    ----------
    location, variance : float64[s]
        Finite, the variances above 0. Scales that differ by more than `WIDEST` are taken to differ by that.
    normal : bool
        Whether the link is normal, not logistic.

    Returns
    -------
    float64[s]
        They add up to 1.

    Examples
    --------
    >>> first_chances(np.log([3.0, 2.0, 1.0]), np.full(3, 0.5), normal=False).round(12).tolist()
    [0.5, 0.333333333333, 0.166666666667]
    """
    scale = np.sqrt(variance if normal else 2.0 * variance)
    scale = np.maximum(scale, scale.max() / WIDEST)
    # Below the first node the best performance never falls, above the last one it hardly ever rises.
    below, above = (9.0, 9.0) if normal else (4.0, 36.0)
    low, high = (location - below * scale).max(), (location + above * scale).max()
    nodes = np.linspace(low, high, math.ceil((high - low) / (STEP * scale.min())))
    z = (nodes - location[:, None]) / scale[:, None]
    # Of each side: the logarithm of its distribution, and that one's slope. The best performance's is their sum.
    if normal:
        log_cdf = log_ndtr(z)
        slope = np.exp(-0.5 * z * z - _LOG_ROOT_2PI - log_cdf) / scale[:, None]
    else:
        tail = np.exp(-(z + _GUMBEL_MEDIAN))
        log_cdf, slope = -tail, tail / scale[:, None]
    chances = slope @ np.exp(log_cdf.sum(axis=0))
    shares: Floats = chances / chances.sum()
    return shares
