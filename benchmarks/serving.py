"""Requests over HTTP, ingest running: how many a second, their times, and the processor's time of each.

Reads run beside bare Starlette doing the same. The processor's time of Redis is what it takes beyond ingest's.
"""

from __future__ import annotations

import json
import random
from functools import partial

from benchmarks.asking import SECONDS, Request, get, load, measure, post
from benchmarks.report import figure, ratio
from benchmarks.running import Service, process, running

POOL = "bench"
PLAYERS = 2_000
MATCHES = 20_000
PER_SECOND = 200
CONNECTIONS = 8
BARE = 18412
READS = {
    "player": f"/v1/pools/{POOL}/players/p%d",
    "leaderboard, 50 rows": f"/v1/pools/{POOL}/leaderboard?around=p%d",
}


async def run(rounds: int) -> None:
    """Print requests a second and times of both, and their ratio within each round; then what else is asked for."""
    print(f"serving: {PLAYERS:,} players, {CONNECTIONS} connections, {PER_SECOND} matches/s coming in; median, range")
    async with (
        running() as service,
        process(service.environment | {"BENCH_POOL": POOL}, "-m", "uvicorn", "benchmarks.bare:app", "--port", str(BARE),
                "--no-access-log", "--log-level", "error", "--loop", "uvloop"),
    ):  # fmt: skip
        await service.fill(POOL, PLAYERS, MATCHES)
        async with service.fed(POOL, PLAYERS, PER_SECOND):
            for name, path in READS.items():
                await _compare(service, name, partial(_read, path), rounds)
            for name, request in (("prediction, two sides", _prediction), (f"matchup, one of {PLAYERS:,}", _matchup)):
                await measure(service, name, request, CONNECTIONS, rounds)


async def _compare(service: Service, name: str, request: Request, rounds: int) -> None:
    bare: list[float] = []

    async def beside() -> None:
        bare.append(len(await load(BARE, request, CONNECTIONS)) / SECONDS)

    ours = await measure(service, name, request, CONNECTIONS, rounds, beside)
    figure(f"{name}: bare Starlette", bare, "requests/s")
    ratio(f"{name}: serve / bare", ours, bare)


def _read(path: str, rng: random.Random) -> bytes:
    return get(path % rng.randrange(PLAYERS))


def _prediction(rng: random.Random) -> bytes:
    sides = [{"players": [f"p{player}"]} for player in rng.sample(range(PLAYERS), 2)]
    return post(f"/v1/pools/{POOL}/predictions", json.dumps({"sides": sides}).encode())


def _matchup(_: random.Random) -> bytes:
    return post(f"/v1/pools/{POOL}/matchups", b'{"lease_seconds": 1}')
