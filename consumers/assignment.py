"""Which partitions are ours now: a worker for each, ended before the next owner begins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog
from aiokafka import ConsumerRebalanceListener
from aiokafka.structs import TopicPartition

from consumers.surroundings import Surroundings
from consumers.watchdog import Pulse
from consumers.worker import Worker
from service.metrics import REBALANCES

REVOKE_S: Final = 8.0
"""Time that workers have to end when their partitions are taken: longer than one bounded call to Redis."""

_log = structlog.get_logger()


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Starts and ends workers as the group assigns partitions.

    Exceptions in these callbacks are swallowed by aiokafka, so the callbacks only start and close; what
    can fail runs in the workers' own tasks, and `failure` holds the first that ended with an error.

    Parameters
    ----------
    around : Surroundings
        For every worker.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.before_joining: Callable[[], Awaitable[None]] | None = None
        """Is called before the group is joined again, and raises where it must not be."""
        self.joined = False
        """Whether the group ever gave us anything, be it no partition."""
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._workers: dict[TopicPartition, tuple[Worker, asyncio.Task[None]]] = {}
        self._joining: Pulse | None = None

    def positions(self) -> dict[TopicPartition, int]:
        """What Redis acknowledged for each partition that is ours; one that was taken away may have its worker yet."""
        ours = self._around.consumer.assignment()
        return {
            place: worker.applied
            for place, (worker, _) in self._workers.items()
            if worker.applied is not None and place in ours
        }

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Pause first: getmany hands out records before this returns. Then leave all else to the workers."""
        around = self._around
        around.consumer.pause(*assigned)
        self.joined = True
        REBALANCES.inc()
        for place in assigned:
            # A position, so that the consumer does not ask Kafka for one; the worker seeks where Redis says.
            around.consumer.seek(place, 0)
            previous = self._workers.get(place)
            worker = Worker(place, around)
            task = asyncio.create_task(self._run(worker, previous))
            self._workers[place] = (worker, task)
        if self._joining is not None:
            self._joining.end()
        around.health.become("running")
        _log.info("assigned", partitions=sorted(place.partition for place in assigned))

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """End the workers; a batch on its way is settled, so that the next owner need not find it out."""
        around = self._around
        if self._joining is not None:
            self._joining.end()
        self._joining = around.health.watchdog.begin("group")
        if revoked:
            around.health.become("recovering", "the group shares out its partitions anew")
        await self.close()
        if self.joined and self.before_joining is not None:
            try:
                await self.before_joining()
            except Exception as error:
                self._fail(error)
                # aiokafka swallows errors and joins; the end of the task that would join is all that it honours.
                raise asyncio.CancelledError from error

    async def close(self) -> None:
        """End all workers within `REVOKE_S`; one that needs longer is waited for by its successor."""
        for worker, _ in self._workers.values():
            worker.close()
        tasks = [task for _, task in self._workers.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=REVOKE_S)
        self._workers = {
            place: (worker, task)
            for place, (worker, task) in self._workers.items()
            if worker.left_alone or not task.done()
        }

    async def abandon(self) -> None:
        """Cancel the workers that did not end when they were closed; none of them will have a successor."""
        tasks = [task for _, task in self._workers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, worker: Worker, previous: tuple[Worker, asyncio.Task[None]] | None) -> None:
        try:
            if previous is not None:
                await asyncio.wait([previous[1]])
            await worker.run(previous[0].left_alone if previous else None)
        except Exception as error:  # noqa: BLE001  # whatever it is, the process must end of it
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)
