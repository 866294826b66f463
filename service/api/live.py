"""Live reads: from a state that has come as far as the client asks, and told apart from what it already has.

An answer about a pool changes with the pool's revision and, since deviations grow with time, with the minute: these
two are its weak ETag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from service.api.answers import json_response
from service.api.inputs import NamedPool, Now
from service.api.shared import Shared
from service.pools import Pool
from service.problems import Problem, wrong_field
from service.store.partitions import Partitions, Position
from service.store.read import pool_revision

MOST_WAIT_S: Final = 10.0

_position = re.compile(r"([1-9][0-9]{0,8})-([0-9]{1,6})-([0-9]{1,18})")
_tag = re.compile(r'(?:W/)?"([^"]*)"')

LIVE_HEADERS: Final = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept-Encoding"}

After = Annotated[
    str | None,
    Query(description="a position: answer only from a state that has come that far", examples=["1-3-184468"]),
]
Wait = Annotated[float, Query(ge=0, le=MOST_WAIT_S, description="seconds to wait for `after`")]


class NotModified(Exception):
    """The client has the answer already; ``tag`` is its ETag."""

    def __init__(self, tag: str) -> None:
        self.tag = tag


@dataclass(frozen=True, slots=True)
class Live:
    """What a live read is held to.

    Attributes
    ----------
    as_of : datetime
        The moment to which deviations are grown.
    after : Position or None
        What the answer must cover.
    """

    as_of: datetime
    after: Position | None

    def tag(self, generation: str, revision: int) -> str:
        """Weak ETag of an answer about a pool at a revision."""
        return f'W/"{generation}-{revision}-{int(self.as_of.timestamp()) // 60}"'

    def answer(self, answer: Mapping[str, Any], position: Position, revision: int | None) -> Response:
        """Make the response; without a revision it is not told apart from later ones.

        Raises
        ------
        Problem
            ``not_applied_yet`` where what was read no longer covers `after`: Redis went back.
        """
        self.check(position)
        headers = dict(LIVE_HEADERS)
        if revision is not None:
            headers["ETag"] = self.tag(position.generation, revision)
        return json_response(answer, headers=headers)

    def check(self, position: Position) -> None:
        """Refuse to answer from a state that does not cover `after`."""
        if self.after is not None and not position.covers(self.after):
            raise Problem("not_applied_yet", f"partition {position.partition} stands at {position}, not {self.after}")


async def position_in(pool: Pool, partitions: Partitions, field: str, text: str) -> Position:
    """Read a position of the partition that holds a pool.

    Raises
    ------
    Problem
        ``malformed``; ``invalid_parameter`` where it is of another partition; ``unknown_pool``.
    """
    found = _position.fullmatch(text)
    if found is None:
        raise Problem("malformed", f"{field}: {text[:64]!r} is no position; give one as an answer had it")
    position = Position(found[1], int(found[2]), int(found[3]))
    holding = await partitions.holding(pool.name)
    if position.partition != holding:
        raise wrong_field(
            "invalid_parameter",
            field,
            f"a position of partition {position.partition}, and the pool {pool.name!r} lies in {holding}",
            "a position that an answer about this pool had",
        )
    return position


async def read_after(pool: NamedPool, shared: Shared, as_of: Now, after: After = None, wait: Wait = 0.0) -> Live:
    """Wait until the pool's partition has come as far as the client asks."""
    wanted = None
    if after is not None:
        wanted = await position_in(pool, shared.partitions, "after", after)
        now = await shared.watch.reached(wanted, wait)
        if not now.covers(wanted):
            raise Problem("not_applied_yet", f"partition {now.partition} stands at {now}, not yet at {wanted}")
    return Live(as_of, wanted)


async def cached_read(
    request: Request, pool: NamedPool, shared: Shared, live: Annotated[Live, Depends(read_after)]
) -> Live:
    """Answer 304 where the client has what it asks for, after one small read.

    Raises
    ------
    NotModified
    """
    shown = request.headers.get("if-none-match")
    if shown is not None:
        position, revision = await pool_revision(shared.partitions, pool.name)
        tag = live.tag(position.generation, revision)
        opaque = tag.removeprefix("W/").strip('"')
        if opaque in _tag.findall(shown):
            raise NotModified(tag)
    return live


ReadAfter = Annotated[Live, Depends(read_after)]
CachedRead = Annotated[Live, Depends(cached_read)]
