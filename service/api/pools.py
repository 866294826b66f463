"""Pools: which there are, and one of them."""

from __future__ import annotations

import msgspec

from service.api.answers import ListedPool, PoolAnswer, PoolsAnswer, SystemAnswer
from service.api.cursors import decode_pool, encode_pool
from service.api.inputs import Cursor, Limit, NamedPool, Now, StoredPartitions, resource
from service.api.standing import moment
from service.store.read import page_pools, read_pool

router = resource()


@router.get("/pools", summary="The pools, by name")
async def pools(partitions: StoredPartitions, as_of: Now, cursor: Cursor = None, limit: Limit = 50) -> PoolsAnswer:
    """List the pools of which a match was applied, each at the position of its own partition."""
    found, more = await page_pools(partitions, decode_pool(cursor) if cursor is not None else "", limit)
    return PoolsAnswer(
        pools=[
            ListedPool(
                pool=pool.name,
                matches=pool.totals.matches,
                last_match_at=moment(pool.totals.last_match_at),
                position=str(pool.position),
            )
            for pool in found
        ],
        next=encode_pool(found[-1].name) if more else None,
        as_of=as_of,
    )


@router.get("/pools/{pool}", summary="A pool")
async def pool(pool: NamedPool, partitions: StoredPartitions, as_of: Now) -> PoolAnswer:
    """Show the configuration in force and what was counted of a pool."""
    found = await read_pool(partitions, pool)
    return PoolAnswer(
        pool=pool.name,
        profile=pool.profile,
        systems=[
            SystemAnswer(
                system=system.name,
                live=system is pool.live,
                parameters=msgspec.to_builtins(system),
                players=players,
            )
            for system, players in zip(pool.systems, found.sizes, strict=True)
        ],
        order=pool.order,
        provisional=pool.provisional,
        matches=found.totals.matches,
        players=found.sizes[0],
        last_match_at=moment(found.totals.last_match_at),
        position=str(found.position),
        as_of=as_of,
    )
