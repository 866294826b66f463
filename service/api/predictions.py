"""What is to be expected of a match that was not played."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat
from typing_extensions import TypedDict

from service.api.answers import AsOf, PlayerName, PositionText, example
from service.api.bodies import json_body
from service.api.inputs import NamedPool, resource, system_of
from service.api.live import ReadAfter
from service.api.shared import Shared
from service.fields import NAME_BYTES
from service.match import MOST_ON_A_SIDE, Match, Side, checked
from service.pools import Pool
from service.predict import MOST_PLACED, before_chances, forecast, foretold_places
from service.problems import FieldError, Problem, wrong_field
from service.rate import Table
from service.ratings import RatingSystem
from service.store.partitions import Partitions, Position, check_fingerprint, unknown_pool
from service.store.rows import unpack_learned, unpack_rows

MOST_PLAYERS: Final = 1_000
MOST_COMPARED: Final = 50
"""Sides of a match of which each is compared with each."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

router = resource("predictions", POST="read")


class PlannedSide(BaseModel):
    """One or more players who would share a place."""

    players: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=NAME_BYTES)]],
        Field(min_length=1, max_length=MOST_ON_A_SIDE),
    ]

    model_config = ConfigDict(extra="forbid")


class Planned(BaseModel):
    """A match that may be played."""

    sides: Annotated[list[PlannedSide], Field(min_length=2, max_length=MOST_PLAYERS)]
    home: Annotated[
        int | None, Field(ge=0, lt=MOST_PLAYERS, description="index of the side that has the advantage of its home")
    ] = None
    system: Annotated[str | None, Field(description="a rating system of the pool; without it the live one")] = None
    newcomers: Annotated[bool, Field(description="take names that the pool does not know for newcomers")] = False
    at: Annotated[
        AwareDatetime | None, Field(description="when it would be played; now by default. Ratings stay those of now")
    ] = None

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"sides": [{"players": ["ann"]}, {"players": ["meta-llama/Llama-3.1-8B"]}]},
                {"sides": [{"players": ["ann", "bob"]}, {"players": ["cid", "dan"]}], "home": 0, "newcomers": True},
            ]
        },
    )


class ExpectedSide(TypedDict):
    """What is expected of a side."""

    players: list[PlayerName]
    newcomers: Annotated[list[str], Field(description="those of them that the pool does not know")]
    win: Annotated[
        FiniteFloat,
        Field(
            description="chance to be first: of two sides alone, of more with a shared first place counted in parts."
            " How unsure the ratings are is in it where the system reckons with deviations"
        ),
    ]
    places: Annotated[
        list[FiniteFloat] | None,
        Field(description=f"chance of each place from the first; null for more than {MOST_PLACED} sides"),
    ]


class PredictionAnswer(TypedDict):
    """What a rating system expects of a match."""

    pool: str
    system: str
    sides: list[ExpectedSide]
    tie: Annotated[
        FiniteFloat | None,
        Field(
            description="chance that two sides tie, by the system's own model of ties, or by the zone learned from its"
            " predictions of the pool; null for more sides"
        ),
    ]
    before: Annotated[
        list[list[FiniteFloat]] | None,
        Field(
            description="chance of each side (row) to be before each other (column), a tie counting one half;"
            f" null for more than {MOST_COMPARED} sides"
        ),
    ]
    position: PositionText
    as_of: AsOf


_EXAMPLE: Final = {
    "pool": "chess.blitz",
    "system": "glicko2",
    "sides": [
        {"players": ["ann"], "newcomers": [], "win": 0.7, "places": [0.75, 0.25]},
        {"players": ["bob"], "newcomers": ["bob"], "win": 0.2, "places": [0.25, 0.75]},
    ],
    "tie": 0.1,
    "before": [[0.5, 0.75], [0.25, 0.5]],
    "position": "1-3-184468",
    "as_of": "2026-11-21T10:00:07Z",
}


