"""Matchups: what to play next, leased, with the chance that it had to be suggested."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Path
from fastapi.responses import Response

from service.api.answers import example, json_response
from service.api.bodies import json_body
from service.api.cursors import decode_lease, encode_lease
from service.api.inputs import Cursor, Limit, NamedPool, resource
from service.api.live import LIVE_HEADERS, ReadAfter
from service.api.shared import Shared
from service.api.suggested import ANSWER, OPEN, MatchupsAnswer, OpenMatchups, answer_of, exposure_of, under_way
from service.api.wanted import Wanted, ask_of

MOST_BODY: Final = 4 << 20

router = resource("matchups", POST="suggest", DELETE="suggest")


@router.post(
    "/pools/{pool}/matchups",
    summary="What to play next",
    response_model=MatchupsAnswer,
    responses=example(ANSWER),
)
async def suggest(
    pool: NamedPool, body: Annotated[Wanted, Depends(json_body(Wanted, MOST_BODY))], shared: Shared, live: ReadAfter
) -> Response:
    """Suggest matchups, and lease them: until their results are in, they count as under way.

    Nothing is given that could not be accounted for: all that an evaluation needs is in Kafka before the answer.
    """
    del live
    ask = ask_of(pool, body)
    return json_response(answer_of(pool, ask, await shared.suggestions.suggest(pool, ask)), headers=LIVE_HEADERS)


@router.get(
    "/pools/{pool}/matchups",
    summary="Matchups under way",
    response_model=OpenMatchups,
    responses=example(OPEN),
)
async def open_matchups(
    pool: NamedPool, shared: Shared, live: ReadAfter, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """List the open leases of a pool, the first to end first, and say how evenly its players were suggested so far."""
    after = (0, "") if cursor is None else decode_lease(cursor)
    known = await shared.suggestions.open(pool)
    found = sorted((lease.until, id_) for id_, lease in known.leases.items() if (lease.until, id_) > after)
    page = found[:limit]
    answer = OpenMatchups(
        pool=pool.name,
        matchups=[under_way(id_, known.leases[id_]) for _, id_ in page],
        next=encode_lease(*page[-1]) if len(found) > limit else None,
        exposure=exposure_of(known),
        position=str(known.position),
        as_of=live.as_of,
    )
    return live.answer(answer, known.position, None)


@router.delete(
    "/pools/{pool}/matchups/{id}",
    summary="Give a matchup back",
    status_code=204,
    response_class=Response,
)
async def give_back(
    pool: NamedPool,
    shared: Shared,
    id: Annotated[str, Path(description="as it was suggested", examples=["1-3-mu-5k2f9x3jq7hd2mza"])],  # noqa: A002 - its name in the path
) -> Response:
    """Close a lease without a result; the answer is the same where it is closed already, expired or unknown."""
    await shared.suggestions.give_back(pool, id)
    return Response(None, 204)
