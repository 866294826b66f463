"""The same matches over 2, 4 and 8 partitions and 1, 2 and 3 ingest processes: the same bits, and what each costs.

The matches of a cell are written in one Kafka transaction: the processes have started, compiled and shared out the
partitions before it is committed, and then have all of them at once. Time on the clock depends on who else uses the
machine; seconds of processor do so far less.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from aiokafka import AIOKafkaProducer

from benchmarks.report import into_page
from service.broker import ensure_topic
from service.brokers import Brokers
from service.match import Match, Side, encode
from service.partitioner import partition_of
from service.pools import LIVE
from service.store.connection import Store
from service.store.layout import Keys
from standings.embedded import KafkaServer, ValkeyServer, ensure_jars, home

PARTITIONS = (2, 4, 8)
PROCESSES = (1, 2, 3)
POOLS_EACH = 3
PLAYERS = 2_000
AT = 1_790_000_000_000
PORT = 18_421
IN_FLIGHT = 5_000
PAGE = Path(__file__).resolve().parents[1] / "docs" / "sizing.md"
BEGIN = "<!-- scale: written by make bench ARGS=scale -->"
END = "<!-- scale: end -->"


@dataclass(frozen=True)
class Cell:
    """What one run of all the matches took: seconds by the clock, and of processor in each part."""

    clock: float
    ingest: float
    redis: float
    kafka: float
    bytes_each: float
    digest: str


async def run(matches: int) -> None:
    """Print and write down a row a cell; fail where two differ in any bit."""
    values = _matches(matches)
    rows = [
        "| partitions | processes | matches/s | ingest | Redis | Kafka | Redis, B/player |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    print(f"scale: {matches:,} matches, {len(_pools())} pools of {PLAYERS:,} players; seconds of processor a million")
    digests = set()
    with (
        tempfile.TemporaryDirectory() as folder,
        KafkaServer(Path(folder, "kafka"), ensure_jars(home() / "jars")) as kafka,
        ValkeyServer(Path(folder, "valkey")) as valkey,
    ):
        for partitions in PARTITIONS:
            for processes in PROCESSES:
                cell = await _cell(kafka, valkey, partitions, processes, values)
                each = [1e6 * spent / matches for spent in (cell.ingest, cell.redis, cell.kafka)]
                spent = " | ".join(f"{seconds:.1f}" for seconds in each)
                rate = f"{matches / cell.clock:,.0f}"
                rows.append(f"| {partitions} | {processes} | {rate} | {spent} | {cell.bytes_each:.0f} |")
                print(rows[-1], flush=True)
                digests.add(cell.digest)
    if len(digests) != 1:
        raise SystemExit("scale: the cells differ in their bits")
    digest = digests.pop()[:16]
    said = f"{matches:,} matches a cell; every rating and board entry is the same in all (SHA-256 {digest}...)."
    into_page(PAGE, BEGIN, END, "\n".join([*rows, "", said]))


def _pools() -> list[str]:
    """Names such that every partition has as many pools, however many of `PARTITIONS` there are."""
    found: dict[int, list[str]] = {}
    number = 0
    while sum(map(len, found.values())) < POOLS_EACH * PARTITIONS[-1]:
        name = f"ladder.{number}"
        here = found.setdefault(partition_of(name, PARTITIONS[-1]), [])
        if len(here) < POOLS_EACH:
            here.append(name)
        number += 1
    return [name for place in sorted(found) for name in found[place]]


def _matches(count: int) -> list[tuple[bytes, bytes]]:
    """Key and value of every record, the same at every run."""
    rng, pools = random.Random(7), _pools()
    made = []
    for number in range(count):
        pool = pools[number % len(pools)]
        first, second = rng.sample(range(PLAYERS), 2)
        sides = (Side((f"p{first}",), rank=1), Side((f"p{second}",), rank=rng.choice((1, 2, 2, 2))))
        made.append((pool.encode(), encode(Match(f"m{number:09d}", pool, AT + number, sides))))
    return made


async def _cell(
    kafka: KafkaServer, valkey: ValkeyServer, partitions: int, processes: int, values: list[tuple[bytes, bytes]]
) -> Cell:
    name = f"scale-{partitions}-{processes}"
    await ensure_topic(Brokers(kafka.bootstrap), name, partitions)
    given = {"kafka": kafka.bootstrap, "redis": valkey.url, "topic": name, "installation": name, "group": name}
    environment = os.environ | {f"STANDINGS_{option.upper()}": value for option, value in given.items()}
    store = Store(valkey.url)
    running = []
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        for number in range(processes):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "standings", "ingest", "--ops-port", str(PORT + number)),
                env=environment,
                stderr=asyncio.subprocess.DEVNULL,
            )
            stack.push_async_callback(_ended, process)
            running.append(psutil.Process(process.pid))
        await _shared_out(partitions, processes)
        async with AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap, transactional_id=name, transaction_timeout_ms=600_000, linger_ms=20
        ) as producer:
            await producer.begin_transaction()
            waiting = []
            for number, (key, value) in enumerate(values):
                partition = partition_of(key.decode(), partitions)
                waiting.append(await producer.send(name, value, key, partition=partition, timestamp_ms=AT + number))
                if len(waiting) == IN_FLIGHT:
                    await asyncio.gather(*waiting)
                    waiting.clear()
            await asyncio.gather(*waiting)
            broker = psutil.Process(kafka.pid)
            before = _spent(running), await _spent_by(store), _spent([broker])
            begun = time.perf_counter()
            await producer.commit_transaction()
            await _until_all(store, name, partitions, len(values), running)
            clock = time.perf_counter() - begun
            after = _spent(running), await _spent_by(store), _spent([broker])
        ingest, redis, brokers = (later - earlier for earlier, later in zip(before, after, strict=True))
        digest, bytes_each = await _stored(store, name, partitions)
        return Cell(clock, ingest, redis, brokers, bytes_each, digest)


async def _ended(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.wait()


def _spent(processes: list[psutil.Process]) -> float:
    """Seconds of processor, of programs and of the system for them."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def _spent_by(store: Store) -> float:
    """The same of Redis, as it counts them."""
    total = 0.0
    for node in await store.primaries():
        told = dict(line.split(":") for line in (await store.ask(node, "INFO", "cpu")).decode().split() if ":" in line)
        total += float(told["used_cpu_user"]) + float(told["used_cpu_sys"])
    return total


