"""Matchups over HTTP: how long one takes, how many a second, and those of a large queue, ingest and refit running."""

from __future__ import annotations

import json
import random
from functools import partial
from typing import Any

from benchmarks.asking import measure, post
from benchmarks.running import running

ARENA, LADDER = "arena", "ladder"
PLAYERS = 1_000
MATCHES = 20_000
MILLION = 1_000_000
WAITING = 10_000
COUNT = 100
PER_SECOND = 200
CONNECTIONS = 16
LEASE_S = 2
"""Of each matchup: it ends as if it had been played by then."""


async def run(rounds: int) -> None:
    """Print the times of one caller, requests a second of many, and the times of a queue."""
    print(f"suggesting: an arena of {PLAYERS:,}, {PER_SECOND} matches/s coming in; median, range")
    async with running("refit") as service:
        await service.fill(ARENA, PLAYERS, MATCHES)
        async with service.fed(ARENA, PLAYERS, PER_SECOND):
            for policy in ("information_gain", "uniform"):
                for connections in (1, CONNECTIONS):
                    name = f"{policy}, {connections} at once"
                    await measure(service, name, partial(_arena, policy), connections, rounds)
            await service.fill(LADDER, MILLION, MILLION // 2)
            await measure(service, f"{COUNT} of {WAITING:,} waiting", _queue, 1, rounds)


def _arena(policy: str, rng: random.Random) -> bytes:
    return _request(ARENA, {"policy": policy, "seed": rng.randrange(MILLION)})


def _queue(rng: random.Random) -> bytes:
    parties = [
        {"players": [f"p{player}"], "waiting_since": f"2026-11-21T10:{player % 60:02}:00Z"}
        for player in rng.sample(range(MILLION), WAITING)
    ]
    return _request(LADDER, {"count": COUNT, "candidates": parties})


def _request(pool: str, body: dict[str, Any]) -> bytes:
    return post(f"/v1/pools/{pool}/matchups", json.dumps(body | {"lease_seconds": LEASE_S}).encode())
