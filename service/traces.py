"""Traces from the request that sends a match to the batch that applies it; off, at no cost, unless an endpoint is set.

The endpoint is the one that OpenTelemetry itself names, ``OTEL_EXPORTER_OTLP_ENDPOINT``: whatever else there is to say
of where traces go (headers, certificates, sampling, resources) has a name there already, and its SDK reads them all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from service.telemetry import Answering, Telemetry

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"

HEADER: Final = "traceparent"
"""Of a request, and of a record: the span that it comes from, as W3C Trace Context writes it."""

Headers = Sequence[tuple[str, bytes]]


class Headed(Protocol):
    """What is read of a Kafka record."""

    offset: int

    @property
    def headers(self) -> Headers:
        """Names and values."""
        ...


class EndpointInvalid(Exception):
    """Traces are wanted, and where they are to go cannot be understood."""


# One for the process, as the metrics are: whoever makes a span must not need to be handed it.
_telemetry: Telemetry | None = None


@contextmanager
def tracing(part: str) -> Iterator[None]:
    """Trace what is done inside, if an endpoint is set; at the end, what was not yet sent has a moment to leave.

    Parameters
    ----------
    part : str
        ``ingest``, ``serve``, ...: the service's name is ``standings-`` and that, unless ``OTEL_SERVICE_NAME`` is set.

    Raises
    ------
    EndpointInvalid
        In one line.
    """
    global _telemetry  # noqa: PLW0603 - see above
    endpoint = os.environ.get(ENDPOINT)
    if not endpoint:
        yield
        return
    try:
        address = urlsplit(endpoint)
        usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise EndpointInvalid(f"{ENDPOINT}: {endpoint!r} is no address of a collector, such as http://127.0.0.1:4318")
    # Here alone, since it takes a moment and some megabytes.
    from service.telemetry import Telemetry

    _telemetry = telemetry = Telemetry(part)
    try:
        yield
    finally:
        _telemetry = None
        telemetry.end()


def answering(traceparent: str) -> AbstractContextManager[Answering | None]:
    """Span of a request that is answered inside; none where traces are off."""
    return nullcontext() if _telemetry is None else _telemetry.answering(traceparent)


def sending(topic: str) -> AbstractContextManager[Headers]:
    """Span of records that are sent inside; gives the headers that each is to have, none where traces are off."""
    return nullcontext(()) if _telemetry is None else _telemetry.sending(topic)


def applying(topic: str, partition: int, records: Sequence[Headed], begun: float) -> AbstractContextManager[object]:
    """Span of a batch that is applied inside, linked to those of its records; none where none of them has one.

    Parameters
    ----------
    topic : str
    partition : int
    records : sequence of Headed
        The batch.
    begun : float
        When it was begun, in seconds of the monotonic clock.
    """
    return nullcontext() if _telemetry is None else _telemetry.applying(topic, partition, records, begun)


def ids() -> dict[str, str]:
    """Ids of the span that is open here, for a line of the log; nothing where there is none."""
    return {} if _telemetry is None else _telemetry.ids()
