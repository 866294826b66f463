"""What the API answers: a model for each resource, and problems as RFC 9457 has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from service.problems import Problem

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


class ListedPool(BaseModel):
    """A pool in the list of pools."""

    pool: str
    matches: int
    last_match_at: datetime
    position: PositionText


class PoolsAnswer(BaseModel):
    """A page of all pools, in the order of their names."""

    pools: list[ListedPool]
    next: Next
    as_of: AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "pools": [
                        {
                            "pool": "chess.blitz",
                            "matches": 90412,
                            "last_match_at": "2026-11-21T10:00:00Z",
                            "position": "1-3-184468",
                        }
                    ],
                    "next": None,
                    "as_of": "2026-11-21T10:00:07Z",
                }
            ]
        }
    )


class SystemAnswer(BaseModel):
    """A rating system of a pool."""

    system: str
    live: Annotated[bool, Field(description="whether its ratings are shown unless another is asked for")]
    parameters: dict[str, Any]
    players: int


class PoolAnswer(BaseModel):
    """A pool: the configuration in force, and what was counted."""

    pool: str
    profile: Annotated[str, Field(description="the built-in configuration that the pool follows")]
    systems: list[SystemAnswer]
    order: Annotated[str, Field(description="what the board is ordered by")]
    provisional: Annotated[int, Field(description="a player with fewer matches is provisional")]
    matches: int
    players: Annotated[int, Field(description="players under the live system")]
    last_match_at: datetime
    position: PositionText
    as_of: AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "pool": "chess.blitz",
                    "profile": "ladder",
                    "systems": [{"system": "elo", "live": True, "parameters": {"k": 32.0}, "players": 1289}],
                    "order": "rating",
                    "provisional": 10,
                    "matches": 90412,
                    "players": 1289,
                    "last_match_at": "2026-11-21T10:00:00Z",
                    "position": "1-3-184468",
                    "as_of": "2026-11-21T10:00:07Z",
                }
            ]
        }
    )


class Standing(BaseModel):
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


class BoardAnswer(BaseModel):
    """A page of a leaderboard."""

    pool: str
    system: str
    order: Annotated[str, Field(description="what the board is ordered by")]
    total: int
    rank_intervals: RankIntervals
    players: list[Standing]
    next: Next
    position: PositionText
    as_of: AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "pool": "arena",
                    "system": "elo",
                    "order": "rating",
                    "total": 1289,
                    "rank_intervals": "exact",
                    "players": [
                        {
                            "rank": 1,
                            "rank_interval": [1, 2],
                            "percentile": 100.0,
                            "player": "atlas-9",
                            "rating": 1893.2,
                            "deviation": 31.0,
                            "value": 1893.2,
                            "matches": 2210,
                            "provisional": False,
                        }
                    ],
                    "next": "ATEDZWxvQJ2UzMzMzM1hdGxhcy05",
                    "position": "1-3-184468",
                    "as_of": "2026-11-21T10:00:07Z",
                }
            ]
        }
    )


class PlayerAnswer(Standing):
    """A player of a pool."""

    pool: str
    system: str
    interval: Annotated[
        tuple[FiniteFloat, FiniteFloat], Field(description="95 % interval of the rating", examples=[[1643.6, 1805.1]])
    ]
    rank_intervals: RankIntervals
    won: Annotated[int, Field(description="matches that the player's side won alone")]
    tied: Annotated[int, Field(description="matches in which it shared the first place")]
    lost: Annotated[int, Field(description="the rest")]
    last_match_at: datetime
    position: PositionText
    as_of: AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "pool": "arena",
                    "player": "meta-llama/Llama-3.1-8B",
                    "system": "elo",
                    "rating": 1724.31,
                    "deviation": 41.2,
                    "interval": [1643.6, 1805.1],
                    "rank": 18,
                    "rank_interval": [9, 31],
                    "rank_intervals": "exact",
                    "percentile": 98.7,
                    "value": 1724.31,
                    "matches": 412,
                    "won": 231,
                    "tied": 40,
                    "lost": 141,
                    "provisional": False,
                    "last_match_at": "2026-11-20T21:04:11Z",
                    "position": "1-3-184468",
                    "as_of": "2026-11-21T10:00:07Z",
                }
            ]
        }
    )


class Missing(BaseModel):
    """A dependency that is not there."""

    dependency: Literal["redis", "layout"]
    reason: str


class ReadyAnswer(BaseModel):
    """Whether reads can be served."""

    ready: bool
    missing: list[Missing]


class WrongField(BaseModel):
    """One wrong field of a request."""

    field: str
    problem: str
    remedy: str


class ProblemTypeAnswer(BaseModel):
    """A kind of problem, and what to do about it."""

    type: str
    title: str
    status: int
    remedy: str


class ProblemAnswer(BaseModel):
    """A problem (RFC 9457); ``type`` is the address of a page about it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[WrongField]
    trace_id: str

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/invalid_parameter",
                    "title": "A parameter cannot be used",
                    "status": 422,
                    "detail": "limt: no such parameter",
                    "errors": [{"field": "limt", "problem": "no such parameter", "remedy": "did you mean 'limit'?"}],
                    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                }
            ]
        }
    )


PROBLEM_MEDIA = "application/problem+json"


def type_path(slug: str) -> str:
    """Address of the page about a kind of problem."""
    return f"/problems/{slug}"


def problem_response(problem: Problem, trace_id: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
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
    if kind.status == 503:
        more["Retry-After"] = "1"
    answer = ProblemAnswer(
        type=type_path(kind.slug),
        title=kind.title,
        status=kind.status,
        detail=problem.detail,
        errors=[WrongField(field=e.field, problem=e.problem, remedy=e.remedy) for e in problem.errors],
        trace_id=trace_id,
    )
    return JSONResponse(answer.model_dump(), kind.status, more, PROBLEM_MEDIA)
