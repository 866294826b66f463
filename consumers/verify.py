"""Compares a partition in Redis with its log: replayed from the beginning by the service's own code, bit for bit.

Memory is bounded: what is expected lies in a temporary file (SQLite), what is stored is read in pieces. Ingest may go
on meanwhile: each piece is read together with the position that it stands for, and the replay is then brought to
exactly that position before the two are compared.
"""

from __future__ import annotations

from dataclasses import replace

from consumers.compare import Comparison, Verified
from consumers.expected import Expected
from consumers.judge import Judge
from consumers.partition import Partition
from consumers.replay import Log, Replay, Shown
from consumers.takeover import Undecided, replay_at
from service.partitioner import partition_of
from service.pools import Pools
from service.settings import Settings
from service.store.connection import Store
from service.store.layout import Keys
from service.store.partition import load


async def verify(
    settings: Settings, store: Store, pools: Pools, partition: int, partitions: int, shown: Shown
) -> Verified:
    """Compare every value of a partition with what its log makes of it.

    Parameters
    ----------
    settings : Settings
    store : Store
    pools : Pools
        As they were rated.
    partition, partitions : int
        Which of how many.
    shown : callable
        Is told the position that was reached and the one that is to be reached.

    Raises
    ------
    Undecided
        Why it cannot be done.
    LogUnavailable, StoreUnavailable
    """
    stored = await load(store, Keys(settings.installation, settings.topic, partition))
    if not stored.readable:
        raise Undecided(f"layout: stored in version {stored.layout}, which this one cannot read")
    if conflicts := pools.conflicts(stored.fingerprints):
        raise Undecided(f"fingerprint: {conflicts[0]}")
    async with Log(settings.brokers, settings.topic, partition) as log:
        begun = replay_at(stored, None, log.first, log.end, partitions)
        if stored.anchor is not None:
            await log.check(stored.anchor)
        judge = Judge(partition, lambda pool: partition_of(pool, partitions, settings.partitioner), pools)
        new = replace(
            stored, position=None, torn="", layout="", partitions=None, anchor=None, counts={}, fingerprints={}, seen={}
        )
        with Expected(stored.keys) as expected:
            replay = Replay(log, Partition(new, judge, partitions), begun, expected, settings.batch)
            await replay.begin()
            target = stored.position or 0
            while replay.position < target:
                shown(replay.position, target)
                await replay.step(target)
            return await Comparison(store, stored, expected, replay, pools).make()
