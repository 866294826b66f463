"""What results say against a win chance, at whatever moment one looks.

The likelihood of a pair's results, averaged over all win chances alike, over that under one chance: if this is the true
one, the ratio ever reaches ``1 / delta`` with a chance of at most ``delta`` (Robbins' mixture, Ville's inequality). So
the chances against which it is smaller cover the true one at all times at once.

That stays true for ties, which count one half for each: the ratio of a result is convex in it, so that results between
lose and win have no greater mean. And it stays true for the shares below 1 that pairs of larger matches have, by
Jensen's inequality. Results that count more than 1 would break it.

References
----------
H. Robbins, Statistical methods related to the law of the iterated logarithm, Ann. Math. Statist. 41, 1970.
"""

from __future__ import annotations

import math
from typing import Final

import numba

HALVINGS: Final = 60
"""Steps in which an end of an interval is found; more than a float has bits."""


@numba.njit(cache=True)
def evidence(won: float, lost: float, chance: float) -> float:
    """Logarithm of what the results weigh against a win chance; negative where they speak for it.

    Parameters
    ----------
    won, lost : float
        A tie counts one half for each.
    chance : float
        Above 0 and below 1.

    Examples
    --------
    >>> round(math.exp(evidence(8.0, 0.0, 0.5)), 2)
    28.44
    """
    mixed = math.lgamma(won + 1.0) + math.lgamma(lost + 1.0) - math.lgamma(won + lost + 2.0)
    return mixed - won * math.log(chance) - lost * math.log1p(-chance)


@numba.njit(cache=True)
def exceeds(won: float, lost: float, chance: float, needed: float) -> bool:
    """Whether it is clear that the win chance is above this one: the evidence against it is as much as is needed."""
    return won > chance * (won + lost) and evidence(won, lost, chance) >= needed


@numba.njit(cache=True)
def interval(won: float, lost: float, needed: float) -> tuple[float, float]:
    """Win chances against which there is less evidence than is needed.

    Parameters
    ----------
    won, lost : float
    needed : float
        ``-log(delta)``, above 0.

    Examples
    --------
    >>> low, high = interval(8.0, 0.0, -math.log(0.05))
    >>> round(low, 3), high
    (0.523, 1.0)
    """
    if won + lost == 0.0:
        return 0.0, 1.0
    return _lowest(won, lost, needed), 1.0 - _lowest(lost, won, needed)


@numba.njit(cache=True)
def _lowest(won: float, lost: float, needed: float) -> float:
    # Below the share that was won the evidence falls in the chance, down to nothing at the share.
    low, high = 0.0, won / (won + lost)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if middle > 0.0 and evidence(won, lost, middle) >= needed:
            low = middle
        else:
            high = middle
    return low
