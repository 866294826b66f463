"""The ops port of parts that have no API: /livez, /readyz, /metrics."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from consumers.health import Health

LEFT_S: Final = 2.0
"""Time for the event loop to close, once all that matters has ended."""


def application(health: Health) -> Starlette:
    """Build the three pages.

    Parameters
    ----------
    health : Health
        What /readyz shows: 200 where everything runs, else 503 with what it waits for. /livez is 200 while every part
        gets on, waiting for Kafka or Redis included.
    """

    async def livez(_: Request) -> Response:
        if (still := health.watchdog.still()) is not None:
            return PlainTextResponse(f"{still} stands still\n", status_code=503)
        return PlainTextResponse("alive\n")

    async def readyz(_: Request) -> Response:
        return JSONResponse(health.report(), status_code=200 if health.ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])


class OpsServer(uvicorn.Server):
    """A server that leaves signals to its owner.

    Parameters
    ----------
    health : Health
    host : str
    port : int
        0 takes a free one.
    """

    def __init__(self, health: Health, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(application(health), host=host, port=port, log_config=None, access_log=False, lifespan="off")
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: SIGTERM stops the part, and the part stops this."""
        yield


def end_in_time() -> None:
    """Let the process end by itself, but soon: a loop is closed only when all that hangs on it lets go."""
    last = threading.Timer(LEFT_S, os._exit, (0 if sys.exception() is None else 1,))
    last.daemon = True
    last.start()
