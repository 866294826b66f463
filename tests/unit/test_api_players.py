"""One player over HTTP: every number, and every name that a player may have."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import numpy as np
import pytest

from service.api import inputs
from service.rate import DAY_MS, LAST_AT
from service.ratings import create
from service.store import board
from standings.embedded import ValkeyServer
from tests.api import Clock, serving
from tests.conftest import Unique
from tests.league import AT, duel, newcomers, tie

NAMES = [
    "ann",
    "meta-llama/Llama-3.1-8B",
    "a//b",
    "/begins",
    "ends/",
    "a b",
    "100% real",
    "100%25",
    "a%2Fb",
    "what?",
    "#1",
    "c++",
    "a&b=c;d",
    "日本語",
    "🎉🥇",
    "e\u0301",
    "\u00e9",
    "\ufffd",
    "..a",
    "history/ann",
    "x" * 128,
    "é" * 64,
]


def test_every_number_of_a_player(valkey: ValkeyServer, unique: Unique, frozen: datetime) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("players")) as (league, ask):
            await league.play(
                duel("chess", "ann", "bob"),
                tie("chess", [["ann"], ["cid"]]),
                duel("chess", "bob", "ann"),
                tie("chess", [["dan"], ["eve"]]),
            )
            body = await ask.read("/v1/pools/chess/players/ann")
            tallies, skills, learned, _ = await league.table("chess", "ann")
            rest = (frozen.timestamp() * 1000 - tallies[:, LAST_AT]) / DAY_MS
            (rating,), (deviation,) = create("kalman").view(skills, learned, rest)
            value = skills[0, 0]
            assert 1400 < value < rating < 1500
            assert 100 < deviation < 232
            assert body == {
                "pool": "chess",
                "player": "ann",
                "system": "kalman",
                "rating": rating,
                "deviation": deviation,
                "interval": [rating - 1.96 * deviation, rating + 1.96 * deviation],
                "rank": 5,
                "rank_interval": [1, 5],
                "rank_intervals": "exact",
                "percentile": 20.0,
                "value": value,
                "matches": 3,
                "won": 1,
                "tied": 1,
                "lost": 1,
                "provisional": True,
                "last_match_at": "2026-11-18T11:06:42Z",
                "as_of": "2026-12-01T00:00:00Z",
                "position": "1-0-4",
            }
            assert datetime.fromisoformat(body["last_match_at"]) == datetime.fromtimestamp(AT / 1000 + 2, UTC)
            # Exactly the stored bits; two players who never moved share a rank.
            (score,) = await league.store.command("ZMSCORE", league.keys().board("chess", "kalman"), "ann")
            assert float(score) == body["value"]
            for name, rank in (("cid", 1), ("bob", 2), ("dan", 3), ("eve", 3)):
                assert (await ask.read(f"/v1/pools/chess/players/{name}"))["rank"] == rank

    asyncio.run(run())


def test_provisional_ends_with_the_tenth_match(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("players")) as (league, ask):
            for matches in range(1, 12):
                await league.play(duel("chess", "ann", "bob"))
                body = await ask.read("/v1/pools/chess/players/ann")
                assert (body["matches"], body["provisional"]) == (matches, matches < 10)

    asyncio.run(run())


def test_percentiles_of_shared_ranks(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("players")) as (league, ask):
            await league.play(duel("chess", "top", "low"), tie("chess", [["dan"], ["eve"]]))
            for name, rank, percentile in (("top", 1, 100.0), ("dan", 2, 75.0), ("eve", 2, 75.0), ("low", 4, 25.0)):
                body = await ask.read(f"/v1/pools/chess/players/{name}")
                assert (body["rank"], body["percentile"]) == (rank, percentile)

    asyncio.run(run())


def test_names_of_every_kind(redis_server: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(redis_server.url, unique("players")) as (league, ask):
            await league.play(*(duel("chess", name, "loser") for name in NAMES))
            for name in NAMES:
                for path in {quote(name), quote(name, safe="")}:
                    body = await ask.read(f"/v1/pools/chess/players/{path}")
                    assert (body["player"], body["matches"]) == (name, 1)
            for name in ("Ann", "ann ", "ann/", "a/b", "history/ann/", "é" * 63, "\x00"):
                body = await ask.problem(f"/v1/pools/chess/players/{quote(name)}", 404, "unknown_player")
                assert repr(name) in body["detail"]

    asyncio.run(run())


@pytest.mark.parametrize("name", ["", "x" * 129, "é" * 64 + "x"])
def test_names_that_nobody_can_have(valkey: ValkeyServer, unique: Unique, name: str) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("players")) as (_, ask):
            body = await ask.problem(f"/v1/pools/chess/players/{quote(name)}", 422, "invalid_parameter")
            assert body["errors"][0]["field"] == "player"

    asyncio.run(run())


def test_a_path_or_query_that_is_not_utf8_is_malformed(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("players")) as (league, ask):
            # Who is found if the bytes are replaced.
            await league.play(duel("chess", "\ufffd", "bob"))
            for path in (
                "/v1/pools/chess/players/%FF",
                "/v1/pools/chess/players/%ED%A0%80",
                "/v1/pools/chess/leaderboard?around=%FF",
                "/v1/pools/%FF",
            ):
                await ask.problem(path, 400, "malformed")

    asyncio.run(run())


def test_systems_by_name(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("players")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            assert (await ask.read("/v1/pools/chess/players/ann", system="kalman"))["system"] == "kalman"
            body = await ask.problem("/v1/pools/chess/players/ann", 404, "unknown_name", system="glicko")
            assert "it has: kalman" in body["detail"]

    asyncio.run(run())


def test_deviation_grows_to_as_of_and_value_does_not(
    valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    played, system = datetime.fromtimestamp(AT / 1000, UTC), create("kalman")

    async def run() -> None:
        async with serving(valkey.url, unique("players")) as (league, ask):
            await league.play(*[{**duel("chess", "ann", "bob"), "at": AT}] * 30)
            _, skills, learned, _ = await league.table("chess", "ann")
            found = []
            for days, rest in ((0, 0), (2.5, 2.5), (-1, 0), (5_000, 5_000)):
                moment = played + timedelta(days=days)
                monkeypatch.setattr(inputs, "datetime", Clock(moment))
                body = await ask.read("/v1/pools/chess/players/ann")
                (rating,), (deviation,) = system.view(skills, learned, np.full(1, float(rest)))
                assert (body["rating"], body["deviation"]) == (rating, deviation)
                assert datetime.fromisoformat(body["as_of"]) == moment
                assert body["value"] == skills[0, 0]
                found.append((deviation, body["rank_interval"]))
            now, soon, before, late = found
            assert now == before
            assert now[0] < soon[0] < late[0]
            # Surely better than bob, but not for ever.
            assert (now[1], late[1]) == ([1, 1], [1, 2])

    asyncio.run(run())


def test_a_large_pool_says_that_its_intervals_are_of_a_sample(
    valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("players")) as (league, ask):
            names = [f"p{index}" for index in range(200)]
            await league.play(*newcomers("chess", names), *[duel("chess", "p0", "p1")] * 40)
            whole = await ask.read("/v1/pools/chess/players/p0")
            assert whole["rank_intervals"] == "exact"
            monkeypatch.setattr(board, "MOST_WHOLE", 100)
            sample = await ask.read("/v1/pools/chess/players/p0")
            assert sample["rank_intervals"] == "sample"
            for name in ("p0", "p1", "p7"):
                body = await ask.read(f"/v1/pools/chess/players/{name}")
                low, high = body["rank_interval"]
                assert 1 <= low <= body["rank"] <= high <= 200

    asyncio.run(run())
