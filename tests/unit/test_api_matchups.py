"""What is refused of requests for matchups, each with its field; nothing is taken of any of them."""

import asyncio
from pathlib import Path
from typing import Any

from service.api.wanted import Wanted, ask_of
from service.matchups import create
from service.pool_file import parse_pools
from service.pools import Pools
from service.store import leases
from standings.embedded import ValkeyServer
from tests.api import client, is_problem, serving, settings
from tests.conftest import Unique
from tests.league import duel, newcomers

PATH = "/v1/pools/{}/matchups"

QUEUE = {"candidates": ["ann", {"players": ["bob"]}]}
MANY = [f"{number:0110}" for number in range(leases.MOST_WHOLE + 1)]

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"count": 0}, "invalid_parameter", "count"),
    ({"count": 101}, "invalid_parameter", "count"),
    ({"side_count": 1}, "invalid_parameter", "side_count"),
    ({"side_count": 17}, "invalid_parameter", "side_count"),
    ({"side_count": "2"}, "invalid_parameter", "side_count"),
    ({"side_size": 2}, "invalid_parameter", "candidates"),
    ({"side_size": 17}, "invalid_parameter", "side_size"),
    ({"side_size": 13, "side_count": 5, "candidates": ["ann", "bob"]}, "invalid_parameter", "side_size"),
    ({"candidates": ["ann", 3]}, "invalid_parameter", "candidates[1]"),
    ({"candidates": ["ann", {"player": ["bob"]}]}, "invalid_parameter", "candidates[1].players"),
    ({"candidates": ["ann", {"players": ["bob"], "since": 1}]}, "invalid_parameter", "candidates[1].since"),
    ({"candidates": ["ann", {"players": []}]}, "invalid_parameter", "candidates[1].players"),
    ({"candidates": ["ann", {"players": ["bob", "cid"]}]}, "invalid_parameter", "candidates[1].players"),
    ({"candidates": ["ann", {"players": ["ann"]}]}, "invalid_parameter", "candidates[1].players[0]"),
    ({"candidates": ["ann", {"players": ["eve"]}]}, "invalid_parameter", "candidates[1].players[0]"),
    (
        {"candidates": ["ann", {"players": ["bob"], "waiting_since": "noon"}]},
        "invalid_parameter",
        "candidates[1].waiting_since",
    ),
    ({**QUEUE, "policy": "closest"}, "invalid_parameter", "policy"),
    ({**QUEUE, "goal": "even"}, "invalid_parameter", "goal"),
    ({**QUEUE, "floor": 0.5}, "invalid_parameter", "floor"),
    ({**QUEUE, "exclude": ["ann"]}, "invalid_parameter", "exclude"),
    ({**QUEUE, "parameters": {"near": 1}}, "invalid_parameter", "parameters.near"),
    ({**QUEUE, "parameters": {"most_wait": 0}}, "invalid_parameter", "parameters.most_wait"),
    ({**QUEUE, "met": [["ann"]]}, "invalid_parameter", "met[0]"),
    ({"met": [["ann", "bob"]]}, "invalid_parameter", "met"),
    ({"candidates": MANY}, "invalid_parameter", "candidates"),
    ({"candidates": [*MANY, {"players": ["ann"]}]}, "invalid_parameter", "candidates"),
    ({"side_count": 3}, "too_few_candidates", "candidates"),
    ({"candidates": ["ann"]}, "invalid_parameter", "candidates"),
    ({"candidates": ["ann", "ann"]}, "invalid_parameter", "candidates[1]"),
    ({"candidates": ["ann", "a\nb"]}, "invalid_parameter", "candidates[1]"),
    ({"candidates": ["ann", "ü" * 65]}, "invalid_parameter", "candidates[1]"),
    ({"candidates": ["eve", "ann", "fay"]}, "invalid_parameter", "candidates[0]"),
    ({"exclude": ["ann"]}, "too_few_candidates", "candidates"),
    ({"exclude": ["bob", "bob"]}, "invalid_parameter", "exclude[1]"),
    ({"exclude": ["eve"]}, "invalid_parameter", "exclude[0]"),
    ({"goal": "fun"}, "invalid_parameter", "goal"),
    ({"goal": "cover", "policy": "thompson"}, "invalid_parameter", "policy"),
    ({"parameters": {"temperature": 1}}, "invalid_parameter", "parameters"),
    ({"policy": "closest", "parameters": {"temprature": 1}}, "invalid_parameter", "parameters.temprature"),
    ({"policy": "closest", "parameters": {"temperature": -1}}, "invalid_parameter", "parameters.temperature"),
    ({"policy": "response_graph_ucb"}, "pairs_not_kept", "policy"),
    ({"floor": 1.5}, "invalid_parameter", "floor"),
    ({"lease_seconds": 0}, "invalid_parameter", "lease_seconds"),
    ({"lease_seconds": 86_401}, "invalid_parameter", "lease_seconds"),
    ({"request_id": ""}, "invalid_parameter", "request_id"),
    ({"request_id": "a\u0000"}, "invalid_parameter", "request_id"),
    ({"seed": -1}, "invalid_parameter", "seed"),
    ({"seed": 1 << 53}, "invalid_parameter", "seed"),
    ({"sides": 2}, "invalid_parameter", "sides"),
]


