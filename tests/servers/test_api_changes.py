"""Changes over real connections: what is told, when, to whom, and what happens when anything breaks off."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.requests import ClientDisconnect

from service.api import changes as api
from service.api import observe
from service.partitioner import partition_of
from service.store import changes
from standings.embedded import ValkeyServer
from tests.api import Client, connected, is_problem, settings
from tests.league import League, Owner, duel, league, newcomers
from tests.servers.test_connection import Proxy

Unique = Callable[[str], str]
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


def test_who_moved_is_told(redis_server: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with playing(redis_server.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "old", "older"))
            async with following(ask) as stream:
                headers = stream.response.headers
                assert headers["content-type"].startswith("text/event-stream")
                assert headers["cache-control"] == "no-store"
                await made.play(duel("chess", "ann", "a b/é🎉"), duel("go", "cid", "dan"))
                event = await stream.event()
                assert (event.id, event.kind) == ("1-0-3", "ratings")
                assert event.players == await rows(ask, "ann", "a b/é🎉")
                # Another pool, then an empty range: nothing to be told, but the position goes on.
                await made.play(duel("go", "cid", "dan"))
                await made.play()
                await made.play(duel("chess", "old", "ann"))
                event = await stream.event()
                assert event.id == "1-0-5"
                assert event.players == await rows(ask, "old", "ann")

    asyncio.run(run())


def test_at_most_four_a_second_and_the_newest_wins(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with playing(valkey.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "ann", "bob"))
            async with following(ask) as stream:
                count, begun = 1, time.monotonic()
                while time.monotonic() - begun < 1.5:
                    await made.play(duel("chess", "ann", "bob"))
                    count += 1
                events = [await stream.event()]
                while events[-1].players["ann"]["matches"] < count:
                    events.append(await stream.event())
                # The first comes at once, the others a quarter of a second after one another.
                assert 2 <= len(events) <= 1 + (time.monotonic() - begun) / 0.25
                assert count > 2 * len(events)
                assert events[-1].players == await rows(ask, "ann", "bob")
                seen = [event.players["ann"]["matches"] for event in events]
                assert seen == sorted(set(seen))

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_over_broken_connections(
    redis_server: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Broken off and resumed anywhere, while matches go on: what was told is who changed, and how they stand."""
    if seed % 2:
        # What is to be caught up with is read in several pieces.
        monkeypatch.setattr(changes, "MOST_ENTRIES", 2)
    chance = random.Random(seed)
    names = [f"p{index}" for index in range(40)]

    async def run() -> None:
        async with playing(redis_server.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "p0", "p1"))
            last, told, moved, offset = "1-0-1", dict[str, Any](), set[str](), 1
            for _ in range(12):
                for _ in range(chance.randrange(4)):
                    pairs = [chance.sample(names, 2) for _ in range(chance.randrange(1, 4))]
                    moved.update(name for pair in pairs for name in pair)
                    await made.play(*(duel("chess", *pair) for pair in pairs), duel("go", *pairs[0]))
                    offset += len(pairs) + 1
                    if chance.random() < 0.3:
                        await asyncio.sleep(0)
                by_header = chance.random() < 0.5
                headers = {"Last-Event-ID": last} if by_header else {}
                async with following(ask, headers, **({} if by_header else {"after": last})) as stream:
                    if offset > int(last.rpartition("-")[2]):
                        event = await stream.event()
                        assert event.kind == "ratings"
                        last = event.id
                        told |= event.players
            headers = {"Last-Event-ID": last}
            await made.play(duel("chess", "p0", "p1"))
            async with following(ask, headers, after="1-0-0") as stream:
                told |= await stream.up_to(offset + 1)
            assert told.keys() == moved | {"p0", "p1"}
            now = await rows(ask, *told)
            # Elo's deviations are the pool's belief about itself, too, which others move.
            for row in (*told.values(), *now.values()):
                del row["deviation"]
            assert told == now
            await alone(ask)

    asyncio.run(run())


