"""What a match of two is expected to bring a campaign, for every pair that its goal lacks."""

from __future__ import annotations

import math
from typing import Final

import numba
import numpy as np

from service.campaigns.relations import Pairs, Relations
from service.columns import Floats, Integers
from service.matchups.evidence import evidence
from service.matchups.field import Field
from service.ratings.link import CODES, below
from service.ratings.normal import cdf

PREDICTED: Final = 4.0
"""Matches' worth of results that the rating system's prediction counts."""

RAREST: Final = 1e-9
"""Evidence that a match brings, at least."""


def worth(field: Field, found: Relations, lacking: Pairs, candidates: Pairs, needed: float, tolerance: float) -> Floats:
    """Bits that a match of each pair is expected to bring.

    Settling a pair settles what follows from it, too: ``s`` of ``o`` pairs lacking, which is ``log2(1 / left)`` bits
    with ``left = 1 - s / (1 + o)``, in the square mean over who turns out stronger, so that halves are better than
    long shots. They come once the evidence suffices: the matches until then, and those under way, share them. A pair
    can be played until one is not behind, or on until one is ahead, from which more follows; what is worth more counts.

    Parameters
    ----------
    field : Field
        With the campaign's wins.
    found : Relations
    lacking, candidates : bool[n, n]
        Pairs that the goal needs settled, and those of them that may be played now.
    needed, tolerance : float
        As in `relations`.

    Returns
    -------
    float64[n, n]
        Symmetric; 0 for those who are no candidates.
    """
    assert field.wins is not None
    themselves = np.eye(len(field), dtype=np.bool_)
    ahead = (found.ahead | themselves).astype(np.float32)
    not_behind = (found.not_behind | themselves).astype(np.float32)
    either = (lacking | lacking.T).astype(np.float32)
    # Of the pair (a, b): all lacking pairs of one who is a or ahead of it, and one who is b or behind it.
    loose = ahead.T @ either @ ahead.T
    # Once a is ahead, one of the two may be linked by being not behind.
    strict = ahead.T @ either @ not_behind.T + not_behind.T @ either @ ahead.T - loose
    count = lacking.sum()
    under_way = np.zeros((len(field), len(field)))
    np.add.at(under_way, tuple(field.under_way.T), 1.0)
    return _worth(
        field.wins,
        under_way + under_way.T,
        field.location,
        field.variance,
        CODES[field.link],
        np.argwhere(np.triu(candidates | candidates.T)),
        # Near ties may count twice, for each may be the one behind.
        np.minimum(loose, count).astype(np.float64),
        np.minimum(strict, count).astype(np.float64),
        float(count),
        needed,
        tolerance,
    )


@numba.njit(cache=True)
def _worth(
    wins: Floats,
    under_way: Floats,
    location: Floats,
    variance: Floats,
    link: int,
    candidates: Integers,
    loose: Floats,
    strict: Floats,
    lacking: float,
    needed: float,
    tolerance: float,
) -> Floats:
    found = np.zeros(wins.shape)
    for pair in range(len(candidates)):
        a, b = candidates[pair]
        if strict[a, b] + strict[b, a] == 0.0:
            continue
        met = wins[a, b] + wins[b, a]
        gap = (location[a] - location[b]) / math.sqrt(variance[a] + variance[b])
        chance = (wins[a, b] + PREDICTED * below(link, gap)) / (met + PREDICTED)
        if chance < 0.5:
            a, b, chance = b, a, 1.0 - chance
        sure = cdf(2.0 * (chance - 0.5) * math.sqrt(met + PREDICTED))
        for settles, threshold in ((loose, 0.5 - tolerance), (strict, 0.5)):
            left_if = 1.0 - settles[a, b] / (1.0 + lacking)
            left_else = 1.0 - settles[b, a] / (1.0 + lacking)
            bits = -0.5 * math.log2(sure * left_if**2 + (1.0 - sure) * left_else**2)
            matches = _matches(wins[a, b], wins[b, a], chance, threshold, needed) + under_way[a, b]
            found[a, b] = max(found[a, b], bits / matches)
        found[b, a] = found[a, b]
    return found


@numba.njit(cache=True)
def _matches(won: float, lost: float, chance: float, threshold: float, needed: float) -> float:
    """Matches, 1 or more, until it is clear that the win chance is above the threshold, were it this one."""
    left = needed
    if won > threshold * (won + lost):
        left -= max(0.0, evidence(won, lost, threshold))
    rate = chance * math.log(chance / threshold)
    if chance < 1.0:
        rate += (1.0 - chance) * math.log((1.0 - chance) / (1.0 - threshold))
    # No evidence ever comes where the chance is at the threshold; a finite number will do for that.
    return max(1.0, left / max(rate, RAREST))
