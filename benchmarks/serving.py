"""Reads over HTTP: requests a second and their times, beside bare Starlette doing the same reads, ingest running."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.report import figure, ratio
from service.broker import ensure_topic
from service.match import Match, Side, encode
from service.settings import Settings
from service.store.connection import Store
from service.store.layout import Keys
from standings.embedded import KafkaServer, ValkeyServer, ensure_jars, home
from standings.feed import Sender

POOL = "bench"
PLAYERS = 2_000
MATCHES = 20_000
PER_SECOND = 200
CONNECTIONS = 8
SECONDS = 4.0
PATHS = {
    "player": [f"/v1/pools/{POOL}/players/p{number}" for number in range(PLAYERS)],
    "leaderboard, 50 rows": [f"/v1/pools/{POOL}/leaderboard?around=p{number}" for number in range(PLAYERS)],
}


async def run(rounds: int) -> None:
    """Print requests a second and times of both, and their ratio within each round."""
    print(f"serving: {PLAYERS:,} players, {CONNECTIONS} connections, {PER_SECOND} matches/s coming in; median, range")
    with (
        tempfile.TemporaryDirectory() as folder,
        KafkaServer(Path(folder, "kafka"), ensure_jars(home() / "jars")) as kafka,
        ValkeyServer(Path(folder, "valkey")) as valkey,
    ):
        given = {"kafka": kafka.bootstrap, "redis": valkey.url, "topic": POOL, "installation": POOL, "group": POOL}
        environment = {f"STANDINGS_{name.upper()}": value for name, value in given.items()} | {"BENCH_POOL": POOL}
        settings = Settings.model_validate(given)
        await ensure_topic(kafka.bootstrap, POOL, 1)
        async with (
            _process(environment, "-m", "standings", "ingest", "--ops-port", "0"),
            _process(environment, "-m", "standings", "serve", "--port", "18411"),
            _process(environment, "-m", "uvicorn", "benchmarks.bare:app", "--port", "18412", "--no-access-log",
                     "--log-level", "error", "--loop", "uvloop"),
            Sender(settings, 1) as sender,
        ):  # fmt: skip
            await _fill(sender, settings)
            feeding = asyncio.create_task(_feed(sender))
            try:
                for name, paths in PATHS.items():
                    await _compare(name, paths, rounds)
            finally:
                feeding.cancel()


async def _compare(name: str, paths: Sequence[str], rounds: int) -> None:
    ours, bare, middle, late = [], [], [], []
    for _ in range(rounds):
        times = await _load(18411, paths)
        ours.append(len(times) / SECONDS)
        middle.append(times[len(times) // 2] * 1000)
        late.append(times[len(times) * 99 // 100] * 1000)
        bare.append(len(await _load(18412, paths)) / SECONDS)
    figure(f"{name}: serve", ours, "requests/s")
    figure(f"{name}: p50", middle, "ms")
    figure(f"{name}: p99", late, "ms")
    figure(f"{name}: bare Starlette", bare, "requests/s")
    ratio(f"{name}: serve / bare", ours, bare)


def _match(number: int) -> bytes:
    one, other = random.sample(range(PLAYERS), 2)
    sides = (Side((f"p{one}",), rank=1), Side((f"p{other}",), rank=2))
    return encode(Match(str(number), POOL, int(time.time() * 1000), sides))


async def _fill(sender: Sender, settings: Settings) -> None:
    for number in range(MATCHES):
        await sender.add(POOL, _match(number))
    await sender.flush()
    store = Store(settings.redis.get_secret_value())
    while int(await store.command("HGET", Keys(POOL, POOL, 0).state, "position") or 0) < MATCHES:
        await asyncio.sleep(0.05)
    await store.close()


async def _feed(sender: Sender) -> None:
    number = MATCHES
    while True:
        for _ in range(PER_SECOND // 20):
            await sender.add(POOL, _match(number))
            number += 1
        await sender.flush()
        await asyncio.sleep(0.05)


async def _load(port: int, paths: Sequence[str]) -> list[float]:
    """Ask as fast as the server answers; the times of all requests, sorted."""
    until = time.perf_counter() + SECONDS
    found = await asyncio.gather(*(_ask(port, random.Random(index), paths, until) for index in range(CONNECTIONS)))
    return sorted(seconds for times in found for seconds in times)


async def _ask(port: int, rng: random.Random, paths: Sequence[str], until: float) -> list[float]:
    reader, writer = await _connected(port)
    times = []
    while (begun := time.perf_counter()) < until:
        writer.write(f"GET {rng.choice(paths)} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(time.perf_counter() - begun)
    writer.close()
    return times


async def _connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _process(environment: dict[str, str], *arguments: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=os.environ | environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
