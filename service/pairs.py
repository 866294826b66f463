"""Pairs: who was before whom how often, counted in matches in which everybody plays alone.

Players are numbered from 0 in the order in which they come to such matches. So are pairs: those of player 1 with 0, of
2 with 0 and 1, of 3 with 0, 1 and 2, and so on, so that a player who comes later changes no number.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from service.columns import Integers

MOST_PAIRED: Final = 1_000
"""Players of a pool whose pairs are counted, the first that come; raise `service.pools.RULES_REVISION` with it."""

MOST_MEETING: Final = 100
"""Sides of a match whose pairs are counted; raise `service.pools.RULES_REVISION` with it."""


class PairCount(NamedTuple):
    """What is counted of two players.

    Attributes
    ----------
    first, second : float
        How often the one of the lower number was before the other, and the other before it.
    ties : float
        How often they shared a place.
    """

    first: float = 0.0
    second: float = 0.0
    ties: float = 0.0


def pairs_in(sides: int, players: int) -> int:
    """How many pairs a match has to count: none where a side has several players, or there are too many sides.

    Examples
    --------
    >>> pairs_in(4, players=4), pairs_in(2, players=3), pairs_in(500, players=500)
    (6, 0, 0)
    """
    return sides * (sides - 1) // 2 if sides == players and sides <= MOST_MEETING else 0


def share_of(sides: int, weight: float | None) -> float:
    """What each pair of a match counts: all of them together tell less than so many matches of two would.

    Examples
    --------
    >>> share_of(2, None), share_of(5, 2.0)
    (1.0, 1.0)
    """
    return (1.0 if weight is None else weight) * (3.0 / (sides + 1))


def number_of(one: int, other: int) -> int:
    """Number of the pair of two players who are named by their numbers.

    Examples
    --------
    >>> [number_of(*pair) for pair in ((1, 0), (0, 2), (2, 1), (0, 3))]
    [0, 1, 2, 3]
    """
    return other * (other - 1) // 2 + one if one < other else one * (one - 1) // 2 + other


def players_of(pairs: Integers) -> tuple[Integers, Integers]:
    """Numbers of the players of each pair, the lower first.

    Examples
    --------
    >>> low, high = players_of(np.arange(4))
    >>> list(zip(low.tolist(), high.tolist()))
    [(0, 1), (0, 2), (1, 2), (0, 3)]
    """
    high = ((1.0 + np.sqrt(8.0 * pairs + 1.0)) / 2.0).astype(np.int64)
    return pairs - high * (high - 1) // 2, high
