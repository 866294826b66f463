"""The leaderboard over HTTP: pages, cursors, parameters."""

import asyncio
from typing import Any

import pytest

from service.api.cursors import BoardCursor
from standings.embedded import ValkeyServer
from tests.api import Client, serving
from tests.conftest import Unique
from tests.league import duel, tie

BOARD = "/v1/pools/chess/leaderboard"


async def walk(ask: Client, **parameters: Any) -> list[Any]:
    """All rows by following `next`."""
    rows: list[Any] = []
    while True:
        body = await ask.read(BOARD, **parameters)
        rows += body["players"]
        assert len(rows) <= body["total"]
        if body["next"] is None:
            return rows
        parameters["cursor"] = body["next"]


@pytest.mark.usefixtures("frozen")
def test_a_page(redis_server: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(redis_server.url, unique("board")) as (league, ask):
            await league.play(
                duel("chess", "ann", "bob"), tie("chess", [["dan"], ["eve"], ["🎉/é"]]), duel("chess", "ann", "bob")
            )
            body = await ask.read(BOARD, limit=4)
            players = body.pop("players")
            following = body.pop("next")
            assert body.pop("as_of").endswith("Z")
            assert body == {
                "pool": "chess",
                "system": "kalman",
                "order": "rating",
                "total": 5,
                "rank_intervals": "exact",
                "position": "1-0-3",
            }
            # Those who share a value: the last name by bytes first.
            assert [(row["rank"], row["player"]) for row in players] == [
                (1, "ann"),
                (2, "🎉/é"),
                (2, "eve"),
                (2, "dan"),
            ]
            assert [row["percentile"] for row in players] == [100.0, 80.0, 80.0, 80.0]
            assert [row["matches"] for row in players] == [2, 1, 1, 1]
            assert all(row["rank_interval"] == [1, 5] for row in players)
            assert all(row["provisional"] for row in players)
            for row in players:
                one = await ask.read(f"/v1/pools/chess/players/{row['player']}")
                assert {key: one[key] for key in row} == row
            last = await ask.read(BOARD, cursor=following)
            assert [(row["rank"], row["player"]) for row in last["players"]] == [(5, "bob")]
            assert last["next"] is None

    asyncio.run(run())


@pytest.mark.usefixtures("frozen")
def test_pages_of_any_size_give_the_same_board(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("board")) as (league, ask):
            names = [f"p{index}" for index in range(30)]
            await league.play(
                tie("chess", [[name] for name in names]),
                *(duel("chess", names[index], names[29 - index]) for index in range(2, 12)),
            )
            whole = await walk(ask, limit=1000)
            assert len(whole) == 30
            for limit in (1, 7, 15, 29, 30, 31):
                assert await walk(ask, limit=limit) == whole
            assert await walk(ask) == whole

    asyncio.run(run())


def test_around_and_rank(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("board")) as (league, ask):
            names = [f"p/{index}" for index in range(10)]
            await league.play(tie("chess", [[name] for name in names]))

            async def players(**parameters: Any) -> list[str]:
                return [row["player"][2:] for row in (await ask.read(BOARD, limit=3, **parameters))["players"]]

            assert await players(around="p/5") == ["6", "5", "4"]
            assert await players(around="p/9") == ["9", "8", "7"]
            assert await players(around="p/0") == ["2", "1", "0"]
            assert await players(rank=1) == ["9", "8", "7"]
            assert await players(rank=9) == ["1", "0"]
            assert await players(rank=11) == []
            body = await ask.read(BOARD, limit=3, rank=9)
            # All share one value, so all share the first rank.
            assert [row["rank"] for row in body["players"]] == [1, 1]
            assert body["next"] is None
            around = await ask.read(BOARD, limit=3, around="p/5")
            assert await players(cursor=around["next"]) == ["3", "2", "1"]
            await ask.problem(BOARD, 404, "unknown_player", around="P/5")
            body = await ask.problem(BOARD, 422, "invalid_parameter", around="x" * 129)
            assert body["errors"][0]["field"] == "around"

    asyncio.run(run())


def test_parameters_that_cannot_be_used(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("board")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            for field, value in (
                ("limit", 0),
                ("limit", 1001),
                ("limit", "many"),
                ("limit", ""),
                ("rank", 0),
                ("rank", 10**9 + 1),
                ("rank", "1.5"),
                ("cursor", "x" * 513),
            ):
                body = await ask.problem(BOARD, 422, "invalid_parameter", **{field: value})
                assert [error["field"] for error in body["errors"]] == [field]
                assert body["detail"].startswith(f"{field}: ")
            body = await ask.problem(BOARD, 422, "invalid_parameter", limit=0, rank=0)
            assert [error["field"] for error in body["errors"]] == ["rank", "limit"]
            body = await ask.problem(BOARD, 422, "invalid_parameter", around="ann", rank=1)
            assert body["errors"][0]["remedy"] == "one of cursor, around, rank"

            body = await ask.problem(BOARD, 422, "invalid_parameter", limti=5)
            (error,) = body["errors"]
            assert (error["field"], error["problem"]) == ("limti", "no such parameter")
            hint, _, known = error["remedy"].partition("? There are: ")
            assert hint == "did you mean 'limit'"
            assert set(known.split(", ")) == {"cursor", "around", "rank", "limit", "system", "after", "wait"}
            body = await ask.problem(BOARD, 422, "invalid_parameter", After="x", q=1)
            assert [error["field"] for error in body["errors"]] == ["After", "q"]
            body = await ask.problem("/v1/pools/chess", 422, "invalid_parameter", limit=5)
            assert body["errors"][0]["remedy"].startswith("did you mean 'wait'?")

    asyncio.run(run())


def test_cursors_are_checked(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("board")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            for cursor in ("", "!", "Y2hlc3M", "ATED"):
                await ask.problem(BOARD, 400, "malformed", cursor=cursor)
            other = BoardCursor("chess", "1", "glicko2", 1.0, "ann").encode()
            await ask.problem(BOARD, 404, "unknown_name", cursor=other)
            body = await ask.problem(BOARD, 422, "invalid_parameter", cursor=other, system="kalman")
            assert body["errors"][0]["field"] == "system"
            body = await ask.problem("/v1/pools/go/leaderboard", 422, "invalid_parameter", cursor=other)
            assert body["errors"][0]["problem"] == "it is of the pool 'chess'"
            following = (await ask.read(BOARD, limit=1))["next"]
            assert await ask.read(BOARD, cursor=following, system="kalman", limit=1)
            await league.store.command("SET", league.keys().live, "2")
            await ask.problem(BOARD, 404, "unknown_pool", cursor=following)
            await league.owners[0].__class__(league.store, league.keys(), 1).play([duel("chess", "ann", "bob")])
            body = await ask.problem(BOARD, 410, "cursor_expired", cursor=following)
            assert body["detail"] == "the cursor is of generation 1, now 2 is read"

    asyncio.run(run())
