"""The application: resources, what surrounds them, start and stop.

A resource is one file beside this one with a ``router``; `RESOURCES` names them all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from service.api import (
    campaigns,
    catalog,
    changes,
    dead_letters,
    documents,
    leaderboard,
    lookup,
    matches,
    matchups,
    operate,
    pairs,
    performance,
    players,
    pools,
    predictions,
    status,
)
from service.api.answers import problem_response
from service.api.live import LIVE_HEADERS, NotModified
from service.api.observe import Observe
from service.api.openapi import Application
from service.api.shared import make_parts
from service.problems import FieldError, Problem
from service.settings import Settings
from service.store.connection import StoreUnavailable
from service.store.partitions import Unreadable

RESOURCES: Final = (
    players,
    leaderboard,
    pools,
    lookup,
    pairs,
    predictions,
    performance,
    matchups,
    campaigns,
    changes,
    matches,
    catalog,
    status,
    dead_letters,
    operate,
    documents,
)

_log = structlog.get_logger()


def create_app(settings: Settings) -> FastAPI:
    """Build the application. It connects to Redis when the first request needs it.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    ValueError
        Where the address of Redis is no address.
    PoolsInvalid
        Where the pools file cannot be used.
    KeysInvalid
        Where the keys file cannot be used.
    """
    parts = make_parts(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await parts.close()

    app = Application(
        title="Standings",
        summary="Live ratings: who is best, and how sure that is.",
        version="1",
        # The pages of Swagger and ReDoc would load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # A slash more is another player, so no address may stand for another.
        redirect_slashes=False,
        lifespan=lifespan,
        # Spans are ours, service.traces; FastAPI's own would name paths, and so players.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.parts = parts
    for part in RESOURCES:
        # Not by include_router, under which a path is matched three times.
        app.router.routes += part.router.routes
    app.add_middleware(Observe)
    app.exception_handler(Problem)(_answer_problem)
    app.exception_handler(HTTPException)(_answer_http)
    app.exception_handler(RequestValidationError)(_answer_invalid)
    app.exception_handler(StoreUnavailable)(_answer_unavailable)
    app.exception_handler(Unreadable)(_answer_unreadable)
    app.exception_handler(NotModified)(_answer_not_modified)
    return app


async def _answer_not_modified(_: Request, known: NotModified) -> Response:
    return Response(None, 304, {**LIVE_HEADERS, "ETag": known.tag})


async def _answer_problem(request: Request, problem: Problem) -> Response:
    return problem_response(problem, request.state.trace_id)


async def _answer_http(request: Request, error: HTTPException) -> Response:
    """Answer what the framework refuses: a path or a method that is not there."""
    path = request.url.path
    if error.status_code == 405:
        problem = Problem("method_not_allowed", f"{request.method} is not taken at {path}")
    else:
        problem = Problem("not_found", f"nothing is at {path}")
    return problem_response(problem, request.state.trace_id, error.headers)


async def _answer_invalid(request: Request, error: RequestValidationError) -> Response:
    errors = tuple(
        FieldError(str(wrong["loc"][-1]), wrong["msg"], "see the parameter in /openapi.json")
        for wrong in error.errors()
    )
    detail = "; ".join(f"{wrong.field}: {wrong.problem}" for wrong in errors)
    return problem_response(Problem("invalid_parameter", detail, errors), request.state.trace_id)


async def _answer_unavailable(request: Request, error: StoreUnavailable) -> Response:
    # The reason names addresses inside; it is for the log.
    _log.warning("redis unavailable", trace_id=request.state.trace_id, reason=str(error))
    return problem_response(Problem("redis_unavailable", "Redis did not answer in time"), request.state.trace_id)


async def _answer_unreadable(request: Request, error: Unreadable) -> Response:
    return problem_response(Problem("unreadable", str(error)), request.state.trace_id)
