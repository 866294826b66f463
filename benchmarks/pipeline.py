"""Kafka to Redis, whole: ingest beside a pipeline that does nothing but move bytes, and beside a naive loop.

The yardsticks lie beside the checkout and are run in place; where they are missing, only ingest is measured.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import figure, ratio
from service.pools import LIVE
from service.store.connection import Store
from service.store.layout import Keys
from service.store.partition import load
from standings.embedded import KafkaServer, ValkeyServer, ensure_jars, home

PARTITIONS = 4
PLAYERS = 100_000
NAIVE_MATCHES = 20_000
YARDSTICKS = Path(__file__).resolve().parents[2] / "shared" / "benchmarks"


async def run(matches: int, rounds: int) -> None:
    """Print matches a second, ratios within each round, and the memory of a player in Redis."""
    if not YARDSTICKS.is_dir():
        print("pipeline: skipped, for ../shared/benchmarks, which fills the topic, is not there")
        return
    print(f"pipeline: {matches:,} matches, {PLAYERS:,} players a pool, {PARTITIONS} partitions: median, least to most")
    with (
        tempfile.TemporaryDirectory() as folder,
        KafkaServer(Path(folder, "kafka"), ensure_jars(home() / "jars")) as kafka,
        ValkeyServer(Path(folder, "valkey")) as valkey,
    ):
        bootstrap, port = kafka.bootstrap, str(valkey.port)
        _yardstick("feed.py", bootstrap, "ours", str(matches), str(PARTITIONS), str(PLAYERS), "players")
        _yardstick("feed.py", bootstrap, "theirs", str(matches), str(PARTITIONS), str(PLAYERS))
        ours, null, naive, bytes_each = [], [], [], []
        for number in range(rounds):
            rate, size = await _ingest(bootstrap, valkey.url, f"round{number}", matches)
            ours.append(rate)
            bytes_each.append(size)
            null.append(_rate("null_pipeline.py", bootstrap, "theirs", str(PARTITIONS), str(matches), port))
            naive.append(_rate("naive.py", bootstrap, "theirs", str(PARTITIONS), str(NAIVE_MATCHES), port))
    figure("ingest", ours, "matches/s")
    figure("null pipeline", null, "matches/s")
    figure("naive loop", naive, "matches/s")
    ratio("ingest / null pipeline", ours, null)
    ratio("ingest / naive loop", ours, naive)
    figure("Redis: row and board entry", bytes_each, "B/player")


def _yardstick(script: str, *arguments: str) -> str:
    command = [sys.executable, str(YARDSTICKS / script), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _rate(script: str, *arguments: str) -> float:
    found = re.search(r"([\d,]+) matches/s", _yardstick(script, *arguments))
    assert found, f"{script} printed no rate"
    return float(found[1].replace(",", ""))


async def _ingest(kafka: str, redis: str, installation: str, matches: int) -> tuple[float, float]:
    """Matches a second from the first applied batch to the last, and bytes a player."""
    store = Store(redis)
    keys = [Keys(installation, "ours", partition) for partition in range(PARTITIONS)]
    settings = {
        "STANDINGS_KAFKA": kafka,
        "STANDINGS_REDIS": redis,
        "STANDINGS_TOPIC": "ours",
        "STANDINGS_GROUP": installation,
        "STANDINGS_INSTALLATION": installation,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "standings", "ingest", "--ops-port", "0"),
        env=os.environ | settings,
        stderr=subprocess.DEVNULL,
    )
    try:
        first, before = 0.0, 0
        while True:
            done = sum([(await _position(store, key)) for key in keys])
            if done and not before:
                first, before = time.perf_counter(), done
            if done >= matches:
                rate = (done - before) / (time.perf_counter() - first)
                return rate, await _bytes_each(store, keys)
            if process.returncode is not None:
                raise SystemExit(f"ingest ended with {process.returncode}")
            await asyncio.sleep(0.02)
    finally:
        process.terminate()
        await process.wait()
        await store.close()


async def _position(store: Store, keys: Keys) -> int:
    """How far a partition is."""
    return int(await store.command("HGET", keys.state, "position") or 0)


async def _bytes_each(store: Store, keys: list[Keys]) -> float:
    """Bytes of the rows and boards, per player, as Redis counts its own memory."""
    size = players = 0
    for key in keys:
        pools = {name.split("/")[0] for name in (await load(store, key)).fingerprints}
        for pool in pools:
            players += await store.command("HLEN", key.rows(pool, LIVE))
            for name in (key.rows(pool, LIVE), key.board(pool, LIVE)):
                size += await store.command("MEMORY", "USAGE", name, "SAMPLES", "0")
    return size / players
