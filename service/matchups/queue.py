"""The queue: who waits is put into matches that are close, the sooner the longer they waited.

No policy, for nothing is drawn: parties that wait, not players one by one, are put into matches all at once, and the
same state always gives the same matches. Each has the propensity 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Annotated, ClassVar, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from service.columns import Floats, Integers
from service.matchups.field import Field
from service.matchups.greedy import match_up
from service.ratings.link import CODES

MOST_WAITING: Final = 10_000
"""Parties of a queue."""

MOST_SIZE: Final = 16
"""Players of a side."""

MOST_PLAYERS: Final = 64
"""Players of a match."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How close matches must be, and for how long.

    How far a match is from even is the win chance of its most lopsided pair of sides, from one half; or, where that is
    more, ``spread`` times that of its most lopsided pair of parties, each at its players' mean. What is allowed grows
    in proportion to the wait, from ``close`` to one half, which is anything, at ``most_wait``.

    Parameters
    ----------
    close : float
        What is allowed to those who just came.
    most_wait : float
        Seconds past which a party is matched before all others, with the nearest there are, met lately or not.
    spread : float
        What parties of different strength count in one match, next to sides of different strength.

    Examples
    --------
    >>> Pace(close=0.25, most_wait=60.0).allowed(np.array([0.0, 30.0, 60.0, 90.0])).tolist()
    [0.25, 0.375, 0.5, 0.5]
    """

    name: ClassVar[str] = "queue"
    unit: ClassVar[str] = "win chance from one half"

    close: Annotated[float, Meta(ge=0, le=0.5)] = 0.05
    most_wait: Annotated[float, Meta(ge=1, le=86_400)] = 120.0
    spread: Annotated[float, Meta(ge=0, le=1)] = 0.5

    def allowed(self, waited: Floats) -> Floats:
        """How far from even the match of a party may be.

        Parameters
        ----------
        waited : float64[p]
            Seconds.
        """
        share = np.minimum(waited / self.most_wait, 1.0)
        allowed: Floats = self.close + share * (0.5 - self.close)
        return allowed


class Formed(NamedTuple):
    """One match.

    Attributes
    ----------
    sides : tuple of tuple of int
        Parties of each side.
    off : float
        How far it is from even, see `Pace`.
    """

    sides: tuple[tuple[int, ...], ...]
    off: float


class Round(NamedTuple):
    """What became of those who waited.

    Attributes
    ----------
    matches : list of Formed
        In the order in which they were formed.
    left : list of int
        Parties that go on waiting, in the order given.
    """

    matches: list[Formed]
    left: list[int]


def form(
    field: Field,
    parties: Sequence[Sequence[int]],
    waited: Floats,
    met: npt.NDArray[np.integer],
    count: int,
    side_count: int,
    side_size: int,
    pace: Pace,
) -> Round:
    """Form matches from those who wait.

    First come those who waited for ``pace.most_wait``, the longest first. Then always the match that is furthest within
    what its longest waiting party is allowed: closeness and wait weigh in one unit. In queues of eight single players
    that comes to 97 % of the best choice of all for matches of two, and to 88 % for two against two.

    Parameters
    ----------
    field : Field
        Of everybody who waits.
    parties : sequence of sequence of int
        Candidates who want to play on one side, at most ``side_size`` each and nobody twice; up to `MOST_WAITING`.
    waited : float64[p]
        Seconds, at least 0.
    met : int[m, 2]
        Candidates who met lately. They do not meet again, nor play on one side, before one of them has waited for
        ``pace.most_wait``, and then only where there is nobody else.
    count : int
        Matches, at most.
    side_count, side_size : int
        Sides of each, 2 or more, and players of each side; at most `MOST_PLAYERS` together.
    pace : Pace

    Examples
    --------
    >>> from service.matchups.field import level
    >>> parties, waited, met = [[0, 1], [2], [3], [4]], np.array([5.0, 9.0, 1.0, 1.0]), np.empty((0, 2), dtype=int)
    >>> found = form(level(5), parties, waited, met, 9, 2, 2, Pace())
    >>> found.matches, found.left
    ([Formed(sides=((0,), (1, 2)), off=0.0)], [3])
    """
    if not parties:
        return Round([], [])
    size = np.fromiter(map(len, parties), np.int64, len(parties))
    start = np.concatenate(([0], np.cumsum(size)))
    player = np.fromiter(chain.from_iterable(parties), np.int64, start[-1])
    location = np.add.reduceat(field.location[player], start[:-1])
    variance = np.add.reduceat(field.variance[player], start[:-1])
    # On one line from the weakest to the strongest, equals as they were given.
    order = np.argsort(location / size, kind="stable")
    place = np.argsort(order)
    of = np.full(len(field), -1)
    of[player] = np.repeat(place, size)
    met_start, met_with = _met(of[np.asarray(met, dtype=np.int64)], len(parties))
    members, side, off = match_up(
        CODES[field.link],
        size[order],
        location[order],
        variance[order],
        waited[order],
        pace.allowed(waited)[order],
        order,
        met_start,
        met_with,
        pace.most_wait,
        pace.spread,
        min(count, len(player) // (side_count * side_size)),
        side_count,
        side_size,
    )
    matches = []
    for row in range(len(off)):
        among = order[members[row][members[row] >= 0]]
        on = side[row][: len(among)]
        sides = tuple(tuple(sorted(among[on == one].tolist())) for one in range(side_count))
        matches.append(Formed(tuple(sorted(sides)), float(off[row])))
    gone = {party for match in matches for one in match.sides for party in one}
    return Round(matches, [party for party in range(len(parties)) if party not in gone])


def _met(pairs: Integers, count: int) -> tuple[Integers, Integers]:
    """Whom each party met: slots where its list starts, and the lists one after the other."""
    pairs = pairs[(pairs >= 0).all(axis=1) & (pairs[:, 0] != pairs[:, 1])]
    both = np.concatenate((pairs, pairs[:, ::-1]))
    both = both[np.argsort(both[:, 0], kind="stable")]
    return np.searchsorted(both[:, 0], np.arange(count + 1)), np.ascontiguousarray(both[:, 1])
