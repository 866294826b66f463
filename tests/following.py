"""Whoever follows the changes of a pool over HTTP, while matches are played."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

from service.store import changes
from tests.api import Client, connected, settings
from tests.league import League, league

CHANGES = "/v1/pools/chess/changes"
LOOKUP = "/v1/pools/chess/lookup"


class Event(NamedTuple):
    id: str
    kind: str
    data: Any

    @property
    def players(self) -> dict[str, Any]:
        return {row["player"]: row for row in self.data["players"]}


class Stream:
    """One connection; its first line was read."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def block(self) -> list[str]:
        """Lines up to an empty one."""
        found: list[str] = []
        async with asyncio.timeout(20):
            while line := await anext(self._lines):
                found.append(line)
        return found

    async def event(self) -> Event:
        fields = dict(line.split(": ", 1) for line in await self.block())
        found = Event(fields.pop("id"), fields.pop("event"), json.loads(fields.pop("data")))
        assert not fields
        assert (found.data["pool"], found.data["position"]) == ("chess", found.id)
        return found

    async def up_to(self, offset: int) -> dict[str, Any]:
        """The newest row of each player, from what is told until a position."""
        told: dict[str, Any] = {}
        while True:
            event = await self.event()
            assert event.kind == "ratings"
            told |= event.players
            if int(event.id.rpartition("-")[2]) >= offset:
                return told


@asynccontextmanager
async def following(ask: Client, headers: Mapping[str, str] | None = None, **parameters: Any) -> AsyncIterator[Stream]:
    async with ask.http.stream("GET", CHANGES, params=parameters, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        stream = Stream(response)
        assert await stream.block() == ["retry: 2000"]
        yield stream


@asynccontextmanager
async def playing(url: str, installation: str, partitions: int = 1) -> AsyncIterator[tuple[League, Client]]:
    async with league(url, installation, partitions) as made, connected(settings(url, installation)) as ask:
        yield made, ask


def feed(ask: Client) -> changes.Changes:
    found: changes.Changes = ask.app.state.parts.changes
    return found


async def alone(ask: Client) -> None:
    """Return when nobody listens and nothing follows any more."""
    async with asyncio.timeout(20):
        while any(feed(ask)._listeners.values()) or feed(ask)._followers:
            await asyncio.sleep(0.01)


async def rows(ask: Client, *players: str) -> dict[str, Any]:
    """What is told of players, as a read has it."""
    response = await ask.post(LOOKUP, {"players": players})
    fields = ("player", "rating", "deviation", "value", "matches")
    return {row["player"]: {field: row[field] for field in fields} for row in response.json()["players"]}


async def began_anew(stream: Stream, reason: str, position: str) -> None:
    event = await stream.event()
    assert event == (position, "reset", {"pool": "chess", "position": position, "reason": reason})
