"""Matches as flat arrays: what every rating system, ranking and policy takes.

A batch of matches is ragged twice: matches have sides, sides have players. Both are kept flat, with an
array of starts for each: the sides of match ``m`` are ``side_start[m]`` to ``side_start[m + 1]``, the
players of side ``s`` are ``player_start[s]`` to ``player_start[s + 1]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from service.match import Match
from service.shown import is_shown

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NO_HOME: Final = -1
UNRANKED: Final = 0


class Matches(NamedTuple):
    """A batch of ``m`` matches with ``s`` sides and ``p`` player slots altogether.

    Attributes
    ----------
    side_start : int64[m + 1]
        Where each match's sides begin.
    player_start : int64[s + 1]
        Where each side's players begin.
    player : int64[p]
        Row of each player in the caller's table.
    rank : int64[s]
        Place of each side in its match, 1 = best, equal = tied.
    score : float64[s]
        Points of each side; NaN where the match came with ranks.
    home : int64[m]
        Index, within the match, of the side at home; `NO_HOME` for none.
    weight : float64[m]
        How much the match counts.
    at : int64[m]
        When it was played, epoch milliseconds.
    """

    side_start: Integers
    player_start: Integers
    player: Integers
    rank: Integers
    score: Floats
    home: Integers
    weight: Floats
    at: Integers


def lay_out(matches: Sequence[Match], players: Sequence[int], first_at_home: bool = False) -> Matches:
    """Lay matches out as columns.

    Parameters
    ----------
    matches : sequence of Match
        At least one, all of them checked.
    players : sequence of int
        Row of every player, match by match in the order in which they are named.
    first_at_home : bool
        Whether the side of a matchup that was shown first counts as the one at home.

    Examples
    --------
    >>> from service.match import Match, Side
    >>> match = Match("1", "chess", 0, (Side(("ann",), score=2), Side(("bob",), score=5)))
    >>> columns = lay_out([match], [7, 4])
    >>> columns.player.tolist(), columns.side_start.tolist(), columns.rank.tolist()
    ([7, 4], [0, 2], [2, 1])
    """
    sides = [side for match in matches for side in match.sides]
    side_start = _starts([len(match.sides) for match in matches])
    rank = np.array([side.rank or UNRANKED for side in sides], np.int64)
    score = np.array([np.nan if side.score is None else side.score for side in sides], np.float64)
    _rank_by_score(side_start, score, rank)
    return Matches(
        side_start=side_start,
        player_start=_starts([len(side.players) for side in sides]),
        player=np.array(players, np.int64),
        rank=rank,
        score=score,
        home=np.array([_home_of(match, first_at_home) for match in matches], np.int64),
        weight=np.array([1.0 if match.weight is None else match.weight for match in matches], np.float64),
        at=np.array([match.at for match in matches], np.int64),
    )


def _home_of(match: Match, first_at_home: bool) -> int:
    if match.home is not None:
        return match.home
    return 0 if first_at_home and is_shown(match) else NO_HOME


def _starts(counts: Sequence[int]) -> Integers:
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


@numba.njit(cache=True)
def _rank_by_score(side_start: Integers, score: Floats, rank: Integers) -> None:
    """Where sides came with scores: 1 + the number of sides with a higher score."""
    for match in range(len(side_start) - 1):
        first, end = side_start[match], side_start[match + 1]
        if rank[first] != UNRANKED:
            continue
        best_first = np.argsort(-score[first:end])
        for place, side in enumerate(best_first):
            before = best_first[place - 1]
            tied = place > 0 and score[first + side] == score[first + before]
            rank[first + side] = rank[first + before] if tied else place + 1
