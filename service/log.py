"""Kafka's writing side: the producer, and the names of topics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, UnknownTopicOrPartitionError, for_code

TOPIC_SETTINGS: Final = {"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": str(2 << 20)}
"""Of a topic of matches: the log decides, so it keeps all; the largest record fits with what is around it."""

MOST_REPLICAS: Final = 3
"""Of a topic that is made here; fewer where there are fewer brokers."""


class LogUnavailable(Exception):
    """Kafka did not answer, or refused; whether what was sent is there is not known."""


@contextmanager
def answered() -> Iterator[None]:
    """Turn what Kafka's client raises into `LogUnavailable`, in one line."""
    try:
        yield
    except KafkaConnectionError as error:
        # Its text is a list of socket addresses.
        raise LogUnavailable("Kafka does not answer") from error
    except KafkaError as error:
        raise LogUnavailable(f"Kafka: {' '.join(str(error).split()) or type(error).__name__}") from error


def dead_letters_topic(topic: str) -> str:
    """Name of the topic that keeps what could not be used."""
    return f"{topic}.dead-letters"


def producer(kafka: str) -> AIOKafkaProducer:
    """A producer that loses nothing and repeats nothing: every replica acknowledges, repeats are recognised.

    Parameters
    ----------
    kafka : str
        ``HOST:PORT``, several separated by commas.
    """
    return AIOKafkaProducer(
        bootstrap_servers=kafka,
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_batch_size=1 << 18,
        max_request_size=4 << 20,
    )


async def count_partitions(kafka: str, topic: str) -> int:
    """Count the partitions of a topic; 0 where there is no such topic.

    Raises
    ------
    LogUnavailable
    """
    async with _admin(kafka) as admin:
        return await _count(admin, topic)


async def ensure_topic(kafka: str, topic: str, partitions: int) -> int:
    """Make a topic of matches unless it is there.

    Parameters
    ----------
    kafka : str
        ``HOST:PORT``, several separated by commas.
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
    async with _admin(kafka) as admin:
        found = await _count(admin, topic)
        if found:
            return found
        replicas = min(MOST_REPLICAS, len((await admin.describe_cluster())["brokers"]))
        answer = await admin.create_topics([NewTopic(topic, partitions, replicas, topic_configs=TOPIC_SETTINGS)])
        for _, code, *_ in answer.topic_errors:
            if code:
                raise for_code(code)(f"topic {topic!r} could not be made")
        return partitions


async def cleanup_policy(kafka: str, topic: str) -> str:
    """Read how a topic forgets: ``delete``, ``compact`` or both.

    Raises
    ------
    LogUnavailable
    """
    async with _admin(kafka) as admin:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        settings = {name: value for name, value, *_ in answer.resources[0][4]}
        return str(settings.get("cleanup.policy", "delete"))


@asynccontextmanager
async def _admin(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    try:
        with answered():
            await admin.start()
            yield admin
    finally:
        await admin.close()


async def _count(admin: AIOKafkaAdminClient, topic: str) -> int:
    (found,) = await admin.describe_topics([topic])
    code = found["error_code"]
    if code == UnknownTopicOrPartitionError.errno:
        return 0
    if code:
        raise for_code(code)(topic)
    return len(found["partitions"])
