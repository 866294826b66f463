"""Dead letters: records that cannot be used, kept in a topic of their own with the reason."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from consumers.judge import Record
from service.log import dead_letters_topic
from service.problems import Problem

KEPT_BYTES: Final = 1 << 18
"""A longer value is kept by its beginning and its digest."""

SEND_S: Final = 10.0


class DeadLettersUnavailable(Exception):
    """Kafka did not take the dead letters; the batch must not be applied."""


class DeadLetters:
    """Writes the dead letters of a topic.

    A letter's key is ``topic/partition/offset`` of its record, so that a letter sent twice is recognised. Letters of a
    partition go to the one of the same number, round and round where there are fewer, and many in one request: one by
    one they would take longer than all else that is done for their records.

    Parameters
    ----------
    producer : AIOKafkaProducer
        Started; it must wait for every replica.
    topic : str
        The topic of matches.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def send(self, partition: int, letters: Sequence[tuple[Record, Problem]]) -> None:
        """Send letters and wait until Kafka has all of them.

        Raises
        ------
        DeadLettersUnavailable
            Not all were acknowledged in time. Sending them again is safe.
        """
        if not letters:
            return
        try:
            async with asyncio.timeout(SEND_S):
                await self._send(partition, letters)
        except (KafkaError, TimeoutError) as error:
            raise DeadLettersUnavailable(f"Kafka did not take the dead letters: {error!r}") from error

    async def _send(self, partition: int, letters: Sequence[tuple[Record, Problem]]) -> None:
        producer, topic = self._producer, dead_letters_topic(self._topic)
        place = partition % len(await producer.partitions_for(topic))
        sent: list[asyncio.Future[object]] = []
        batch = producer.create_batch()
        for record, problem in letters:
            letter = self._letter(partition, record, problem)
            # An empty one takes any letter.
            if batch.append(**letter) is None:
                sent.append(await producer.send_batch(batch, topic, partition=place))
                batch = producer.create_batch()
                batch.append(**letter)
        sent.append(await producer.send_batch(batch, topic, partition=place))
        await asyncio.gather(*sent)

    def _letter(self, partition: int, record: Record, problem: Problem) -> dict[str, Any]:
        value = record.value
        headers = [
            ("reason", problem.type.slug.encode()),
            ("detail", problem.detail.encode(errors="replace")[:1024]),
            ("topic", self._topic.encode()),
            ("partition", str(partition).encode()),
            ("offset", str(record.offset).encode()),
            ("timestamp", str(record.timestamp).encode()),
        ]
        if problem.errors:
            headers.append(("field", problem.errors[0].field.encode(errors="replace")[:256]))
        if record.key is not None:
            headers.append(("key", record.key[:1024]))
        if value is not None and len(value) > KEPT_BYTES:
            headers.append(("bytes", str(len(value)).encode()))
            headers.append(("sha256", hashlib.sha256(value).hexdigest().encode()))
            value = value[:KEPT_BYTES]
        key = f"{self._topic}/{partition}/{record.offset}".encode()
        return {"timestamp": None, "key": key, "value": value, "headers": headers}
