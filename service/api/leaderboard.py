"""The leaderboard of a pool, page by page."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field
from typing_extensions import TypedDict

from service.api.answers import AsOf, Next, PositionText, ProblemAnswer, RankIntervals, Standing, example
from service.api.cursors import BoardCursor
from service.api.inputs import Cursor, Limit, NamedPool, SystemName, check_player, resource, system_of
from service.api.live import CachedRead
from service.api.shared import Shared
from service.api.standing import standings
from service.problems import Problem, wrong_field
from service.store.board import After, Around, FromPlace, Where

router = resource("leaderboard")


class BoardAnswer(TypedDict):
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


_EXAMPLE: Final = {
    "pool": "arena",
    "system": "kalman",
    "order": "rating - 2 * deviation",
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
            "value": 1831.2,
            "matches": 2210,
            "provisional": False,
        }
    ],
    "next": "BWFyZW5hATEDZWxvQJ2UzMzMzM1hdGxhcy05",
    "position": "1-3-184468",
    "as_of": "2026-11-21T10:00:07Z",
}

Player = Annotated[str | None, Query(description="a player who shall be in the middle of the page")]
Rank = Annotated[int | None, Query(ge=1, le=1_000_000_000, description="begin with the player at this place")]


@router.get(
    "/pools/{pool}/leaderboard",
    summary="The leaderboard",
    response_model=BoardAnswer,
    responses={410: {"model": ProblemAnswer}, **example(_EXAMPLE)},
)
async def leaderboard(
    pool: NamedPool,
    shared: Shared,
    live: CachedRead,
    cursor: Cursor = None,
    around: Player = None,
    rank: Rank = None,
    limit: Limit = 50,
    system: SystemName = None,
) -> Response:
    """Show players in the order of the board: value from the largest, then name from the last by bytes.

    Give at most one of `cursor`, `around` and `rank`. Following `next`, a player who does not move is seen
    exactly once, wherever others go.
    """
    given = [name for name, value in (("cursor", cursor), ("around", around), ("rank", rank)) if value is not None]
    if len(given) > 1:
        raise wrong_field("invalid_parameter", given[1], f"given beside {given[0]}", "one of cursor, around, rank")
    last = None if cursor is None else BoardCursor.decode(cursor)
    if last is not None and last.pool != pool.name:
        raise wrong_field("invalid_parameter", "cursor", f"it is of the pool {last.pool!r}", "begin at the first page")
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
    page = await shared.boards.page(pool, chosen, where, limit)
    generation = page.position.generation
    if last is not None and last.generation != generation:
        raise Problem("cursor_expired", f"the cursor is of generation {last.generation}, now {generation} is read")
    following = None
    if page.more and page.players:
        following = BoardCursor(pool.name, generation, chosen.name, float(page.values[-1]), page.players[-1]).encode()
    found = BoardAnswer(
        pool=pool.name,
        system=chosen.name,
        order=pool.order,
        total=page.total,
        rank_intervals="exact" if page.pool_rows.whole else "sample",
        players=standings(pool, chosen, page, live.as_of),
        next=following,
        position=str(page.position),
        as_of=live.as_of,
    )
    return live.answer(found, page.position, page.totals.revision)