async def _shared_out(partitions: int, processes: int) -> None:
    """Wait until each process has its share, and runs."""
    while True:
        told = [await asyncio.to_thread(_ready, PORT + number) for number in range(processes)]
        owned = [len(one["partitions"]) for one in told]
        least = partitions // processes
        if sum(owned) == partitions and min(owned) >= least and all(one["ready"] for one in told):
            return
        await asyncio.sleep(0.2)


def _ready(port: int) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
    except OSError:
        # It starts, or is not ready yet.
        return {"ready": False, "partitions": []}
    return found


async def _until_all(store: Store, name: str, partitions: int, matches: int, running: list[psutil.Process]) -> None:
    """Wait until all matches are applied, as the counts say: offsets have gaps where transactions end."""
    while True:
        keys = [Keys(name, name, partition) for partition in range(partitions)]
        applied = [int(await store.command("HGET", key.state, "count/applied") or 0) for key in keys]
        if sum(applied) == matches:
            return
        if not all(process.is_running() for process in running):
            raise SystemExit("scale: ingest ended")
        await asyncio.sleep(0.02)


async def _stored(store: Store, name: str, partitions: int) -> tuple[str, float]:
    """A digest of all rows and boards, whatever partition they are in, and the bytes a player that they take."""
    digest, size, players = hashlib.sha256(), 0, 0
    for pool in sorted(_pools()):
        keys = Keys(name, name, partition_of(pool, partitions))
        rows = await store.command("HGETALL", keys.rows(pool, LIVE))
        board = await store.command("ZRANGE", keys.board(pool, LIVE), 0, -1, "WITHSCORES")
        digest.update(repr((pool, sorted(zip(rows[::2], rows[1::2], strict=True)), board)).encode())
        players += len(rows) // 2
        for node in await store.primaries():
            for key in (keys.rows(pool, LIVE), keys.board(pool, LIVE)):
                size += await store.ask(node, "MEMORY", "USAGE", key, "SAMPLES", "0")
    return digest.hexdigest(), size / players
