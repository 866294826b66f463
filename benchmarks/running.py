"""A service at work: its servers and processes, and matches that come in meanwhile."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from service.broker import ensure_topic
from service.brokers import Brokers
from service.match import Match, Side, encode
from service.settings import Settings
from service.store.connection import Store
from service.store.layout import Keys
from standings.embedded import KafkaServer, ValkeyServer, ensure_jars, home
from standings.feed import Sender

NAME: Final = "bench"
"""Of the topic, which has one partition, the group and the installation."""

PORT: Final = 18411
"""Where the API listens."""


class Service(NamedTuple):
    """What runs.

    Attributes
    ----------
    environment : dict
        By which further processes find it.
    settings : Settings
    store : Store
    parts : tuple of psutil.Process
        The API and Redis.
    """

    environment: dict[str, str]
    settings: Settings
    store: Store
    parts: tuple[psutil.Process, psutil.Process]

    async def fill(self, pool: str, players: int, matches: int) -> None:
        """Bring in so many matches, everybody's first among them, and wait until they are applied."""
        until = await self._position() + matches
        async with Sender(self.settings, 1) as sender:
            for number in range(matches):
                one, other = (2 * number, 2 * number + 1) if 2 * number < players else random.sample(range(players), 2)
                await sender.add(pool, _match(pool, number, one, other))
            await sender.flush()
        while await self._position() < until:
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def fed(self, pool: str, players: int, per_second: int) -> AsyncIterator[None]:
        """Have matches come in meanwhile."""
        async with Sender(self.settings, 1) as sender:
            feeding = asyncio.create_task(_feed(sender, pool, players, per_second))
            try:
                yield
            finally:
                feeding.cancel()
                with suppress(asyncio.CancelledError):
                    await feeding

    async def _position(self) -> int:
        return int(await self.store.command("HGET", Keys(NAME, NAME, 0).state, "position") or 0)


@asynccontextmanager
async def running(*parts: str) -> AsyncIterator[Service]:
    """Start Kafka, Valkey, ingest, the API, and further parts by their commands."""
    with (
        tempfile.TemporaryDirectory() as folder,
        KafkaServer(Path(folder, "kafka"), ensure_jars(home() / "jars")) as kafka,
        ValkeyServer(Path(folder, "valkey")) as valkey,
    ):
        given = {"kafka": kafka.bootstrap, "redis": valkey.url, "topic": NAME, "installation": NAME, "group": NAME}
        environment = {f"STANDINGS_{name.upper()}": value for name, value in given.items()}
        await ensure_topic(Brokers(kafka.bootstrap), NAME, 1)
        async with AsyncExitStack() as stack:
            for part in ("ingest", *parts):
                await stack.enter_async_context(process(environment, "-m", "standings", part, "--ops-port", "0"))
            serve = process(environment, "-m", "standings", "serve", "--port", str(PORT))
            pids = ((await stack.enter_async_context(serve)).pid, valkey.pid)
            store = Store(valkey.url)
            stack.push_async_callback(store.close)
            api, redis = (psutil.Process(pid) for pid in pids)
            yield Service(environment, Settings.model_validate(given), store, (api, redis))


@asynccontextmanager
async def process(environment: dict[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run Python beside this process."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=os.environ | environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield started
    finally:
        started.terminate()
        await started.wait()


async def _feed(sender: Sender, pool: str, players: int, per_second: int) -> None:
    number = 0
    while True:
        for _ in range(per_second // 20):
            await sender.add(pool, _match(pool, f"fed-{number}", *random.sample(range(players), 2)))
            number += 1
        await sender.flush()
        await asyncio.sleep(0.05)


def _match(pool: str, number: int | str, one: int, other: int) -> bytes:
    sides = (Side((f"p{one}",), rank=1), Side((f"p{other}",), rank=2))
    return encode(Match(f"{pool}-{number}", pool, int(time.time() * 1000), sides))
