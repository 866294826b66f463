"""Pools, as the API reads them: which there are, and what is counted of each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from service.pools import Pool
from service.store.partitions import Partitions, Position, unknown_pool
from service.store.rows import PairTotals, Totals


@dataclass(frozen=True, slots=True)
class CountedPool:
    """A pool and its totals.

    Attributes
    ----------
    name : str
        The pool.
    totals : Totals
        What is counted of it.
    position : Position
        What the totals stand for.
    """

    name: str
    totals: Totals
    position: Position


@dataclass(frozen=True, slots=True)
class SizedPool:
    """A pool, its totals and the size of its boards.

    Attributes
    ----------
    totals : Totals
        What is counted of it.
    pairs : PairTotals or None
        What is counted of its pairs, where it keeps them.
    sizes : list of int
        Players under each of its systems, in the order of the configuration.
    position : Position
        What both stand for.
    """

    totals: Totals
    pairs: PairTotals | None
    sizes: list[int]
    position: Position


async def page_pools(partitions: Partitions, after: str, limit: int) -> tuple[list[CountedPool], bool]:
    """Read a page of all pools, in the order of their names' bytes.

    Parameters
    ----------
    partitions : Partitions
    after : str
        Name after which the page begins; empty for the first page.
    limit : int
        Most pools of the page.

    Returns
    -------
    pools : list of CountedPool
        Each at its own partition's position.
    more : bool
        Whether others follow.

    Raises
    ------
    StoreUnavailable, Unreadable
    """

    async def page(partition: int) -> list[CountedPool]:
        # One more than wanted, so that it shows whether others follow.
        answer = await partitions.read(
            partition, "page_pools", lambda keys: (keys.pools, keys.totals), (after, limit + 1)
        )
        return [
            CountedPool(name.decode(), Totals.unpack(totals), answer.position)
            for name, totals in zip(*answer.values, strict=True)
        ]

    pages = await asyncio.gather(*(page(partition) for partition in range(await partitions.count())))
    found = sorted((pool for page in pages for pool in page), key=lambda pool: pool.name.encode())
    return found[:limit], len(found) > limit


async def pool_revision(partitions: Partitions, pool: str) -> tuple[Position, int]:
    """Read the position after the last record that changed a pool.

    Raises
    ------
    Problem
        ``unknown_pool``.
    StoreUnavailable, Unreadable
    """
    answer = await partitions.read(
        await partitions.holding(pool), "read_fields", lambda keys: (keys.totals,), (1, pool)
    )
    ((totals,),) = answer.values
    if totals is None:
        raise unknown_pool(pool)
    return answer.position, Totals.unpack(totals).revision


async def read_pool(partitions: Partitions, pool: Pool) -> SizedPool:
    """Read one pool.

    Raises
    ------
    Problem
        ``unknown_pool``.
    StoreUnavailable, Unreadable
    """
    answer = await partitions.read(
        await partitions.holding(pool.name),
        "read_pool",
        lambda keys: (keys.totals, keys.arenas, *(keys.board(pool.name, system.name) for system in pool.systems)),
        (pool.name,),
    )
    totals, pairs, sizes = answer.values
    if totals is None:
        raise unknown_pool(pool.name)
    return SizedPool(
        totals=Totals.unpack(totals),
        pairs=None if pairs is None else PairTotals.unpack(pairs),
        sizes=sizes,
        position=answer.position,
    )
