"""One player. The name is the tail of the path, since it may hold slashes; nothing ever follows it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from service.api.answers import PlayerAnswer
from service.api.inputs import NamedPool, Now, StoredBoards, SystemName, check_player, resource, system_of
from service.api.standing import moment, standings
from service.ranks import SURE
from service.rate import LAST_AT, TIED, WON
from service.store.board import Around

router = resource()


@router.get("/pools/{pool}/players/{player:path}", summary="A player")
async def player(
    pool: NamedPool,
    player: Annotated[
        str, Path(description="the name; a slash may be raw or %2F", examples=["meta-llama/Llama-3.1-8B"])
    ],
    boards: StoredBoards,
    as_of: Now,
    system: SystemName = None,
) -> PlayerAnswer:
    """Show rating, deviation, rank and tallies of a player."""
    chosen = system_of(pool, system)
    page = await boards.page(pool, chosen, Around(check_player("player", player)), 1)
    (standing,) = standings(pool, chosen, page, as_of)
    (tallies,) = page.tallies
    won, tied = int(tallies[WON]), int(tallies[TIED])
    half = SURE * standing.deviation
    return PlayerAnswer(
        **dict(standing),
        pool=pool.name,
        system=chosen.name,
        interval=(standing.rating - half, standing.rating + half),
        rank_intervals="exact" if page.pool_rows.whole else "sample",
        won=won,
        tied=tied,
        lost=standing.matches - won - tied,
        last_match_at=moment(tallies[LAST_AT]),
        position=str(page.position),
        as_of=as_of,
    )
