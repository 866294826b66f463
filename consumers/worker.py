"""The owner of one partition: load, check the log, then fetch, prepare, apply, next.

Any other position than the expected one, an error or no answer: what is in memory is dropped, the stored position
read, and the log read again from there. What only an operator can decide stops this partition and no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import structlog
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord, TopicPartition

from consumers import conditions
from consumers.dead_letters import DeadLettersUnavailable
from consumers.fetch import Fetch
from consumers.judge import Judge, anchor_of
from consumers.lag import Lag
from consumers.partition import Partition
from consumers.pipeline import Doubt, Pipeline
from consumers.surroundings import Surroundings
from consumers.takeover import Undecided, resume_at
from service.metrics import REFUSALS
from service.store.connection import StoreUnavailable
from service.store.generations import Decided, read_decided
from service.store.layout import Keys
from service.store.partition import Anchor, Loaded, load, look

VERIFY_S: Final = 300.0
"""The log is compared with the anchor this often, and at every assignment and after every error."""

SILENT_S: Final = 2.0
"""Where Kafka gave no answer for so long, the log may be another one: it is compared with the anchor before more of it
is applied. A fetch that finds nothing is answered after half a second."""

ANCHOR_S: Final = 30.0
"""Time that Kafka has to give the anchor's record again."""

IDLE_S: Final = 3.0
"""An idle partition applies an empty range this often, so that a rollback of Redis is noticed there as well."""

BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)

_log = structlog.get_logger()


