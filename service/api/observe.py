"""Around every request: a trace id, its time, headers for browsers, a bound on how many, an answer to any fault."""

from __future__ import annotations

import re
import secrets
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import traces
from service.api.answers import problem_response
from service.api.headers import harden
from service.metrics import REQUEST_SECONDS
from service.problems import Problem

if TYPE_CHECKING:
    from service.telemetry import Answering

MOST_REQUESTS: Final = 1_000
"""Requests of ``/v1`` that are answered at the same time; the probes are answered whatever comes."""

STREAM_MEDIA: Final = "text/event-stream"

_traceparent = re.compile("[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_log = structlog.get_logger()


class Observe:
    """ASGI middleware, outermost.

    Parameters
    ----------
    app : ASGI application
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counted = scope["path"].startswith("/v1/")
        given = Headers(scope=scope).get(traces.HEADER, "")
        with traces.answering(given) if counted else nullcontext() as span:
            scope.setdefault("state", {})["trace_id"] = _trace_id(given) if span is None else span.trace_id
            await self._answer(scope, receive, send, span, counted)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, span: Answering | None, counted: bool) -> None:
        trace_id = scope["state"]["trace_id"]
        begun = time.perf_counter()
        status = 0
        busy = counted and self._requests >= MOST_REQUESTS
        self._requests += counted
        ended = False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._requests -= counted
                if status:
                    REQUEST_SECONDS.labels(_route(scope), status).observe(time.perf_counter() - begun)
                    if span is not None:
                        span.answered(scope["method"], _route(scope), status)

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                harden(message["headers"])
                if Headers(raw=message["headers"]).get("content-type", "").startswith(STREAM_MEDIA):
                    # It lasts as long as its client likes, under a bound of its own: it is answered when it begins.
                    end()
            await send(message)

        try:
            if busy:
                problem = Problem("too_busy", f"more than {MOST_REQUESTS:,} requests at once")
                return await problem_response(problem, trace_id)(scope, receive, note)
            await self._app(scope, receive, note)
        except Exception:
            _log.exception("request failed", trace_id=trace_id, route=_route(scope))
            if status:
                raise
            await problem_response(Problem("internal", "the log has more under the trace id"), trace_id)(
                scope, receive, note
            )
        finally:
            end()


def _route(scope: Scope) -> str:
    """Template of the path: a path itself would hold players' names, and there is no end of paths."""
    return getattr(scope.get("route"), "path_format", "none")


def _trace_id(traceparent: str) -> str:
    """Of the caller's trace (W3C Trace Context) where the request belongs to one."""
    given = _traceparent.fullmatch(traceparent)
    return given[1] if given else secrets.token_hex(16)