def test_a_first_address_yields_to_the_last_event(valkey: ValkeyServer, unique: Unique) -> None:
    """A browser repeats `after` whenever it comes back, with what it saw last beside it."""

    async def run() -> None:
        async with playing(valkey.url, unique("changes")) as (made, ask):
            for name in ("ann", "bob", "cid"):
                await made.play(duel("chess", name, f"{name}-2"))
            async with following(ask, {"Last-Event-ID": "1-0-2"}, after="1-0-0") as stream:
                assert (await stream.event()).players.keys() == {"cid", "cid-2"}
            async with following(ask, after="1-0-1") as stream:
                assert (await stream.event()).players.keys() == {"bob", "bob-2", "cid", "cid-2"}
            # At the end there is nothing to be told yet.
            async with following(ask, after="1-0-3") as stream:
                await made.play(duel("chess", "dan", "eve"))
                assert (await stream.event()).players.keys() == {"dan", "eve"}

    asyncio.run(run())


def test_only_those_who_are_asked_for(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with playing(valkey.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "ann", "bob"), duel("chess", "cid", "dan"), duel("chess", "a/b", "dan"))
            await made.play(duel("chess", "ann", "dan"))
            async with following(ask, after="1-0-0", player=["bob", "a/b", "nobody"]) as stream:
                event = await stream.event()
                assert event.players == await rows(ask, "bob", "a/b")
                await made.play(duel("chess", "ann", "dan"))
                await made.play(duel("chess", "bob", "dan"))
                event = await stream.event()
                assert (event.id, event.players) == ("1-0-6", await rows(ask, "bob"))
            for wrong, field in (({"player": "x" * 129}, "player[0]"), ({"player": ["a"] * 101}, "player")):
                body = await ask.problem(CHANGES, 422, "invalid_parameter", **wrong)
                assert body["errors"][0]["field"] == field

    asyncio.run(run())


