"""Matches from the API to Kafka: acknowledged by every replica, or known not to be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from service.brokers import Brokers
from service.log import LogUnavailable, answered, producer
from service.partitioner import Partitioner, partition_of

SEND_S: Final = 8.0
"""Time that Kafka has to take what one request sends, connecting included."""

STOP_S: Final = 5.0


class Sent(NamedTuple):
    """Where a record lies."""

    partition: int
    offset: int


class Writer:
    """Sends records to the topic of matches. Connects when the first is sent, so that reads need no Kafka.

    Parameters
    ----------
    kafka : Brokers
    topic : str
    partitioner : {"murmur2", "crc32"}
        Which pool belongs in which partition.
    """

    def __init__(self, kafka: Brokers, topic: str, partitioner: Partitioner) -> None:
        self._kafka = kafka
        self._topic = topic
        self._partitioner = partitioner
        self._producer: Any = None
        self._connecting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def send(
        self, records: Sequence[tuple[str, bytes]], headers: Sequence[tuple[str, bytes]]
    ) -> list[Sent | None]:
        """Send records, each to its pool's partition, in their order.

        Parameters
        ----------
        records : sequence of (pool, value)
        headers : sequence of (name, value)
            Of every record.

        Returns
        -------
        list of Sent or None
            For each record where it lies; None where it is not known whether Kafka has it.

        Raises
        ------
        LogUnavailable
            Kafka has none of them: no connection, no topic.
        """
        deadline = asyncio.get_running_loop().time() + SEND_S
        try:
            async with asyncio.timeout_at(deadline):
                client = await self._connected()
                with answered():
                    partitions = len(await client.partitions_for(self._topic))
        except TimeoutError as error:
            # Kafka's client does not say that there is no such topic; it asks again and again.
            what = "did not answer" if self._producer is None else f"did not tell of the topic {self._topic!r}"
            raise LogUnavailable(f"Kafka {what} within {SEND_S:g} s") from error
        futures: list[asyncio.Future[Any]] = []
        failed = False
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                for pool, value in records:
                    place = partition_of(pool, partitions, self._partitioner)
                    try:
                        with answered():
                            future = await client.send(
                                self._topic, value, pool.encode(), partition=place, headers=headers
                            )
                    except LogUnavailable:
                        failed = True
                        break
                    futures.append(future)
                if futures:
                    await asyncio.wait(futures)
        sent = [_settled(future) for future in futures]
        if failed or None in [place for place, future in zip(sent, futures, strict=True) if future.done()]:
            # A producer that was refused may refuse all that follows.
            self._drop()
        return [*sent, *([None] * (len(records) - len(sent)))]

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._producer is None:
                # Somebody waits for the answer.
                client = producer(self._kafka, linger_ms=0)
                try:
                    with answered():
                        await client.start()
                except BaseException:
                    self._end(client)
                    raise
                self._producer = client
            return self._producer

    def _drop(self) -> None:
        client, self._producer = self._producer, None
        if client is not None:
            self._end(client)

    def _end(self, client: Any) -> None:
        task = asyncio.create_task(_stop(client))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """End the connection; what is on its way has `STOP_S` to arrive."""
        self._drop()
        await asyncio.gather(*self._closing)


async def _stop(client: Any) -> None:
    with suppress(TimeoutError, Exception):
        async with asyncio.timeout(STOP_S):
            await client.stop()


def _settled(future: asyncio.Future[Any]) -> Sent | None:
    if not future.done():
        # Nobody asks later how it went.
        future.add_done_callback(lambda late: late.cancelled() or late.exception())
        return None
    if future.cancelled() or future.exception() is not None:
        return None
    found = future.result()
    return Sent(found.partition, found.offset)
