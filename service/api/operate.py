"""What operators and their tools ask: is it alive, is it ready, its metrics."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from service.api.inputs import Needs, by_name, problems
from service.api.shared import Parts, Shared
from service.metrics import READINESS
from service.store.connection import StoreUnavailable
from service.store.partitions import Unreadable

LOOK_S: Final = 2.0
"""Time that a scrape has for readiness, so that a Redis that hangs is told as such and takes no metric away."""

router = APIRouter(tags=["operate"], generate_unique_id_function=by_name)


class Missing(BaseModel):
    """A dependency that is not there."""

    dependency: Literal["redis", "layout"]
    reason: str


class ReadyAnswer(BaseModel):
    """Whether reads can be served."""

    ready: bool
    missing: list[Missing]


@router.get("/livez", summary="Whether the process works", response_class=PlainTextResponse)
async def livez() -> str:
    """Answer, whatever Redis does: a restart would not mend it."""
    return "alive\n"


@router.get("/readyz", summary="Whether reads can be served", responses={503: {"model": ReadyAnswer}})
async def readyz(shared: Shared, response: Response) -> ReadyAnswer:
    """Say which dependency is missing, if one is."""
    missing = await _missing(shared)
    if missing:
        response.status_code = 503
    return ReadyAnswer(ready=not missing, missing=missing)


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=PlainTextResponse,
    dependencies=[Depends(Needs({"GET": "operate"}))],
    responses=problems(401, 403, 429),
)
async def metrics(shared: Shared) -> Response:
    """Show every metric in the text format of Prometheus."""
    ready = False
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_S):
            ready = not await _missing(shared)
    READINESS.labels("serve").set(ready)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _missing(shared: Parts) -> list[Missing]:
    try:
        await shared.partitions.check()
    except StoreUnavailable:
        return [Missing(dependency="redis", reason="Redis does not answer")]
    except Unreadable as error:
        return [Missing(dependency="layout", reason=str(error))]
    return []
