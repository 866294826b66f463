"""What all requests share: made once, when the application starts, and closed when it stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.api.guard import Guard
from service.pool_file import read_pools
from service.pools import Pools
from service.settings import Settings
from service.store.board import Boards
from service.store.campaigns import Campaigns
from service.store.changes import Changes
from service.store.connection import Store
from service.store.leases import Leases
from service.store.pairs import PairCounts
from service.store.partitions import Partitions
from service.store.watch import Watch
from service.suggest.desk import Suggestions
from service.suggest.keeper import Keeper
from service.writer import Writer


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that handlers work with.

    Attributes
    ----------
    settings : Settings
    guard : Guard
        Lets requests in.
    pools : Pools
        How each pool is configured.
    store : Store
    partitions : Partitions
        Reads, in whatever generation is live.
    boards : Boards
    pairs : PairCounts
    campaigns : Campaigns
    watch : Watch
        Waits for positions.
    changes : Changes
        Follows what happens.
    writer : Writer
        Sends matches.
    suggestions : Suggestions
        Suggests matchups.
    """

    settings: Settings
    guard: Guard
    pools: Pools
    store: Store
    partitions: Partitions
    boards: Boards
    pairs: PairCounts
    campaigns: Campaigns
    watch: Watch
    changes: Changes
    writer: Writer
    suggestions: Suggestions

    async def close(self) -> None:
        """End all connections."""
        await self.suggestions.close()
        await self.changes.close()
        await self.watch.close()
        await self.writer.close()
        await self.store.close()


def make_parts(settings: Settings) -> Parts:
    """Make the parts. Nothing connects before it is needed.

    Raises
    ------
    ValueError
        Where the address of Redis is no address.
    PoolsInvalid
        Where the pools file cannot be used.
    KeysInvalid
        Where the keys file cannot be used.
    """
    pools = read_pools(settings.pools)
    store = Store(settings.redis.get_secret_value())
    partitions = Partitions(store, settings.installation, settings.topic, settings.partitioner)
    counts = PairCounts(partitions)
    return Parts(
        settings=settings,
        guard=Guard(settings.keys),
        pools=pools,
        store=store,
        partitions=partitions,
        boards=Boards(partitions),
        pairs=counts,
        campaigns=Campaigns(store, partitions, settings.installation, settings.topic),
        watch=Watch(partitions),
        changes=Changes(partitions),
        writer=Writer(settings.brokers, settings.topic, settings.partitioner),
        suggestions=Suggestions(
            partitions,
            Leases(store, partitions, settings.installation, settings.topic),
            Keeper(settings.brokers, settings.topic, settings.partitioner),
            counts,
        ),
    )


async def _shared(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Shared = Annotated[Parts, Depends(_shared)]
