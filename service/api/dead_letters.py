"""Dead letters: the newest records that could not be used, and why."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, cast

import msgspec
from fastapi import Query
from fastapi.responses import Response
from pydantic import Field
from typing_extensions import TypedDict

from service.api.answers import AsOf, Next, example, json_response
from service.api.cursors import malformed_cursor
from service.api.inputs import Cursor, Limit, Now, nearest, resource
from service.api.live import LIVE_HEADERS
from service.api.shared import Shared
from service.dead_letters import Found, newest_letters
from service.fields import is_slug
from service.log import LogUnavailable
from service.problems import PROBLEMS, Problem, wrong_field

MOST_LETTERS: Final = 1_000
"""Newest letters of each partition that can be listed."""

READ_S: Final = 10.0

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_cursor: Final = re.compile(r"(0|[1-9][0-9]{0,14})-(0|[1-9][0-9]{0,18})-(0|[1-9][0-9]{0,18})")

router = resource("dead letters", GET="operate")


class DeadLetter(TypedDict):
    """A record that could not be used, without its value, which `standings dead-letters show` shows."""

    topic: str
    partition: int
    offset: int
    pool: Annotated[str | None, Field(description="that the match names or, where that cannot be read, the key")]
    reason: Annotated[str, Field(description="a slug of /problems")]
    detail: str
    field: Annotated[str | None, Field(description="the wrong field, where there is one")]
    key: Annotated[str | None, Field(description="the record's key; at most 1,024 bytes")]
    bytes: Annotated[int | None, Field(description="size of its value; null where it has none")]
    cut: Annotated[bool, Field(description="whether only the beginning of the value is kept outside the log")]
    recorded_at: Annotated[datetime | None, Field(description="the record's timestamp, where it is a time at all")]
    found_at: Annotated[datetime, Field(description="when it was found that the record cannot be used")]


class DeadLettersAnswer(TypedDict):
    """A page of the newest dead letters, each record once."""

    dead_letters: list[DeadLetter]
    next: Next
    as_of: AsOf


_EXAMPLE: Final = {
    "dead_letters": [
        {
            "topic": "matches",
            "partition": 0,
            "offset": 184467,
            "pool": "chess.blitz",
            "reason": "wrong_key",
            "detail": "pool: the match is of 'chess.blitz', the record's key is 'chess'",
            "field": None,
            "key": "chess",
            "bytes": 116,
            "cut": False,
            "recorded_at": "2026-11-21T10:00:00Z",
            "found_at": "2026-11-21T10:00:01Z",
        }
    ],
    "next": "1795255201000-0-184467",
    "as_of": "2026-11-21T10:00:07Z",
}


@router.get(
    "/dead-letters",
    summary="Records that could not be used",
    response_model=DeadLettersAnswer,
    responses=example(_EXAMPLE),
)
async def dead_letters(
    shared: Shared,
    as_of: Now,
    pool: Annotated[str | None, Query(description="only those of this pool")] = None,
    reason: Annotated[str | None, Query(description="only those with this reason, a slug of /problems")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """List the newest 1,000 dead letters of each partition, the newest first."""
    if pool is not None and not is_slug(pool):
        raise wrong_field("invalid_parameter", "pool", f"{pool!r} is no pool's name", "see GET /v1/pools")
    if reason is not None and reason not in PROBLEMS:
        raise wrong_field("invalid_parameter", "reason", f"no reason {reason!r}", nearest(reason, list(PROBLEMS)))
    after = None if cursor is None else decode_order(cursor)
    try:
        read = await newest_letters(shared.settings.brokers, shared.settings.topic, MOST_LETTERS, READ_S)
    except LogUnavailable as error:
        raise Problem("kafka_unavailable", str(error)) from error
    found = [
        one
        for one in read.found
        if pool in (None, one.letter.pool)
        and reason in (None, one.letter.reason)
        and (after is None or one.order < after)
    ]
    page = found[:limit]
    answer = DeadLettersAnswer(
        dead_letters=[cast("DeadLetter", msgspec.structs.asdict(one.letter)) for one in page],
        next=encode_order(page[-1]) if len(found) > limit else None,
        as_of=as_of,
    )
    return json_response(answer, headers=LIVE_HEADERS)


def encode_order(found: Found) -> str:
    """Write the cursor after a letter."""
    at, partition, offset = found.order
    return f"{(at - _EPOCH) // timedelta(milliseconds=1)}-{partition}-{offset}"


def decode_order(text: str) -> tuple[datetime, int, int]:
    """Read what `encode_order` wrote.

    Raises
    ------
    Problem
        ``malformed``.

    Examples
    --------
    >>> decode_order("1000-0-7")
    (datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.timezone.utc), 0, 7)
    """
    parts = _cursor.fullmatch(text)
    if parts is None:
        raise malformed_cursor()
    at, partition, offset = map(int, parts.groups())
    try:
        return _EPOCH + timedelta(milliseconds=at), partition, offset
    except OverflowError:
        raise malformed_cursor() from None
