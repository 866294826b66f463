"""Receipts, as the API reads them: what became of records, and where their players would stand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.columns import Floats, Integers
from service.pools import Pool
from service.store.connection import Argument
from service.store.partitions import Partitions, Position
from service.store.streams import Move, Receipt, unpack_receipt


async def read_receipts(
    partitions: Partitions, partition: int, ends: Sequence[int]
) -> tuple[Position, list[Receipt | None]]:
    """Read receipts of one partition.

    Parameters
    ----------
    partitions : Partitions
    partition : int
    ends : sequence of int
        For each record the offset after it.

    Returns
    -------
    position : Position
        What the receipts stand for.
    receipts : list of Receipt or None
        None where there is none: not yet, or no longer among the last that are kept.

    Raises
    ------
    StoreUnavailable, Unreadable
    """
    answer = await partitions.read(partition, "read_receipts", lambda keys: (keys.receipts,), ends)
    (found,) = answer.values
    return answer.position, [None if value is None else unpack_receipt(value) for value in found]


async def ranks_of(
    partitions: Partitions, partition: int, pool: Pool, moves: Sequence[Move]
) -> list[tuple[int | None, int]]:
    """Ranks of a match's players before and after it.

    Among each other they stand as the match found and left them; among all others, as those stand now.

    Parameters
    ----------
    partitions : Partitions
    partition : int
    pool : Pool
    moves : sequence of Move
        Of all players of the match.

    Returns
    -------
    list of (int or None, int)
        None before for one who was not on the board.

    Raises
    ------
    StoreUnavailable, Unreadable
    """
    before = [move.value[0] for move in moves if move.value[0] is not None]
    after = [move.value[1] for move in moves]
    words: list[Argument] = [len(moves), *(move.player for move in moves), *map(repr, before), *map(repr, after)]
    answer = await partitions.read(
        partition, "rank_values", lambda keys: (keys.board(pool.name, pool.live.name),), words
    )
    scores, above = answer.values
    now = np.array([float(score) for score in scores if score is not None])

    def ranks(values: Sequence[float], above: Sequence[int]) -> list[int]:
        at = np.array(values)
        found: list[int] = (1 + np.array(above, np.int64) - _larger(now, at) + _larger(at, at)).tolist()
        return found

    old = iter(ranks(before, above[: len(before)]))
    new = ranks(after, above[len(before) :])
    return [(None if move.value[0] is None else next(old), rank) for move, rank in zip(moves, new, strict=True)]


def _larger(those: Floats, values: Floats) -> Integers:
    """How many are larger than each value."""
    return len(those) - np.searchsorted(np.sort(those), values, "right")
