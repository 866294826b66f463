"""What begins a campaign: the body of the request, and what of it is wrong."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from service.api.shared import Parts
from service.api.waiting import Name
from service.api.wanted import LeaseSeconds, Newcomers, Repeatable, RequestId, check_names
from service.campaigns import Campaign, create
from service.campaigns.settle import MOST_MATCHES, MOST_PLAYERS
from service.columns import Floats
from service.match import Side
from service.matchups.draw import MOST_SIDES
from service.pairs import MOST_PAIRED
from service.pools import Pool
from service.problems import FieldError, Problem, wrong_field
from service.store.board import FromPlace, Named
from service.store.campaigns import Begun, id_of
from service.store.pairs import Pairs
from service.suggest.ask import MOST_COUNT, SHOWN

OF_A_KIND: Final = ("goal", "k", "player", "delta", "tolerance", "gap", "budget", "cost")
"""Fields that are parameters of one kind of campaign or another, by their names there."""


class CampaignWanted(BaseModel):
    """A campaign that is to be begun."""

    request_id: Annotated[RequestId, Field(description="a repeat under the same one gets the same campaign")]
    goal: Annotated[
        Literal["full", "top_k", "best", "place"],
        Field(description="what is to be certain: the whole order, who the first k are, who the best is, where one is"),
    ]
    method: Annotated[
        Literal["settle", "knockout"],
        Field(description="`knockout`, for `best`, plays rounds of a fixed number of repeats and assumes no order"),
    ] = "settle"
    players: Annotated[
        list[Name] | None,
        Field(
            min_length=2,
            max_length=MOST_PLAYERS,
            description="for `place` all but the one are taken to be in this order, best first; for `knockout`"
            " neighbours meet; without it all players of the pool in the board's order",
        ),
    ] = None
    k: Annotated[int | None, Field(description="for `top_k`: 1 or more, fewer than there are players")] = None
    player: Annotated[Name | None, Field(description="for `place`: who is to be placed among the others")] = None
    delta: Annotated[
        float | None, Field(description="chance, at most, that the certificate is wrong, 1e-9 to 0.5; 0.05 by default")
    ] = None
    tolerance: Annotated[
        float | None,
        Field(description="win chances so near to one half count as even, 0.001 to 0.25; 0.02 by default"),
    ] = None
    gap: Annotated[
        float | None,
        Field(
            description="of a knockout, by how much the best one's win chance against each of the others is above one"
            " half at least, 0.01 to 0.5; 0.1 by default"
        ),
    ] = None
    budget: Annotated[int | None, Field(description=f"matches, 1 to {MOST_MATCHES:,} at most; 100,000 by default")] = (
        None
    )
    cost: Annotated[
        float | None,
        Field(description="bits that the next match must be expected to bring, 0 to 64; 0, the default, never stops"),
    ] = None
    side_count: Annotated[int, Field(ge=2, le=MOST_SIDES, description="sides of each matchup")] = 2
    newcomers: Newcomers = None

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"request_id": "spring", "goal": "top_k", "k": 3, "delta": 0.05, "budget": 5000},
                {"request_id": "new-bot", "goal": "place", "player": "boreas-2", "newcomers": True},
                {"request_id": "winner", "goal": "best", "method": "knockout", "gap": 0.15},
            ]
        },
    )

    def digest(self) -> str:
        """By which two requests under one id are told apart."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=16).hexdigest()


class NextWanted(BaseModel):
    """What a campaign is to have played next."""

    count: Annotated[int, Field(ge=1, le=MOST_COUNT, description="how many matchups, at most")] = 1
    lease_seconds: LeaseSeconds = 600
    request_id: Repeatable = None

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}, {"count": 10, "request_id": "t-1"}]})


