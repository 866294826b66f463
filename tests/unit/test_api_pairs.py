"""Pairs over HTTP: a matrix of those asked for, or of the head of the board."""

import asyncio

from standings.embedded import ValkeyServer
from tests.api import serving
from tests.conftest import Unique
from tests.league import duel, tie

PATH = "/v1/pools/arena/pairs"


def test_the_head_of_the_board_and_those_asked_for(redis_server: ValkeyServer, unique: Unique) -> None:
    # Each of its pairs counts 3/4.
    sides = [{"players": [name], "rank": rank} for name, rank in (("ann", 2), ("bob", 1), ("cid", 1))]
    three = {"pool": "arena", "sides": sides}

    async def run() -> None:
        async with serving(redis_server.url, unique("pairs")) as (league, ask):
            await league.play(
                *[duel("arena", "ann", "bob")] * 3,
                duel("arena", "bob", "cid"),
                tie("arena", [["ann"], ["bob"]]) | {"weight": 2},
                three,
                tie("arena", [["ann", "eve"], ["bob", "fay"]]),
            )
            body = await ask.read(PATH)
            assert body["as_of"].endswith("Z")
            assert (body["pool"], body["unknown"], body["position"]) == ("arena", [], "1-0-7")
            place = {name: index for index, name in enumerate(body["players"])}
            # Eve and Fay are on the board, and met nobody alone.
            assert set(place) == {"ann", "bob", "cid"}
            assert body["wins"][place["ann"]][place["bob"]] == 4.0
            assert body["wins"][place["bob"]][place["ann"]] == 1.75
            assert body["ties"][place["ann"]][place["bob"]] == 2.0

            body = await ask.read(PATH, player=["cid", "nobody", "bob", "cid"])
            assert (body["players"], body["unknown"]) == (["cid", "bob"], ["nobody"])
            assert body["wins"] == [[0.0, 0.375], [1.375, 0.0]]
            assert body["ties"] == [[0.0, 0.75], [0.75, 0.0]]

            pool = await ask.read("/v1/pools/arena")
            assert pool["pairs"] == {"players": 3, "most_players": 1000, "matches_left_out": 1, "shown": []}

    asyncio.run(run())


def test_an_answer_that_would_be_the_same(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("pairs")) as (league, ask):
            await league.play(duel("arena", "ann", "bob"))
            first = await ask.get(PATH)
            same = await ask.http.get(PATH, headers={"If-None-Match": first.headers["etag"]})
            assert same.status_code == 304
            await league.play(duel("arena", "ann", "bob"))
            other = await ask.http.get(PATH, headers={"If-None-Match": first.headers["etag"]})
            assert other.json()["wins"] == [[0.0, 2.0], [0.0, 0.0]]

    asyncio.run(run())


def test_what_cannot_be_asked(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("pairs")) as (league, ask):
            await ask.problem(PATH, 404, "unknown_pool")
            await league.play(duel("arena", "ann", "bob"), duel("chess", "ann", "bob"))
            for names in (["ann"], ["ann", "ann"], [f"p{number}" for number in range(201)], ["ann", ""]):
                body = await ask.problem(PATH, 422, "invalid_parameter", player=names)
                assert body["errors"][0]["field"] == "player"
            for query in ({}, {"player": ["ann", "bob"]}):
                body = await ask.problem("/v1/pools/chess/pairs", 422, "pairs_not_kept", **query)
                assert body["detail"] == "the pool 'chess' (section '*') keeps no pairs"
            await ask.problem("/v1/pools/arena.x/pairs", 404, "unknown_pool")

    asyncio.run(run())
