"""Campaigns: matchups are handed out until a goal is certain enough, then there is a certificate."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Final

from fastapi import Depends, Path
from fastapi.responses import Response

from service.api.answers import ProblemAnswer, example, json_response, problem_example
from service.api.bodies import json_body
from service.api.campaigning import CampaignWanted, NextWanted, begin
from service.api.inputs import NamedPool, Now, resource
from service.api.live import LIVE_HEADERS, ReadAfter
from service.api.pursued import (
    CAMPAIGN,
    CAMPAIGNS,
    CampaignAnswer,
    CampaignsAnswer,
    ended_campaign,
    open_campaign,
    summary_of,
)
from service.api.shared import Parts, Shared
from service.api.suggested import ANSWER, MatchupsAnswer, answer_of
from service.api.wanted import MOST_SEED
from service.pools import Pool
from service.problems import Problem, wrong_field
from service.store.campaigns import MOST_CAMPAIGNS, Found, id_of, unpack_counts
from service.suggest.ask import Ask
from service.suggest.campaign import Running
from service.suggest.desk import Given

router = resource("campaigns", POST="suggest", DELETE="suggest")

Id = Annotated[str, Path(description="as it was begun", examples=["ca-lvbmhqktk3gppyyx"])]
ENDED: Final[dict[int | str, dict[str, Any]]] = {
    410: {
        "model": ProblemAnswer,
        "description": "It has ended, or nothing can be certified by what was counted",
        "content": {"application/json": {"example": problem_example("campaign_ended")}},
    }
}


@router.post(
    "/pools/{pool}/campaigns",
    summary="Begin a campaign",
    response_model=CampaignAnswer,
    responses={**example(CAMPAIGN), **ENDED},
)
async def begin_campaign(
    pool: NamedPool, body: Annotated[CampaignWanted, Depends(json_body(CampaignWanted))], shared: Shared
) -> Response:
    """Begin a campaign, or show the one that was begun under the same request id.

    Results between its players count from here on, whoever suggests the matches.
    """
    id_ = id_of(body.request_id)
    found = await shared.campaigns.read(pool.name, id_)
    if found is None:
        if not await shared.campaigns.create(pool.name, *await begin(shared, pool, body)):
            raise Problem("too_many_campaigns", f"the pool {pool.name!r} has {MOST_CAMPAIGNS} campaigns")
        found = await _found(shared, pool, id_)
    if found.begun.asked != body.digest():
        raise wrong_field(
            "invalid_parameter",
            "request_id",
            f"{body.request_id!r} began another campaign, {id_}",
            "give each campaign a request id of its own, or send the same body again",
        )
    return json_response(await _shown(shared, pool, found), headers=LIVE_HEADERS)


@router.get(
    "/pools/{pool}/campaigns",
    summary="Campaigns of a pool",
    response_model=CampaignsAnswer,
    responses=example(CAMPAIGNS),
)
async def campaigns(pool: NamedPool, shared: Shared, as_of: Now) -> Response:
    """List campaigns, the last begun first; there are a hundred at most, and each stays until it is deleted."""
    found = await shared.campaigns.read_all(pool.name)
    answer = CampaignsAnswer(pool=pool.name, campaigns=[summary_of(begun) for begun in found], as_of=as_of)
    return json_response(answer, headers=LIVE_HEADERS)


@router.get(
    "/pools/{pool}/campaigns/{id}",
    summary="How a campaign stands",
    response_model=CampaignAnswer,
    responses={**example(CAMPAIGN), **ENDED},
)
async def campaign(
    pool: NamedPool,
    shared: Shared,
    live: ReadAfter,
    id: Id,  # noqa: A002 - its name in the path
) -> Response:
    """Look at a campaign; where its goal is reached by now, it ends with this look."""
    del live
    answer = await _shown(shared, pool, await _found(shared, pool, id))
    return json_response(answer, headers=LIVE_HEADERS)


@router.delete(
    "/pools/{pool}/campaigns/{id}",
    summary="Delete a campaign",
    status_code=204,
    response_class=Response,
)
async def delete_campaign(
    pool: NamedPool,
    shared: Shared,
    id: Id,  # noqa: A002 - its name in the path
) -> Response:
    """Forget a campaign; the answer is the same where there is none. Its matchups stay under way."""
    await shared.campaigns.drop(pool.name, id)
    return Response(None, 204)


@router.post(
    "/pools/{pool}/campaigns/{id}/matchups",
    summary="What a campaign plays next",
    response_model=MatchupsAnswer,
    responses={**example(ANSWER), **ENDED},
)
async def next_of_campaign(
    pool: NamedPool,
    body: Annotated[NextWanted, Depends(json_body(NextWanted))],
    shared: Shared,
    live: ReadAfter,
    id: Id,  # noqa: A002 - its name in the path
) -> Response:
    """Suggest and lease matchups of a campaign: fewer, or none, where its budget has no more left just now."""
    del live
    found = await _found(shared, pool, id)
    if found.counted is not None:
        ask = _ask(found, found.counted, body)
        given = await shared.suggestions.suggest(pool, ask)
        if await _still_open(shared, pool, found, given):
            return json_response(answer_of(pool, ask, given), headers=LIVE_HEADERS)
    raise Problem("campaign_ended", f"its certificate is at /v1/pools/{pool.name}/campaigns/{id}")


async def _found(shared: Parts, pool: Pool, id_: str) -> Found:
    found = await shared.campaigns.read(pool.name, id_)
    if found is None:
        raise Problem("unknown_name", f"the pool {pool.name!r} has no campaign {id_[:64]!r}")
    return found


async def _shown(shared: Parts, pool: Pool, found: Found) -> CampaignAnswer:
    """Say how a campaign stands, having looked at it where it is open."""
    if found.counted is not None:
        given = await shared.suggestions.suggest(pool, _ask(found, found.counted, None))
        if await _still_open(shared, pool, found, given):
            assert given.progress is not None
            return open_campaign(pool.name, found.begun, given.progress)
        # Somebody else may have been first to see it end.
        found = await _found(shared, pool, found.begun.id)
    assert found.certificate is not None
    return ended_campaign(pool.name, found.begun, found.certificate)


async def _still_open(shared: Parts, pool: Pool, found: Found, given: Given) -> bool:
    """Whether a campaign goes on; where it was just seen to end, that is stored."""
    assert given.progress is not None
    certificate = given.progress.certificate
    if certificate is not None:
        await shared.campaigns.end(pool.name, found.begun, certificate)
    return certificate is None


def _ask(found: Found, counted: bytes, wanted: NextWanted | None) -> Ask:
    """Ask for what is wanted of a campaign; for nothing but to look at it where nothing is."""
    begun = found.begun
    campaign = begun.campaign()
    wins = unpack_counts(counted, len(campaign.players))
    return Ask(
        policy=campaign,
        # Every matchup is for the goal; chance comes in between equals.
        floor=0.0,
        seed=secrets.randbelow(MOST_SEED + 1),
        lease_ms=0 if wanted is None else 1000 * wanted.lease_seconds,
        count=0 if wanted is None else wanted.count,
        side_count=begun.side_count,
        candidates=campaign.players,
        newcomers=True,
        request_id=None if wanted is None else wanted.request_id,
        running=Running(begun.id, campaign, begun.side_count, begun.position, begun.heavy, wins),
    )
