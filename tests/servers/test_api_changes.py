"""Changes over real connections: what is told, when, to whom, and to how many."""

import asyncio
import json
import time
from typing import Any

import pytest
from prometheus_client import REGISTRY
from starlette.requests import ClientDisconnect

from service.api import changes as api
from service.api import observe
from service.partitioner import partition_of
from service.store import changes
from standings.embedded import ValkeyServer
from tests.api import is_problem
from tests.conftest import Unique
from tests.following import CHANGES, alone, began_anew, feed, following, playing, rows
from tests.league import duel, newcomers

pytestmark = pytest.mark.usefixtures("frozen")


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


def test_a_pool_that_cannot_be_read_keeps_no_other_waiting(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with playing(valkey.url, unique("changes")) as (made, ask):
            await made.play(duel("chess", "ann", "bob"), duel("go", "ann", "bob"))
            async with following(ask) as stream, ask.http.stream("GET", "/v1/pools/go/changes") as other:
                assert other.status_code == 200
                await made.play(duel("chess", "ann", "bob"))
                await stream.event()
                # As of a pools file that says otherwise.
                await made.store.command("HSET", made.keys().fingerprints, "go/kalman", "another")
                await ask.problem("/v1/pools/go/leaderboard", 503, "unreadable")
                # Ingest itself would stop for it.
                made.owners[0]._partition = None
                await made.store.command("HSET", made.keys().fingerprints, "go/kalman", "another")
                touched = {"start": 3, "pools": {"go": ["ann"]}}
                await made.store.command("XADD", made.keys().changes, 4, "v", json.dumps(touched))
                await made.store.command("HSET", made.keys().state, "position", 4)
                made.owners[0]._position = 4
                await made.play(duel("chess", "ann", "bob"))
                assert (await stream.event()).id == "1-0-5"

    asyncio.run(run())
