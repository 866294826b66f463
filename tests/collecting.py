"""A collector of traces: takes what is sent over OTLP/HTTP and keeps it."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

DEADLINE_S = 30.0
NO_ANSWER = "/slow"


class Collector(ThreadingHTTPServer):
    """Listens at a free port of loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came = threading.Condition()
        self.spans: list[tuple[str, Span]] = []
        """What came, each with the name of its service."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def wait(self, name: str, trace: bytes | None = None) -> Span:
        """Wait for a span of a name and, where that is given, of a trace or linked to it."""

        def found() -> Span | None:
            for _, span in self.spans:
                if span.name == name and trace in (None, span.trace_id, *(link.trace_id for link in span.links)):
                    return span
            return None

        until = time.monotonic() + DEADLINE_S
        with self.came:
            while (span := found()) is None:
                names = sorted({f"{of}: {one.name}" for of, one in self.spans})
                assert self.came.wait(until - time.monotonic()), f"no {name!r} came, but {names}"
        return span


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith(NO_ANSWER):
            # Until the other end has enough of it.
            self.rfile.read(1)
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/traces"
        request = ExportTraceServiceRequest.FromString(body)
        with self.server.came:
            for resource in request.resource_spans:
                names = {one.key: one.value.string_value for one in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self.server.spans += [(names["service.name"], span) for span in scope.spans]
            self.server.came.notify_all()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
