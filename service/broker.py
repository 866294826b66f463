"""What Kafka's brokers say of themselves, of topics and of groups; and the one thing that is made there, a topic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.errors import TopicAlreadyExistsError, for_code

from service.brokers import Brokers
from service.log import answered, closed

TOPIC_SETTINGS: Final = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "max.message.bytes": str(2 << 20),
}
"""Of a topic of matches: the log decides, so it keeps all; the largest record fits with what is around it."""

MOST_REPLICAS: Final = 3
"""Of a topic that is made here; fewer where there are fewer brokers."""

ASK_S: Final = 60.0
"""Time for the questions of one connection, together; three brokers that do not answer take less."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as its brokers describe it.

    Attributes
    ----------
    partitions : int
        How many it has.
    replicas, in_sync : int
        Of the partition that has fewest, and of the one that has fewest up to date.
    settings : mapping
        Its settings in force, by Kafka's names.
    """

    partitions: int
    replicas: int
    in_sync: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group.

    Attributes
    ----------
    members : int
        How many of its members read the topic.
    committed : mapping
        Offsets, by partition.
    told : mapping
        What was committed beside them, by partition.
    ids : collection of str
        Of all its members, as Kafka gave them.
    """

    members: int
    committed: Mapping[int, int]
    told: Mapping[int, str] = field(default_factory=dict)
    ids: Collection[str] = ()


async def ensure_topic(kafka: Brokers, topic: str, partitions: int) -> int:
    """Make a topic of matches unless it is there.

    Parameters
    ----------
    kafka : Brokers
    topic : str
        Its name.
    partitions : int
        For a new topic; one that exists keeps what it has.

    Returns
    -------
    int
        The partitions that it has.

    Raises
    ------
    LogUnavailable
    """
    found = await describe_topic(kafka, topic)
    if found is not None:
        return found.partitions
    async with _admin(kafka) as admin:
        replicas = min(MOST_REPLICAS, len((await admin.describe_cluster())["brokers"]))
        answer = await admin.create_topics([NewTopic(topic, partitions, replicas, topic_configs=TOPIC_SETTINGS)])
        for _, code, *_ in answer.topic_errors:
            # Another process that starts may have been quicker.
            if code not in (0, TopicAlreadyExistsError.errno):
                raise for_code(code)(f"topic {topic!r} could not be made")
        return partitions


async def count_brokers(kafka: Brokers) -> int:
    """Count the brokers of the cluster.

    Raises
    ------
    LogUnavailable
    """
    async with _admin(kafka) as admin:
        return len((await admin.describe_cluster())["brokers"])


async def describe_topic(kafka: Brokers, topic: str) -> Topic | None:
    """Describe a topic; None where there is no such topic.

    Raises
    ------
    LogUnavailable
    """
    async with _admin(kafka) as admin:
        # By its name, a broker that makes topics on demand would make it.
        found = next((one for one in await admin.describe_topics() if one["topic"] == topic), None)
        if found is None or not found["partitions"]:
            return None
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    code, message, _, _, entries = answer.resources[0]
    with answered():
        if code:
            raise for_code(code)(message or topic)
    return Topic(
        partitions=len(found["partitions"]),
        replicas=min(len(partition["replicas"]) for partition in found["partitions"]),
        in_sync=min(len(partition["isr"]) for partition in found["partitions"]),
        settings={name: value for name, value, *_ in entries if value is not None},
    )


async def describe_group(kafka: Brokers, topic: str, group: str, partitions: int) -> Group:
    """Describe a consumer group of a topic; one that does not exist has no members and committed nothing.

    Raises
    ------
    LogUnavailable
    """
    async with _admin(kafka) as admin:
        members = await _members(admin, group)
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        found = await admin.list_consumer_group_offsets(group, partitions=places)
    entries = {place.partition: entry for place, entry in found.items() if entry.offset >= 0}
    return Group(
        members=_count(members, topic),
        committed={partition: entry.offset for partition, entry in entries.items()},
        told={partition: entry.metadata for partition, entry in entries.items()},
        ids=[member for member, *_ in members],
    )


async def count_members(kafka: Brokers, topic: str, group: str) -> int:
    """Count the members of a consumer group that read a topic; one that died counts until its session is over.

    Raises
    ------
    LogUnavailable
    """
    async with _admin(kafka) as admin:
        return _count(await _members(admin, group), topic)


async def _members(admin: AIOKafkaAdminClient, group: str) -> Sequence[Sequence[Any]]:
    (answer,) = await admin.describe_consumer_groups([group])
    code, _, _, _, _, members, *_ = answer.groups[0]
    if code:
        raise for_code(code)(f"group {group!r} cannot be described")
    found: Sequence[Sequence[Any]] = members
    return found


def _count(members: Sequence[Sequence[Any]], topic: str) -> int:
    """Count those that read a topic. While a group shares out its partitions, Kafka does not say what they read."""
    read = [ConsumerProtocolMemberMetadata.decode(data).subscription if data else [topic] for *_, data, _ in members]
    return sum(topic in topics for topics in read)


@asynccontextmanager
async def _admin(kafka: Brokers) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**kafka.arguments())
    try:
        with answered():
            async with asyncio.timeout(ASK_S):
                await admin.start()
                yield admin
    finally:
        await closed(admin.close())
