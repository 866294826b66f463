"""What lies in a topic: where each log begins and ends, how much of it a group has not read, records themselves."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from service.broker import ASK_S, describe_group, describe_topic
from service.brokers import Brokers
from service.log import LogUnavailable, answered, closed

NEAR: Final = 1_000
"""Records that are read and left out rather than jumped over."""


class Record(Protocol):
    """What is looked at of a record; ``timestamp`` in milliseconds, ``timestamp_type`` 1 where the broker set it."""

    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None


class HeadedRecord(Record, Protocol):
    """A record with its headers."""

    headers: Sequence[tuple[str, bytes]]


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a partition's log begins, and the offset after its last."""

    first: int
    end: int


async def stable_ends(kafka: Brokers, topic: str, partitions: int) -> dict[int, int]:
    """Find the last stable offset of each partition: where the oldest open transaction begins, else the log's end.

    Raises
    ------
    LogUnavailable
    """
    consumer = AIOKafkaConsumer(**kafka.arguments(), enable_auto_commit=False, isolation_level="read_committed")
    with answered():
        try:
            await consumer.start()
            found = await consumer.end_offsets([TopicPartition(topic, partition) for partition in range(partitions)])
        finally:
            await closed(consumer.stop())
    return {place.partition: int(offset) for place, offset in found.items()}


async def extents(kafka: Brokers, topic: str, partitions: int) -> dict[int, Extent]:
    """Find where the log of each partition begins and ends.

    Raises
    ------
    LogUnavailable
    """
    return await look_at_newest(kafka, topic, partitions, 0, 0.0, lambda record: None)


async def lag(kafka: Brokers, topic: str, group: str) -> int | None:
    """Count the records of a topic that a consumer group has not committed; None where it never committed any.

    A partition without a commitment counts from its beginning.

    Parameters
    ----------
    kafka : Brokers
    topic, group : str

    Raises
    ------
    LogUnavailable
    """
    found = await describe_topic(kafka, topic)
    partitions = 0 if found is None else found.partitions
    committed = (await describe_group(kafka, topic, group, partitions)).committed
    if not committed:
        return None
    logs = await extents(kafka, topic, partitions)
    # A log that was made anew ends before what was committed.
    return sum(max(0, log.end - committed.get(number, log.first)) for number, log in logs.items())


async def look_at_newest(
    kafka: Brokers, topic: str, partitions: int, most: int, seconds: float, look: Callable[[HeadedRecord], None]
) -> dict[int, Extent]:
    """Show the newest records of every partition, in order of offset, committed or not; none is kept.

    Parameters
    ----------
    kafka : Brokers
    topic : str
    partitions : int
        How many it has.
    most : int
        Records of a partition.
    seconds : float
        When they have passed, what has not come is left out.
    look : callable
        Is given each record.

    Returns
    -------
    dict of Extent
        By partition.

    Raises
    ------
    LogUnavailable
    """
    consumer = AIOKafkaConsumer(
        **kafka.arguments(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=1 << 18,
    )
    places = [TopicPartition(topic, partition) for partition in range(partitions)]
    with answered():
        try:
            async with asyncio.timeout(ASK_S + seconds):
                await consumer.start()
                firsts, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
                consumer.assign(places)
                for place in places:
                    consumer.seek(place, max(firsts[place], ends[place] - most))
                behind, until = set(places), asyncio.get_running_loop().time() + seconds
                while behind := {place for place in behind if await consumer.position(place) < ends[place]}:
                    left = until - asyncio.get_running_loop().time()
                    if left <= 0:
                        break
                    for records in (await consumer.getmany(*behind, timeout_ms=int(min(left, 0.5) * 1000))).values():
                        for record in records:
                            look(record)
        finally:
            await closed(consumer.stop())
    return {place.partition: Extent(int(firsts[place]), int(ends[place])) for place in places}


async def read_records(kafka: Brokers, places: Collection[Place], seconds: float) -> dict[Place, HeadedRecord]:
    """Read records of which it is known where they lie; the answer lacks those that are no longer there.

    Parameters
    ----------
    kafka : Brokers
    places : collection of Place
        All of them are held in memory: ask for few at a time.
    seconds : float
        Time that Kafka has.

    Raises
    ------
    LogUnavailable
    """
    found: dict[Place, HeadedRecord] = {}
    try:
        async with asyncio.timeout(seconds):
            # Asked for a partition that does not exist, Kafka's client asks on for ever.
            topics = {name: await describe_topic(kafka, name) for name in {place.topic for place in places}}
            wanted: dict[TopicPartition, list[int]] = {}
            for place in sorted(places):
                about = topics[place.topic]
                if about is not None and place.partition < about.partitions:
                    wanted.setdefault(TopicPartition(place.topic, place.partition), []).append(place.offset)
            if wanted:
                await _collect_all(kafka, wanted, found)
    except TimeoutError as error:
        raise LogUnavailable(f"Kafka did not give its records within {seconds:g} s") from error
    return found


async def _collect_all(
    kafka: Brokers, wanted: Mapping[TopicPartition, Sequence[int]], found: dict[Place, HeadedRecord]
) -> None:
    consumer = AIOKafkaConsumer(**kafka.arguments(), enable_auto_commit=False, auto_offset_reset="none")
    with answered():
        try:
            await consumer.start()
            firsts, ends = await consumer.beginning_offsets(list(wanted)), await consumer.end_offsets(list(wanted))
            for log, offsets in wanted.items():
                there = [offset for offset in offsets if firsts[log] <= offset < ends[log]]
                await _collect(consumer, log, there, found)
        finally:
            await closed(consumer.stop())


async def _collect(
    consumer: AIOKafkaConsumer, log: TopicPartition, offsets: Sequence[int], found: dict[Place, HeadedRecord]
) -> None:
    """Read records at offsets that lie within a partition's log, in ascending order."""
    consumer.assign([log])
    waiting, position = deque(offsets), -NEAR
    while waiting:
        # Past a stretch that nobody wants, it is quicker to fetch anew than to read on.
        if waiting[0] - position >= NEAR:
            consumer.seek(log, waiting[0])
        wanted = set(waiting)
        for record in (await consumer.getmany(log, timeout_ms=500)).get(log, ()):
            if record.offset in wanted:
                found[Place(log.topic, log.partition, record.offset)] = record
        position = await consumer.position(log)
        # Whatever was passed is there or will never be: a compacted log has gaps, a transaction's marker is no record.
        while waiting and waiting[0] < position:
            waiting.popleft()
