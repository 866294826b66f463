"""Reads over HTTP: requests a second and their times, beside bare Starlette doing the same reads, ingest running."""

from __future__ import annotations

import random
from functools import partial

from benchmarks.report import figure, ratio, times
from benchmarks.running import PORT, Request, get, load, process, running

POOL = "bench"
PLAYERS = 2_000
MATCHES = 20_000
PER_SECOND = 200
CONNECTIONS = 8
SECONDS = 4.0
BARE = 18412
PATHS = {
    "player": f"/v1/pools/{POOL}/players/p%d",
    "leaderboard, 50 rows": f"/v1/pools/{POOL}/leaderboard?around=p%d",
}


async def run(rounds: int) -> None:
    """Print requests a second and times of both, and their ratio within each round."""
    print(f"serving: {PLAYERS:,} players, {CONNECTIONS} connections, {PER_SECOND} matches/s coming in; median, range")
    async with (
        running() as service,
        process(service.environment | {"BENCH_POOL": POOL}, "-m", "uvicorn", "benchmarks.bare:app", "--port", str(BARE),
                "--no-access-log", "--log-level", "error", "--loop", "uvloop"),
    ):  # fmt: skip
        await service.fill(POOL, PLAYERS, MATCHES)
        async with service.fed(POOL, PLAYERS, PER_SECOND):
            for name, path in PATHS.items():
                await _compare(name, partial(_read, path), rounds)


def _read(path: str, rng: random.Random) -> bytes:
    return get(path % rng.randrange(PLAYERS))


async def _compare(name: str, request: Request, rounds: int) -> None:
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(await load(PORT, request, CONNECTIONS, SECONDS))
        bare.append(await load(BARE, request, CONNECTIONS, SECONDS))
    each, theirs = ([len(one) / SECONDS for one in found] for found in (ours, bare))
    figure(f"{name}: serve", each, "requests/s")
    times(name, ours)
    figure(f"{name}: bare Starlette", theirs, "requests/s")
    ratio(f"{name}: serve / bare", each, theirs)
