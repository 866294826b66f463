"""One player over HTTP: every number, and every name that a player may have."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import numpy as np
import pytest

from service.api import inputs
from service.ratings.elo import Elo
from service.store import board
from service.store.rows import unpack_learned, unpack_rows
from standings.embedded import ValkeyServer
from tests.api import Clock, serving
from tests.league import AT, duel, newcomers, tie

Unique = Callable[[str], str]

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


def test_every_number_of_a_player(valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("players")) as (league, ask):
            monkeypatch.setattr(inputs, "datetime", Clock(datetime(2026, 12, 1, tzinfo=UTC)))
            await league.play(
                duel("chess", "ann", "bob"),
                tie("chess", [["ann"], ["cid"]]),
                duel("chess", "bob", "ann"),
                tie("chess", [["dan"], ["eve"]]),
            )
            body = await ask.read("/v1/pools/chess/players/ann")
            row = await league.store.command("HGET", league.keys().rows("chess", "elo"), "ann")
            _, skills = unpack_rows([row], Elo())
            packed = await league.store.command("HGET", league.keys().learned, "chess/elo")
            learned, _ = unpack_learned(packed, Elo())
            (rating,), (deviation,) = Elo().view(skills, learned, np.zeros(1))
            assert 1490 < rating < 1500
            assert 100 < deviation < 350
            assert body == {
                "pool": "chess",
                "player": "ann",
                "system": "elo",
                "rating": rating,
                "deviation": deviation,
                "interval": [rating - 1.96 * deviation, rating + 1.96 * deviation],
                "rank": 5,
                "rank_interval": [1, 5],
                "rank_intervals": "exact",
                "percentile": 20.0,
                "value": rating,
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
            (score,) = await league.store.command("ZMSCORE", league.keys().board("chess", "elo"), "ann")
            assert float(score) == body["value"]
            for name, rank in (("bob", 1), ("cid", 2), ("dan", 3), ("eve", 3)):
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
            assert (await ask.read("/v1/pools/chess/players/ann", system="elo"))["system"] == "elo"
            body = await ask.problem("/v1/pools/chess/players/ann", 404, "unknown_name", system="glicko")
            assert "it has: elo" in body["detail"]

    asyncio.run(run())


def test_deviation_grows_to_as_of_and_value_does_not(
    valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elo does not know rest, so that a system which does is put in its place."""
    view = Elo.view
    monkeypatch.setattr(Elo, "view", lambda self, skills, pool, rest: (view(self, skills, pool, rest)[0], 10.0 + rest))
    played = datetime.fromtimestamp(AT / 1000, UTC)

    async def run() -> None:
        async with serving(valkey.url, unique("players")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            for days, deviation, interval in ((0, 10.0, [1, 1]), (2.5, 12.5, [1, 2]), (-1, 10.0, [1, 1])):
                moment = played + timedelta(days=days)
                monkeypatch.setattr(inputs, "datetime", Clock(moment))
                body = await ask.read("/v1/pools/chess/players/ann")
                assert body["deviation"] == deviation
                assert datetime.fromisoformat(body["as_of"]) == moment
                assert body["value"] == 1516.0
                # 32 points apart: surely better up to a deviation of 11.5 each.
                assert body["rank_interval"] == interval

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
