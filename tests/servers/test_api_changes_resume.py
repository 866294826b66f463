"""Changes after a break: what was told and what is told next leave nothing out, or say that they do."""

import asyncio
import random
from typing import Any

import pytest

from service.partitioner import partition_of
from service.store import changes
from standings.embedded import ValkeyServer
from tests.api import connected, is_problem, settings
from tests.conftest import Unique
from tests.following import CHANGES, alone, began_anew, feed, following, playing, rows
from tests.league import Owner, duel, league
from tests.servers.test_connection import Proxy

pytestmark = pytest.mark.usefixtures("frozen")


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
            # Who rests is read by what the pool has learned of drift and spread, too, which others move.
            for row in (*told.values(), *now.values()):
                del row["rating"], row["deviation"]
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