async def begin(shared: Parts, pool: Pool, wanted: CampaignWanted) -> tuple[Begun, Floats]:
    """Lay out the campaign that is wanted, as it stands before its first match, with what was counted up to there.

    Raises
    ------
    Problem
        ``unknown_pool``, ``pairs_not_kept``, ``shape_not_taken``; ``invalid_parameter`` with the field.
    StoreUnavailable, Unreadable
    """
    if not pool.pairs:
        raise Problem("pairs_not_kept", f"the pool {pool.name!r} (section {pool.pattern!r}) keeps no pairs")
    sides = tuple(Side((f"{side}",), rank=side) for side in range(1, wanted.side_count + 1))
    if refusal := pool.refusal(sides):
        raise wrong_field("shape_not_taken", "side_count", refusal, "see /v1/catalog for the systems that take it")
    campaign = _campaign_of(wanted, await _players_of(shared, pool, wanted))
    found = await shared.pairs.read(pool)
    _check_counted(pool, found, campaign.players)
    begun = Begun(
        id=id_of(wanted.request_id),
        method=wanted.method,
        parameters=msgspec.to_builtins(campaign),
        side_count=wanted.side_count,
        position=found.position,
        heavy=found.heavy,
        at=int(time.time() * 1000),
        request_id=wanted.request_id,
        asked=wanted.digest(),
    )
    return begun, found.among(campaign.players)[0]


async def _players_of(shared: Parts, pool: Pool, wanted: CampaignWanted) -> list[str]:
    """Who takes part, where those who are named are known to the pool or may be newcomers."""
    check_names([wanted.request_id], "request_id".format)
    check_names(wanted.players or (), "players[{}]".format)
    named = [(f"players[{index}]", name) for index, name in enumerate(wanted.players or ())]
    if wanted.player is not None and wanted.player not in (wanted.players or ()):
        check_names([wanted.player], "player".format)
        named.append(("player", wanted.player))
    if wanted.players is None:
        board = await shared.boards.page(pool, pool.live, FromPlace(0), MOST_PLAYERS)
        if board.total > MOST_PLAYERS:
            problem = f"the pool has {board.total:,} players"
            raise wrong_field("invalid_parameter", "players", problem, f"name up to {MOST_PLAYERS} of them")
        known = board.players
    else:
        names = list(dict.fromkeys(name for _, name in named))
        known = (await shared.boards.page(pool, pool.live, Named(names), len(names))).players
    if not (pool.matchups.newcomers if wanted.newcomers is None else wanted.newcomers):
        remedy = "check the spelling, or set 'newcomers' to true"
        errors = tuple(
            FieldError(field, f"no match of {name!r} was applied", remedy) for field, name in named if name not in known
        )
        if errors:
            detail = f"{errors[0].field}: the pool {pool.name!r} does not know {len(errors)} of those named"
            raise Problem("invalid_parameter", detail, errors[:SHOWN])
    if wanted.players is not None:
        return wanted.players
    # Who is to be placed may have come just now.
    return [*known, *(name for _, name in named if name not in known)]


def _campaign_of(wanted: CampaignWanted, players: Sequence[str]) -> Campaign:
    given = wanted.model_dump(include=set(OF_A_KIND), exclude_none=True)
    if wanted.method == "knockout":
        _check_knockout(wanted)
        del given["goal"]
    campaign = create(wanted.method, {"players": players, **given})
    if wanted.side_count > len(players):
        problem = f"{wanted.side_count} sides of {len(players)} players"
        raise wrong_field("invalid_parameter", "side_count", problem, "no more sides than players")
    return campaign


def _check_knockout(wanted: CampaignWanted) -> None:
    if wanted.goal != "best":
        raise wrong_field("invalid_parameter", "goal", "a knockout finds the best alone", "best, or the method settle")
    if wanted.side_count != 2:
        raise wrong_field("invalid_parameter", "side_count", "a knockout is played by two sides", "2, or settle")


def _check_counted(pool: Pool, found: Pairs, players: Sequence[str]) -> None:
    """Refuse players of whom no pair will ever be counted: without them nothing is ever settled."""
    numbered = set(found.names)
    if len(numbered) >= MOST_PAIRED and (missing := [name for name in players if name not in numbered]):
        problem = f"of {missing[0]!r} no pairs are kept: {MOST_PAIRED:,} others of the pool {pool.name!r} came before"
        raise wrong_field("invalid_parameter", "players", problem, "name players of whom GET .../pairs has counts")


def shown(campaign: Campaign) -> dict[str, Any]:
    """A campaign's parameters, as its kind names them, but its players and those of another goal."""
    given = msgspec.to_builtins(campaign)
    return {name: value for name, value in given.items() if name != "players" and value is not None}
