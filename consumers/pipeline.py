"""Batches of one partition on their way into Redis: while it works on one the next is prepared, and never a third."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from aiokafka.structs import ConsumerRecord

from consumers.partition import Batch, Partition
from consumers.surroundings import Surroundings
from consumers.takeover import Undecided
from consumers.tally import Tally
from service import traces
from service.metrics import BATCH_RECORDS, BATCH_SECONDS, READABLE_SECONDS, RECORDS, REFUSALS
from service.store.apply import Applied, Change, Moved, Refused, apply
from service.store.partition import read_fields


class Doubt(Exception):
    """Memory and Redis may differ; ``kind`` names the metric."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Pipeline:
    """Brings batches in for as long as nothing is in doubt; then it is thrown away with the partition's memory.

    At most one script is unacknowledged. Whatever it meets is raised by the next call.

    Parameters
    ----------
    around : Surroundings
    partition : Partition
        Its memory.
    position : int or None
        Where Redis stands.
    acknowledged : callable
        Is told each position that Redis has come to.
    going_on : callable
        Is asked before each batch whether it is still to be brought in.

    Raises
    ------
    Doubt, Undecided, StoreUnavailable, DeadLettersUnavailable
        By `bring_in` and `settle`.
    """

    def __init__(
        self,
        around: Surroundings,
        partition: Partition,
        position: int | None,
        acknowledged: Callable[[int], None],
        going_on: Callable[[], bool],
    ) -> None:
        self._around = around
        self._partition = partition
        self._stored = position
        self._acknowledged = acknowledged
        self._going_on = going_on
        self._tally = Tally(around.bounds)
        self._pending: asyncio.Task[None] | None = None

    async def bring_in(self, position: int, records: Sequence[ConsumerRecord], end: int) -> None:
        """Bring in a range of offsets; the last batch of it may be unacknowledged yet.

        Parameters
        ----------
        position, end : int
            The range.
        records : sequence of ConsumerRecord
            What it delivered.
        """
        partition = self._partition
        batches = partition.cut(position, records, end, self._around.batch)
        while self._going_on():
            if partition.full:
                await self.settle()
                partition.clear()
            begun = time.monotonic()
            batch = next(batches, None)
            if batch is None:
                break
            await self._prepare(batch, begun)

    async def settle(self) -> None:
        """Wait for the unacknowledged script, if there is one."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            await pending

    async def settle_if_done(self) -> None:
        """See what became of the unacknowledged script, if that is known."""
        if self._pending is not None and self._pending.done():
            await self.settle()

    async def abandon(self) -> None:
        """Leave no script behind, whatever becomes of it."""
        if self._pending is not None:
            await asyncio.gather(self._pending, return_exceptions=True)
            self._pending = None

    async def _prepare(self, batch: Batch, begun: float) -> None:
        """Rate a batch, and send it once the one before is acknowledged."""
        around, partition = self._around, self._partition
        if passed := self._tally.count(batch.records, {record.offset for record, _ in batch.letters}):
            raise Undecided(passed)
        while wanted := partition.wanted():
            # Before or after the unacknowledged batch; which of the two, Redis decides while we wait.
            expected = {self._stored, self._stored if self._pending is None else batch.start}
            fields = await read_fields(around.store, partition.keys, wanted)
            if fields.generation != partition.keys.generation:
                raise Doubt("generation", f"generation {fields.generation} is live now")
            if fields.position not in expected:
                raise Doubt("moved", f"Redis stands at {fields.position}, not at {self._stored}")
            partition.fill(fields)
        change = partition.rate(batch)
        BATCH_SECONDS.labels("prepare").observe(time.monotonic() - begun)
        await around.letters.send(partition.keys.partition, batch.letters)
        await self.settle()
        self._pending = asyncio.create_task(self._apply(change, batch, begun))
        # Let the script go out before this task turns to the next batch.
        await asyncio.sleep(0)

    async def _apply(self, change: Change, batch: Batch, begun: float) -> None:
        keys = self._partition.keys
        with traces.applying(keys.topic, keys.partition, batch.records, begun):
            await self._bring(change, batch)

    async def _bring(self, change: Change, batch: Batch) -> None:
        begun = time.monotonic()
        match await apply(self._around.store, self._partition.keys, change):
            case Applied():
                self._note(change, batch, time.monotonic() - begun)
            case Moved(position):
                raise Doubt("moved", f"Redis stands at {position}, not at {change.start}")
            case Refused(reason, detail):
                if reason in {"generation", "skipped"}:
                    raise Doubt(reason, f"an operator decided: {reason} is now {detail}")
                REFUSALS.labels(reason).inc()
                again = f"standings rebuild {self._partition.keys.partition}"
                raise Undecided(f"{reason}: stored is {detail}; see docs/guarantees.md, or build it again: {again}")

    def _note(self, change: Change, batch: Batch, seconds: float) -> None:
        self._stored = change.end
        self._acknowledged(change.end)
        BATCH_SECONDS.labels("apply").observe(seconds)
        if not batch.records:
            return
        BATCH_RECORDS.observe(len(batch.records))
        READABLE_SECONDS.observe(max(0.0, time.time() - batch.records[0].timestamp / 1000))
        RECORDS.labels("applied").inc(batch.applied)
        RECORDS.labels("duplicate").inc(batch.duplicates)
        for _, problem in batch.letters:
            RECORDS.labels(problem.type.slug).inc()
