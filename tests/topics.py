"""Kafka's side of the tests: topics made, records written as they are given, a whole topic read back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.oracle import Record, partition_of

DEADLINE_S = 60.0
LARGEST = 4 << 20


class Item(NamedTuple):
    """A record to be written; without a partition, where its pool belongs."""

    key: bytes | None
    value: bytes | None
    timestamp: int
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Read(NamedTuple):
    """A partition read back: committed records, and where the log ends (behind the last marker, too)."""

    records: list[Record]
    end: int


Log = dict[int, Read]


def item(match: dict[str, Any], timestamp: int, headers: tuple[tuple[str, bytes], ...] = ()) -> Item:
    return Item(match["pool"].encode(), json.dumps(match).encode(), timestamp, headers=headers)


@asynccontextmanager
async def admin(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka)
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def make_topic(kafka: str, topic: str, partitions: int) -> None:
    async with admin(kafka) as client:
        # Records are given timestamps of their own, which a broker finds too old or too new by default.
        configs = {
            "max.message.bytes": str(LARGEST),
            "retention.ms": "-1",
            "message.timestamp.after.max.ms": str(2**63 - 1),
        }
        await client.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])
    # The broker answers before it tells of them.
    deadline = time.monotonic() + DEADLINE_S
    while len(await _numbers(kafka, topic)) < partitions:
        assert time.monotonic() < deadline, f"{topic} was not made"
        await asyncio.sleep(0.02)


async def set_topic(kafka: str, topic: str, settings: dict[str, str]) -> None:
    """Set a topic; what is not named goes back to what it is by default."""
    async with admin(kafka) as client:
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])


async def add_partitions(kafka: str, topic: str, total: int) -> None:
    async with admin(kafka) as client:
        await client.create_partitions({topic: NewPartitions(total)})


async def remove_topic(kafka: str, topic: str) -> None:
    """Return once the broker has no trace of it, so that the name can be given again."""
    async with admin(kafka) as client:
        await client.delete_topics([topic])
        deadline = time.monotonic() + DEADLINE_S
        while topic in await client.list_topics():
            assert time.monotonic() < deadline, f"{topic} was not deleted"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def producer(kafka: str, transactional_id: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
    client = AIOKafkaProducer(
        bootstrap_servers=kafka,
        acks="all",
        max_batch_size=1 << 18,
        max_request_size=LARGEST,
        transactional_id=transactional_id,
    )
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def write(client: AIOKafkaProducer, topic: str, partitions: int, items: Iterable[Item]) -> None:
    """Write records in their order, partition by partition."""
    by_partition: dict[int, list[Item]] = {}
    for one in items:
        place = one.partition
        if place is None:
            assert one.key is not None, "only a key says where a record belongs"
            place = partition_of(one.key.decode(), partitions)
        by_partition.setdefault(place, []).append(one)
    sent: list[asyncio.Future[object]] = []
    for place, those in by_partition.items():
        batch = client.create_batch()
        for one in those:
            while (
                batch.append(timestamp=one.timestamp, key=one.key, value=one.value, headers=list(one.headers)) is None
            ):
                sent.append(await client.send_batch(batch, topic, partition=place))
                batch = client.create_batch()
        batch.close()
        sent.append(await client.send_batch(batch, topic, partition=place))
    await asyncio.gather(*sent)


def produce(kafka: str, topic: str, partitions: int, items: Iterable[Item]) -> None:
    async def work() -> None:
        async with producer(kafka) as client:
            await write(client, topic, partitions, items)

    asyncio.run(work())


def make(kafka: str, topic: str, partitions: int, items: Iterable[Item] = ()) -> None:
    """Make a topic and write its first records."""
    asyncio.run(make_topic(kafka, topic, partitions))
    produce(kafka, topic, partitions, items)


class Letter(NamedTuple):
    """A dead letter as it lies in its topic."""

    key: bytes
    value: bytes | None
    headers: dict[str, bytes]


async def _fetch(kafka: str, topic: str) -> dict[int, tuple[list[Any], int]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=LARGEST,
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in sorted(await _numbers(kafka, topic))]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        found: dict[TopicPartition, list[Any]] = {place: [] for place in places}
        deadline = time.monotonic() + DEADLINE_S
        while any([await consumer.position(place) < ends[place] for place in places]):
            assert time.monotonic() < deadline, f"{topic} was not read to its end"
            for place, records in (await consumer.getmany(timeout_ms=100)).items():
                found[place] += records
    finally:
        await consumer.stop()
    return {place.partition: (found[place], ends[place]) for place in places}


async def _numbers(kafka: str, topic: str) -> list[int]:
    async with admin(kafka) as client:
        (about,) = await client.describe_topics([topic])
    return [partition["partition"] for partition in about["partitions"]]


def read_back(kafka: str, topic: str) -> Log:
    """Every committed record of a topic, by partition."""
    return {
        number: Read(
            [Record(one.offset, one.timestamp, one.key, one.value, tuple(one.headers)) for one in records], end
        )
        for number, (records, end) in asyncio.run(_fetch(kafka, topic)).items()
    }


def read_letters(kafka: str, topic: str) -> dict[str, Letter]:
    """Dead letters by key; one that was sent again, after a crash, must be the same again."""
    letters: dict[str, Letter] = {}
    for records, _ in asyncio.run(_fetch(kafka, f"{topic}.dead-letters")).values():
        for one in records:
            letter = Letter(one.key, one.value, dict(one.headers))
            assert letters.setdefault(one.key.decode(), letter) == letter
    return letters
