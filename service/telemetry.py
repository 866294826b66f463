"""Spans, by OpenTelemetry, sent to a collector over OTLP/HTTP. Imported where traces are on, and nowhere else."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.environment_variables import OTEL_SERVICE_NAME
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.traces import HEADER, Headed, Headers

MOST_LINKS: Final = 128
"""Spans that a batch is linked to; the newest of its records are the ones that are left out."""

FLUSH_S: Final = 1.5
"""Time that spans have to leave when the process ends; ingest ends within 2 s of its last work, whatever hangs."""

QUIET_S: Final = 60.0
"""A collector that is away is told of this often; spans that do not fit into the queue meanwhile are dropped."""

_propagator: Final = TraceContextTextMapPropagator()


class Telemetry:
    """Makes spans and sends them, in a thread of its own, with a queue of 2,048.

    Parameters
    ----------
    part : str
        Names the service.
    """

    def __init__(self, part: str) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)
        logging.getLogger(trace_exporter.__name__).addFilter(_Seldom())
        name = os.environ.get(OTEL_SERVICE_NAME, f"standings-{part}")
        resource = Resource.create({SERVICE_NAME: name, SERVICE_VERSION: version("standings")})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(trace_exporter.OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("standings")

    def end(self) -> None:
        """Send what was not yet sent; a collector that does not answer holds nobody up for longer than `FLUSH_S`."""
        # The SDK would wait for half a minute.
        last = threading.Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        last.join(FLUSH_S)

    @contextmanager
    def answering(self, traceparent: str) -> Iterator[Answering]:
        """See `service.traces.answering`."""
        span = self._tracer.start_span("request", _context(traceparent), SpanKind.SERVER)
        with use_span(span):
            try:
                yield Answering(span)
            finally:
                # Nobody has answered, be it that the client went away.
                if span.is_recording():
                    span.end()

    @contextmanager
    def sending(self, topic: str) -> Iterator[Headers]:
        """See `service.traces.sending`."""
        attributes = {
            "messaging.system": "kafka",
            "messaging.operation.type": "send",
            "messaging.destination.name": topic,
        }
        with self._tracer.start_as_current_span(f"send {topic}", kind=SpanKind.PRODUCER, attributes=attributes):
            carrier: dict[str, str] = {}
            _propagator.inject(carrier)
            yield [(HEADER, carrier[HEADER].encode())] if HEADER in carrier else []

    def applying(
        self, topic: str, partition: int, records: Sequence[Headed], begun: float
    ) -> AbstractContextManager[object]:
        """See `service.traces.applying`."""
        sent = _sent_by(records)
        if not sent:
            return nullcontext()
        # Of one trace, as where few matches come in, it is a part of that; a batch of several is in none of them.
        alone = len({one.trace_id for one in sent}) == 1
        return self._tracer.start_as_current_span(
            f"apply {topic}",
            context=set_span_in_context(NonRecordingSpan(sent[0]), Context()) if alone else Context(),
            kind=SpanKind.CONSUMER,
            links=[Link(one) for one in sent],
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(partition),
                "messaging.batch.message_count": len(records),
                "standings.first_offset": records[0].offset,
                "standings.last_offset": records[-1].offset,
            },
            start_time=time.time_ns() - int((time.monotonic() - begun) * 1e9),
        )

    def ids(self) -> dict[str, str]:
        """See `service.traces.ids`."""
        span = get_current_span()
        # A task that a request has begun may go on for long after the answer, and is no part of it then.
        if not span.is_recording():
            return {}
        context = span.get_span_context()
        return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}


class Answering:
    """Span of a request.

    Attributes
    ----------
    trace_id : str
        Of the caller's trace, where the request belongs to one.
    """

    def __init__(self, span: Span) -> None:
        self._span = span
        self.trace_id = format_trace_id(span.get_span_context().trace_id)

    def answered(self, method: str, route: str, status: int) -> None:
        """End the span: a stream is answered when it begins."""
        self._span.update_name(f"{method} {route}")
        self._span.set_attribute("http.request.method", method)
        self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class _Seldom(logging.Filter):
    """Lets one line through in `QUIET_S`."""

    def __init__(self) -> None:
        super().__init__()
        self._until = -QUIET_S

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now < self._until:
            return False
        self._until = now + QUIET_S
        return True


def _context(traceparent: str) -> Context:
    return _propagator.extract({HEADER: traceparent}, Context())


def _sent_by(records: Sequence[Headed]) -> list[SpanContext]:
    """Spans that records come from, each once, at most `MOST_LINKS`; those that nobody records are left out."""
    found: dict[bytes, SpanContext] = {}
    for record in records:
        for name, value in record.headers:
            # Kafka takes a header without a value, too.
            if name == HEADER and value and value not in found:
                context = get_current_span(_context(value.decode("latin-1"))).get_span_context()
                if context.is_valid and context.trace_flags.sampled:
                    found[value] = context
                    if len(found) == MOST_LINKS:
                        return list(found.values())
    return list(found.values())
