"""Several players at once, their names in the body: any name, whatever a proxy would do to it in a path."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from service.api.answers import AsOf, PositionText, RankIntervals, RatedPlayer, example
from service.api.bodies import json_body
from service.api.inputs import NamedPool, check_player, resource, system_of
from service.api.live import ReadAfter
from service.api.shared import Shared
from service.api.standing import rated_players
from service.store.board import Named

MOST_NAMES: Final = 1_000

router = resource("lookup", POST="read")


class Lookup(BaseModel):
    """Who is asked for."""

    players: Annotated[list[str], Field(min_length=1, max_length=MOST_NAMES)]
    system: str | None = None

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"players": ["ann", "meta-llama/Llama-3.1-8B"]}]}
    )


class LookupAnswer(TypedDict):
    """Players in the order asked, and the names that the pool does not know."""

    pool: str
    system: str
    total: Annotated[int, Field(description="players on the board")]
    rank_intervals: RankIntervals
    players: list[RatedPlayer]
    unknown: list[str]
    position: PositionText
    as_of: AsOf


_EXAMPLE: Final = {
    "pool": "arena",
    "system": "kalman",
    "total": 1289,
    "rank_intervals": "exact",
    "players": [
        {
            "rank": 18,
            "rank_interval": [9, 31],
            "percentile": 98.7,
            "player": "meta-llama/Llama-3.1-8B",
            "rating": 1724.31,
            "deviation": 41.2,
            "value": 1641.91,
            "matches": 412,
            "provisional": False,
            "interval": [1643.6, 1805.1],
            "won": 231,
            "tied": 40,
            "lost": 141,
            "last_match_at": "2026-11-20T21:04:11Z",
        }
    ],
    "unknown": ["ann"],
    "position": "1-3-184468",
    "as_of": "2026-11-21T10:00:07Z",
}


@router.post(
    "/pools/{pool}/lookup", summary="Several players", response_model=LookupAnswer, responses=example(_EXAMPLE)
)
async def lookup(
    pool: NamedPool, body: Annotated[Lookup, Depends(json_body(Lookup))], shared: Shared, live: ReadAfter
) -> Response:
    """Show players in the order in which they are asked for, all at one position; each name once."""
    chosen = system_of(pool, body.system)
    names = list(dict.fromkeys(check_player(f"players[{index}]", name) for index, name in enumerate(body.players)))
    page = await shared.boards.page(pool, chosen, Named(names), 1)
    known = set(page.players)
    answer = LookupAnswer(
        pool=pool.name,
        system=chosen.name,
        total=page.total,
        rank_intervals="exact" if page.pool_rows.whole else "sample",
        players=rated_players(pool, chosen, page, live.as_of),
        unknown=[name for name in names if name not in known],
        position=str(page.position),
        as_of=live.as_of,
    )
    return live.answer(answer, page.position, None)