def test_resume_points_that_cannot_be(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with playing(valkey.url, unique("changes"), partitions=3) as (made, ask):
            await made.play(duel("chess", "ann", "bob"))
            other = (partition_of("chess", 3) + 1) % 3
            body = await ask.problem(CHANGES, 422, "invalid_parameter", after=f"1-{other}-1")
            assert body["errors"][0]["field"] == "after"
            body = await ask.problem(CHANGES, 400, "malformed", after="yesterday")
            response = await ask.http.get(CHANGES, headers={"Last-Event-ID": "yesterday"})
            assert is_problem(response, 400, "malformed")["detail"].startswith("Last-Event-ID: ")
            assert not any(feed(ask)._listeners.values())

    asyncio.run(run())


async def began_anew(stream: Stream, reason: str, position: str) -> None:
    event = await stream.event()
    assert event == (position, "reset", {"pool": "chess", "position": position, "reason": reason})


def test_a_resume_point_that_is_gone(redis_server: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with playing(redis_server.url, unique("changes")) as (made, ask):
            for _ in range(6):
                await made.play(duel("chess", "ann", "bob"))
            await made.store.command("XTRIM", made.keys().changes, "MAXLEN", "=", 3)
            for after in ("1-0-2", "1-0-7"):
                async with following(ask, after=after) as stream:
                    await began_anew(stream, "resume_point_gone", "1-0-6")
                    # It goes on from there.
                    assert not any(one.pending for one in feed(ask)._listeners[0])
            async with following(ask, after="1-0-3") as stream:
                assert (await stream.event()).players == await rows(ask, "ann", "bob")
            async with following(ask, after="1-0-1") as stream:
                await began_anew(stream, "resume_point_gone", "1-0-6")
                await made.play(duel("chess", "ann", "cid"))
                assert (await stream.event()).players == await rows(ask, "ann", "cid")

    asyncio.run(run())


def test_another_generation(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with playing(valkey.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "ann", "bob"), duel("chess", "ann", "bob"))
            async with following(ask) as stream:
                await made.play(duel("chess", "ann", "bob"))
                assert (await stream.event()).id == "1-0-3"
                await made.store.command("SET", made.keys().live, "2")
                await began_anew(stream, "generation_changed", "2-0-0")
                made.owners = [Owner(made.store, made.keys(), 1)]
                await made.play(duel("chess", "bob", "ann"))
                event = await stream.event()
                assert (event.id, event.players) == ("2-0-1", await rows(ask, "ann", "bob"))
            async with following(ask, {"Last-Event-ID": "1-0-3"}) as stream:
                await began_anew(stream, "generation_changed", "2-0-1")

    asyncio.run(run())


def test_too_many_changes_at_once(valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_PENDING", 50)
    names = [f"p{index}" for index in range(60)]

    async def run() -> None:
        async with playing(valkey.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "ann", "bob"))
            async with following(ask) as everybody, following(ask, after="1-0-1", player="ann") as one:
                await made.play(*newcomers("chess", names))
                await began_anew(everybody, "too_slow", "1-0-2")
                await made.play(duel("chess", "ann", "bob"))
                assert (await everybody.event()).players.keys() == {"ann", "bob"}
                await one.response.aclose()
            async with following(ask, after="1-0-1") as stream:
                await began_anew(stream, "too_slow", "1-0-3")
            # Whoever asks for few is not too slow for many others.
            async with following(ask, after="1-0-1", player="ann") as stream:
                assert (await stream.event()).players.keys() == {"ann"}

    asyncio.run(run())


def test_a_quiet_line_is_kept_alive(valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api.ALIVE_S == 15
    monkeypatch.setattr(api, "ALIVE_S", 0.05)

    async def run() -> None:
        async with playing(valkey.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "ann", "bob"))
            async with following(ask) as stream:
                for _ in range(3):
                    assert await stream.block() == [":"]
                await made.play(duel("chess", "ann", "bob"))
                while (block := await stream.block()) == [":"]:
                    pass
                assert block[:2] == ["id: 1-0-2", "event: ratings"]

    asyncio.run(run())


def test_whoever_leaves_is_forgotten(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with playing(valkey.url, unique("changes"), partitions=2) as (made, ask):
            await made.play(duel("chess", "ann", "bob"))
            for _ in range(2):
                async with following(ask), following(ask, after="1-0-0"):
                    (partition,) = feed(ask)._followers
                    assert partition == partition_of("chess", 2)
                    assert len(feed(ask)._listeners[partition]) == 2
                await alone(ask)

    asyncio.run(run())


def test_a_client_that_is_gone_before_the_answer_begins(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with playing(valkey.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "ann", "bob"))
            await ask.read("/v1/pools/chess")
            host, port = ask.http.base_url.host, ask.http.base_url.port
            for _ in range(50):
                _, writer = await asyncio.open_connection(host, port)
                writer.write(f"GET {CHANGES} HTTP/1.1\r\nHost: api\r\n\r\n".encode())
                await writer.drain()
                writer.close()
                await writer.wait_closed()
            # Those who ask while the client's end is on its way are seen to have come.
            assert (await ask.get("/v1/pools")).status_code == 200
            await alone(ask)

            # A server that refuses the first byte of the answer.
            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(_: Any) -> None:
                raise OSError("gone")

            scope: dict[str, Any] = {"type": "http", "asgi": {"spec_version": "2.4"}, "http_version": "1.1"}
            scope |= {
                "method": "GET",
                "path": CHANGES,
                "raw_path": CHANGES.encode(),
                "query_string": b"",
                "headers": [],
            }
            with pytest.raises(ClientDisconnect):
                await ask.app(scope | {"root_path": "", "scheme": "http", "server": None}, receive, send)
            await alone(ask)

    asyncio.run(run())


def test_bounds_of_streams_and_of_requests_are_two(
    valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MOST_LISTENERS", 3)
    monkeypatch.setattr(observe, "MOST_REQUESTS", 2)
    labels = {"route": "/v1/pools/{pool}/changes", "status": "200"}

    def seconds(kind: str) -> float:
        return REGISTRY.get_sample_value(f"standings_request_seconds_{kind}", labels) or 0.0

    async def run() -> None:
        async with playing(valkey.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "ann", "bob"))
            count, total = seconds("count"), seconds("sum")
            async with following(ask), following(ask), following(ask):
                # A stream is answered when it begins, however long it lasts.
                assert seconds("count") == count + 3
                response = await ask.get(CHANGES)
                is_problem(response, 503, "too_busy")
                assert response.headers["retry-after"] == "1"
                assert (await ask.get("/v1/pools/chess")).status_code == 200
                begun = time.monotonic()
                while time.monotonic() - begun < 1:
                    await asyncio.sleep(0.1)
            await alone(ask)
            assert (seconds("count"), seconds("sum") < total + 1) == (count + 3, True)
            async with following(ask):
                pass

    asyncio.run(run())


def test_the_thousandth_listener_is_the_last(valkey: ValkeyServer, unique: Unique) -> None:
    """Asked for at the same moment, too."""
    assert changes.MOST_LISTENERS == 1_000

    async def run() -> None:
        async with playing(valkey.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "ann", "bob"))
            parts = ask.app.state.parts
            pool = parts.pools.configured("chess")
            asked = (parts.changes.listen(pool, frozenset(), None) for _ in range(1_001))
            found = await asyncio.gather(*asked, return_exceptions=True)
            listeners = [one for one in found if isinstance(one, changes.Listener)]
            assert len(listeners) == 1_000
            await ask.problem(CHANGES, 503, "too_busy")
            for one in listeners:
                parts.changes.leave(one)
            await alone(ask)

    asyncio.run(run())


def test_redis_goes_back_and_the_stream_goes_on(redis_server: ValkeyServer, unique: Unique) -> None:
    """As after a failover to a replica that lagged; ingest then comes to the same ratings, cut otherwise."""
    later = [duel("chess", "ann", f"p{index}") for index in range(4)]

    async def run() -> None:
        async with playing(redis_server.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "ann", "bob"))
            command = made.store.command
            tag = f"{{{made.installation}/*"
            kept = {key: await command("DUMP", key) for key in await command("KEYS", tag)}
            async with following(ask) as stream:
                for match in later[:3]:
                    await made.play(match)
                await stream.up_to(4)
                for key in await command("KEYS", tag):
                    await command("DEL", key)
                for key, value in kept.items():
                    await command("RESTORE", key, 0, value)
                # Long enough for the follower to see where Redis stands.
                async with asyncio.timeout(20):
                    while (await ask.read("/v1/pools/chess"))["position"] != "1-0-1":
                        await asyncio.sleep(0.01)
                await asyncio.sleep(2 * changes.TICK_S)
                made.owners[0] = Owner(made.store, made.keys(), 1)
                made.owners[0]._position = 1
                await made.play(*later)
                event = await stream.event()
                assert event.id == "1-0-5"
                assert event.players.keys() >= {"ann", "p3"}
                assert event.players == await rows(ask, *event.players)

    asyncio.run(run())


def test_redis_is_away_for_a_while_and_for_too_long(valkey: ValkeyServer, unique: Unique) -> None:
    installation = unique("changes")

    async def run() -> None:
        async with Proxy(valkey.port) as proxy, league(valkey.url, installation) as made:
            await made.play(duel("chess", "ann", "bob"))
            async with connected(settings(proxy.url, installation)) as ask, following(ask) as stream:
                proxy.spoil = "cut"
                await made.play(duel("chess", "cid", "dan"))
                is_problem(await ask.get("/v1/pools/chess"), 503, "redis_unavailable")
                proxy.spoil = ""
                assert (await stream.event()).players == await rows(ask, "cid", "dan")
                proxy.spoil = "cut"
                for _ in range(4):
                    await made.play(duel("chess", "ann", "bob"))
                # What would be told first is not kept any more.
                await made.store.command("XTRIM", made.keys().changes, "MAXLEN", "=", 2)
                is_problem(await ask.get("/v1/pools/chess"), 503, "redis_unavailable")
                proxy.spoil = ""
                await began_anew(stream, "resume_point_gone", "1-0-6")
                await made.play(duel("chess", "ann", "dan"))
                assert (await stream.event()).players == await rows(ask, "ann", "dan")

    asyncio.run(run())


def test_a_pool_that_cannot_be_read_keeps_no_other_waiting(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with playing(valkey.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "ann", "bob"), duel("go", "ann", "bob"))
            async with following(ask) as stream, ask.http.stream("GET", "/v1/pools/go/changes") as other:
                assert other.status_code == 200
                await made.play(duel("chess", "ann", "bob"))
                await stream.event()
                # As of a pools file that says otherwise.
                await made.store.command("HSET", made.keys().fingerprints, "go/elo", "another")
                await ask.problem("/v1/pools/go/leaderboard", 503, "unreadable")
                # Ingest itself would stop for it.
                made.owners[0]._partition = None
                await made.store.command("HSET", made.keys().fingerprints, "go/elo", "another")
                touched = {"start": 3, "pools": {"go": ["ann"]}}
                await made.store.command("XADD", made.keys().changes, 4, "v", json.dumps(touched))
                await made.store.command("HSET", made.keys().state, "position", 4)
                made.owners[0]._position = 4
                await made.play(duel("chess", "ann", "bob"))
                assert (await stream.event()).id == "1-0-5"

    asyncio.run(run())
