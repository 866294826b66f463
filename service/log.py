"""Kafka's writing side: the producer, the names of topics, and how its faults are told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from service.brokers import Brokers

_send = AIOKafkaConnection.send


def _send_or_close(self: AIOKafkaConnection, *arguments: Any, **more: Any) -> Any:
    """Send a request; a connection that is gone is said to be gone, by whichever error it is told.

    Where the other end has closed it, uvloop raises `RuntimeError` where asyncio raises `OSError`. aiokafka
    knows only that one (its issue 1038): the task that fetches, or commits, or sends would die of it, unnoticed.
    """
    try:
        return _send(self, *arguments, **more)
    except RuntimeError as error:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error


AIOKafkaConnection.send = _send_or_close

_connect = AIOKafkaConnection.connect
_refusals: Final[ContextVar[list[str] | None]] = ContextVar("refusals", default=None)
"""Why connections were refused since `answered` was entered."""


async def _connect_and_tell(self: AIOKafkaConnection) -> Any:
    """Connect; note why it was refused, of which aiokafka's callers hear no more than that there is no connection."""
    try:
        return await _connect(self)
    except (OSError, KafkaError) as error:
        noted, why = _refusals.get(), _refusal(self, error)
        if noted is not None and why is not None:
            noted.append(why)
        raise


AIOKafkaConnection.connect = _connect_and_tell


def _refusal(connection: AIOKafkaConnection, error: Exception) -> str | None:
    """Say which setting is wrong; None where nobody answers."""
    security = connection._security_protocol  # noqa: SLF001 - it has no other name
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Kafka's certificate is not accepted: {error.verify_message} (STANDINGS_KAFKA_CA)"
    if isinstance(error, AuthenticationFailedError | SaslAuthenticationFailed):
        return "Kafka refuses the user or the password (STANDINGS_KAFKA_USER, STANDINGS_KAFKA_PASSWORD)"
    if isinstance(error, UnsupportedSaslMechanismError):
        return "Kafka does not take this SASL mechanism (STANDINGS_KAFKA_MECHANISM)"
    if isinstance(error, IllegalSaslStateError):
        return f"Kafka asks for no user there: not {security} (STANDINGS_KAFKA_SECURITY)"
    if isinstance(error, ssl.SSLError | ConnectionResetError | KafkaConnectionError):
        return f"Kafka breaks off what begins as {security}: another may be spoken there (STANDINGS_KAFKA_SECURITY)"
    return None


CLOSE_S: Final = 5.0
"""Time that a client has to close its connections; they end with the process at the latest."""


class LogUnavailable(Exception):
    """Kafka did not answer, or refused; whether what was sent is there is not known."""


@contextmanager
def answered() -> Iterator[None]:
    """Turn what Kafka's client raises into `LogUnavailable`, in one line."""
    refusals: list[str] = []
    outside = _refusals.get()
    _refusals.set(refusals)
    try:
        yield
    except KafkaConnectionError as error:
        # Its text is a list of socket addresses.
        raise LogUnavailable(refusals[-1] if refusals else "Kafka does not answer") from error
    except KafkaError as error:
        raise LogUnavailable(f"Kafka: {' '.join(str(error).split()) or type(error).__name__}") from error
    except TimeoutError as error:
        raise LogUnavailable("Kafka does not answer in time") from error
    finally:
        _refusals.set(outside)


async def closed(closing: Awaitable[None]) -> None:
    """Wait until a client of Kafka is closed, but not for ever, as it sometimes would."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await closing


def dead_letters_topic(topic: str) -> str:
    """Name of the topic that keeps what could not be used."""
    return f"{topic}.dead-letters"


def matchups_topic(topic: str) -> str:
    """Name of the topic that accounts for every matchup."""
    return f"{topic}.matchups"


def producer(kafka: Brokers, linger_ms: int = 5) -> AIOKafkaProducer:
    """A producer that loses nothing and repeats nothing: every replica acknowledges, repeats are recognised.

    Parameters
    ----------
    kafka : Brokers
    linger_ms : int
        Time that a record may wait for others to be sent with.
    """
    return AIOKafkaProducer(
        **kafka.arguments(),
        acks="all",
        enable_idempotence=True,
        linger_ms=linger_ms,
        max_batch_size=1 << 18,
        max_request_size=4 << 20,
    )
