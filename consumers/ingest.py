"""Ingest: joins the consumer group, owns partitions, brings their records into Redis until it is told to stop.

Nothing hangs: every wait for Kafka or Redis is bounded; a Kafka client that stands still nevertheless is built anew;
where that does not help either, or the event loop is blocked, the process ends, for its supervisor to start it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import math
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import structlog
from aiokafka.errors import KafkaError

from consumers import watchdog
from consumers.client import STOP_S, Broken, Client
from consumers.health import Health
from consumers.operations import OpsServer, end_in_time
from consumers.watch import Unusable, Watch
from consumers.worker import BACKOFF_S
from service.broker import ensure_topic
from service.log import LogUnavailable, dead_letters_topic
from service.metrics import REBUILDS
from service.pool_file import read_pools
from service.settings import Settings
from service.store.connection import Store, StoreUnavailable
from service.store.layout import Keys
from service.store.partition import look
from service.warm import spare_collector, warm

STEP_S: Final = 60.0
"""Time that a step of the start has before it is begun again: three brokers that do not answer take less."""

AGAIN_S: Final = 600.0
"""A client that stands still so soon after it was built anew will not get on by being built once more."""

_log = structlog.get_logger()


class Ingest:
    """One ingest process.

    Parameters
    ----------
    settings : Settings
    ops_port : int
        Where health and metrics are served, on loopback unless ``ops_host`` says otherwise; 0 for a free port.
    ops_host : str
    """

    def __init__(self, settings: Settings, ops_port: int, ops_host: str = "127.0.0.1") -> None:
        self.health = Health()
        self._pools = read_pools(settings.pools)
        self._settings = settings
        self._ops = OpsServer(self.health, ops_host, ops_port)
        self._store = Store(settings.redis.get_secret_value())
        self._watch = Watch(settings, self._store)
        self._stop = asyncio.Event()
        self._for_good = False
        self._client: Client | None = None

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT; a clean stop takes at most `STOP_S`.

        SIGUSR1 stops it too, and for good: a member with a name gives it up, so that the others need not wait for it.

        Raises
        ------
        Unusable
            Where going on would lose data; says what to change.
        """
        # Compiled at the first match instead, it would cost the membership of the group. There is nothing to lose yet,
        # so SIGTERM may end it.
        for system in self._pools.systems():
            warm(system)
        spare_collector()
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop.set)
        loop.add_signal_handler(signal.SIGUSR1, self._stop_for_good)
        ops = asyncio.create_task(self._ops.serve())
        try:
            await self._work()
        finally:
            faulthandler.cancel_dump_traceback_later()
            self._ops.should_exit = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await ops
                    await self._store.close()
            end_in_time()

    def _stop_for_good(self) -> None:
        self._for_good = True
        self._stop.set()

    async def _work(self) -> None:
        """Watch over one session after the other; there is a second one only where the first stood still."""
        begun = -AGAIN_S
        loop = asyncio.get_running_loop()
        while True:
            session = asyncio.create_task(self._session())
            part = await self._ended_or_still(session)
            if part is None:
                if session.cancelled():
                    _log.warning("stopped late", seconds=STOP_S)
                    return None
                try:
                    return session.result()
                except Broken as error:
                    await self._begin_anew(error)
                    continue
            if loop.time() - begun < AGAIN_S:
                _end(f"{part} stands still again")
            begun = loop.time()
            _log.error("client_rebuilt", part=part, seconds=watchdog.PROGRESS_S)
            REBUILDS.labels(part).inc()
            self.health.become(
                "recovering", f"{part} stood still for {watchdog.PROGRESS_S:g} s: the Kafka client is built anew"
            )
            if not await self._torn_down(session):
                _end(f"{part} stands still and cannot be torn down")
            self.health.watchdog.clear()

    async def _begin_anew(self, error: Broken) -> None:
        """Say that the client broke, and wait a moment; it is torn down already."""
        if self._client is not None:
            _end(f"{error}, and cannot be torn down")
        _log.error("client_rebuilt", part=error.part, error=str(error))
        REBUILDS.labels(error.part).inc()
        self.health.become("recovering", f"{error}: the Kafka client is built anew")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BACKOFF_S[-1]):
                await self._stop.wait()

    async def _ended_or_still(self, session: asyncio.Task[None]) -> str | None:
        """Wait until a session has ended; answers the part of it that stands still, if it is that what ended it."""
        stop_by = math.inf
        while True:
            # In C, so that it needs no turn of Python's either; each look puts it off.
            faulthandler.dump_traceback_later(watchdog.BLOCKED_S, exit=True)
            await asyncio.wait([session], timeout=watchdog.LOOK_S)
            if session.done():
                return None
            now = asyncio.get_running_loop().time()
            if self._stop.is_set():
                stop_by = min(stop_by, now + STOP_S)
                if now > stop_by + 1:
                    _end("it was told to stop, and cannot")
                if now > stop_by:
                    session.cancel()
                continue
            self.health.watchdog.look()
            part = self.health.watchdog.still()
            if part is not None and await self._kafka_answers():
                return part

    async def _kafka_answers(self) -> bool:
        """Whether the brokers answer others; where they do not, no client of ours is to blame for standing still."""
        try:
            if self._client is not None:
                await self._client.look()
        except LogUnavailable as error:
            self.health.become("waiting_for_broker", str(error))
            self.health.watchdog.excuse()
            return False
        return True

    async def _torn_down(self, session: asyncio.Task[None]) -> bool:
        session.cancel()
        await asyncio.wait([session], timeout=2 * STOP_S)
        return session.done() and self._client is None

    async def _session(self) -> None:
        """Check what is there, then work with one Kafka client until told to stop."""
        if not await self._until(self._watch.see_store):
            return
        if not await self._until(self._check_topics):
            return
        if not await self._until(self._check_pools):
            return
        # Last, for what is refused changes nothing.
        if not await self._until(self._watch.see_group):
            return
        self._client = client = Client(self._settings, self._store, self._pools, self.health, self._watch)
        try:
            for part in client.parts:
                if not await self._until(part.start):
                    return
            await client.work(self._stop)
        finally:
            if await client.close(self._for_good):
                self._client = None
            elif self._stop.is_set():
                _log.warning("stopped late", seconds=STOP_S)

    async def _until(self, step: Callable[[], Awaitable[object]]) -> bool:
        """Repeat a step with back-off until the world allows it; False where we were told to stop before."""
        tries = 0
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(STEP_S):
                    await step()
                self.health.become("starting")
                return True
            except StoreUnavailable as error:
                self.health.become("waiting_for_redis", str(error))
            except (KafkaError, LogUnavailable, OSError) as error:
                self.health.become("waiting_for_broker", str(error) or f"no answer within {STEP_S:g} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)]):
                    await self._stop.wait()
            tries += 1
        return False

    async def _check_topics(self) -> None:
        """The topic of matches must exist and keep every record; that of dead letters is made if missing."""
        await self._watch.see_topic()
        letters = dead_letters_topic(self._settings.topic)
        await ensure_topic(self._settings.brokers, letters, self._watch.partitions)

    async def _check_pools(self) -> None:
        """What is stored must have been rated as the pools are configured now."""
        for number in range(self._watch.partitions):
            keys = Keys(self._settings.installation, self._settings.topic, number)
            conflicts = self._pools.conflicts((await look(self._store, keys)).fingerprints)
            if conflicts:
                more = f" (and {len(conflicts) - 1} more)" if len(conflicts) > 1 else ""
                raise Unusable(f"the configuration would change stored ratings: {conflicts[0]}{more}")


def _end(reason: str) -> NoReturn:
    """End the process, whatever of it still hangs, with one line for its supervisor; nothing is lost by that."""
    _log.critical("ends", reason=reason)
    os._exit(1)
