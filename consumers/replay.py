"""A partition's log read again from any offset, outside the consumer group, into whatever keeps the values."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord, TopicPartition

from consumers.fetch import Fetch
from consumers.judge import anchor_of
from consumers.partition import Batch, Partition
from consumers.skips import Skips
from consumers.takeover import Undecided
from service.broker import ASK_S
from service.brokers import Brokers
from service.log import LogUnavailable, answered, closed
from service.store.apply import Change
from service.store.partition import Anchor, Fields

SILENT_S: Final = 30.0
"""Kafka may deliver nothing for so long where there must be records."""

FETCH_BYTES: Final = 4 << 20

EVERYTHING: Final = 1 << 62
"""Beyond every offset."""

Shown = Callable[[int, int], None]
"""Is told the position that was reached and the one that is to be reached."""


class Log:
    """One partition of a topic, read without a group. A context manager.

    Parameters
    ----------
    kafka : Brokers
    topic : str
    partition : int

    Attributes
    ----------
    first, end : int
        Its first offset and the one after its last, when it was entered.

    Raises
    ------
    LogUnavailable
        By every call.
    """

    def __init__(self, kafka: Brokers, topic: str, partition: int) -> None:
        self.first = self.end = 0
        self._place = TopicPartition(topic, partition)
        self._held: Sequence[ConsumerRecord] = ()
        self._consumer = AIOKafkaConsumer(
            **kafka.arguments(),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        self._calls = Fetch(self._consumer, self._place, asyncio.Event())
        self._heard = 0.0

    async def __aenter__(self) -> Self:
        try:
            with answered():
                async with asyncio.timeout(ASK_S):
                    await self._consumer.start()
                    self._consumer.assign([self._place])
                    self.first = (await self._consumer.beginning_offsets([self._place]))[self._place]
                    self.end = (await self._consumer.end_offsets([self._place]))[self._place]
        except BaseException:
            await closed(self._consumer.stop())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await closed(self._consumer.stop())

    def seek(self, position: int, skips: Skips) -> None:
        """Read on from an offset, past those that an operator decided to pass."""
        self._consumer.seek(self._place, position)
        self._calls.skips = skips
        self._held = ()
        self._heard = time.monotonic()

    async def check(self, anchor: Anchor) -> None:
        """See that this is the log of which a record was applied.

        Raises
        ------
        Undecided
        """
        self.seek(anchor.offset, Skips())
        while not (records := await self._fetch()):
            self._see_that_it_speaks(anchor.offset)
        if anchor_of(records[0]) != anchor:
            raise Undecided(f"log: offset {anchor.offset} is not the record that was applied, so this is another log")

    async def read(self, position: int, end: int = EVERYTHING) -> tuple[Sequence[ConsumerRecord], int]:
        """Read what comes next.

        Parameters
        ----------
        position : int
            Where the last call came to.
        end : int
            Read no record from here on; those stay for the next call.

        Returns
        -------
        records : sequence of ConsumerRecord
        reached : int
            The offset before which there are no more.
        """
        if not self._held:
            self._held = await self._fetch()
        here = bisect_left(self._held, end, key=lambda record: record.offset)
        records, self._held = self._held[:here], self._held[here:]
        reached = end
        if not self._held:
            with answered():
                reached = min(end, max(position, await self._calls.position()))
        if reached > position:
            self._heard = time.monotonic()
        self._see_that_it_speaks(position)
        return records, reached

    async def _fetch(self) -> Sequence[ConsumerRecord]:
        with answered():
            try:
                # A call that does not come back is left alone, not cancelled.
                async with asyncio.timeout(SILENT_S):
                    return await self._calls.records()
            except OffsetOutOfRangeError as error:
                raise Undecided(f"log: its records were deleted meanwhile: it has no offset {error}") from error

    def _see_that_it_speaks(self, position: int) -> None:
        if time.monotonic() - self._heard > SILENT_S:
            raise LogUnavailable(f"Kafka delivered nothing from offset {position} on for {SILENT_S:g} s")


class Keeper(Protocol):
    """Where the values of a replay are kept."""

    async def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> Fields:
        """Read fields of hashes, as `service.store.partition.read_fields` does."""
        ...

    async def write(self, change: Change, batch: Batch) -> None:
        """Keep everything that a batch changed."""
        ...


class Replay:
    """Brings a log through a partition, as ingest does, one batch after the other.

    Parameters
    ----------
    log : Log
        Entered.
    partition : Partition
        As it stands in the keeper.
    position : int
        Where that is.
    keeper : Keeper
    batch : int
        Most records that are brought in together.

    Attributes
    ----------
    position : int
        Everything before it is kept.
    records : int
        How many were brought in.
    """

    def __init__(self, log: Log, partition: Partition, position: int, keeper: Keeper, batch: int) -> None:
        self.position = position
        self.records = 0
        self._log = log
        self._partition = partition
        self._keeper = keeper
        self._batch = batch
        log.seek(position, partition.skips)

    async def begin(self) -> None:
        """Bring in an empty range, so that the position is kept whatever follows."""
        await self._bring_in((), self.position)

    async def advance(self, end: int) -> None:
        """Come exactly to an offset.

        Raises
        ------
        LogUnavailable, Undecided
            And what the keeper raises; the replay is of no use any more.
        """
        while self.position < end:
            await self.step(end)

    async def step(self, end: int = EVERYTHING) -> None:
        """Bring in what one fetch gives, if it gives anything, but nothing from an offset on."""
        records, reached = await self._log.read(self.position, end)
        if reached > self.position:
            await self._bring_in(records, reached)

    async def _bring_in(self, records: Sequence[ConsumerRecord], end: int) -> None:
        partition = self._partition
        batches = partition.cut(self.position, records, end, self._batch)
        while True:
            if partition.full:
                partition.clear()
            batch = next(batches, None)
            if batch is None:
                return
            while wanted := partition.wanted():
                partition.fill(await self._keeper.read(wanted))
            change = partition.rate(batch)
            await self._keeper.write(change, batch)
            self.position = change.end
            self.records += len(batch.records)
