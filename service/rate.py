"""Predict, update and score one batch of matches under one rating system.

The one step that ingest, ``standings rate`` and ``standings evaluate`` share. Pure: arrays in, arrays out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numba
import numpy as np

from service.columns import Floats, Matches
from service.ratings import RatingSystem, unexpected
from service.score import Losses, score, unscored
from service.seed import Seed

MATCHES: Final = 0
WON: Final = 1
TIED: Final = 2
LAST_AT: Final = 3
TALLY_COLUMNS: Final = ("matches", "won", "tied", "last_at")
"""What is kept of a player under every system: won = alone in first place, tied = shares it."""

DAY_MS: Final = 86_400_000.0

LEAST_SEEDED: Final = 1e-30
"""A seed's deviation is at least this: its fourth power must be a number above 0."""


class Table(NamedTuple):
    """The state of one pool under one rating system.

    Attributes
    ----------
    tallies : float64[n, 4]
        ``TALLY_COLUMNS`` of each player.
    skills : float64[n, len(skill_columns)]
        The system's row of each player.
    pool : float64[len(pool_columns)]
        The system's row of the pool.
    scores : float64[SCORE_COLUMNS]
        How well the system predicted so far, and what is known of ties; see `service.score`.
    """

    tallies: Floats
    skills: Floats
    pool: Floats
    scores: Floats


def empty(system: RatingSystem, players: int) -> Table:
    """Table of a pool that has not seen a match, with room for ``players`` newcomers."""
    return Table(
        tallies=np.zeros((players, len(TALLY_COLUMNS))),
        skills=np.tile(system.newcomer(), (players, 1)),
        pool=system.opening(),
        scores=unscored(),
    )


def enlarged(system: RatingSystem, table: Table, players: int) -> Table:
    """Make room for more newcomers; a table that has room for so many players stays as it is.

    It at least doubles, so that growing a player at a time is not quadratic.
    """
    room = len(table.tallies)
    if room >= players:
        return table
    more = empty(system, max(room, players - room))
    return table._replace(
        tallies=np.concatenate((table.tallies, more.tallies)), skills=np.concatenate((table.skills, more.skills))
    )


def rate(system: RatingSystem, matches: Matches, table: Table) -> Losses:
    """Rate matches in order: count them, predict and update each, score the predictions. In place.

    Parameters
    ----------
    system : RatingSystem
        Must take every match; see `RatingSystem.refusal`.
    matches : Matches
        At least one, in the order of the log. Nobody stands twice in one.
    table : Table
        Rows that ``matches.player`` points into.

    Returns
    -------
    Losses
        How well each match was predicted; the table has their sums.

    Examples
    --------
    >>> from service.columns import lay_out
    >>> from service.match import Match, Side
    >>> from service.ratings import create
    >>> elo, match = create("elo"), Match("1", "chess", 0, (Side(("ann",), rank=1), Side(("bob",), rank=2)))
    >>> table = empty(elo, 2)
    >>> rate(elo, lay_out([match], [0, 1]), table).two_way.round(3).tolist()
    [0.693]
    >>> table.skills[:, 0].tolist(), table.tallies[:, :3].tolist()
    ([1516.0, 1484.0], [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    """
    rest = np.empty(len(matches.player))
    expected = unexpected(matches)
    _count(matches, table.tallies, rest)
    system.update(matches, rest, table.skills, table.pool, expected)
    return score(matches, expected, system.link, table.scores)


def rested(tallies: Floats, at: float) -> Floats:
    """Days since each player's last match at a moment, float64[n]; 0 for a newcomer, never negative.

    Parameters
    ----------
    tallies : float64[n, 4]
    at : float
        Epoch milliseconds.

    Examples
    --------
    >>> rested(np.array([[0.0, 0.0, 0.0, 0.0], [3.0, 2.0, 0.0, 2 * DAY_MS]]), 9 * DAY_MS).tolist()
    [0.0, 7.0]
    """
    last = tallies[:, LAST_AT]
    new = (tallies[:, MATCHES] == 0.0) & (last == 0.0)
    days: Floats = np.where(new, 0.0, np.maximum(0.0, at - last) / DAY_MS)
    return days


def seed(system: RatingSystem, seed: Seed, rows: Sequence[int], table: Table) -> None:
    """Give players the ratings that they come with, in place; under another system than the seed's only their time.

    Parameters
    ----------
    system : RatingSystem
    seed : Seed
        Checked.
    rows : sequence of int
        Row of each of its players.
    table : Table

    Examples
    --------
    >>> from service.ratings import create
    >>> from service.seed import SeededPlayer
    >>> elo = create("elo")
    >>> table = empty(elo, 1)
    >>> ann = SeededPlayer("ann", 1820.0, 60.0)
    >>> seed(elo, Seed("seed", "1", "chess", 1_795_000_000_000, "elo", (ann,)), [0], table)
    >>> [column.tolist() for column in elo.view(table.skills, table.pool, np.zeros(1))]
    [[1820.0], [60.0]]
    """
    tallies, at = table.tallies[rows], float(seed.at)
    new = (tallies[:, MATCHES] == 0) & (tallies[:, LAST_AT] == 0)
    table.tallies[rows, LAST_AT] = np.where(new, at, np.maximum(tallies[:, LAST_AT], at))
    if system.name == seed.system:
        # As a pool begins: by what this one has learned since, the error of one seed would widen the next.
        _, (unsure,) = system.view(system.newcomer()[None, :], system.opening(), np.zeros(1))
        rating = np.array([player.rating for player in seed.players])
        given = [player.deviation for player in seed.players]
        deviation = np.array([unsure if sd is None else max(sd, LEAST_SEEDED) for sd in given])
        table.skills[rows] = system.seeded(rating, deviation, table.pool)


@numba.njit(cache=True)
def _count(matches: Matches, tallies: Floats, rest: Floats) -> None:
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        best = matches.rank[first]
        leaders = 0
        for side in range(first, end):
            if matches.rank[side] < best:
                best, leaders = matches.rank[side], 1
            elif matches.rank[side] == best:
                leaders += 1
        at = float(matches.at[match])
        for side in range(first, end):
            for slot in range(matches.player_start[side], matches.player_start[side + 1]):
                row = tallies[matches.player[slot]]
                new = row[MATCHES] == 0.0 and row[LAST_AT] == 0.0
                rest[slot] = 0.0 if new else max(0.0, at - row[LAST_AT]) / DAY_MS
                row[LAST_AT] = at if new else max(at, row[LAST_AT])
                row[MATCHES] += 1.0
                if matches.rank[side] == best:
                    row[WON if leaders == 1 else TIED] += 1.0
