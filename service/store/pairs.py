"""Pair counts as the API reads them: all of a pool, held in memory, so that later only what changed is read."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from service.columns import Floats, Integers
from service.pairs import MOST_MEETING, players_of
from service.pools import Pool
from service.problems import Problem
from service.store.partitions import Answer, Partitions, Position, check_fingerprint, unknown_pool
from service.store.rows import PairTotals, Totals

PIECE: Final = 5_000
"""Pairs that one call reads; more than one match can have."""

MOST_PIECES: Final = 1_000
"""Calls in which all is read; a pool has at most a tenth as much, unless matches come faster than they are read."""

MOST_HELD: Final = 8
"""Pools whose pairs are held in memory, 16 MB each where they are full."""

assert MOST_MEETING * (MOST_MEETING - 1) // 2 < PIECE


@dataclass(frozen=True, slots=True)
class Pairs:
    """Who was before whom how often in one pool, at one position; not to be written to, for the next may share it.

    Attributes
    ----------
    names : list of n str
        Players by their numbers, in the order of coming.
    wins : float64[n, n]
        How often the one of the row was before the one of the column; a tie counts one half for each, a pair of a
        match of K sides 3/(K+1) of a win, all times the match's weight.
    ties : float64[n, n]
        How often they shared a place, counted likewise.
    changed : int64[m, 2]
        Pairs, by players' numbers, that changed since those that were held.
    left_out : int
        Matches of which not every pair was counted.
    heavy : int
        Matches of which a pair counted more than 1.
    revision : int
        Position after the last record that changed the pool.
    position : Position
        What all stands for.
    """

    names: list[str]
    wins: Floats
    ties: Floats
    changed: Integers
    left_out: int
    heavy: int
    revision: int
    position: Position

    def among(self, players: Sequence[str]) -> tuple[Floats, Floats]:
        """Wins and ties among players in the order given; those who have no number met nobody."""
        number_of = {name: number for number, name in enumerate(self.names)}
        numbers = np.array([number_of.get(player, -1) for player in players], np.int64)
        known = np.flatnonzero(numbers >= 0)
        wins, ties = np.zeros((2, len(players), len(players)))
        for whole, part in ((self.wins, wins), (self.ties, ties)):
            part[np.ix_(known, known)] = whole[np.ix_(numbers[known], numbers[known])]
        return wins, ties


class PairCounts:
    """Reads pairs, and holds those of the pools that were asked for last.

    Parameters
    ----------
    partitions : Partitions
    """

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._held: OrderedDict[str, Pairs] = OrderedDict()
        self._whole = asyncio.Lock()

    async def read(self, pool: Pool) -> Pairs:
        """Read a pool's pairs as they stand.

        Raises
        ------
        Problem
            ``pairs_not_kept``, ``unknown_pool``; ``too_busy`` where matches come faster than they are read.
        StoreUnavailable, Unreadable
        """
        if pool.name in self._held:
            return await self._refresh(pool)
        # Once for all who come while everything is read.
        async with self._whole:
            return await self._refresh(pool)

    async def _refresh(self, pool: Pool) -> Pairs:
        found = self._held[pool.name] = await read_pairs(self._partitions, pool, self._held.get(pool.name))
        self._held.move_to_end(pool.name)
        if len(self._held) > MOST_HELD:
            self._held.popitem(last=False)
        return found


async def read_pairs(partitions: Partitions, pool: Pool, held: Pairs | None = None) -> Pairs:
    """Read a pool's pairs, in pieces that all stand for one position in the end.

    Pairs are read in the order in which they changed. One that changes meanwhile comes again, so with the last piece
    each is as it stands then.

    Parameters
    ----------
    partitions : Partitions
    pool : Pool
    held : Pairs, optional
        Of the same pool; only what changed since is read.

    Raises
    ------
    Problem
        ``pairs_not_kept``, ``unknown_pool``; ``too_busy`` where matches come faster than they are read.
    StoreUnavailable, Unreadable
    """
    if not pool.pairs:
        raise Problem("pairs_not_kept", f"the pool {pool.name!r} (section {pool.pattern!r}) keeps no pairs")
    reading = _Reading(held)
    for _ in range(MOST_PIECES):
        answer = await partitions.read(
            await partitions.holding(pool.name),
            "read_pairs",
            lambda keys: (
                keys.totals,
                keys.fingerprints,
                keys.arenas,
                keys.numbers(pool.name),
                keys.pairs(pool.name),
                keys.paired(pool.name),
            ),
            (pool.name, f"{pool.name}/{pool.live.name}", len(reading.names), reading.since, PIECE),
        )
        totals, fingerprint = answer.values[:2]
        if totals is None:
            raise unknown_pool(pool.name)
        # Of a pool that its live system has not rated, nothing says that pairs were counted.
        check_fingerprint(pool, pool.live, fingerprint or b"")
        if reading.went_back(answer.position):
            # Another generation, or Redis as it was before.
            reading = _Reading(None)
        elif reading.take(answer):
            return reading.finish(answer)
    raise Problem("too_busy", f"matches of {pool.name!r} come faster than its pairs are read")


class _Reading:
    """What was read so far, beginning with what is held."""

    def __init__(self, held: Pairs | None) -> None:
        self._held = held
        self._position = None if held is None else held.position
        self.names: Sequence[str] = () if held is None else held.names
        self.since = 0 if held is None else held.position.offset
        """Every change up to here was read."""
        self._pairs: list[Integers] = []
        self._counts: list[bytes] = []

    def went_back(self, position: Position) -> bool:
        """Whether what was read so far may not be what stands there."""
        before, self._position = self._position, position
        return before is not None and (
            position.generation != before.generation or position.offset < max(before.offset, self.since)
        )

    def take(self, answer: Answer) -> bool:
        """Take in a piece; answers whether it is the last."""
        *_, numbers, changed, counts = answer.values
        if numbers:
            number_of = dict(zip(numbers[::2], map(int, numbers[1::2]), strict=True))
            self.names = [name.decode() for name in sorted(number_of, key=number_of.__getitem__)]
        positions = np.array(changed[1::2], np.float64)
        last = len(positions) < PIECE
        # Of what changed at the last position there may be more: it comes with the next piece.
        whole = len(positions) if last else int(np.searchsorted(positions, positions[-1]))
        self._pairs.append(np.array(changed[: 2 * whole : 2], np.int64))
        self._counts += counts[:whole]
        if not last:
            self.since = int(positions[whole - 1])
        return last

    def finish(self, answer: Answer) -> Pairs:
        """Put all together, at the position of the last piece."""
        totals, _, counted = answer.values[:3]
        low, high = players_of(np.concatenate(self._pairs))
        pair_totals = PairTotals.unpack(counted)
        wins, ties = self._matrices(len(self.names), low, high)
        return Pairs(
            names=list(self.names),
            wins=wins,
            ties=ties,
            changed=np.unique(np.stack((low, high), axis=1), axis=0),
            left_out=pair_totals.left_out,
            heavy=pair_totals.heavy,
            revision=Totals.unpack(totals).revision,
            position=answer.position,
        )

    def _matrices(self, size: int, low: Integers, high: Integers) -> tuple[Floats, Floats]:
        held = self._held
        if held is not None and len(held.names) == size and not len(low):
            return held.wins, held.ties
        wins, ties = np.zeros((2, size, size))
        if held is not None:
            known = len(held.names)
            wins[:known, :known], ties[:known, :known] = held.wins, held.ties
        counts = np.frombuffer(b"".join(self._counts), "<f8").reshape(-1, 3)
        # Of a pair that came twice, the later one stays.
        wins[low, high] = counts[:, 0] + counts[:, 2] / 2.0
        wins[high, low] = counts[:, 1] + counts[:, 2] / 2.0
        ties[low, high] = ties[high, low] = counts[:, 2]
        return wins, ties
