"""Predictions over HTTP, and what is refused of the bodies of requests."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from service.api.bodies import MOST_BYTES
from service.api.predictions import MOST_COMPARED, MOST_PLAYERS
from standings.embedded import ValkeyServer
from tests.api import Client, client, is_problem, serving, settings
from tests.conftest import Unique
from tests.league import duel, newcomers, tie

PATH = "/v1/pools/{}/predictions"


def sides(*teams: str) -> list[dict[str, list[str]]]:
    return [{"players": team.split("+")} for team in teams]


async def ask_for(ask: Client, pool: str, **body: Any) -> httpx.Response:
    return await ask.http.post(PATH.format(pool), json=body)


async def answer(ask: Client, pool: str, **body: Any) -> Any:
    response = await ask_for(ask, pool, **body)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.usefixtures("frozen")
def test_a_match_is_predicted_by_the_ratings_as_they_stand(redis_server: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(redis_server.url, unique("predictions"), partitions=2) as (league, ask):
            await league.play(*(duel("chess", "ann", "bob") for _ in range(20)), tie("chess", [["cid"], ["dan"]]))
            found = await answer(ask, "chess", sides=sides("ann", "bob"))
            ann, bob = [(await ask.read(f"/v1/pools/chess/players/{name}")) for name in ("ann", "bob")]
            # Half a player's noise is 290 / sqrt(2) points.
            scale = [math.hypot(one["deviation"], 290 / math.sqrt(2)) for one in (ann, bob)]
            gap = (ann["rating"] - bob["rating"]) / math.hypot(*scale)
            won, lost = (side["win"] for side in found["sides"])
            # The zone of ties was learned, and lies on both sides of this gap.
            zone = gap - norm.ppf(won)
            assert 0 < zone < 0.2
            assert lost == pytest.approx(norm.cdf(-gap - zone), rel=1e-9)
            assert won + found["tie"] + lost == pytest.approx(1, rel=1e-12)
            first = won + found["tie"] / 2
            assert found["before"][0] == pytest.approx([0.5, first], rel=1e-12)
            assert found["before"][1] == pytest.approx([1 - first, 0.5], rel=1e-12)
            assert found["sides"][0]["places"] == pytest.approx([first, 1 - first], rel=1e-12)
            assert found["sides"][1]["places"] == pytest.approx([1 - first, first], rel=1e-12)
            assert (found["position"], found["system"]) == (ann["position"], "kalman")
            assert [(side["players"], side["newcomers"]) for side in found["sides"]] == [(["ann"], []), (["bob"], [])]

            turned = await answer(ask, "chess", sides=sides("bob", "ann"))
            for side, same in zip(turned["sides"], found["sides"][::-1], strict=True):
                assert (side["players"], side["win"]) == (same["players"], pytest.approx(same["win"], rel=1e-12))
            several = await answer(ask, "chess", sides=sides("ann", "cid", "bob"))
            cid = await ask.read("/v1/pools/chess/players/cid")
            performed = [
                norm(one["rating"], math.hypot(one["deviation"], 290 / math.sqrt(2))) for one in (ann, cid, bob)
            ]
            expected_of = [
                quad(lambda x, i=i: performed[i].pdf(x) * performed[i - 1].cdf(x) * performed[i - 2].cdf(x), -2e3, 5e3)[
                    0
                ]
                for i in range(3)
            ]
            assert [side["win"] for side in several["sides"]] == pytest.approx(expected_of, rel=1e-6)
            assert [side["places"][0] for side in several["sides"]] == pytest.approx(expected_of, rel=1e-6)
            assert several["tie"] is None
            teams = await answer(ask, "chess", sides=sides("ann+bob", "cid+dan"))
            even, other = (side["win"] for side in teams["sides"])
            assert [even, other] == pytest.approx([(1 - teams["tie"]) / 2] * 2)

    asyncio.run(run())


def test_players_not_known_are_named_or_taken_for_newcomers(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("predictions")) as (league, ask):
            await league.play(*(duel("chess", "ann", "bob") for _ in range(5)))
            body = is_problem(await ask_for(ask, "chess", sides=sides("ann+eve", "bob+fay")), 404, "unknown_player")
            assert [error["field"] for error in body["errors"]] == ["sides[0].players[1]", "sides[1].players[1]"]
            assert all(name in error["problem"] for name, error in zip(("eve", "fay"), body["errors"], strict=True))
            found = await answer(ask, "chess", sides=sides("eve", "fay", "ann"), newcomers=True)
            assert [side["newcomers"] for side in found["sides"]] == [["eve"], ["fay"], []]
            assert found["sides"][0]["win"] == found["sides"][1]["win"] < found["sides"][2]["win"]
            is_problem(await ask_for(ask, "go", sides=sides("ann", "bob"), newcomers=True), 404, "unknown_pool")
            is_problem(await ask_for(ask, "no pool", sides=sides("ann", "bob")), 404, "unknown_pool")
            is_problem(await ask_for(ask, "chess", sides=sides("ann", "bob"), system="tennis"), 404, "unknown_name")

    asyncio.run(run())


def test_rest_until_the_match_makes_it_less_sure(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("predictions")) as (league, ask):
            await league.play(*(duel("arena", "ann", "bob") for _ in range(20)))
            chances = []
            for at in ("2001-01-01T00:00:00Z", "2027-01-01T00:00:00+02:00", "2040-01-01T00:00:00Z"):
                found = await answer(ask, "arena", sides=sides("ann", "bob"), at=at)
                chances.append(found["sides"][0]["win"])
            assert chances[0] > chances[1] > chances[2] > 0.5
            found = await answer(ask, "arena", sides=sides("ann", "bob"), at="2027-01-01T00:00:00+02:00")
            assert found["as_of"] == "2026-12-31T22:00:00Z"
            behind = await ask.http.post(f"{PATH.format('arena')}?after=1-0-21", json={"sides": sides("ann", "bob")})
            is_problem(behind, 409, "not_applied_yet")

    asyncio.run(run())


def test_only_so_many_are_compared_each_with_each(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        names = [f"p{number}" for number in range(MOST_PLAYERS)]
        async with serving(valkey.url, unique("predictions")) as (league, ask):
            await league.play(*newcomers("chess", names))
            for count in (MOST_COMPARED, MOST_COMPARED + 1, MOST_PLAYERS):
                found = await answer(ask, "chess", sides=sides(*names[:count]))
                assert (found["before"] is not None) is (count <= MOST_COMPARED)
                assert found["sides"][0]["places"] is None
                assert [side["win"] for side in found["sides"]] == pytest.approx([1 / count] * count, rel=1e-9)
            teams = ["+".join(names[start : start + 100]) for start in range(0, MOST_PLAYERS, 100)]
            assert len((await answer(ask, "chess", sides=sides(*teams)))["sides"]) == 10
            body = is_problem(await ask_for(ask, "chess", sides=sides(*teams, "one")), 422, "invalid_parameter")
            assert body["errors"][0]["field"] == "sides"
            assert "1001" in body["detail"]

    asyncio.run(run())


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "sides"),
    ({"sides": sides("ann")}, "sides"),
    ({"sides": sides("ann", "bob", "ann")}, "sides[2].players[0]"),
    ({"sides": sides("ann+ann", "bob")}, "sides[0].players[1]"),
    ({"sides": [{"players": ["ann"]}, {"players": []}]}, "sides[1].players"),
    ({"sides": [{"players": ["ann"]}, {"players": [""]}]}, "sides[1].players[0]"),
    ({"sides": [{"players": ["ann"]}, {"players": ["ü" * 65]}]}, "sides[1].players[0]"),
    ({"sides": [{"players": ["ann"]}, {"players": ["a\nb"]}]}, "sides[1].players[0]"),
    ({"sides": [{"players": ["ann"]}, {"players": [7]}]}, "sides[1].players[0]"),
    ({"sides": [{"players": ["ann"]}, {}]}, "sides[1].players"),
    ({"sides": [{"players": ["ann"]}, {"players": [f"p{n}" for n in range(101)]}]}, "sides[1].players"),
    ({"sides": sides("ann", "bob"), "home": 2}, "home"),
    ({"sides": sides("ann", "bob"), "home": -1}, "home"),
    ({"sides": sides("ann", "bob"), "home": "0"}, "home"),
    ({"sides": sides("ann", "bob"), "newcomers": "yes"}, "newcomers"),
    ({"sides": sides("ann", "bob"), "at": "yesterday"}, "at"),
    ({"sides": sides("ann", "bob"), "at": "2026-11-21T10:00:00"}, "at"),
]


def test_what_is_wrong_is_named(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("predictions")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            for given, field in WRONG:
                body = is_problem(await ask_for(ask, "chess", **given), 422, "invalid_parameter")
                (error,) = body["errors"]
                assert (error["field"], bool(error["remedy"])) == (field, True), given
                assert body["detail"].startswith(f"{field}: "), body
            both = {"sides": sides("ann", "bob"), "nwecomers": True, "systm": "elo"}
            body = is_problem(await ask_for(ask, "chess", **both), 422, "invalid_parameter")
            assert [error["field"] for error in body["errors"]] == ["nwecomers", "systm"]
            for error, meant in zip(body["errors"], ("newcomers", "system"), strict=True):
                assert f"did you mean '{meant}'?" in error["remedy"]
            inner = {"sides": [{"players": ["ann"]}, {"playres": ["bob"]}]}
            body = is_problem(await ask_for(ask, "chess", **inner), 422, "invalid_parameter")
            assert {error["field"] for error in body["errors"]} == {"sides[1].players", "sides[1].playres"}
            assert "did you mean 'players'?" in str(body["errors"])
            many = {"sides": [{"players": [7]}] * 30}
            body = is_problem(await ask_for(ask, "chess", **many), 422, "invalid_parameter")
            assert len(body["errors"]) == 20

    asyncio.run(run())


def test_a_shape_that_the_pool_does_not_take(valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    file = tmp_path / "pools.toml"
    file.write_text("[pools.duels]\nmost_sides = 2\n")

    async def run() -> None:
        async with serving(valkey.url, unique("predictions")) as (league, _):
            await league.play(duel("duels", "ann", "bob"), tie("duels", [["cid"], ["dan"]]))
            made = settings(valkey.url, league.installation).model_copy(update={"pools": file})
            async with client(made) as ask:
                body = is_problem(await ask_for(ask, "duels", sides=sides("ann", "bob", "cid")), 422, "shape_not_taken")
                assert body["errors"][0]["field"] == "sides"

    asyncio.run(run())


def test_rows_of_other_parameters_are_not_misread(valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    file = tmp_path / "pools.toml"
    file.write_text('[pools."chess"]\nparameters.home = 24\n')

    async def run() -> None:
        async with serving(valkey.url, unique("predictions")) as (league, _):
            await league.play(duel("chess", "ann", "bob"))
            made = settings(valkey.url, league.installation).model_copy(update={"pools": file})
            async with client(made) as ask:
                is_problem(await ask_for(ask, "chess", sides=sides("ann", "bob")), 503, "unreadable")

    asyncio.run(run())


def test_bodies_that_are_not_what_they_should_be(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("predictions")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            good = json.dumps({"sides": sides("ann", "bob")}).encode()
            path = PATH.format("chess")

            async def post(content: Any, media: str | None = "application/json") -> httpx.Response:
                return await ask.http.post(path, content=content, headers={"content-type": media} if media else {})

            for media in ("application/json", "Application/JSON; charset=utf-8", "application/json;charset=UTF-8"):
                assert (await post(good, media)).status_code == 200
            for other in (None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""):
                is_problem(await post(good, other), 415, "unsupported_media_type")
            for bad in (
                b"",
                b"{",
                b'{"sides": ',
                b"\xff",
                b'{"sides": ["\xff"]}',
                b'{"system": "\\ud800"}',
                good + b"}",
            ):
                is_problem(await post(bad), 400, "malformed")
            is_problem(await post(b"[" * 500_000), 400, "malformed")
            for other_json in (b"null", b"[]", b"7", b'"sides"'):
                is_problem(await post(other_json), 422, "invalid_parameter")

            assert (await post(good + b" " * (MOST_BYTES - len(good)))).status_code == 200
            is_problem(await post(good + b" " * (MOST_BYTES - len(good) + 1)), 413, "too_large")
            is_problem(await post(b'{"sides": [' + b"7," * 500_000 + b"7]}"), 422, "invalid_parameter")

            taken = 0

            async def endless() -> AsyncIterator[bytes]:
                nonlocal taken
                while True:
                    taken += 1
                    yield b" " * 65_536

            is_problem(await post(endless()), 413, "too_large")
            assert taken == MOST_BYTES // 65_536 + 1

    asyncio.run(run())
