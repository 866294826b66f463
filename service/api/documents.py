"""Documents that a build does not change: what a match is, what the topics hold, what each problem means."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.metadata import version
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from typing_extensions import TypedDict

from service.api.answers import ProblemAnswer, problem_example, type_path
from service.api.asyncapi import asyncapi
from service.api.inputs import by_name
from service.api.shared import Shared
from service.match import schema
from service.problems import PROBLEMS, Problem, ProblemType

router = APIRouter(tags=["documents"], generate_unique_id_function=by_name)

MAX_AGE_S: Final = 300


class ProblemTypeAnswer(TypedDict):
    """A kind of problem, and what to do about it."""

    type: str
    title: str
    status: int
    remedy: str


class ProblemTypesAnswer(TypedDict):
    """Every kind of problem, those of dead letters too."""

    problems: list[ProblemTypeAnswer]


@dataclass(frozen=True, slots=True)
class Document:
    """Bytes that stay the same as long as the process runs.

    Attributes
    ----------
    body : bytes
    media : str
        Their media type.
    tag : str
        Strong ETag: the build's version, and a digest, since not every build has a version of its own.
    """

    body: bytes
    media: str
    tag: str

    def answer(self, request: Request, scope: str, **headers: str) -> Response:
        """Answer with it, or with 304 where the client has it.

        Parameters
        ----------
        request : Request
        scope : {"public", "private"}
            Whose caches may keep it.
        **headers : str
            More headers.
        """
        shown = request.headers.get("if-none-match", "")
        known = shown.strip() == "*" or self.tag in shown
        headers |= {"ETag": self.tag, "Cache-Control": f"{scope}, max-age={MAX_AGE_S}"}
        if known:
            return Response(None, 304, headers)
        return Response(self.body, 200, headers, self.media)


def document(content: Mapping[str, Any] | str) -> Document:
    """Make a document of JSON, or a page of HTML."""
    body = content.encode() if isinstance(content, str) else msgspec.json.encode(content)
    media = "text/html; charset=utf-8" if isinstance(content, str) else "application/json"
    return Document(body, media, f'"{version("standings")}-{zlib.crc32(body):08x}"')


def cached(value: Any) -> dict[int | str, dict[str, Any]]:
    """Document the answers of a route that gives a document, with an example."""
    return {
        200: {"content": {"application/json": {"example": value}}},
        304: {"description": "The client has it: `If-None-Match` names its ETag"},
    }


@cache
def _match_schema() -> Document:
    return document(schema())


@router.get(
    "/schemas/match.json",
    summary="What a record may be",
    response_model=dict[str, Any],
    responses=cached({"$schema": schema()["$schema"], "anyOf": schema()["anyOf"], "$defs": {}}),
)
async def match_schema(request: Request) -> Response:
    """Give the JSON Schema of a record of the topic, a match or a seed. `POST /v1/matches` takes matches."""
    return _match_schema().answer(request, "public")


@router.get(
    "/asyncapi.json",
    summary="What the topics hold",
    response_model=dict[str, Any],
    responses=cached({"asyncapi": "3.0.0", "info": {}, "channels": {}}),
)
async def topics(request: Request, shared: Shared) -> Response:
    """Describe the topics by AsyncAPI 3.0: keys, headers, values, how a record's partition is chosen."""
    return document(asyncapi(shared.settings.topic, shared.settings.partitioner)).answer(request, "public")


def _about(kind: ProblemType) -> ProblemTypeAnswer:
    return ProblemTypeAnswer(type=type_path(kind.slug), title=kind.title, status=kind.status, remedy=kind.remedy)


@cache
def _problems(html: bool) -> Document:
    if not html:
        return document({"problems": [_about(kind) for kind in PROBLEMS.values()]})
    rows = (
        f'<tr><td><a href="{type_path(kind.slug)}">{kind.slug}</a><td>{kind.status}<td>{escape(kind.title)}'
        for kind in PROBLEMS.values()
    )
    return _page("Problems", ["<table><tr><th>problem<th>status<th>what it means", *rows, "</table>"])


@cache
def _problem(slug: str, html: bool) -> Document:
    kind = PROBLEMS[slug]
    if not html:
        return document(_about(kind))
    lines = (
        f"<p><code>{kind.slug}</code>, HTTP status {kind.status}; dead letters have it as their <code>reason</code>.",
        f"<h2>What to do</h2><p>{escape(kind.remedy)}",
        '<p><a href="/problems">All problems</a>',
    )
    return _page(kind.title, lines)


def _page(title: str, lines: Iterable[str]) -> Document:
    head = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} - Standings</title>"
        "<style>:root{color-scheme:light dark}"
        "body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}"
        "th,td{text-align:left;padding:.2rem 1rem .2rem 0}</style>"
    )
    return document("\n".join((head, f"<h1>{escape(title)}</h1>", *lines, "")))


def _html(request: Request) -> bool:
    """Whether a browser asks: its Accept names HTML and no JSON."""
    accepted = request.headers.get("accept", "").lower()
    return "text/html" in accepted and "application/json" not in accepted


def _both(value: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    responses = cached(value)
    responses[200]["content"]["text/html"] = {"schema": {"type": "string"}}
    return responses


@router.get(
    "/problems",
    summary="Every kind of problem",
    response_model=ProblemTypesAnswer,
    responses=_both({"problems": [_about(PROBLEMS["unknown_pool"])]}),
)
async def problem_types(request: Request) -> Response:
    """List every kind of problem, those of dead letters too: JSON, or a page for a browser."""
    return _problems(_html(request)).answer(request, "public", Vary="Accept")


@router.get(
    "/problems/{slug}",
    summary="What a problem means",
    response_model=ProblemTypeAnswer,
    responses={
        **_both(_about(PROBLEMS["unknown_pool"])),
        # So written, no answer is added that this address never gives.
        "4XX": {
            "model": ProblemAnswer,
            "description": "No such problem (404)",
            "content": {"application/json": {"example": problem_example("unknown_name")}},
        },
    },
)
async def problem(
    slug: Annotated[str, Path(description="as in `type`, or in a dead letter's `reason`", examples=["unknown_pool"])],
    request: Request,
) -> Response:
    """Say what to do about a kind of problem: JSON, or a page for a browser."""
    if slug not in PROBLEMS:
        raise Problem("unknown_name", f"no problem {slug!r}; there are: {', '.join(PROBLEMS)}")
    return _problem(slug, _html(request)).answer(request, "public", Vary="Accept")
