"""Builds a partition again from its log, beside the generation that is read, and switches to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from consumers.dead_letters import DeadLetters
from consumers.judge import Judge
from consumers.partition import Batch, Partition
from consumers.replay import Log, Replay, Shown
from consumers.takeover import Undecided, replay_at
from service.broker import ASK_S, ensure_topic
from service.log import answered, closed, dead_letters_topic, producer
from service.partitioner import partition_of
from service.pools import Pools
from service.settings import Settings
from service.store.apply import Applied, Change, Moved, Refused, apply
from service.store.connection import Store
from service.store.generations import Behind, Denied, Switched, drop, following, read_values, scan, switch
from service.store.layout import Keys
from service.store.partition import Fields, Loaded, load, load_generation, read_fields
from service.store.rows import Totals

NAMED: Final = 20
"""Pools that differ and are named; the rest are counted."""


@dataclass(slots=True)
class Compared:
    """How two generations of a partition differ, both at one position.

    Attributes
    ----------
    whole : bool
        Whether all could be compared: not with what another version wrote, nor with what is behind.
    counts : dict
        Records by outcome, before and now, where the two differ.
    pools : dict
        Matches of pools, before and now, where they differ; at most `NAMED` of them.
    different : int
        How many pools differ.
    """

    whole: bool = False
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    pools: dict[str, tuple[int, int]] = field(default_factory=dict)
    different: int = 0


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What became of a rebuild.

    Attributes
    ----------
    generation : str
        It is live now.
    position : int
        Where it was switched to.
    begun, records : int
        The offset at which this run began, and the records that it brought in.
    discarded : str
        Why an unfinished rebuild was not gone on with; empty where there was none.
    compared : Compared
        With the generation that was live.
    """

    generation: str
    position: int
    begun: int
    records: int
    discarded: str
    compared: Compared


class Beside:
    """Keeps a replay's values in the generation after the live one; sends its dead letters, as ingest does.

    Parameters
    ----------
    store : Store
    keys : Keys
        Of the generation that is built.
    live : str
        The one that is read: once another is, nothing more is written.
    letters : DeadLetters
    rate : int or None
        Records a second, at most.
    """

    def __init__(self, store: Store, keys: Keys, live: str, letters: DeadLetters, rate: int | None) -> None:
        self._store = store
        self._keys = keys
        self._live = live
        self._letters = letters
        self._rate = rate
        self._begun = time.monotonic()
        self._records = 0

    async def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> Fields:
        """Read fields of hashes."""
        return await read_fields(self._store, self._keys, wanted)

    async def write(self, change: Change, batch: Batch) -> None:
        """Bring a batch in.

        Raises
        ------
        Undecided
            Somebody else works on this generation, or decided meanwhile.
        StoreUnavailable, DeadLettersUnavailable
        """
        await self._letters.send(self._keys.partition, batch.letters)
        match await apply(self._store, self._keys, change, self._live):
            case Applied():
                pass
            case Moved(position):
                raise Undecided(
                    f"moved: generation {self._keys.generation} stands at {position}, not at {change.start}: another"
                    " rebuild is at work on it, or Redis went back in time; see that there is one and start it again"
                )
            case Refused(reason, detail):
                raise Undecided(f"{reason}: stored is {detail} meanwhile; start the rebuild again")
        self._records += len(batch.records)
        ahead = 0.0 if self._rate is None else self._records / self._rate - (time.monotonic() - self._begun)
        # Others of this machine and Redis have work to do as well.
        await asyncio.sleep(max(0.0, ahead))


