"""Changes as they happen, by server-sent events: who moved, resumed where the client broke off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Header, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, FiniteFloat
from starlette.types import Receive, Scope, Send

from service.api.answers import PlayerName, PositionText
from service.api.inputs import NamedPool, check_player, resource
from service.api.live import After, position_in
from service.api.observe import STREAM_MEDIA
from service.api.shared import Shared
from service.api.standing import grown
from service.rate import MATCHES
from service.store.changes import TICK_S, Changes, Listener

ALIVE_S: Final = 15.0
"""A line without meaning is sent this often, so that nobody between takes the connection for dead."""

MOST_PLAYERS: Final = 100

router = resource("changes")


class Changed(BaseModel):
    """A player's rating after a change."""

    player: PlayerName
    rating: FiniteFloat
    deviation: FiniteFloat
    value: FiniteFloat
    matches: int


class Ratings(BaseModel):
    """The data of an event ``ratings``: whoever moved since the event before."""

    pool: str
    position: PositionText
    players: list[Changed]


class BeginAnew(BaseModel):
    """The data of an event ``reset``: read the board again, go on from its position."""

    pool: str
    position: PositionText
    reason: str


@router.get(
    "/pools/{pool}/changes",
    summary="Changes as they happen",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `ratings` with who moved, `reset` where the board must be read again",
            "content": {
                STREAM_MEDIA: {
                    "schema": {"type": "string"},
                    "example": 'id: 1-3-184468\nevent: ratings\ndata: {"pool":"arena","position":"1-3-184468",'
                    '"players":[{"player":"boreas","rating":1880.9,"deviation":38.5,"value":1804.1,"matches":1544}]}'
                    "\n\n",
                }
            },
        }
    },
)
async def changes(
    pool: NamedPool,
    shared: Shared,
    after: After = None,
    player: Annotated[
        list[str] | None, Query(description="only these players; repeatable", max_length=MOST_PLAYERS)
    ] = None,
    last_event_id: Annotated[str | None, Header(description="where a broken connection goes on")] = None,
) -> StreamingResponse:
    """Follow a pool. Between two events, at most four a second, the newest rating of a player wins."""
    if after is not None and last_event_id is not None:
        # A browser that comes back repeats the address it began with.
        after = last_event_id
    resume = last_event_id if after is None else after
    field = "after" if last_event_id is None else "Last-Event-ID"
    players = frozenset(check_player(f"player[{index}]", name) for index, name in enumerate(player or ()))
    wanted = None if resume is None else await position_in(pool, shared.partitions, field, resume)
    listener = await shared.changes.listen(pool, players, wanted)
    return _Stream(shared.changes, listener)


class _Stream(StreamingResponse):
    """Leaves however it ends, even where the client is gone before it begins."""

    media_type = STREAM_MEDIA

    def __init__(self, feed: Changes, listener: Listener) -> None:
        super().__init__(_events(listener), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._feed = feed
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.leave(self._listener)


async def _events(listener: Listener) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    while True:
        if not await listener.heard(ALIVE_S):
            yield b":\n\n"
            continue
        if listener.ended:
            return
        position = str(listener.position)
        if listener.reset is not None:
            data: BaseModel = BeginAnew(pool=listener.pool.name, position=position, reason=listener.reset)
            kind, listener.reset = "reset", None
        else:
            data = Ratings(pool=listener.pool.name, position=position, players=_players(listener))
            kind = "ratings"
        listener.pending.clear()
        yield f"id: {position}\nevent: {kind}\ndata: {data.model_dump_json()}\n\n".encode()
        await asyncio.sleep(TICK_S)


def _players(listener: Listener) -> Sequence[Changed]:
    """Say how those stand who changed; deviations are as of now."""
    found, now = [], datetime.now(UTC)
    for rows in {id(rows): rows for rows in listener.pending.values()}.values():
        system = listener.pool.live
        rating, deviation = grown(system, rows.learned, rows.tallies, rows.skills, now)
        value = listener.pool.places(system, rows.skills)
        columns = (rows.players, *(column.tolist() for column in (rating, deviation, value, rows.tallies[:, MATCHES])))
        found += [
            Changed(player=player, rating=mean, deviation=sd, value=place, matches=int(matches))
            for player, mean, sd, place, matches in zip(*columns, strict=True)
            if listener.pending.get(player) is rows
        ]
    return found
