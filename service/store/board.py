"""Pages of the leaderboard: from a place, around a player, after a row that was seen."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from service.columns import Floats, Integers
from service.pools import Pool
from service.problems import Problem
from service.ranks import shared_ranks
from service.ratings import RatingSystem
from service.store.connection import Argument
from service.store.partitions import Partitions, Position, check_fingerprint, unknown_pool
from service.store.rows import Totals, unpack_learned, unpack_rows

MOST_WHOLE: Final = 5_000
"""Players whose ranks are compared each with each; of a larger pool, so many rows are drawn at random."""

DRAWN_S: Final = 10.0
"""Rows that were drawn serve this long."""

MOST_HELD: Final = 64
"""Boards whose rows are held in memory, a quarter of a megabyte each."""

_DRAWN: Final = b"drawn"


@dataclass(frozen=True, slots=True)
class FromPlace:
    """The page begins at a place of the board, 0 the first."""

    place: int


@dataclass(frozen=True, slots=True)
class Around:
    """The page has a player in its middle, or as near to it as the ends of the board let it."""

    player: str


@dataclass(frozen=True, slots=True)
class After:
    """The page begins after this value and name, wherever in the board that is now."""

    value: float
    player: str


@dataclass(frozen=True, slots=True)
class Named:
    """No page but certain players, wherever they stand; those that the board does not have are left out."""

    players: Sequence[str]


Where = FromPlace | Around | After | Named


@dataclass(frozen=True, slots=True)
class PoolRows:
    """Rows of a pool under one system, in no order.

    Attributes
    ----------
    tallies : float64[n, 4]
    skills : float64[n, w]
    whole : bool
        Whether they are every player's, or drawn at random.
    generation : str
        The generation that they were read in.
    stand_for : bytes
        The pool's totals at that moment, as they are stored.
    until : float
        When drawn rows end to serve, by the clock.
    """

    tallies: Floats
    skills: Floats
    whole: bool
    generation: str
    stand_for: bytes
    until: float


@dataclass(frozen=True, slots=True)
class Page:
    """Players of a board, falling by value where they are consecutive.

    Attributes
    ----------
    position : Position
        What all but drawn rows stand for.
    totals : Totals
        What is counted of the pool.
    total : int
        Players on the board.
    more : bool
        Whether players follow after the page.
    ranks : int64[n]
        1 + how many players have a larger value.
    players : list of n str
    values : float64[n]
        What the board is ordered by.
    tallies : float64[n, 4]
    skills : float64[n, w]
    learned : float64[len(pool_columns)]
        The pool's row.
    pool_rows : PoolRows
        Whom the players are compared with.
    """

    position: Position
    totals: Totals
    total: int
    more: bool
    ranks: Integers
    players: list[str]
    values: Floats
    tallies: Floats
    skills: Floats
    learned: Floats
    pool_rows: PoolRows


class Boards:
    """Reads boards, and holds the rows that ranks are compared with.

    Parameters
    ----------
    partitions : Partitions
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, partitions: Partitions, clock: Callable[[], float] = time.monotonic) -> None:
        self._partitions = partitions
        self._clock = clock
        self._held: OrderedDict[tuple[str, str], PoolRows] = OrderedDict()

    async def page(self, pool: Pool, system: RatingSystem, where: Where, limit: int) -> Page:
        """Read a page, all of it at one position.

        Parameters
        ----------
        pool : Pool
        system : RatingSystem
            One of the pool's.
        where : FromPlace, Around, After or Named
            Where the page begins, or who is on it.
        limit : int
            Most players of the page, 1 to 1,000.

        Raises
        ------
        Problem
            ``unknown_pool``, or ``unknown_player`` for `Around`.
        StoreUnavailable, Unreadable
        """
        held = self._held.get((pool.name, system.name))
        answer = await self._partitions.read(
            await self._partitions.holding(pool.name),
            "page_board",
            lambda keys: (
                keys.totals,
                keys.learned,
                keys.rows(pool.name, system.name),
                keys.board(pool.name, system.name),
                keys.fingerprints,
            ),
            (pool.name, f"{pool.name}/{system.name}", MOST_WHOLE, *self._tell(held), limit, *_words(where)),
        )
        totals, fingerprint, learned, total, first, above, flat, rows, pool_rows = answer.values
        if totals is None:
            raise unknown_pool(pool.name)
        check_fingerprint(pool, system, fingerprint)
        if isinstance(where, Around) and first < 0:
            raise Problem("unknown_player", f"no match of {where.player!r} was applied in the pool {pool.name!r}")
        if pool_rows is not None:
            held = PoolRows(
                *unpack_rows(pool_rows, system),
                whole=total <= MOST_WHOLE,
                generation=answer.position.generation,
                stand_for=totals,
                until=self._clock() + DRAWN_S,
            )
        assert held is not None, "the script leaves out only what it was told is held"
        self._hold((pool.name, system.name), held)
        tallies, skills = unpack_rows(rows, system)
        values = np.array([float(score) for score in flat[1::2]])
        named = isinstance(where, Named)
        return Page(
            position=answer.position,
            totals=Totals.unpack(totals),
            total=total,
            more=not named and first + len(values) < total,
            ranks=np.array(above, np.int64) + 1 if named else shared_ranks(values, first, *above),
            players=[name.decode() for name in flat[::2]],
            values=values,
            tallies=tallies,
            skills=skills,
            learned=unpack_learned(learned, system)[0],
            pool_rows=held,
        )

    def _tell(self, held: PoolRows | None) -> tuple[str, bytes]:
        """Generation and totals of the rows that are held, as the script takes them."""
        if held is None or (not held.whole and self._clock() >= held.until):
            return "", b""
        return held.generation, held.stand_for if held.whole else _DRAWN

    def _hold(self, key: tuple[str, str], rows: PoolRows) -> None:
        self._held[key] = rows
        self._held.move_to_end(key)
        if len(self._held) > MOST_HELD:
            self._held.popitem(last=False)


def _words(where: Where) -> tuple[Argument, ...]:
    match where:
        case FromPlace(place):
            return "place", place
        case Around(player):
            return "around", player
        case After(value, player):
            return "after", repr(value), player
        case Named(players):
            return "named", *players
