"""Waiting until a partition has come as far as a position: one watcher a partition, whoever waits."""

from __future__ import annotations

import asyncio
from typing import Final

from service.problems import Problem
from service.store.connection import StoreUnavailable
from service.store.partitions import Partitions, Position, Unreadable

LOOK_S: Final = 0.01
"""While somebody waits, a partition is looked at this often."""

MOST_WAITING: Final = 10_000


class Watch:
    """Answers when partitions reach positions.

    Parameters
    ----------
    partitions : Partitions
    """

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._waiting: dict[int, dict[asyncio.Future[Position], Position]] = {}
        self._watchers: dict[int, asyncio.Task[None]] = {}
        self._count = 0

    async def reached(self, wanted: Position, seconds: float) -> Position:
        """Wait until a partition has come as far as a position, or time is up.

        Parameters
        ----------
        wanted : Position
        seconds : float
            How long to wait; 0 looks once.

        Returns
        -------
        Position
            Where the partition stands; ``covers`` tells whether that is far enough.

        Raises
        ------
        Problem
            ``too_busy`` past `MOST_WAITING`.
        StoreUnavailable, Unreadable
        """
        now = await self._partitions.position(wanted.partition)
        if now.covers(wanted) or seconds <= 0:
            return now
        if self._count >= MOST_WAITING:
            raise Problem("too_busy", f"more than {MOST_WAITING:,} requests wait for a position")
        future: asyncio.Future[Position] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(wanted.partition, {})
        waiting[future] = wanted
        self._count += 1
        if wanted.partition not in self._watchers:
            self._watchers[wanted.partition] = asyncio.create_task(self._watch(wanted.partition))
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return await self._partitions.position(wanted.partition)
        finally:
            self._count -= 1
            waiting.pop(future, None)

    async def _watch(self, partition: int) -> None:
        waiting = self._waiting[partition]
        try:
            while waiting:
                now = await self._partitions.position(partition)
                for future, wanted in list(waiting.items()):
                    if now.covers(wanted) and not future.done():
                        future.set_result(now)
                await asyncio.sleep(LOOK_S)
        except (StoreUnavailable, Unreadable) as error:
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
        finally:
            del self._watchers[partition]

    async def close(self) -> None:
        """End the watchers."""
        watchers = list(self._watchers.values())
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
