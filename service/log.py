"""Kafka's writing side: the producer, the names of topics, and how its faults are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError


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


def producer(kafka: str, linger_ms: int = 5) -> AIOKafkaProducer:
    """A producer that loses nothing and repeats nothing: every replica acknowledges, repeats are recognised.

    Parameters
    ----------
    kafka : str
        ``HOST:PORT``, several separated by commas.
    linger_ms : int
        Time that a record may wait for others to be sent with.
    """
    return AIOKafkaProducer(
        bootstrap_servers=kafka,
        acks="all",
        enable_idempotence=True,
        linger_ms=linger_ms,
        max_batch_size=1 << 18,
        max_request_size=4 << 20,
    )
