"""Pairs: who was before whom how often, for heat maps."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field, FiniteFloat
from typing_extensions import TypedDict

from service.api.answers import AsOf, PlayerName, PositionText, example
from service.api.inputs import NamedPool, check_player, resource
from service.api.live import CachedRead
from service.api.shared import Shared
from service.problems import wrong_field
from service.store.board import FromPlace

MOST_NAMES: Final = 200
TOP: Final = 50

router = resource("pairs")


class PairsAnswer(TypedDict):
    """A matrix of players, each row and column in the order of ``players``."""

    pool: str
    players: list[PlayerName]
    unknown: Annotated[list[str], Field(description="names asked for of whom no pair is counted")]
    wins: Annotated[
        list[list[FiniteFloat]],
        Field(
            description="how often the one of the row was before the one of the column; a tie counts one half for each,"
            " a pair of a match of K sides 3/(K+1) of a win, all times the match's weight"
        ),
    ]
    ties: Annotated[list[list[FiniteFloat]], Field(description="how often the two shared a place, counted likewise")]
    position: PositionText
    as_of: AsOf


_EXAMPLE: Final = {
    "pool": "arena",
    "players": ["atlas-9", "boreas", "cirrus"],
    "unknown": [],
    "wins": [[0.0, 12.5, 3.75], [8.5, 0.0, 6.0], [1.5, 2.0, 0.0]],
    "ties": [[0.0, 3.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "position": "1-3-184468",
    "as_of": "2026-11-21T10:00:07Z",
}

Players = Annotated[
    list[str] | None,
    Query(description="repeated, 2 to 200; without it the first 50 of the board", max_length=MOST_NAMES),
]


@router.get(
    "/pools/{pool}/pairs",
    summary="Who was before whom how often",
    response_model=PairsAnswer,
    responses=example(_EXAMPLE),
)
async def pairs(pool: NamedPool, shared: Shared, live: CachedRead, player: Players = None) -> Response:
    """Show wins and ties among players, in the order in which they are asked for.

    Counted are matches of at most 100 sides of one player each, among the first 1,000 players who came to such a match.
    """
    asked = list(dict.fromkeys(check_player("player", name) for name in player or ()))
    if player is not None and len(asked) < 2:
        raise wrong_field("invalid_parameter", "player", "given once", f"2 to {MOST_NAMES} names, or none")
    if not asked:
        asked = (await shared.boards.page(pool, pool.live, FromPlace(0), TOP)).players
    found = await shared.pairs.read(pool)
    known = set(found.names)
    players = [name for name in asked if name in known]
    wins, ties = found.among(players)
    answer = PairsAnswer(
        pool=pool.name,
        players=players,
        unknown=[name for name in asked if name not in known] if player else [],
        wins=wins.tolist(),
        ties=ties.tolist(),
        position=str(found.position),
        as_of=live.as_of,
    )
    return live.answer(answer, found.position, found.revision)
