"""One player. The name is the tail of the path, since it may hold slashes; nothing ever follows it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path
from fastapi.responses import Response

from service.api.answers import AsOf, PositionText, RankIntervals, RatedPlayer, example
from service.api.inputs import NamedPool, SystemName, check_player, resource, system_of
from service.api.live import CachedRead
from service.api.shared import Shared
from service.api.standing import rated_players
from service.problems import Problem
from service.store.board import Named

router = resource("players")


class PlayerAnswer(RatedPlayer):
    """A player of a pool."""

    pool: str
    system: str
    rank_intervals: RankIntervals
    position: PositionText
    as_of: AsOf


_EXAMPLE: Final = {
    "pool": "arena",
    "player": "meta-llama/Llama-3.1-8B",
    "system": "kalman",
    "rating": 1724.31,
    "deviation": 41.2,
    "interval": [1643.6, 1805.1],
    "rank": 18,
    "rank_interval": [9, 31],
    "rank_intervals": "exact",
    "percentile": 98.7,
    "value": 1641.91,
    "matches": 412,
    "won": 231,
    "tied": 40,
    "lost": 141,
    "provisional": False,
    "last_match_at": "2026-11-20T21:04:11Z",
    "position": "1-3-184468",
    "as_of": "2026-11-21T10:00:07Z",
}


@router.get(
    "/pools/{pool}/players/{player:path}", summary="A player", response_model=PlayerAnswer, responses=example(_EXAMPLE)
)
async def player(
    pool: NamedPool,
    player: Annotated[
        str, Path(description="the name; a slash may be raw or %2F", examples=["meta-llama/Llama-3.1-8B"])
    ],
    shared: Shared,
    live: CachedRead,
    system: SystemName = None,
) -> Response:
    """Show rating, deviation, rank and tallies of a player."""
    chosen = system_of(pool, system)
    page = await shared.boards.page(pool, chosen, Named((check_player("player", player),)), 1)
    if not page.players:
        raise Problem("unknown_player", f"no match of {player!r} was applied in the pool {pool.name!r}")
    (rated,) = rated_players(pool, chosen, page, live.as_of)
    found = PlayerAnswer(
        pool=pool.name,
        system=chosen.name,
        **rated,
        rank_intervals="exact" if page.pool_rows.whole else "sample",
        position=str(page.position),
        as_of=live.as_of,
    )
    return live.answer(found, page.position, page.totals.revision)
