"""What answers are made of: the types that all of them share, their bytes, and problems as RFC 9457 has them.

An answer is a typed dict, so that what is documented and what is written are one thing and cost one pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi.responses import Response
from pydantic import Field, FiniteFloat
from typing_extensions import TypedDict

from service.problems import PROBLEMS, Problem

PlayerName = Annotated[str, Field(description="any UTF-8, 1 to 128 bytes", examples=["meta-llama/Llama-3.1-8B"])]
PositionText = Annotated[
    str,
    Field(description="what the answer reflects: generation-partition-next offset", examples=["1-3-184468"]),
]
AsOf = Annotated[datetime, Field(description="the moment to which deviation was grown")]
RankInterval = Annotated[
    tuple[int, int], Field(description="95 %: 1 + players surely better, players not surely worse", examples=[[9, 31]])
]
RankIntervals = Annotated[
    Literal["exact", "sample"],
    Field(description="how rank intervals were found: among all players, or among 5,000 drawn from a larger pool"),
]
Next = Annotated[str | None, Field(description="cursor of the next page; null on the last")]


class Standing(TypedDict):
    """Where a player stands on a board."""

    rank: Annotated[int, Field(description="1 + players with a larger value, so equal values share a rank")]
    rank_interval: RankInterval
    percentile: Annotated[FiniteFloat, Field(description="share of players, in percent, with no larger value")]
    player: PlayerName
    rating: FiniteFloat
    deviation: Annotated[FiniteFloat, Field(description="standard deviation of the rating, grown to as_of")]
    value: Annotated[FiniteFloat, Field(description="what the board is ordered by, from the stored deviation")]
    matches: int
    provisional: bool


class RatedPlayer(Standing):
    """All that is known of a player under one system."""

    interval: Annotated[
        tuple[FiniteFloat, FiniteFloat], Field(description="95 % interval of the rating", examples=[[1643.6, 1805.1]])
    ]
    won: Annotated[int, Field(description="matches that the player's side won alone")]
    tied: Annotated[int, Field(description="matches in which it shared the first place")]
    lost: Annotated[int, Field(description="the rest")]
    last_match_at: Annotated[datetime | None, Field(description="null for a player who came with a rating")]


class WrongField(TypedDict):
    """One wrong field of a request."""

    field: str
    problem: str
    remedy: str


class ProblemAnswer(TypedDict):
    """A problem (RFC 9457); ``type`` is the address of a page about it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[WrongField]
    trace_id: str


PROBLEM_MEDIA: Final = "application/problem+json"
PROBLEM_SCHEMA: Final = {"$ref": "#/components/schemas/ProblemAnswer"}


def example(value: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Document an example of a route's answer: for its ``responses``."""
    return {200: {"content": {"application/json": {"example": value}}}}


def problem_example(slug: str) -> ProblemAnswer:
    """Make up a problem for the documentation."""
    kind = PROBLEMS[slug]
    return ProblemAnswer(
        type=type_path(slug),
        title=kind.title,
        status=kind.status,
        detail=kind.remedy,
        errors=[],
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    )


def json_response(answer: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Write an answer: numbers in the shortest form that reads back, times in RFC 3339."""
    return Response(msgspec.json.encode(answer), status, headers, "application/json")


def type_path(slug: str) -> str:
    """Address of the page about a kind of problem."""
    return f"/problems/{slug}"


def problem_response(problem: Problem, trace_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a problem.

    Parameters
    ----------
    problem : Problem
    trace_id : str
        By which the request is found in the log.
    headers : mapping, optional
        More headers.
    """
    kind = problem.type
    more = dict(headers or {})
    if kind.status == 401:
        more["WWW-Authenticate"] = "Bearer"
    if kind.status in (409, 429, 503):
        more["Retry-After"] = "1"
    answer = ProblemAnswer(
        type=type_path(kind.slug),
        title=kind.title,
        status=kind.status,
        detail=problem.detail,
        errors=[WrongField(field=e.field, problem=e.problem, remedy=e.remedy) for e in problem.errors],
        trace_id=trace_id,
    )
    return Response(msgspec.json.encode(answer), kind.status, more, PROBLEM_MEDIA)