async def rebuild(
    settings: Settings, store: Store, pools: Pools, partition: int, partitions: int, rate: int | None, shown: Shown
) -> Rebuilt:
    """Build a partition again and switch to it; what broke off is gone on with.

    Parameters
    ----------
    settings : Settings
    store : Store
    pools : Pools
        As they are to be rated.
    partition, partitions : int
        Which of how many.
    rate : int or None
        Records a second, at most.
    shown : callable
        Is told how far it is.

    Raises
    ------
    Undecided
        Why it cannot be done.
    LogUnavailable, StoreUnavailable, DeadLettersUnavailable
    """
    live = await load(store, Keys(settings.installation, settings.topic, partition))
    async with Log(settings.brokers, settings.topic, partition) as log:
        built, discarded = await _unfinished(store, live, pools)
        begun = replay_at(live, built.position, log.first, log.end, partitions)
        if live.anchor is not None and live.anchor.offset >= log.first:
            await log.check(live.anchor)
        judge = Judge(partition, lambda pool: partition_of(pool, partitions, settings.partitioner), pools)
        owner = Partition(built, judge, partitions)
        await ensure_topic(settings.brokers, dead_letters_topic(settings.topic), partitions)
        with answered():
            sender = producer(settings.brokers)
            try:
                async with asyncio.timeout(ASK_S):
                    await sender.start()
                # At most a second's worth at a time, or the brake would come in jerks.
                most = settings.batch if rate is None else min(settings.batch, rate)
                keeper = Beside(store, built.keys, live.keys.generation, DeadLetters(sender, settings.topic), rate)
                replay = Replay(log, owner, begun, keeper, most)
                return await _run(store, live, built.keys, replay, discarded, shown)
            finally:
                await closed(sender.stop())


async def _run(store: Store, live: Loaded, built: Keys, replay: Replay, discarded: str, shown: Shown) -> Rebuilt:
    begun, target = replay.position, live.position or 0
    await replay.begin()
    while replay.position < target:
        shown(replay.position, target)
        await replay.step(target)
        target = (await read_values(store, live.keys, live.keys.state, "hash", ())).position or 0
    compared = await _compare(store, live, built, replay)
    while True:
        match await switch(store, built, live.keys.generation):
            case Switched(position):
                return Rebuilt(built.generation, position, begun, replay.records, discarded, compared)
            case Denied(reason, detail):
                raise Undecided(f"{reason}: stored is {detail} meanwhile; start the rebuild again")
            case Behind(position):
                # Not only so far: ingest would be further again by then.
                shown(replay.position, position)
                await replay.step()


async def _unfinished(store: Store, live: Loaded, pools: Pools) -> tuple[Loaded, str]:
    """Give what there is of the generation to be built; deletes what cannot be gone on with, and says why."""
    keys = replace(live.keys, generation=following(live.keys.generation))
    _, built = await load_generation(store, keys)
    reason = ""
    if built.torn:
        reason = "it is torn"
    elif not built.readable:
        reason = "another version of the service wrote it"
    elif not _rated_alike(pools, built.fingerprints):
        reason = "it was rated as another configuration says"
    elif built.position is not None:
        return built, ""
    # Even where there is no position: a drop may have broken off.
    if not await drop(store, keys, live.keys.generation):
        raise Undecided("generation: another one is live meanwhile; start the rebuild again")
    return (await load_generation(store, keys))[1], reason


def _rated_alike(pools: Pools, fingerprints: dict[str, str]) -> bool:
    """Whether each pool was rated under exactly the systems that it has now; one that came later would lack matches."""
    names = {field.rpartition("/")[0] for field in fingerprints}
    now = {field: text for name in names for field, text in pools.configured(name).fingerprints().items()}
    return now == fingerprints


async def _compare(store: Store, live: Loaded, built: Keys, replay: Replay) -> Compared:
    """Compare with the live generation: each piece of it is read, then the replay brought to exactly its position."""
    found = Compared()
    if not live.readable:
        return found
    async for piece in scan(store, live.keys.totals, "hash"):
        names = [name.decode() for name, _ in piece]
        before = await read_values(store, live.keys, live.keys.totals, "hash", names)
        if replay.position > (before.position or 0):
            return found
        await replay.advance(before.position or 0)
        now = await read_values(store, built, built.totals, "hash", names)
        for name, *values in zip(names, before.values, now.values, strict=True):
            was, stands = (0 if value is None else Totals.unpack(value).matches for value in values)
            if was != stands:
                found.different += 1
                if len(found.pools) < NAMED:
                    found.pools[name] = (was, stands)
    was_counted = await load(store, live.keys)
    if replay.position > (was_counted.position or 0):
        return found
    await replay.advance(was_counted.position or 0)
    _, stand = await load_generation(store, built)
    for outcome in sorted(was_counted.counts.keys() | stand.counts.keys()):
        pair = was_counted.counts.get(outcome, 0), stand.counts.get(outcome, 0)
        if pair[0] != pair[1]:
            found.counts[outcome] = pair
    found.whole = True
    return found
