"""Votes on matchups of which the first shown is favoured: the bias is found, and rated away where the pool says so."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from standings.embedded import KafkaServer, ValkeyServer
from tests.api import client, settings
from tests.conftest import Unique
from tests.made_up import RECORDED
from tests.oracle import Rules
from tests.replay import begin
from tests.topics import Item, item

TOLD = """
[pools.removed]
profile = "arena"
first_at_home = true
shadows = [{ system = "elo" }]
"""
RULES = {"removed": Rules(("kalman", "elo"), 2.0, pairs=True, first_at_home=True)}


def voted(pool: str, count: int) -> list[Item]:
    """One vote in five goes to whoever is shown first, and is no vote otherwise: 6 of 10, whoever plays."""
    rng = random.Random(8)
    items = []
    for number in range(count):
        players = rng.sample(range(10), 2)
        best = 0 if rng.random() < 0.2 or rng.random() < 1 / (1 + 2.0 ** (players[1] - players[0])) else 1
        match: dict[str, Any] = {
            "id": f"v{number}",
            "pool": pool,
            "at": RECORDED,
            "sides": [{"players": [f"p{one}"], "rank": 1 + (place != best)} for place, one in enumerate(players)],
        }
        # Those that were not suggested name the winner first, as files do.
        if number % 4:
            match["matchup"] = f"1-0-mu-{number}"
        else:
            match["sides"].sort(key=lambda side: side["rank"])
        items.append(item(match, RECORDED + number))
    return items


def test_a_bias_is_found_and_rated_away(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    pools = tmp_path / "pools.toml"
    pools.write_text(TOLD)
    items = [one for both in zip(voted("arena", 2_000), voted("removed", 2_000), strict=True) for one in both]
    plain = Rules(("kalman",), 2.0, pairs=True)
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, 1, items, pools, lambda pool: RULES.get(pool, plain))
    for again, batch in ((here, 5_000), (here.elsewhere(), 37)):
        with again.ingest(batch=batch) as ingest:
            again.wait(ingest)
        again.check()

    async def run() -> list[Any]:
        place = here.place
        async with client(settings(place.redis, place.installation, topic=place.topic, pools=str(pools))) as ask:
            return [await ask.read(f"/v1/pools/{pool}") for pool in ("arena", "removed")]

    arena, removed = asyncio.run(run())
    assert (arena["first_at_home"], removed["first_at_home"]) == (False, True)
    first, second = arena["pairs"]["shown"]
    assert arena["pairs"]["shown"] == removed["pairs"]["shown"]
    low, high = first["interval"]
    assert first["matches"] == second["matches"] == 1_500
    assert 0.5 < low < 0.6 < high
    assert first["before"] + second["before"] == 1.0