@router.post(
    "/pools/{pool}/predictions",
    summary="What to expect of a match",
    response_model=PredictionAnswer,
    responses=example(_EXAMPLE),
)
async def predict(
    pool: NamedPool,
    body: Annotated[Planned, Depends(json_body(Planned))],
    shared: Shared,
    live: ReadAfter,
) -> Response:
    """Predict a match of any shape that the pool takes, by the ratings as they stand.

    Of two sides `win` and `tie` follow from the system's link; of more, places are those of independent performances,
    which are normal or, under the logistic link, those of Plackett and Luce.
    """
    system = system_of(pool, body.system)
    as_of = live.as_of if body.at is None else body.at.astimezone(UTC)
    match = _checked(pool, body, as_of)
    names = [name for side in match.sides for name in side.players]
    table, known, position = await read_table(shared.partitions, pool, system, names)
    if not (body.newcomers or all(known)):
        raise _unknown(pool, match, known)
    found = forecast(system, match, table)
    compared = len(match.sides) <= MOST_COMPARED
    before = before_chances(found.location, found.variance, system.link, found.zone) if compared else None
    chances = foretold_places(found, system.link)
    places_of = [None] * len(match.sides) if chances is None else chances.tolist()
    seen = iter(known)
    sides = []
    for side, win, places in zip(match.sides, found.win.tolist(), places_of, strict=True):
        new = [name for name in side.players if not next(seen)]
        sides.append(ExpectedSide(players=list(side.players), newcomers=new, win=win, places=places))
    answer = PredictionAnswer(
        pool=pool.name,
        system=system.name,
        sides=sides,
        tie=found.tie,
        before=None if before is None else before.tolist(),
        position=str(position),
        as_of=as_of,
    )
    return live.answer(answer, position, None)


def _checked(pool: Pool, body: Planned, as_of: datetime) -> Match:
    """Make the match, each side on a place of its own, and hold it to the rules for every match."""
    sides = tuple(Side(tuple(side.players), rank=place) for place, side in enumerate(body.sides, 1))
    count = sum(len(side.players) for side in sides)
    if count > MOST_PLAYERS:
        raise wrong_field("invalid_parameter", "sides", f"{count} players", f"at most {MOST_PLAYERS:,} altogether")
    at = (as_of - _EPOCH) // timedelta(milliseconds=1)
    try:
        match = checked(Match("planned", pool.name, at, sides, home=body.home))
    except Problem as problem:
        raise Problem("invalid_parameter", problem.detail, problem.errors) from None
    if refusal := pool.refusal(sides):
        raise wrong_field("shape_not_taken", "sides", refusal, "see /v1/catalog for the systems that take it")
    return match


async def read_table(
    partitions: Partitions, pool: Pool, system: RatingSystem, names: Sequence[str]
) -> tuple[Table, list[bool], Position]:
    """Read the rows of players, which of them there are, and what the rows stand for."""
    made = f"{pool.name}/{system.name}"
    answer = await partitions.read(
        await partitions.holding(pool.name),
        "read_fields",
        lambda keys: (keys.rows(pool.name, system.name), keys.learned, keys.fingerprints, keys.totals),
        (len(names), *names, 1, made, 1, made, 1, pool.name),
    )
    rows, (learned,), (fingerprint,), (totals,) = answer.values
    if totals is None:
        raise unknown_pool(pool.name)
    check_fingerprint(pool, system, fingerprint)
    table = Table(*unpack_rows(rows, system), *unpack_learned(learned, system))
    return table, [row is not None for row in rows], answer.position


def _unknown(pool: Pool, match: Match, known: list[bool]) -> Problem:
    there = iter(known)
    errors = tuple(
        FieldError(
            f"sides[{i}].players[{j}]",
            f"no match of {name!r} was applied",
            "check the spelling, or set 'newcomers' to true",
        )
        for i, side in enumerate(match.sides)
        for j, name in enumerate(side.players)
        if not next(there)
    )
    return Problem("unknown_player", f"the pool {pool.name!r} does not know {len(errors)} of {len(known)}", errors)
