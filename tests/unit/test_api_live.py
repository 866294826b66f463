"""Reads that must have come as far as a position, and reads that the client has already."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.api import inputs
from service.partitioner import partition_of
from service.store import watch
from service.store.connection import Argument
from standings.embedded import ValkeyServer
from tests.api import Client, Clock, client, is_problem, serving, settings
from tests.conftest import Unique
from tests.league import League, Owner, duel, league

BOARD = "/v1/pools/chess/leaderboard"
ANN = "/v1/pools/chess/players/ann"
READS = ("/v1/pools/chess", BOARD, ANN)


def count_scripts(ask: Client) -> Counter[str]:
    """Scripts that the application runs from now on, by name."""
    store = ask.app.state.parts.store
    run, counts = store.run, Counter[str]()

    async def counting(name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        counts[name] += 1
        return await run(name, keys, arguments)

    store.run = counting
    return counts


async def until_waiting(ask: Client, count: int) -> None:
    """Return when so many requests wait for a position."""
    while ask.app.state.parts.watch._count < count:
        await asyncio.sleep(0)


def test_what_is_reached_is_answered_at_once(redis_server: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(redis_server.url, unique("live")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"), duel("chess", "ann", "bob"))
            for path in READS:
                for after in ("1-0-0", "1-0-1", "1-0-2"):
                    assert (await ask.read(path, after=after, wait=10))["position"] == "1-0-2"
                response = await ask.get(path, after="1-0-3")
                body = is_problem(response, 409, "not_applied_yet")
                assert response.headers["retry-after"] == "1"
                assert body["detail"] == "partition 0 stands at 1-0-2, not yet at 1-0-3"

    asyncio.run(run())


def test_waiting_ends_when_it_is_there(redis_server: ValkeyServer, unique: Unique) -> None:
    """Long before the time that the client would wait, and not a moment before the position."""

    async def run() -> None:
        async with serving(redis_server.url, unique("live")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            begun = time.monotonic()
            asked = [asyncio.create_task(ask.read(ANN, after=f"1-0-{offset}", wait=10)) for offset in (3, 2, 3)]
            await until_waiting(ask, 3)
            await league.play(duel("chess", "ann", "bob"))
            assert (await asked[1])["matches"] == 2
            assert not asked[0].done()
            assert not asked[2].done()
            await league.play(duel("chess", "ann", "bob"))
            assert [(await one)["matches"] for one in asked] == [3, 2, 3]
            assert time.monotonic() - begun < 5

            begun = time.monotonic()
            await ask.problem(ANN, 409, "not_applied_yet", after="1-0-9", wait=0.3)
            assert 0.3 <= time.monotonic() - begun < 5
            assert ask.app.state.parts.watch._count == 0
            assert not any(ask.app.state.parts.watch._waiting.values())

    asyncio.run(run())


def test_an_answer_covers_what_was_waited_for_even_where_a_pool_is_new(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("live")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            asked = asyncio.create_task(ask.read("/v1/pools/go/players/cid", after="1-0-2", wait=10))
            await until_waiting(ask, 1)
            await league.play(duel("go", "cid", "dan"))
            assert (await asked)["matches"] == 1

    asyncio.run(run())


def test_positions_of_elsewhere(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("live"), partitions=3) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            mine = partition_of("chess", 3)
            other = (mine + 1) % 3
            for path in READS:
                body = await ask.problem(path, 422, "invalid_parameter", after=f"1-{other}-1")
                (error,) = body["errors"]
                assert error["field"] == "after"
                assert f"lies in {mine}" in error["problem"]
            forged = ("", "x", "1", "1-0", f"1-{mine}-", f"0-{mine}-1", f"01-{mine}-1", f"1-{mine}--1", f"1-{mine}-1 ")
            more = (f"-1-{mine}-1", f"1-{mine}-{10**18}", f"{10**9}-{mine}-1", f"١-{mine}-1", f"1-{mine}-1\n")
            for after in (*forged, *more):
                body = await ask.problem(ANN, 400, "malformed", after=after)
                assert body["detail"].startswith("after: ")
            for wait in (-1, 10.1, "nan", "inf", "soon", ""):
                body = await ask.problem(ANN, 422, "invalid_parameter", after=f"1-{mine}-1", wait=wait)
                assert body["errors"][0]["field"] == "wait"

    asyncio.run(run())


def test_an_earlier_generation_is_reached_and_a_later_is_not(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("live")) as (league, ask):
            await league.play(*[duel("chess", "ann", "bob")] * 5)
            await league.store.command("SET", league.keys().live, "2")
            again = League(valkey.url, league.installation)
            again.owners = [Owner(again.store, league.keys().__class__(league.installation, "matches", 0, "2"), 1)]
            await again.play(duel("chess", "ann", "bob"))
            assert (await ask.read(ANN, after="1-0-5"))["position"] == "2-0-1"
            await ask.problem(ANN, 409, "not_applied_yet", after="2-0-2")
            await ask.problem(ANN, 409, "not_applied_yet", after="3-0-1")
            await again.store.close()

    asyncio.run(run())


def test_many_who_wait_are_one_watcher(redis_server: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(redis_server.url, unique("live")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            await ask.read(ANN)
            counts = count_scripts(ask)
            begun = time.monotonic()
            asked = [asyncio.create_task(ask.read(ANN, after="1-0-2", wait=10)) for _ in range(200)]
            await until_waiting(ask, 200)
            held = asyncio.create_task(ask.get(ANN, after="1-0-9", wait=1))
            await held
            await league.play(duel("chess", "ann", "bob"))
            await asyncio.gather(*asked)
            # Each looks once before it waits, the held one once more when its time is up; the rest is the watcher.
            looks = (time.monotonic() - begun) / watch.LOOK_S
            assert counts["page_board"] == 200
            assert 10 < counts["read_fields"] <= 202 + looks
            assert ask.app.state.parts.watch._watchers.keys() <= {0}
            # With nobody left the watcher ends.
            while ask.app.state.parts.watch._watchers:
                await asyncio.sleep(0)

    asyncio.run(run())


def test_past_the_bound_nobody_waits(valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MOST_WAITING", 2)

    async def run() -> None:
        async with serving(valkey.url, unique("live")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            asked = [asyncio.create_task(ask.read(ANN, after="1-0-2", wait=10)) for _ in range(2)]
            await until_waiting(ask, 2)
            response = await ask.get(ANN, after="1-0-2", wait=10)
            is_problem(response, 503, "too_busy")
            assert response.headers["retry-after"] == "1"
            # Who does not wait is answered.
            assert (await ask.read(ANN, after="1-0-1", wait=10))["matches"] == 1
            await ask.problem(ANN, 409, "not_applied_yet", after="1-0-2")
            await league.play(duel("chess", "ann", "bob"))
            assert [body["matches"] for body in await asyncio.gather(*asked)] == [2, 2]
            await ask.read(ANN, after="1-0-2", wait=10)

    asyncio.run(run())


def test_a_client_that_goes_away_waits_no_longer(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("live")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            asked = asyncio.create_task(ask.read(ANN, after="1-0-2", wait=10))
            await until_waiting(ask, 1)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            assert ask.app.state.parts.watch._count == 0

    asyncio.run(run())


def test_redis_dies_while_somebody_waits(tmp_path: Path, unique: Unique) -> None:
    installation = unique("live")

    async def run(server: ValkeyServer) -> None:
        async with league(server.url, installation) as made, client(settings(server.url, installation)) as ask:
            await made.play(duel("chess", "ann", "bob"))
            asked = [asyncio.create_task(ask.get(ANN, after="1-0-2", wait=10)) for _ in range(3)]
            await until_waiting(ask, 3)
            begun = time.monotonic()
            await asyncio.to_thread(server.kill)
            for response in await asyncio.gather(*asked):
                is_problem(response, 503, "redis_unavailable")
            assert time.monotonic() - begun < 9
            await asyncio.to_thread(server.start)
            again = asyncio.create_task(ask.read(ANN, after="1-0-2", wait=10))
            await until_waiting(ask, 1)
            await made.play(duel("chess", "ann", "bob"))
            assert (await again)["matches"] == 2

    with ValkeyServer(tmp_path) as server:
        asyncio.run(run(server))


def test_what_the_client_has_is_not_sent_again(
    redis_server: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with serving(redis_server.url, unique("live")) as (league, ask):
            clock = Clock(datetime(2026, 12, 1, 10, 0, 7, tzinfo=UTC))
            monkeypatch.setattr(inputs, "datetime", clock)
            await league.play(duel("chess", "ann", "bob"), duel("go", "ann", "bob"))
            for path in READS:
                first = await ask.get(path)
                tag = first.headers["etag"]
                assert tag == f'W/"1-1-{int(clock.moment.timestamp()) // 60}"'
                assert first.headers["cache-control"] == "private, no-cache"
                assert first.headers["vary"] == "Authorization, Accept-Encoding"
                counts = count_scripts(ask)
                again = await ask.http.get(path, headers={"If-None-Match": tag})
                assert (again.status_code, again.content, counts) == (304, b"", {"read_fields": 1})
                assert "content-type" not in again.headers
                for name in ("etag", "cache-control", "vary"):
                    assert again.headers[name] == first.headers[name]
                opaque = tag.removeprefix("W/")
                for shown in (opaque, f'"x", {tag}', f'W/"a,b",{opaque} , "c"'):
                    again = await ask.http.get(path, headers={"If-None-Match": shown})
                    assert again.status_code == 304, shown
                for shown in ("", '""', opaque.strip('"'), '"1-1"', 'W/"2-1-29685960"', '"*"', "*"):
                    assert (await ask.http.get(path, headers={"If-None-Match": shown})).status_code == 200, shown

    asyncio.run(run())


def test_a_tag_changes_with_the_pool_and_the_minute(
    valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("live")) as (league, ask):
            clock = Clock(datetime(2026, 12, 1, 10, 0, 0, tzinfo=UTC))
            monkeypatch.setattr(inputs, "datetime", clock)
            await league.play(duel("chess", "ann", "bob"))
            for path in READS:
                tag = (await ask.get(path)).headers["etag"]

                async def status(path: str = path, tag: str = tag, **parameters: Any) -> int:
                    shown = {"If-None-Match": tag}
                    return (await ask.http.get(path, headers=shown, params=parameters)).status_code

                # Another pool of the partition, and an empty range.
                await league.play(duel("go", "ann", "bob"))
                await league.play()
                assert await status() == 304
                position = (await ask.read("/v1/pools/go"))["position"]
                assert await status(after=position) == 304
                generation, partition, offset = position.split("-")
                assert await status(after=f"{generation}-{partition}-{int(offset) + 1}") == 409
                assert await status(after=f"1-{int(partition) + 1}-1") == 422
                clock.moment += timedelta(seconds=59)
                assert await status() == 304
                clock.moment += timedelta(seconds=1)
                assert await status() == 200
                clock.moment -= timedelta(seconds=1)
                assert await status() == 304
                await league.play(duel("chess", "ann", "bob"))
                assert await status() == 200
                clock.moment -= timedelta(seconds=59)

    asyncio.run(run())


def test_no_tag_hides_that_somebody_is_not_there(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("live")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            tag = (await ask.get(ANN)).headers["etag"]
            for path in ("/v1/pools/go", "/v1/pools/go/leaderboard", "/v1/pools/go/players/ann"):
                response = await ask.http.get(path, headers={"If-None-Match": tag})
                is_problem(response, 404, "unknown_pool")
            # A list of pools is of no one pool, and has none.
            assert "etag" not in (await ask.get("/v1/pools")).headers

    asyncio.run(run())