class Worker:
    """Owns one partition until it is closed.

    Parameters
    ----------
    place : TopicPartition
        The partition.
    around : Surroundings
        The consumer, which must have the partition paused, and the rest.
    """

    def __init__(self, place: TopicPartition, around: Surroundings) -> None:
        self.place = place
        self.applied: int | None = None
        """Position that Redis acknowledged."""
        self._around = around
        self._closing = asyncio.Event()
        self._pipeline: Pipeline | None = None
        self._calls = Fetch(around.consumer, place, self._closing)
        self._pulse = around.health.watchdog.begin(f"partition {place.partition}")
        self._polled: int | None = None
        self._decided: Decided | None = None
        self._failures = 0
        self._lag = Lag(place.partition)

    @property
    def left_alone(self) -> asyncio.Future[Any] | None:
        """The call to Kafka that outlived the worker."""
        return self._calls.left_alone

    def close(self) -> None:
        """Ask the worker to end after what it is doing."""
        self._closing.set()

    async def run(self, left_alone: asyncio.Future[Any] | None) -> None:
        """Work until closed or until the partition is no longer ours, once what the last worker left is over."""
        if left_alone is not None:
            await self._calls.wait_for(left_alone)
        health, partition = self._around.health, self.place.partition
        health.partition(partition, "starting")
        while not self._closing.is_set():
            self._pulse.beat()
            try:
                await self._own()
                continue
            except IllegalStateError:
                break
            except Undecided as stop:
                health.partition(partition, "stopped_by_operator_decision", str(stop))
                await self._until_decided()
            except Doubt as doubt:
                REFUSALS.labels(doubt.kind).inc()
                health.partition(partition, "recovering", str(doubt))
            except StoreUnavailable as error:
                REFUSALS.labels("no_answer").inc()
                health.partition(partition, "waiting_for_redis", str(error))
            except (KafkaError, DeadLettersUnavailable) as error:
                health.partition(partition, "waiting_for_broker", str(error) or type(error).__name__)
            finally:
                await self._abandon()
            await self._pause()
        self._pulse.end()
        health.forget(partition)
        self._lag.forget()

    async def _until_decided(self) -> None:
        """Wait until an operator has switched to another generation, passed a record or restored another state."""
        around = self._around
        keys = Keys(around.installation, self.place.topic, self.place.partition)
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_S):
                    await self._closing.wait()
            self._pulse.beat()
            with contextlib.suppress(StoreUnavailable):
                decided, found = await read_decided(around.store, keys), await look(around.store, keys)
                if (decided, found.position) != (self._decided, self.applied):
                    return

    async def _pause(self) -> None:
        """Wait before the next try, longer each time it fails in a row."""
        wait = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
        self._failures += 1
        try:
            async with asyncio.timeout(wait):
                await self._closing.wait()
        except TimeoutError:
            pass

    async def _abandon(self) -> None:
        """Leave no fetch and no script behind."""
        if self._pipeline is not None:
            await self._pipeline.abandon()
            self._pipeline = None
        if self.place in self._around.consumer.assignment():
            self._around.consumer.pause(self.place)

    async def _own(self) -> None:
        around, consumer = self._around, self._around.consumer
        keys = Keys(around.installation, self.place.topic, self.place.partition)
        loaded = await load(around.store, keys)
        self._decided = Decided(loaded.keys.generation, len(loaded.skipped))
        self.applied = loaded.position
        partitions = len(consumer.partitions_for_topic(self.place.topic) or ())
        if not partitions:
            raise KafkaError(f"topic {self.place.topic!r} is not known to the broker")
        position, first = await self._resume_at(loaded, partitions)
        if conflicts := around.pools.conflicts(loaded.fingerprints):
            raise Undecided(f"fingerprint: {conflicts[0]}")
        judge = Judge(self.place.partition, lambda pool: around.partition_of(pool, partitions), around.pools)
        partition = Partition(loaded, judge, partitions)
        self._calls.skips = partition.skips
        self._pipeline = pipeline = Pipeline(around, partition, loaded.position, self._acknowledge, self._go_on)
        if loaded.anchor is None or loaded.anchor.offset < first:
            consumer.seek(self.place, position)
            consumer.resume(self.place)
            records: Sequence[ConsumerRecord] = ()
        else:
            records = await self._verify(loaded.anchor, position)
        around.health.partition(self.place.partition, "running")
        await self._work(partition, pipeline, position, records)

    async def _resume_at(self, loaded: Loaded, partitions: int) -> tuple[int, int]:
        """Offset at which the log is read on, and the one at which it begins."""
        known = loaded.partitions
        if known is None and self.place.partition > 0:
            # A partition that was added has nothing stored; the first one remembers how many there were.
            known = (await load(self._around.store, replace(loaded.keys, partition=0))).partitions
        consumer = self._around.consumer
        edges = await asyncio.gather(*(ask([self.place]) for ask in (consumer.beginning_offsets, consumer.end_offsets)))
        first, end = (edge[self.place] for edge in edges)
        return resume_at(loaded, first, end, partitions, known), first

    async def _verify(self, anchor: Anchor, position: int) -> Sequence[ConsumerRecord]:
        """Read the last applied record again and compare; answers the records after it that came along."""
        consumer = self._around.consumer
        consumer.seek(self.place, anchor.offset)
        consumer.resume(self.place)
        until = time.monotonic() + ANCHOR_S
        while not self._closing.is_set():
            records = await self._fetch()
            if not records and time.monotonic() > until:
                raise Doubt("no_anchor", f"Kafka does not give offset {anchor.offset} again, which was applied")
            if records:
                found = anchor_of(records[0])
                if found != anchor:
                    raise Undecided(
                        f"log: offset {anchor.offset} is not the record that was applied, so this is another log"
                    )
                return [record for record in records if record.offset >= position]
        return ()

    async def _fetch(self) -> Sequence[ConsumerRecord]:
        self._around.watch.check()
        try:
            records = await self._calls.records()
        except OffsetOutOfRangeError as error:
            raise Doubt("out_of_range", f"Kafka has no offset {error}") from error
        self._pulse.beat()
        return records

    def _was_silent(self) -> bool:
        """Whether Kafka gave no answer for a while before its last one; asked again, it tells of the time since."""
        if self.place not in self._around.consumer.assignment():
            return False
        before, self._polled = self._polled, self._around.consumer.last_poll_timestamp(self.place)
        return before is not None and self._polled is not None and self._polled - before > SILENT_S * 1000

    async def _work(
        self, partition: Partition, pipeline: Pipeline, position: int, records: Sequence[ConsumerRecord]
    ) -> None:
        begun = touched = time.monotonic()
        # The anchor was read just now.
        self._was_silent()
        while not self._closing.is_set() and time.monotonic() - begun < VERIFY_S:
            end = max(position, await self._calls.position())
            self._look()
            if records or end > position or time.monotonic() - touched > IDLE_S:
                await pipeline.bring_in(position, records, end)
                position, touched = end, time.monotonic()
            await pipeline.settle_if_done()
            records = await self._fetch()
            if self._was_silent() and partition.anchor is not None:
                await pipeline.settle()
                records = await self._verify(partition.anchor, position)
                self._was_silent()
        await pipeline.settle()

    def _go_on(self) -> bool:
        self._pulse.beat()
        return not self._closing.is_set()

    def _acknowledge(self, position: int) -> None:
        self.applied = position
        self._failures = 0

    def _look(self) -> None:
        """Measure lag, records or none; say where only a transaction is waited for."""
        around, place = self._around, self.place
        stable, end = around.consumer.last_stable_offset(place), around.consumer.highwater(place)
        if stable is None or end is None or self.applied is None:
            return
        if self._lag.look(self.applied, stable, end, time.monotonic()):
            said = str(conditions.transaction(place.topic, place.partition, stable))
            around.health.partition(place.partition, "waiting_for_transaction", said)
        else:
            around.health.partition(place.partition, "running")
