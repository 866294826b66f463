"""The leaderboard of a pool, page by page."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from service.api.answers import BoardAnswer, ProblemAnswer
from service.api.cursors import BoardCursor
from service.api.inputs import (
    Cursor,
    Limit,
    NamedPool,
    Now,
    StoredBoards,
    SystemName,
    check_player,
    resource,
    system_of,
)
from service.api.standing import standings
from service.problems import Problem, wrong_field
from service.store.board import After, Around, FromPlace, Where

router = resource()

Player = Annotated[str | None, Query(description="a player who shall be in the middle of the page")]
Rank = Annotated[int | None, Query(ge=1, le=1_000_000_000, description="begin with the player at this place")]


@router.get("/pools/{pool}/leaderboard", summary="The leaderboard", responses={410: {"model": ProblemAnswer}})
async def leaderboard(
    pool: NamedPool,
    boards: StoredBoards,
    as_of: Now,
    cursor: Cursor = None,
    around: Player = None,
    rank: Rank = None,
    limit: Limit = 50,
    system: SystemName = None,
) -> BoardAnswer:
    """Show players in the order of the board: value from the largest, then name from the last by bytes.

    Give at most one of `cursor`, `around` and `rank`. Following `next`, a player who does not move is seen
    exactly once, wherever others go.
    """
    given = [name for name, value in (("cursor", cursor), ("around", around), ("rank", rank)) if value is not None]
    if len(given) > 1:
        raise wrong_field("invalid_parameter", given[1], f"given beside {given[0]}", "one of cursor, around, rank")
    last = None if cursor is None else BoardCursor.decode(cursor)
    if last is not None and system not in (None, last.system):
        raise wrong_field("invalid_parameter", "system", f"the cursor is of {last.system!r}", "leave system out")
    chosen = system_of(pool, system if last is None else last.system)
    where: Where
    if last is not None:
        where = After(last.value, last.player)
    elif around is not None:
        where = Around(check_player("around", around))
    else:
        where = FromPlace(0 if rank is None else rank - 1)
    page = await boards.page(pool, chosen, where, limit)
    generation = page.position.generation
    if last is not None and last.generation != generation:
        raise Problem("cursor_expired", f"the cursor is of generation {last.generation}, now {generation} is read")
    following = None
    if page.more and page.players:
        following = BoardCursor(generation, chosen.name, float(page.values[-1]), page.players[-1]).encode()
    return BoardAnswer(
        pool=pool.name,
        system=chosen.name,
        order=pool.order,
        total=page.total,
        rank_intervals="exact" if page.pool_rows.whole else "sample",
        players=standings(pool, chosen, page, as_of),
        next=following,
        position=str(page.position),
        as_of=as_of,
    )
