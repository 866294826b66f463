"""What is refused of campaigns, each with its field; nothing is begun by any of them."""

import asyncio
import math
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from service.api.campaigning import CampaignWanted
from service.api.pursued import CampaignAnswer
from service.matchups.evidence import interval
from service.store import campaigns
from standings.embedded import ValkeyServer
from tests.api import Client, is_problem, serving
from tests.conftest import Unique
from tests.league import League, duel, newcomers

PATH = "/v1/pools/{}/campaigns"
BEST = {"request_id": "r", "goal": "best"}

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"goal": "best"}, "request_id"),
    ({"request_id": "r"}, "goal"),
    ({**BEST, "request_id": ""}, "request_id"),
    ({**BEST, "request_id": "a\u0000"}, "request_id"),
    ({**BEST, "goal": "fun"}, "goal"),
    ({**BEST, "goals": "best"}, "goals"),
    ({**BEST, "goal": "top_k"}, "k"),
    ({**BEST, "goal": "top_k", "k": 0}, "k"),
    ({**BEST, "goal": "top_k", "k": 3}, "k"),
    ({**BEST, "k": 1}, "k"),
    ({**BEST, "goal": "place"}, "player"),
    ({**BEST, "goal": "place", "player": "eve"}, "player"),
    ({**BEST, "goal": "place", "player": "eve", "newcomers": True, "players": ["ann", "bob"]}, "player"),
    ({**BEST, "player": "ann"}, "player"),
    ({**BEST, "players": ["ann"]}, "players"),
    ({**BEST, "players": ["ann", "eve"]}, "players[1]"),
    ({**BEST, "players": ["ann", "ann"]}, "players[1]"),
    ({**BEST, "players": ["ann", "b\u0000b"]}, "players[1]"),
    ({**BEST, "players": [f"p{number}" for number in range(201)]}, "players"),
    ({**BEST, "delta": 0}, "delta"),
    ({**BEST, "delta": 0.6}, "delta"),
    ({**BEST, "delta": "0.1"}, "delta"),
    ({**BEST, "tolerance": 0.3}, "tolerance"),
    ({**BEST, "budget": 0}, "budget"),
    ({**BEST, "budget": 10_000_001}, "budget"),
    ({**BEST, "budget": 1.5}, "budget"),
    ({**BEST, "cost": -1}, "cost"),
    ({**BEST, "gap": 0.1}, "gap"),
    ({**BEST, "method": "swiss"}, "method"),
    ({**BEST, "method": "knockout", "goal": "full"}, "goal"),
    ({**BEST, "method": "knockout", "side_count": 3}, "side_count"),
    ({**BEST, "method": "knockout", "tolerance": 0.1}, "tolerance"),
    ({**BEST, "method": "knockout", "gap": 0.6}, "gap"),
    ({**BEST, "side_count": 1}, "side_count"),
    ({**BEST, "side_count": 4}, "side_count"),
    ({**BEST, "side_count": 17}, "side_count"),
]


async def begun(ask: Client, body: dict[str, Any], pool: str = "arena") -> Any:
    response = await ask.post(PATH.format(pool), body)
    assert response.status_code == 200, response.text
    return response.json()


def test_what_is_wrong_is_named(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("campaigns")) as (league, ask):
            await ask.problem(PATH.format("arena"), 404, "unknown_pool")
            is_problem(await ask.post(PATH.format("arena"), BEST), 404, "unknown_pool")
            await league.play(duel("arena", "ann", "bob"), duel("arena", "ann", "cid"), duel("chess", "ann", "bob"))
            for given, field in WRONG:
                body = is_problem(await ask.post(PATH.format("arena"), given), 422, "invalid_parameter")
                assert body["errors"][0]["field"] == field, (given, body)
                assert all(error["remedy"] for error in body["errors"])
                assert body["detail"].startswith(f"{field}: "), body
            is_problem(await ask.post(PATH.format("chess"), BEST), 422, "pairs_not_kept")
            is_problem(await ask.post(PATH.format("arena.none"), BEST), 404, "unknown_pool")
            assert (await ask.read(PATH.format("arena")))["campaigns"] == []
            await _nobody(ask)
            await _too_small_or_large(league, ask)

    asyncio.run(run())


