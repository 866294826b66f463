"""What is settled among the players of a campaign: directly by their results, and by what follows from it.

One player is *ahead* of another when its win chance is above one half, and *not behind* when it is above one half less
the tolerance. What follows rests on strong stochastic transitivity: if a is at least even with b, and b with c, then a
beats c at least as often as the more lopsided of the two. So who is ahead of one who is ahead is ahead; and whoever is
linked by players who are ahead, with one link that is only not behind, is not behind. (Were c beyond the tolerance
ahead of a, and a ahead of b, then c would be as far ahead of b.) Two such links prove nothing: near ties do not add up.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from service.columns import Floats, Integers
from service.matchups.evidence import exceeds

Pairs = npt.NDArray[np.bool_]


class Relations(NamedTuple):
    """What is settled among ``n`` players, and the order that fits it best.

    Attributes
    ----------
    ahead, not_behind : bool[n, n]
        Whether the one of the row is, of the one of the column; with all that follows. Whoever is ahead of oneself is
        in a circle.
    order : int64[n]
        Players, best first. Nobody stands before one who is ahead, unless in a circle; nor, if that can be, before one
        who is not behind and may be ahead.
    """

    ahead: Pairs
    not_behind: Pairs
    order: Integers

    def cyclic(self) -> bool:
        """Whether no order fits what is settled."""
        return bool(self.ahead.diagonal().any())

    def lacking(self) -> Pairs:
        """Pairs, the earlier in the order by row, of whom it is not settled that the earlier is not behind."""
        place = np.argsort(self.order)
        found: Pairs = (place[:, None] < place) & ~self.not_behind
        return found

    def ranks(self) -> tuple[Integers, Integers]:
        """The first and the last rank that each can have."""
        beaten_by, beats = self.ahead.sum(axis=0), self.ahead.sum(axis=1)
        return 1 + beaten_by, len(self.order) - beats


def relations(wins: Floats, strength: Floats, needed: float, tolerance: float, given: Pairs) -> Relations:
    """Say what results settle.

    Parameters
    ----------
    wins : float64[n, n]
        As in `Field.wins`, since the campaign began.
    strength : float64[n]
        Who is thought to be better where nothing is settled; equals stand as they come.
    needed : float
        Evidence against a win chance that is ruled out.
    tolerance : float
    given : bool[n, n]
        Who is taken to be ahead of whom without results.

    Examples
    --------
    >>> wins = np.array([[0.0, 30.0, 0.0], [2.0, 0.0, 31.0], [0.0, 1.0, 0.0]])
    >>> found = relations(wins, np.zeros(3), 5.0, 0.02, np.zeros((3, 3), dtype=np.bool_))
    >>> found.order.tolist(), found.lacking().any()
    ([0, 1, 2], np.False_)
    >>> found.ahead[0].tolist()
    [False, True, True]
    """
    ahead, not_behind = direct(wins, needed, tolerance)
    ahead |= given
    _close(ahead)
    linked = (ahead | np.eye(len(wins), dtype=np.bool_)).astype(np.float32)
    not_behind = ahead | (linked @ not_behind.astype(np.float32) @ linked > 0.0)
    # Nobody before one who is ahead, whatever else that breaks: so whatever is lacking can be played.
    precedes = (not_behind & ~not_behind.T) + len(wins) * ahead.astype(np.int64)
    return Relations(ahead, not_behind, _order(precedes, strength))


@numba.njit(cache=True)
def direct(wins: Floats, needed: float, tolerance: float) -> tuple[Pairs, Pairs]:
    """Who is ahead of, and who not behind whom, by the results of the two alone."""
    ahead = np.zeros(wins.shape, dtype=np.bool_)
    not_behind = np.zeros(wins.shape, dtype=np.bool_)
    for i in range(len(wins)):
        for q in range(len(wins)):
            if wins[i, q] + wins[q, i] > 0.0:
                ahead[i, q] = exceeds(wins[i, q], wins[q, i], 0.5, needed)
                not_behind[i, q] = exceeds(wins[i, q], wins[q, i], 0.5 - tolerance, needed)
    return ahead, not_behind


@numba.njit(cache=True)
def _close(ahead: Pairs) -> None:
    """Who is ahead of one who is ahead is ahead (Warshall)."""
    for middle in range(len(ahead)):
        for i in range(len(ahead)):
            if ahead[i, middle]:
                ahead[i] |= ahead[middle]


@numba.njit(cache=True)
def _order(precedes: Integers, strength: Floats) -> Integers:
    """One after the other whom those left must precede the least, the strongest of these."""
    count = len(precedes)
    preceding = precedes.sum(axis=0)
    free = np.ones(count, dtype=np.bool_)
    order = np.empty(count, dtype=np.int64)
    for place in range(count):
        best = -1
        for i in range(count):
            if free[i] and (
                best < 0
                or preceding[i] < preceding[best]
                or (preceding[i] == preceding[best] and strength[i] > strength[best])
            ):
                best = i
        order[place] = best
        free[best] = False
        preceding -= precedes[best]
    return order
