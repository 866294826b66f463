"""Pools: which there are, and one of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi.responses import Response
from pydantic import Field, FiniteFloat
from typing_extensions import TypedDict

from service.api.answers import AsOf, Next, PositionText, example, json_response
from service.api.cursors import decode_pool, encode_pool
from service.api.inputs import Cursor, Limit, NamedPool, Now, resource
from service.api.live import LIVE_HEADERS, CachedRead
from service.api.shared import Shared
from service.api.standing import last_match
from service.pairs import MOST_PAIRED
from service.shown import biases
from service.store.read import page_pools, read_pool

router = resource("pools")

LastMatch = Annotated[datetime | None, Field(description="null where the pool was only seeded")]


class ListedPool(TypedDict):
    """A pool in the list of pools."""

    pool: str
    matches: int
    last_match_at: LastMatch
    position: PositionText


class PoolsAnswer(TypedDict):
    """A page of all pools, in the order of their names."""

    pools: list[ListedPool]
    next: Next
    as_of: AsOf


class SystemAnswer(TypedDict):
    """A rating system of a pool."""

    system: str
    live: Annotated[bool, Field(description="whether its ratings are shown unless another is asked for")]
    parameters: dict[str, Any]
    players: int


class ProvisionalAnswer(TypedDict):
    """A player is provisional with fewer matches or, where that is bounded, a larger deviation."""

    matches: int
    deviation: FiniteFloat | None


class ShownPlace(TypedDict):
    """How well sides did that were shown at one place of their matchup; a bias, since places are drawn by chance."""

    matches: Annotated[int, Field(description="results under a matchup's id, without a home side")]
    before: Annotated[
        FiniteFloat, Field(description="mean share of the other sides that it came in before; 0.5 without a bias")
    ]
    interval: Annotated[tuple[FiniteFloat, FiniteFloat], Field(description="of that, 95 % by Wilson")]


class PairsKept(TypedDict):
    """What is counted of who was before whom."""

    players: Annotated[int, Field(description="players whose pairs are counted")]
    most_players: Annotated[int, Field(description="how many there may be: the first that came")]
    matches_left_out: Annotated[
        int,
        Field(
            description="matches of which not every pair is counted: with a side of several players, of more than"
            " 100 sides, or with a player who came too late"
        ),
    ]
    shown: Annotated[list[ShownPlace], Field(description="of matchups: the side that was shown first, then the next")]


class MatchupsDefaults(TypedDict):
    """How matchups are suggested where a request does not say."""

    policy: Annotated[str | None, Field(description="null: the one for the goal that is asked for")]
    parameters: dict[str, Any]
    floor: Annotated[FiniteFloat, Field(description="chance that sides are taken uniformly instead")]
    exposure: Annotated[
        FiniteFloat | None, Field(description="suggested so many times as often as the least, a player waits")
    ]
    newcomers: Annotated[bool, Field(description="whether players that the pool does not know may be candidates")]


class PoolAnswer(TypedDict):
    """A pool: the configuration in force, and what was counted."""

    pool: str
    profile: Annotated[str, Field(description="the built-in configuration it follows where nothing else is said")]
    pattern: Annotated[str, Field(description="the section of the pools file, or of the built-in one, that took it")]
    systems: list[SystemAnswer]
    order: Annotated[str, Field(description="what the board is ordered by")]
    provisional: Annotated[ProvisionalAnswer, Field(description="whose rating is not yet to be relied on")]
    pairs: Annotated[PairsKept | None, Field(description="null where the pool keeps no pairs")]
    first_at_home: Annotated[
        bool, Field(description="whether the side of a matchup that was shown first is rated as if at home")
    ]
    matchups: MatchupsDefaults
    matches: int
    players: Annotated[int, Field(description="players under the live system")]
    last_match_at: LastMatch
    position: PositionText
    as_of: AsOf


_LISTED: Final = {
    "pool": "chess.blitz",
    "matches": 90412,
    "last_match_at": "2026-11-21T10:00:00Z",
    "position": "1-3-184468",
}
_POOL: Final[dict[str, Any]] = {
    "pool": "chess.blitz",
    "profile": "ladder",
    "pattern": "chess.*",
    "systems": [{"system": "elo", "live": True, "parameters": {"k": 32.0}, "players": 1289}],
    "order": "rating",
    "provisional": {"matches": 10, "deviation": None},
    "pairs": None,
    "first_at_home": False,
    "matchups": {"policy": None, "parameters": {}, "floor": 0.02, "exposure": None, "newcomers": False},
    "matches": 90412,
    "players": 1289,
    "last_match_at": "2026-11-21T10:00:00Z",
    "position": "1-3-184468",
    "as_of": "2026-11-21T10:00:07Z",
}


@router.get(
    "/pools",
    summary="The pools, by name",
    response_model=PoolsAnswer,
    responses=example({"pools": [_LISTED], "next": None, "as_of": "2026-11-21T10:00:07Z"}),
)
async def pools(shared: Shared, as_of: Now, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """List the pools of which a match was applied, each at the position of its own partition."""
    after = decode_pool(cursor) if cursor is not None else ""
    found, more = await page_pools(shared.partitions, after, limit)
    answer = PoolsAnswer(
        pools=[
            ListedPool(
                pool=pool.name,
                matches=pool.totals.matches,
                last_match_at=last_match(pool.totals),
                position=str(pool.position),
            )
            for pool in found
        ],
        next=encode_pool(found[-1].name) if more else None,
        as_of=as_of,
    )
    return json_response(answer, headers=LIVE_HEADERS)


@router.get("/pools/{pool}", summary="A pool", response_model=PoolAnswer, responses=example(_POOL))
async def pool(pool: NamedPool, shared: Shared, live: CachedRead) -> Response:
    """Show the configuration in force and what was counted of a pool."""
    found, said = await read_pool(shared.partitions, pool), pool.matchups
    answer = PoolAnswer(
        pool=pool.name,
        profile=pool.profile,
        pattern=pool.pattern,
        systems=[
            SystemAnswer(
                system=system.name,
                live=system is pool.live,
                parameters=msgspec.to_builtins(system),
                players=players,
            )
            for system, players in zip(pool.systems, found.sizes, strict=True)
        ],
        order=pool.order,
        provisional=ProvisionalAnswer(matches=pool.provisional.matches, deviation=pool.provisional.deviation),
        pairs=None
        if found.pairs is None
        else PairsKept(
            players=found.pairs.players,
            most_players=MOST_PAIRED,
            matches_left_out=found.pairs.left_out,
            shown=[
                ShownPlace(matches=one.matches, before=one.before, interval=(one.low, one.high))
                for one in biases(found.pairs.shown)
            ],
        ),
        first_at_home=pool.first_at_home,
        matchups=MatchupsDefaults(
            policy=said.policy,
            parameters=said.parameters,
            floor=said.floor,
            exposure=said.exposure,
            newcomers=said.newcomers,
        ),
        matches=found.totals.matches,
        players=found.sizes[0],
        last_match_at=last_match(found.totals),
        position=str(found.position),
        as_of=live.as_of,
    )
    return live.answer(answer, found.position, found.totals.revision)
