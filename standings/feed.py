"""Matches to Kafka: whole batches by partition, acknowledged, in order within a pool; and ``standings feed``."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

from service import traces
from service.broker import describe_topic
from service.log import LogUnavailable, answered, producer
from service.match import check_ahead
from service.partitioner import partition_of
from service.problems import Problem
from service.settings import Settings
from service.traces import Headers
from standings.brake import MOST_LAG, Brake
from standings.errors import Mistake, Trouble
from standings.files.report import BadRows, Progress
from standings.files.rows import Row, Rows
from standings.files.source import Source

WAIT_S: Final = 10.0
"""Time that `feed` waits for a broker before it gives up."""

ANSWER_S: Final = 20.0
"""Time that Kafka has to take a batch. An idempotent producer itself would try for ever."""

STOP_S: Final = 5.0
"""Time that what is on its way has to arrive when sending ends early."""


class Sender:
    """Sends matches to their pools' partitions. One batch a partition is filled while another is on its way.

    A context manager: connects at the beginning, waits for what is on its way at the end.

    Parameters
    ----------
    settings : Settings
        Kafka's address, the topic, the partitioner.
    partitions : int
        Of the topic.
    headers : sequence of (name, value)
        Of every record.

    Attributes
    ----------
    sent : int
        Matches that Kafka acknowledged.
    """

    def __init__(self, settings: Settings, partitions: int, headers: Headers = ()) -> None:
        self.sent = 0
        self._settings = settings
        self._partitions = partitions
        self._headers = list(headers)
        self._producer = producer(settings.brokers)
        self._partition_of: dict[str, int] = {}
        self._open: dict[int, Any] = {}
        self._on_their_way: list[tuple[asyncio.Future[object], int]] = []

    async def __aenter__(self) -> Self:
        with answered():
            await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # aiokafka's stop waits for what is on its way, as long as that may take.
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._producer.stop()
        for future, count in self._on_their_way:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.sent += count

    async def add(self, pool: str, value: bytes) -> None:
        """Add a match to its partition's batch; its record has the time of now.

        Raises
        ------
        LogUnavailable
        """
        partition = self._partition_of.get(pool)
        if partition is None:
            partition = partition_of(pool, self._partitions, self._settings.partitioner)
            self._partition_of[pool] = partition
        key = pool.encode()
        batch = self._open.get(partition)
        if batch is None or batch.append(key=key, value=value, timestamp=None, headers=self._headers) is None:
            if batch is not None:
                await self._send(partition)
            batch = self._open[partition] = self._producer.create_batch()
            # The first record of a batch is taken whatever its size.
            batch.append(key=key, value=value, timestamp=None, headers=self._headers)

    async def send(self) -> None:
        """Let go of batches that are not full.

        Raises
        ------
        LogUnavailable
        """
        for partition in list(self._open):
            await self._send(partition)

    async def flush(self) -> None:
        """Send what was added and wait until Kafka has all of it.

        Raises
        ------
        LogUnavailable
        """
        await self.send()
        async with _in_time():
            await asyncio.gather(*(future for future, _ in self._on_their_way))
        self._settle()

    async def _send(self, partition: int) -> None:
        self._settle()
        batch = self._open.pop(partition)
        async with _in_time():
            # Waits while the batch before it has not left.
            future = await self._producer.send_batch(batch, self._settings.topic, partition=partition)
        self._on_their_way.append((future, batch.record_count()))

    def _settle(self) -> None:
        """Count what was acknowledged; raise what was refused."""
        waiting = []
        with answered():
            for future, count in self._on_their_way:
                if future.done():
                    future.result()
                    self.sent += count
                else:
                    waiting.append((future, count))
        self._on_their_way = waiting


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        with answered():
            async with asyncio.timeout(ANSWER_S):
                yield
    except TimeoutError as error:
        raise LogUnavailable(f"Kafka took nothing for {ANSWER_S:g} s") from error


async def feed(source: Source, settings: Settings, most_lag: int = MOST_LAG) -> None:
    """Send a file's matches to the topic; say on standard error how far it is and what became of it.

    Parameters
    ----------
    source : Source
        The file, and how its rows are to be read.
    settings : Settings
    most_lag : int
        Records that the consumer group may be behind before sending waits for it.

    Raises
    ------
    Mistake
        The file cannot be read, or has a bad row and the source is strict; there is no such topic.
    Trouble
        Kafka does not answer.
    """
    with Rows(source) as rows, traces.sending(settings.topic) as traced:
        sender = Sender(settings, await _find_topic(settings), traced)
        brake = Brake(settings, most_lag)
        bad = BadRows(rows.name, source.strict)
        try:
            async with sender:
                await _send_rows(rows, sender, brake, bad)
        except LogUnavailable as error:
            raise Trouble(f"{error}; feeding the same file again is safe") from error
        finally:
            bad.close()
            sys.stderr.write(f"{rows.name}: {sender.sent:,} matches sent, {bad.count:,} rows refused\n")


async def _find_topic(settings: Settings) -> int:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            topic = await describe_topic(settings.brokers, settings.topic)
        except LogUnavailable as error:
            if time.monotonic() > deadline:
                raise Trouble(f"{error} at {settings.kafka} (waited {WAIT_S:g} s)") from error
            await asyncio.sleep(0.5)
        else:
            if topic is None:
                raise Mistake(f"Kafka at {settings.kafka} has no topic {settings.topic!r}")
            return topic.partitions


async def _send_rows(rows: Rows, sender: Sender, brake: Brake, bad: BadRows) -> None:
    blocks = rows.blocks()
    with Progress(rows) as progress:
        while True:
            block = next(blocks, None) if rows.size is not None else await _next_in_thread(blocks)
            if block is None:
                break
            await brake.hold(len(block))
            try:
                await _send_block(block, sender, bad)
            except Mistake:
                # What stood before the bad row is as good as it was.
                await sender.flush()
                raise
            if rows.size is None:
                # The next block may be long in coming.
                await sender.send()
            progress.show(sender.sent)
        await sender.flush()


async def _send_block(block: Sequence[Row], sender: Sender, bad: BadRows) -> None:
    now = int(time.time() * 1000)
    for line, value, found in block:
        if isinstance(found, Problem):
            bad.add(line, found)
            continue
        try:
            check_ahead(found, now)
        except Problem as problem:
            bad.add(line, problem)
        else:
            await sender.add(found.pool, value)


async def _next_in_thread(blocks: Iterator[list[Row]]) -> list[Row] | None:
    """Wait for a pipe beside the event loop, in a thread that nobody waits for when all else has ended."""
    found: Future[list[Row] | None] = Future()

    def read() -> None:
        try:
            found.set_result(next(blocks, None))
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            found.set_exception(error)

    threading.Thread(target=read, daemon=True).start()
    return await asyncio.wrap_future(found)
