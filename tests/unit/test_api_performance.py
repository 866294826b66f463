"""A rating in one step over HTTP."""

import asyncio
from datetime import datetime
from typing import Any

import httpx
import numpy as np
import pytest

from service.performance import MOST_RESULTS, SCORES, performance
from service.rate import DAY_MS, LAST_AT
from service.ratings import create
from standings.embedded import ValkeyServer
from tests.api import Client, is_problem, serving
from tests.conftest import Unique
from tests.league import duel, newcomers

PATH = "/v1/pools/{}/performance"


async def ask_for(ask: Client, pool: str, *results: tuple[str, str], **more: Any) -> httpx.Response:
    listed = [{"opponent": opponent, "result": result} for opponent, result in results]
    return await ask.http.post(PATH.format(pool), json={"results": listed, **more})


async def answer(ask: Client, pool: str, *results: tuple[str, str], **more: Any) -> Any:
    response = await ask_for(ask, pool, *results, **more)
    assert response.status_code == 200, response.text
    return response.json()


def test_results_against_players_as_they_stand(redis_server: ValkeyServer, unique: Unique, frozen: datetime) -> None:
    async def run() -> None:
        async with serving(redis_server.url, unique("performance"), partitions=2) as (league, ask):
            await league.play(*(duel("chess", "ann", "bob") for _ in range(20)), duel("chess", "cid", "ann"))
            board = await ask.read("/v1/pools/chess/leaderboard")
            before = {one["player"]: one["rating"] for one in board["players"]}
            results = [("ann", "won"), ("bob", "won"), ("bob", "tied"), ("cid", "lost")]
            found = await answer(ask, "chess", *results)
            assert (found["pool"], found["system"], found["results"], found["score"]) == ("chess", "kalman", 4, 2.5)
            tallies, skills, learned, _ = await league.table("chess", *(name for name, _ in results))
            rest = (frozen.timestamp() * 1000 - tallies[:, LAST_AT]) / DAY_MS
            scores = np.array([SCORES[result] for _, result in results])
            expected = performance(create("kalman"), skills, learned, rest, scores)
            assert [found["rating"], found["deviation"], *found["interval"]] == pytest.approx(
                [expected.rating, expected.deviation, *expected.interval], rel=1e-9
            )
            low, high = found["interval"]
            assert low < found["rating"] < high
            assert found["position"] == board["position"]

            # Nobody moved, and no order of the results matters.
            turned = await answer(ask, "chess", *results[::-1])
            assert turned["rating"] == pytest.approx(found["rating"], rel=1e-12)
            again = await ask.read("/v1/pools/chess/leaderboard")
            assert again["players"] == board["players"]

            won = await answer(ask, "chess", ("ann", "won"))
            assert (won["rating"], won["deviation"], won["interval"][1]) == (None, None, None)
            assert won["interval"][0] < before["ann"]
            lost = await answer(ask, "chess", ("ann", "lost"))
            assert (lost["rating"], lost["deviation"], lost["interval"][0]) == (None, None, None)
            assert lost["interval"][1] > before["ann"]

    asyncio.run(run())


def test_what_cannot_be_rated_is_named(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("performance")) as (league, ask):
            names = [f"p{number}" for number in range(MOST_RESULTS)]
            await league.play(*newcomers("chess", names), duel("chess", "ann", "bob"))
            unknown = await ask_for(ask, "chess", ("ann", "won"), ("eve", "lost"), ("bob", "won"), ("eve", "won"))
            body = is_problem(unknown, 404, "unknown_player")
            assert [error["field"] for error in body["errors"]] == ["results[1].opponent", "results[3].opponent"]
            assert "'eve'" in body["errors"][0]["problem"]
            is_problem(await ask_for(ask, "go", ("ann", "won")), 404, "unknown_pool")
            is_problem(await ask_for(ask, "chess", ("ann", "won"), system="tennis"), 404, "unknown_name")
            body = is_problem(await ask_for(ask, "chess", ("ann", "drawn")), 422, "invalid_parameter")
            assert body["errors"][0]["field"] == "results[0].result"
            assert "'won', 'tied' or 'lost'" in body["errors"][0]["problem"]
            is_problem(await ask_for(ask, "chess"), 422, "invalid_parameter")
            half = [(name, ("won", "lost")[row % 2]) for row, name in enumerate(names)]
            assert (await answer(ask, "chess", *half))["rating"] == pytest.approx(1500, abs=1)
            body = is_problem(await ask_for(ask, "chess", *half, ("ann", "won")), 422, "invalid_parameter")
            assert body["errors"][0]["field"] == "results"
            body = is_problem(await ask_for(ask, "chess", ("ann", "won"), sistem="elo"), 422, "invalid_parameter")
            assert "system" in body["errors"][0]["remedy"]
            behind = await ask.http.post(f"{PATH.format('chess')}?after=1-0-9999", json={"results": []})
            is_problem(behind, 422, "invalid_parameter")

    asyncio.run(run())
