"""Ingest: joins the consumer group, owns partitions, brings their records into Redis until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from consumers.assignment import Assignment
from consumers.dead_letters import Bounds, DeadLetters
from consumers.health import Health, State
from consumers.operations import OpsServer
from consumers.worker import BACKOFF_S, Surroundings
from service.broker import describe_topic, ensure_topic
from service.log import LogUnavailable, dead_letters_topic, producer
from service.partitioner import partition_of
from service.pool_file import read_pools
from service.settings import Settings
from service.store.connection import Store, StoreUnavailable
from service.store.layout import Keys
from service.store.partition import look

COMMIT_S: Final = 2.0
STOP_S: Final = 20.0
"""From SIGTERM to the end of the process, at most."""

FETCH_BYTES: Final = 4 << 20
"""Bytes that a partition is fetched at a time; a larger record still comes, alone."""

_log = structlog.get_logger()


class Unusable(Exception):
    """Kafka or Redis is there, but set up so that data would be lost."""


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
        self._stop = asyncio.Event()
        self._partitions = 0

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT; a clean stop takes at most `STOP_S`.

        Raises
        ------
        Unusable
            Where going on would lose data; says what to change.
        """
        # What was imported never dies, and a match is many small objects that soon do: looking through all of them
        # at Python's usual thresholds takes a sixth of the time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop.set)
        ops = asyncio.create_task(self._ops.serve())
        try:
            await self._work()
        finally:
            self._ops.should_exit = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await ops
            await self._store.close()

    async def _work(self) -> None:
        settings = self._settings
        if not await self._until("waiting_for_redis", self._check_redis):
            return
        letters = producer(settings.kafka)
        assignment = Assignment()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka,
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=8 * FETCH_BYTES,
            metadata_max_age_ms=30_000,
            # Longer than workers have to end, and a heartbeat, or a slow Redis would cost the membership.
            rebalance_timeout_ms=20_000,
        )
        try:
            if not await self._until("waiting_for_broker", self._check_topics):
                return
            if not await self._until("waiting_for_redis", self._check_pools):
                return
            for part in (letters, consumer):
                if not await self._until("waiting_for_broker", part.start):
                    return
            assignment.around = Surroundings(
                consumer=consumer,
                store=self._store,
                letters=DeadLetters(letters, settings.topic),
                health=self.health,
                installation=settings.installation,
                batch=settings.batch,
                partition_of=lambda pool, partitions: partition_of(pool, partitions, settings.partitioner),
                pools=self._pools,
                bounds=Bounds(settings.most_dead_share, settings.most_dead_run),
            )
            consumer.subscribe([settings.topic], listener=assignment)
            await self._commit_until_stopped(consumer, assignment)
        finally:
            try:
                async with asyncio.timeout(STOP_S):
                    await assignment.close()
                    await self._commit(consumer, assignment)
                    await consumer.stop()
                    await letters.stop()
            except TimeoutError:
                _log.warning("stopped late", seconds=STOP_S)

    async def _commit_until_stopped(self, consumer: AIOKafkaConsumer, assignment: Assignment) -> None:
        stop = asyncio.create_task(self._stop.wait())
        ended: set[asyncio.Future[Any]] = {stop, assignment.failure}
        try:
            while not stop.done():
                await asyncio.wait(ended, timeout=COMMIT_S, return_when=asyncio.FIRST_COMPLETED)
                if assignment.failure.done():
                    assignment.failure.result()
                await self._commit(consumer, assignment)
        finally:
            stop.cancel()

    async def _commit(self, consumer: AIOKafkaConsumer, assignment: Assignment) -> None:
        """Tell Kafka how far Redis is. For lag tools only, so a failure means nothing."""
        ours = consumer.assignment()
        offsets = {place: position for place, position in assignment.positions().items() if place in ours}
        if offsets:
            with contextlib.suppress(CommitFailedError, IllegalStateError, KafkaError):
                await consumer.commit(offsets)

    async def _until(self, state: State, step: Callable[[], Awaitable[object]]) -> bool:
        """Repeat a step with back-off until the world allows it; False where we were told to stop before."""
        tries = 0
        while not self._stop.is_set():
            try:
                await step()
                self.health.become("starting")
                return True
            except (KafkaError, LogUnavailable, StoreUnavailable, OSError) as error:
                self.health.become(state, str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)]):
                    await self._stop.wait()
            tries += 1
        return False

    async def _check_redis(self) -> None:
        info: bytes = await self._store.command("INFO", "memory")
        policy = next((line for line in info.decode().splitlines() if line.startswith("maxmemory_policy:")), "")
        if policy not in ("", "maxmemory_policy:noeviction"):
            raise Unusable(f"Redis has {policy}: it would drop ratings. Set maxmemory-policy to noeviction.")

    async def _check_topics(self) -> None:
        """The topic of matches must exist and keep every record; that of dead letters is made if missing."""
        kafka, topic = self._settings.kafka, self._settings.topic
        found = await describe_topic(kafka, topic)
        if found is None:
            raise LogUnavailable(f"the topic {topic!r} does not exist yet")
        self._partitions = found.partitions
        if "compact" in found.settings.get("cleanup.policy", ""):
            raise Unusable(f"The topic {topic!r} is compacted: it would drop matches. Set cleanup.policy to delete.")
        await ensure_topic(kafka, dead_letters_topic(topic), self._partitions)

    async def _check_pools(self) -> None:
        """What is stored must have been rated as the pools are configured now."""
        for number in range(self._partitions):
            keys = Keys(self._settings.installation, self._settings.topic, number)
            conflicts = self._pools.conflicts((await look(self._store, keys)).fingerprints)
            if conflicts:
                more = f" (and {len(conflicts) - 1} more)" if len(conflicts) > 1 else ""
                raise Unusable(f"the configuration would change stored ratings: {conflicts[0]}{more}")
