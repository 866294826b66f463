"""Receipts, as the API reads them: what became of records, and where their players would stand."""

from __future__ import annotations

from collections.abc import Sequence

from service.pools import Pool
from service.store.connection import Argument
from service.store.partitions import Partitions, Position
from service.store.streams import Receipt, unpack_receipt


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


async def ranks_of(partitions: Partitions, pool: Pool, places: Sequence[tuple[str, float]]) -> list[int]:
    """Ranks that players would have with certain board values, among the others as they stand now.

    Parameters
    ----------
    partitions : Partitions
    pool : Pool
    places : sequence of (player, value)

    Raises
    ------
    StoreUnavailable, Unreadable
    """
    words: list[Argument] = []
    for player, value in places:
        words += (player, repr(value))
    answer = await partitions.read(
        await partitions.holding(pool.name),
        "rank_values",
        lambda keys: (keys.board(pool.name, pool.live.name),),
        words,
    )
    (above,) = answer.values
    return [1 + count for count in above]
