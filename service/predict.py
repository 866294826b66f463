"""What is to be expected of a match that was not played: each side's chance of each place, and of a tie of two.

A system fills in what it expects before it looks at the result, so a forecast is an update of copied rows, whatever
the result. Pure: arrays in, arrays out.

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
from scipy.special import log_ndtr, ndtr

from service.columns import Floats, lay_out
from service.match import Match
from service.rate import Table, rested
from service.ratings import RatingSystem, unexpected
from service.ratings.link import CODES, Link, expected_score, outcome_chances
from service.score import ZONE

MOST_PLACED: Final = 16
"""Sides of the largest match of which every place is foretold; the work grows with their third power."""

WIDEST: Final = 32.0
"""A performance that varies less than a 32nd of what the widest does is taken to vary so much."""

STEP: Final = 0.25
"""Nodes of the quadrature, in the least scale. The trapezoid's error falls as exp(-pi^2 / STEP), some 1e-17."""

_LOG_ROOT_2PI: Final = 0.5 * math.log(2.0 * math.pi)
_GUMBEL_MEDIAN: Final = -math.log(math.log(2.0))
_NORMAL_ENDS: Final = (9.0, 9.0)
_GUMBEL_ENDS: Final = (4.0, 36.0)
"""In its own scales, a performance hardly ever lies further below or above its location."""


class Forecast(NamedTuple):
    """What a system expects of a match of ``s`` sides.

    Attributes
    ----------
    location, variance : float64[s]
        Predicted performance of each side, in the unit of the system's link; see `RatingSystem.link`. The variance
        holds the players' deviations, grown to the match, where the system reckons with them (Glicko-2 does, Elo has
        one performance for all): then the chances are nearer to even the less is known, and are not to be widened.
    zone : float
        What makes ties of two sides; see `service.ratings.link`. 0 for more.
    win : float64[s]
        Chance of each side to be first: of two sides without a tie, of more with a shared first place counted in parts.
    tie : float or None
        Chance that two sides tie, by the system's own model or else by the zone that was learned from its predictions;
        None for more sides. With ``win`` it adds up to 1.
    """

    location: Floats
    variance: Floats
    zone: float
    win: Floats
    tie: float | None


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
    >>> found = forecast(elo, match, table)
    >>> found.win.round(3).tolist(), round(found.tie, 3)
    ([0.891, 0.076], 0.033)
    """
    columns = lay_out([match], range(len(table.tallies)))
    rest = rested(table.tallies, float(columns.at[0]))
    expected = unexpected(columns)
    system.update(columns, rest, table.skills.copy(), table.pool.copy(), expected)
    location, variance, _ = expected
    if len(location) > 2:
        normal = system.link == "normal"
        return Forecast(location, variance, 0.0, first_chances(location, variance, normal), None)
    zone = float(expected.zone[0])
    zone = math.exp(table.scores[ZONE]) if math.isnan(zone) else zone
    gap = (location[0] - location[1]) / math.sqrt(variance.sum())
    won, tie, lost = outcome_chances(CODES[system.link], gap, zone)
    return Forecast(location, variance, zone, np.array([won, lost]), tie)


def before_chances(location: Floats, variance: Floats, link: Link, zone: float) -> Floats:
    """Chance of each side to be before each other one; a tie counts one half.

    Parameters
    ----------
    location, variance : float64[s]
    link : Link
    zone : float
        What makes ties; 0 where there can be none.

    Returns
    -------
    float64[s, s]
        One half on the diagonal.

    Examples
    --------
    >>> before_chances(np.array([1.0, 0.0]), np.array([0.5, 0.5]), "logistic", 0.0).round(3).tolist()
    [[0.5, 0.731], [0.269, 0.5]]
    """
    gaps = (location[:, None] - location) / np.sqrt(variance[:, None] + variance)
    code = CODES[link]
    return np.array([[expected_score(code, gap, zone) for gap in row] for row in gaps.tolist()])


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
    scale = _scales(variance, normal)
    # Below the first node the best performance never falls, above the last one it hardly ever rises.
    below, above = _NORMAL_ENDS if normal else _GUMBEL_ENDS
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


def place_chances(location: Floats, variance: Floats, normal: bool) -> Floats:
    """Chance of each place for each of independent performances as those of `first_chances`.

    Given its own performance, a side's place is one more than a number of independent others that did better.

    Parameters
    ----------
    location, variance : float64[s]
        At most `MOST_PLACED` sides.
    normal : bool
        Whether the link is normal, not logistic.

    Returns
    -------
    float64[s, s]
        One row a side, one column a place from the first; rows and columns add up to 1.

    Examples
    --------
    >>> place_chances(np.log([3.0, 2.0, 1.0]), np.full(3, 0.5), normal=False).round(3).tolist()
    [[0.5, 0.35, 0.15], [0.333, 0.4, 0.267], [0.167, 0.25, 0.583]]
    """
    scale, sides = _scales(variance, normal), len(location)
    below, above = _NORMAL_ENDS if normal else _GUMBEL_ENDS
    chances = np.empty((sides, sides))
    for side in range(sides):
        nodes = np.arange(-below, above, STEP * scale.min() / scale[side])
        others = np.arange(sides) != side
        z = (location[side] + scale[side] * nodes - location[others, None]) / scale[others, None]
        if normal:
            worse, weight = ndtr(z), np.exp(-0.5 * nodes * nodes)
        else:
            # Far below, the other is better for sure, and the exponential would overflow.
            worse = np.exp(-np.exp(np.minimum(-(z + _GUMBEL_MEDIAN), 700.0)))
            weight = np.exp(-np.exp(-(nodes + _GUMBEL_MEDIAN)) - (nodes + _GUMBEL_MEDIAN))
        better = np.zeros((sides, len(nodes)))
        better[0] = weight / weight.sum()
        for other in worse:
            # How many are better, with one more side looked at.
            better[1:] = better[1:] * other + better[:-1] * (1.0 - other)
            better[0] *= other
        chances[side] = better.sum(axis=1)
    return chances


def foretold_places(found: Forecast, link: Link) -> Floats | None:
    """Chance of each place for each side, as `place_chances` gives them; of two sides a tie is half of each place.

    None for more than `MOST_PLACED` sides.

    Parameters
    ----------
    found : Forecast
    link : Link
        Of the system that made it.
    """
    if len(found.win) > MOST_PLACED:
        return None
    if len(found.win) > 2:
        return place_chances(found.location, found.variance, link == "normal")
    first = found.win + (found.tie or 0.0) / 2
    return np.stack((first, first[::-1]), axis=1)


def _scales(variance: Floats, normal: bool) -> Floats:
    scale: Floats = np.sqrt(variance if normal else 2.0 * variance)
    widened: Floats = np.maximum(scale, scale.max() / WIDEST)
    return widened
