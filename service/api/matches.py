"""Sending matches: checked as a whole, then sent; idempotent by id; on request, what became of each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Final, Literal, NotRequired

from fastapi import Depends, Query
from fastapi.responses import Response
from pydantic import Field, FiniteFloat
from typing_extensions import TypedDict

from service import traces
from service.api.answers import PlayerName, PositionText, ProblemAnswer, json_response
from service.api.bodies import read_body
from service.api.checking import MOST_MATCHES, SHOWN, read_matches
from service.api.inputs import resource
from service.api.live import MOST_WAIT_S
from service.api.shared import Parts, Shared
from service.log import LogUnavailable
from service.problems import Problem
from service.store.connection import StoreUnavailable
from service.store.partitions import Unreadable
from service.store.receipts import ranks_of, read_receipts
from service.store.streams import RECEIPT_HEADER, Receipt

router = resource("matches", POST="feed")


class PlayerChange(TypedDict):
    """What the match did to one player under the live system."""

    player: PlayerName
    rating: Annotated[tuple[FiniteFloat, FiniteFloat], Field(description="before and after")]
    deviation: Annotated[
        tuple[FiniteFloat, FiniteFloat], Field(description="before, grown to the time of the match, and after")
    ]
    rank: Annotated[
        tuple[int | None, int],
        Field(description="before (null: not on the board) and after, among the others as they stand now"),
    ]


class SentMatch(TypedDict):
    """Where a match lies, and what became of it."""

    id: str
    pool: str
    topic: str
    partition: int
    offset: int
    position: Annotated[
        PositionText | None,
        Field(description="give it as `after` to read what the match did; null where Redis did not answer"),
    ]
    outcome: Literal["accepted", "applied", "duplicate", "dead_letter"]
    reason: NotRequired[Annotated[str, Field(description="why it is a dead letter: a slug of /problems")]]
    detail: NotRequired[str]
    changes: NotRequired[list[PlayerChange]]


class MatchesAnswer(TypedDict):
    """What became of the matches of one request, in its order."""

    matches: list[SentMatch]


_ANSWER: Final = {
    "matches": [
        {
            "id": "m-81",
            "pool": "blitz",
            "topic": "matches",
            "partition": 3,
            "offset": 184467,
            "position": "1-3-184468",
            "outcome": "applied",
            "changes": [
                {"player": "ann", "rating": [1500.0, 1608.7], "deviation": [232.0, 211.9], "rank": [204, 118]},
                {"player": "bob", "rating": [1500.0, 1391.3], "deviation": [232.0, 211.9], "rank": [731, 902]},
            ],
        }
    ]
}
_EXAMPLE: Final = {
    "id": "m-81",
    "pool": "blitz",
    "at": "2026-11-21T10:00:00Z",
    "sides": [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}],
}


@router.post(
    "/matches",
    summary="Send matches",
    status_code=202,
    response_model=MatchesAnswer,
    responses={
        200: {
            "model": MatchesAnswer,
            "description": "All of them are decided: applied, duplicates or dead letters",
            "content": {"application/json": {"example": _ANSWER}},
        },
        413: {"model": ProblemAnswer, "description": "The body is larger than 1 MiB"},
        415: {"model": ProblemAnswer, "description": "The body is no JSON"},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "anyOf": [
                            {"$ref": "#/components/schemas/Match"},
                            {
                                "type": "object",
                                "required": ["matches"],
                                "additionalProperties": False,
                                "properties": {
                                    "matches": {
                                        "type": "array",
                                        "minItems": 1,
                                        "maxItems": MOST_MATCHES,
                                        "items": {"$ref": "#/components/schemas/Match"},
                                    }
                                },
                            },
                        ]
                    },
                    "examples": {
                        "one": {"summary": "One match", "value": _EXAMPLE},
                        "several": {"summary": "Several", "value": {"matches": [_EXAMPLE]}},
                    },
                }
            },
        }
    },
)
async def send_matches(
    body: Annotated[bytes, Depends(read_body)],
    shared: Shared,
    wait: Annotated[float, Query(ge=0, le=MOST_WAIT_S, description="seconds to wait until they are applied")] = 0.0,
) -> Response:
    """Send one match, or up to 1,000 under `matches`, to the log.

    Nothing is sent unless all can be used. Send the same body again after any doubt: a match counts once by its `id`.
    """
    checked = read_matches(body, shared.pools)
    matches = [match for match, _ in checked]
    receipt = [(RECEIPT_HEADER, b"")] if wait else []
    try:
        with traces.sending(shared.settings.topic) as traced:
            sent = await shared.writer.send([(match.pool, value) for match, value in checked], [*receipt, *traced])
    except LogUnavailable as error:
        raise Problem("kafka_unavailable", f"nothing was sent: {error}") from error
    if None in sent:
        known = [match.id for match, place in zip(matches, sent, strict=True) if place is not None]
        raise Problem(
            "kafka_unavailable",
            f"Kafka has {len(known)} of {len(matches)} matches for certain ({', '.join(known[:SHOWN]) or 'none'});"
            " send the same body again",
        )
    answers = [
        SentMatch(
            id=match.id,
            pool=match.pool,
            topic=shared.settings.topic,
            partition=place.partition,
            offset=place.offset,
            position=None,
            outcome="accepted",
        )
        for match, place in zip(matches, sent, strict=True)
        if place is not None
    ]
    # Kafka has them: whatever Redis does now, that is no reason to say that they were not taken.
    with suppress(StoreUnavailable, Unreadable, Problem):
        await _follow(answers, shared, wait)
    decided = all(answer["outcome"] != "accepted" for answer in answers)
    return json_response(MatchesAnswer(matches=answers), 200 if decided else 202)


async def _follow(answers: Sequence[SentMatch], shared: Parts, wait: float) -> None:
    """Fill in positions and, within the time to wait, what became of the matches."""
    until = time.monotonic() + wait
    for number in {answer["partition"] for answer in answers}:
        here = [answer for answer in answers if answer["partition"] == number]
        now = await shared.partitions.position(number)
        for answer in here:
            answer["position"] = str(replace(now, offset=answer["offset"] + 1))
        if not wait:
            continue
        last = replace(now, offset=max(answer["offset"] for answer in here) + 1)
        await shared.watch.reached(last, max(0.0, until - time.monotonic()))
        _, receipts = await read_receipts(shared.partitions, number, [answer["offset"] + 1 for answer in here])
        for answer, receipt in zip(here, receipts, strict=True):
            if receipt is not None:
                await _tell(answer, receipt, shared)


async def _tell(answer: SentMatch, receipt: Receipt, shared: Parts) -> None:
    """Fill in what became of one match."""
    answer["outcome"] = receipt.outcome
    if receipt.outcome == "dead_letter":
        answer["reason"], answer["detail"] = receipt.reason, receipt.detail
    if receipt.moves:
        pool = shared.pools.configured(answer["pool"])
        ranks = await ranks_of(shared.partitions, answer["partition"], pool, receipt.moves)
        answer["changes"] = [
            PlayerChange(player=move.player, rating=move.rating, deviation=move.deviation, rank=rank)
            for move, rank in zip(receipt.moves, ranks, strict=True)
        ]
