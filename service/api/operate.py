"""What operators and their tools ask: is it alive, is it ready, its metrics, what a problem means."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.api.answers import Missing, ProblemAnswer, ProblemTypeAnswer, ReadyAnswer, type_path
from service.api.inputs import StoredPartitions, key_needed
from service.problems import PROBLEMS, Problem
from service.store.connection import StoreUnavailable
from service.store.partitions import Unreadable

router = APIRouter()


@router.get("/livez", summary="Whether the process works", response_class=PlainTextResponse)
async def livez() -> str:
    """Answer, whatever Redis does: a restart would not mend it."""
    return "alive\n"


@router.get("/readyz", summary="Whether reads can be served", responses={503: {"model": ReadyAnswer}})
async def readyz(partitions: StoredPartitions, response: Response) -> ReadyAnswer:
    """Say which dependency is missing, if one is."""
    missing = []
    try:
        await partitions.check()
    except StoreUnavailable:
        missing.append(Missing(dependency="redis", reason="Redis does not answer"))
    except Unreadable as error:
        missing.append(Missing(dependency="layout", reason=str(error)))
    if missing:
        response.status_code = 503
    return ReadyAnswer(ready=not missing, missing=missing)


@router.get("/metrics", summary="Metrics", response_class=PlainTextResponse, dependencies=[Depends(key_needed)])
async def metrics() -> Response:
    """Show every metric in the text format of Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/problems/{slug}", summary="What a problem means", responses={404: {"model": ProblemAnswer}})
async def problem(slug: str) -> ProblemTypeAnswer:
    """Say what to do about a kind of problem; dead letters have their reasons in the same list."""
    if slug not in PROBLEMS:
        raise Problem("unknown_name", f"no problem {slug!r}; there are: {', '.join(PROBLEMS)}")
    kind = PROBLEMS[slug]
    return ProblemTypeAnswer(type=type_path(slug), title=kind.title, status=kind.status, remedy=kind.remedy)