def test_what_is_wrong_is_named(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("matchups")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            for given, slug, field in WRONG:
                body = is_problem(await ask.post(PATH.format("chess"), given), 422, slug)
                assert body["errors"][0]["field"] == field, given
                assert all(error["remedy"] for error in body["errors"])
                assert body["detail"].startswith(f"{field}: "), body
            is_problem(await ask.post(PATH.format("chess"), {"policy": "best"}), 404, "unknown_name")
            is_problem(await ask.post(PATH.format("chess"), {"candidates": ["a" * (4 << 20)]}), 413, "too_large")
            empty = is_problem(await ask.post(PATH.format("go"), {}), 422, "too_few_candidates")
            assert empty["errors"][0]["field"] == "candidates"
            await ask.problem(PATH.format("go"), 404, "unknown_pool")
            await ask.problem(PATH.format("chess"), 400, "malformed", cursor="AAAA")
            assert (await ask.read(PATH.format("chess")))["matchups"] == []

    asyncio.run(run())


def test_a_pool_that_is_too_large_to_choose_from(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        names = [f"p{number}" for number in range(leases.MOST_WHOLE + 1)]
        async with serving(valkey.url, unique("matchups")) as (league, ask):
            await league.play(*newcomers("chess", names))
            body = is_problem(await ask.post(PATH.format("chess"), {}), 422, "invalid_parameter")
            assert body["errors"][0]["field"] == "candidates"
            is_problem(await ask.post(PATH.format("chess"), {"candidates": ["p1", "eve"]}), 422, "invalid_parameter")

    asyncio.run(run())


def test_what_a_pool_says_of_matchups(valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    file = tmp_path / "pools.toml"
    file.write_text('[pools.duels]\nmost_sides = 2\n[pools.duels.matchups]\npolicy = "closest"\n')

    async def run() -> None:
        async with serving(valkey.url, unique("matchups")) as (league, _):
            await league.play(duel("duels", "ann", "bob"), duel("duels", "cid", "bob"))
            made = settings(valkey.url, league.installation).model_copy(update={"pools": file})
            async with client(made) as ask:
                body = is_problem(await ask.post(PATH.format("duels"), {"side_count": 3}), 422, "shape_not_taken")
                assert body["errors"][0]["field"] == "side_count"

    asyncio.run(run())


def test_what_a_request_leaves_out_the_pool_says() -> None:
    text = '[pools.duels.matchups]\npolicy = "closest"\nparameters = {temperature = 0.5}\nfloor = 0.5\nnewcomers = true'
    pool = parse_pools(text, "pools.toml").configured("duels")
    asked = ask_of(pool, Wanted())
    assert (asked.policy, asked.floor, asked.newcomers) == (create("closest", {"temperature": 0.5}), 0.5, True)
    assert 0 <= asked.seed != ask_of(pool, Wanted()).seed
    asked = ask_of(pool, Wanted(goal="cover", floor=0.0, newcomers=False))
    assert (asked.policy, asked.floor, asked.newcomers) == (create("least_played"), 0.0, False)
    assert ask_of(pool, Wanted(parameters={"temperature": 0.25})).policy == create("closest", {"temperature": 0.25})
    assert ask_of(pool, Wanted(policy="closest")).policy == create("closest")
    assert ask_of(Pools().configured("duels"), Wanted()).policy == create("closest")


def test_redis_that_does_not_answer(unique: Unique) -> None:
    async def run() -> None:
        async with client(settings("redis://127.0.0.1:1/0", unique("matchups"))) as ask:
            for method, path in (("POST", ""), ("GET", ""), ("DELETE", "/1-0-mu-x")):
                content = b"{}" if method == "POST" else None
                headers = {"content-type": "application/json"}
                response = await ask.http.request(method, PATH.format("chess") + path, content=content, headers=headers)
                is_problem(response, 503, "redis_unavailable")
                assert response.headers["retry-after"] == "1"

    asyncio.run(run())