async def _nobody(ask: Client) -> None:
    nowhere = f"{PATH.format('arena')}/ca-none"
    await ask.problem(nowhere, 404, "unknown_name")
    is_problem(await ask.post(f"{nowhere}/matchups", {}), 404, "unknown_name")
    assert (await ask.http.delete(nowhere)).status_code == 204
    there = f"{PATH.format('arena')}/{(await begun(ask, BEST))['id']}"
    for body, field in (({"count": 0}, "count"), ({"count": 101}, "count"), ({"lease_seconds": 0}, "lease_seconds")):
        wrong = is_problem(await ask.post(f"{there}/matchups", body), 422, "invalid_parameter")
        assert wrong["errors"][0]["field"] == field


async def _too_small_or_large(league: League, ask: Client) -> None:
    seed = {"type": "seed", "pool": "arena.one", "system": "kalman", "players": [{"player": "ann", "rating": 1500}]}
    names = [f"p{number}" for number in range(201)]
    await league.play(seed, *newcomers("arena.many", names))
    for pool, field in (("arena.one", "players"), ("arena.many", "players")):
        body = is_problem(await ask.post(PATH.format(pool), BEST), 422, "invalid_parameter")
        assert body["errors"][0]["field"] == field
    assert len((await begun(ask, {**BEST, "players": names[:200]}, "arena.many"))["players"]) == 200


def test_what_is_begun_is_shown_and_may_be_begun_again(
    valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "MOST_CAMPAIGNS", 2)

    async def run() -> None:
        async with serving(valkey.url, unique("campaigns")) as (league, ask):
            await league.play(duel("arena", "bob", "ann"), duel("arena", "bob", "cid"))
            body = {**BEST, "goal": "place", "player": "new", "newcomers": True, "budget": 9}
            one, other = await asyncio.gather(begun(ask, body), begun(ask, body))
            assert one == other
            # All of the pool in the board's order, and who comes.
            assert (one["players"][0], one["players"][-1], len(one["players"])) == ("bob", "new", 4)
            assert one["parameters"] == {
                "goal": "place", "player": "new", "delta": 0.05, "tolerance": 0.02, "budget": 9, "cost": 0.0,
            }  # fmt: skip
            assert (one["state"], one["begun"], one["left"], one["certificate"]) == ("open", "1-0-2", 9, None)
            await league.play(duel("arena", "new", "bob"))
            later = await begun(ask, body)
            assert (later["matches"], later["left"], later["begun"]) == (1, 8, "1-0-2")
            wrong = is_problem(await ask.post(PATH.format("arena"), {**body, "budget": 8}), 422, "invalid_parameter")
            assert wrong["errors"][0]["field"] == "request_id"
            second = await begun(ask, {**BEST, "request_id": "s", "method": "knockout"})
            is_problem(await ask.post(PATH.format("arena"), {**BEST, "request_id": "t"}), 422, "too_many_campaigns")
            listed = (await ask.read(PATH.format("arena")))["campaigns"]
            assert {(entry["id"], entry["goal"], entry["state"]) for entry in listed} == {
                (one["id"], "place", "open"),
                (second["id"], "best", "open"),
            }
            assert (await ask.http.delete(f"{PATH.format('arena')}/{one['id']}")).status_code == 204
            await begun(ask, {**BEST, "request_id": "t"})

    asyncio.run(run())


def test_results_that_weigh_more_carry_no_certificate(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("campaigns")) as (league, ask):
            await league.play(duel("arena", "ann", "bob"), duel("arena", "ann", "cid") | {"weight": 3})
            # What was before does no harm, nor what weighs less.
            here = f"{PATH.format('arena')}/{(await begun(ask, BEST))['id']}"
            await league.play(duel("arena", "ann", "bob") | {"weight": 0.5})
            assert (await ask.read(here))["matches"] == 1
            await league.play(duel("arena", "bob", "cid") | {"weight": 1.5})
            await ask.problem(here, 410, "campaign_void")
            is_problem(await ask.post(f"{here}/matchups", {}), 410, "campaign_void")

    asyncio.run(run())


def test_the_page_shows_a_request_and_an_answer() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "campaigns.md").read_text()
    asked, answered = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    CampaignWanted.model_validate_json(asked, strict=True)
    found = TypeAdapter(CampaignAnswer).validate_json(answered)
    certificate = found["certificate"]
    assert certificate is not None
    # Its intervals are those of its counts.
    needed = math.log(3 / certificate["delta"])
    for pair in certificate["pairs"]:
        assert (pair["low"], pair["high"]) == pytest.approx(interval(pair["won"], pair["lost"], needed), abs=5e-5)
