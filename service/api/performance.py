"""A rating in one step, from results against players as they stand."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import numpy as np
from fastapi import Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from typing_extensions import TypedDict

from service.api.answers import AsOf, PositionText, example
from service.api.bodies import json_body
from service.api.inputs import NamedPool, resource, system_of
from service.api.live import ReadAfter
from service.api.predictions import read_table
from service.api.shared import Shared
from service.fields import NAME_BYTES
from service.performance import MOST_RESULTS, SCORES, performance
from service.problems import FieldError, Problem
from service.rate import DAY_MS, LAST_AT

router = resource("performance", POST="read")


class ResultAgainst(BaseModel):
    """One result against one player."""

    opponent: Annotated[str, Field(min_length=1, max_length=NAME_BYTES)]
    result: Annotated[Literal["won", "tied", "lost"], Field(description="what became of the one who is rated")]

    model_config = ConfigDict(extra="forbid")


class Results(BaseModel):
    """Results of somebody against players of a pool."""

    results: Annotated[list[ResultAgainst], Field(min_length=1, max_length=MOST_RESULTS)]
    system: Annotated[str | None, Field(description="a rating system of the pool; without it the live one")] = None

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"results": [{"opponent": "ann", "result": "won"}, {"opponent": "bob", "result": "lost"}]},
            ]
        },
    )


class PerformanceAnswer(TypedDict):
    """What results amount to."""

    pool: str
    system: str
    results: Annotated[int, Field(description="how many there were")]
    score: Annotated[FiniteFloat, Field(description="1 for each that was won, 0.5 for each that was tied")]
    rating: Annotated[
        FiniteFloat | None,
        Field(
            description="where just this score is expected; null where all was won or lost, or nothing is told of it"
        ),
    ]
    deviation: Annotated[FiniteFloat | None, Field(description="standard deviation of the rating; null with it")]
    interval: Annotated[
        tuple[FiniteFloat | None, FiniteFloat | None],
        Field(
            description="95 % interval of the rating; null on the side to which it is open: above where all was won,"
            " below where all was lost"
        ),
    ]
    position: PositionText
    as_of: AsOf


_EXAMPLE: Final = {
    "pool": "chess.blitz",
    "system": "elo",
    "results": 4,
    "score": 2.5,
    "rating": 1588.7,
    "deviation": 179.4,
    "interval": [1237.1, 1940.3],
    "position": "1-3-184468",
    "as_of": "2026-11-21T10:00:07Z",
}


@router.post(
    "/pools/{pool}/performance",
    summary="A rating in one step",
    response_model=PerformanceAnswer,
    responses=example(_EXAMPLE),
)
async def rate_performance(
    pool: NamedPool,
    body: Annotated[Results, Depends(json_body(Results))],
    shared: Shared,
    live: ReadAfter,
) -> Response:
    """Rate results against players as they stand, who stay as they are.

    The rating is the one at which the system expects just this score: no prior is used, and nothing is learned of the
    opponents. An opponent may be named more than once.
    """
    system = system_of(pool, body.system)
    names = list(dict.fromkeys(one.opponent for one in body.results))
    table, known, position = await read_table(shared.partitions, pool, system, names)
    if not all(known):
        raise _unknown(body, {name for name, there in zip(names, known, strict=True) if not there})
    row_of = {name: row for row, name in enumerate(names)}
    rows = [row_of[one.opponent] for one in body.results]
    rest = np.maximum(0.0, live.as_of.timestamp() * 1000.0 - table.tallies[rows, LAST_AT]) / DAY_MS
    scores = np.array([SCORES[one.result] for one in body.results])
    found = performance(system, table.skills[rows], table.pool, rest, scores)
    answer = PerformanceAnswer(
        pool=pool.name,
        system=system.name,
        results=len(scores),
        score=float(scores.sum()),
        rating=found.rating,
        deviation=found.deviation,
        interval=found.interval,
        position=str(position),
        as_of=live.as_of,
    )
    return live.answer(answer, position, None)


def _unknown(body: Results, missing: set[str]) -> Problem:
    errors = tuple(
        FieldError(f"results[{index}].opponent", f"no match of {one.opponent!r} was applied", "check the spelling")
        for index, one in enumerate(body.results)
        if one.opponent in missing
    )
    return Problem("unknown_player", f"the pool does not know {len(missing)} of the opponents", errors)
