"""Several players at once: the order asked, every name that there can be, and what is wrong named."""

import asyncio
from typing import Any

import pytest

from standings.embedded import ValkeyServer
from tests.api import Client, is_problem, serving
from tests.conftest import Unique
from tests.league import duel, newcomers, tie

LOOKUP = "/v1/pools/chess/lookup"

NAMES = [
    ".",
    "..",
    "../../livez",
    "a//b",
    "/a",
    "a/",
    "/",
    "a b",
    " ",
    "%2F",
    "%25",
    "%",
    "+",
    "a?b#c",
    "🎉🥇",
    "e\u0301",
    "\u00e9",
    "\ufffd",
    "x" * 128,
    "é" * 64,
    '"\\',
]


async def look(ask: Client, *players: str, **more: Any) -> Any:
    response = await ask.post(LOOKUP, {"players": players, **more})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.usefixtures("frozen")
def test_the_order_asked_each_once_and_the_unknown(redis_server: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(redis_server.url, unique("lookup")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"), tie("chess", [["cid"], ["dan"]]))
            body = await look(ask, "bob", "Ann", "dan", "bob", "ann", "Ann", "cid", "zoe")
            players = body.pop("players")
            assert body.pop("as_of").endswith("Z")
            assert body == {
                "pool": "chess",
                "system": "kalman",
                "total": 4,
                "rank_intervals": "exact",
                "unknown": ["Ann", "zoe"],
                "position": "1-0-2",
            }
            assert [(row["player"], row["rank"]) for row in players] == [("bob", 4), ("dan", 2), ("ann", 1), ("cid", 2)]
            for row in players:
                one = await ask.read(f"/v1/pools/chess/players/{row['player']}")
                assert {key: one[key] for key in row} == row
            assert (await look(ask, "nobody"))["players"] == []
            is_problem(await ask.post("/v1/pools/go/lookup", {"players": ["ann"]}), 404, "unknown_pool")

    asyncio.run(run())


def test_any_name(redis_server: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(redis_server.url, unique("lookup")) as (league, ask):
            await league.play(*(duel("chess", name, "loser") for name in NAMES))
            body = await look(ask, *NAMES)
            assert [row["player"] for row in body["players"]] == NAMES
            assert all(row["matches"] == 1 for row in body["players"])
            assert body["unknown"] == []

    asyncio.run(run())


def test_a_thousand_names_and_one_more(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("lookup")) as (league, ask):
            names = [f"p{index}" for index in range(1_001)]
            await league.play(*newcomers("chess", names))
            body = await look(ask, *reversed(names[:1_000]))
            assert [row["player"] for row in body["players"]] == names[999::-1]
            body = is_problem(await ask.post(LOOKUP, {"players": names}), 422, "invalid_parameter")
            assert [error["field"] for error in body["errors"]] == ["players"]
            assert "1000" in body["detail"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({}, "players", "missing"),
        ({"players": []}, "players", "at least 1"),
        ({"players": "ann"}, "players", "valid array"),
        ({"players": ["ann", 7]}, "players[1]", "valid string"),
        ({"players": ["ann", ""]}, "players[1]", "0 bytes"),
        ({"players": ["ann", "bob", "é" * 64 + "x"]}, "players[2]", "129 bytes"),
        ({"players": ["ann"], "sytsem": "elo"}, "sytsem", "did you mean 'system'"),
        ({"players": ["ann"], "system": 1}, "system", "valid string"),
    ],
)
def test_what_is_wrong_is_named(valkey: ValkeyServer, unique: Unique, body: Any, field: str, says: str) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("lookup")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            (error,) = is_problem(await ask.post(LOOKUP, body), 422, "invalid_parameter")["errors"]
            assert error["field"] == field
            assert says in error["problem"] + error["remedy"]

    asyncio.run(run())


def test_bodies_that_are_none(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("lookup")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            json = {"Content-Type": "application/json"}
            for content in (b"", b"{", b'{"players": ["\xff"]}', b'{"players": ["\\ud800"]}'):
                is_problem(await ask.http.post(LOOKUP, content=content, headers=json), 400, "malformed")
            is_problem(await ask.http.post(LOOKUP, content=b"[" * 100_000, headers=json), 400, "malformed")
            is_problem(await ask.http.post(LOOKUP, content=b" " * (1 << 20) + b"x", headers=json), 413, "too_large")
            for kind in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
                response = await ask.http.post(LOOKUP, content=b'{"players": ["ann"]}', headers=kind)
                is_problem(response, 415, "unsupported_media_type")
            kind = {"Content-Type": "Application/JSON; charset=utf-8"}
            assert (await ask.http.post(LOOKUP, content=b'{"players": ["ann"]}', headers=kind)).status_code == 200
            body = is_problem(await ask.post(LOOKUP, {"players": ["ann"], "system": "glicko"}), 404, "unknown_name")
            assert "it has: kalman" in body["detail"]
            is_problem(await ask.post(LOOKUP, {"players": ["ann"]}, limit=5), 422, "invalid_parameter")

    asyncio.run(run())


def test_a_position_is_waited_for_here_too(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("lookup")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            body = is_problem(await ask.post(LOOKUP, {"players": ["ann"]}, after="1-0-2"), 409, "not_applied_yet")
            assert "1-0-1" in body["detail"]
            response, _ = await asyncio.gather(
                ask.post(LOOKUP, {"players": ["ann"]}, after="1-0-2", wait=10),
                league.play(duel("chess", "ann", "bob")),
            )
            assert (response.json()["position"], response.json()["players"][0]["matches"]) == ("1-0-2", 2)
            assert "etag" not in response.headers
            assert response.headers["cache-control"] == "private, no-cache"

    asyncio.run(run())
