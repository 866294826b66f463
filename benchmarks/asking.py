"""Connections that ask as fast as they are answered, and what that takes of the clock and of the processor."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

import psutil

from benchmarks.report import figure
from benchmarks.running import NAME, PORT, Service

SECONDS: Final = 4.0
"""Of each round."""

Request = Callable[[random.Random], bytes]
"""Writes one request."""


def get(path: str) -> bytes:
    """Write a request to read."""
    return f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """Write a request with a body of JSON."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def load(port: int, request: Request, connections: int) -> list[float]:
    """Ask as fast as the server answers, for `SECONDS`.

    Returns
    -------
    list of float
        Seconds that each request took, sorted.
    """
    until = time.perf_counter() + SECONDS
    found = await asyncio.gather(*(_ask(port, random.Random(index), request, until) for index in range(connections)))
    return sorted(seconds for times in found for seconds in times)


async def _ask(port: int, rng: random.Random, request: Request, until: float) -> list[float]:
    reader, writer = await _connected(port)
    times = []
    while time.perf_counter() < until:
        written = request(rng)
        begun = time.perf_counter()
        writer.write(written)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{head!r} {await reader.read(1000)!r}")
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


async def measure(
    service: Service,
    name: str,
    request: Request,
    connections: int,
    rounds: int,
    after: Callable[[], Awaitable[None]] | None = None,
) -> list[float]:
    """Print what the API makes of requests; ``after`` each round something else may run beside. Answers requests/s."""
    each, middle, late = [], [], []
    spent: list[list[float]] = [[], []]
    # The first requests of a kind compile, or fill what is kept.
    await load(PORT, request, connections)
    for _ in range(rounds):
        _, idle = _spent(service.parts)
        await asyncio.sleep(SECONDS)
        before = _spent(service.parts)
        idle = before[1] - idle
        found = await load(PORT, request, connections)
        serve, redis = (now - earlier for now, earlier in zip(_spent(service.parts), before, strict=True))
        # Redis has ingest to serve as well.
        for part, seconds in zip(spent, (serve, redis - idle), strict=True):
            part.append(1e6 * seconds / len(found))
        each.append(len(found) / SECONDS)
        middle.append(found[len(found) // 2] * 1000)
        late.append(found[len(found) * 99 // 100] * 1000)
        if after is not None:
            await after()
    figure(f"{name}: serve", each, "requests/s")
    figure(f"{name}: p50", middle, "ms")
    figure(f"{name}: p99", late, "ms")
    figure(f"{name}: processor, serve", spent[0], "us")
    figure(f"{name}: processor, Redis", spent[1], "us")
    return each


def _spent(parts: tuple[psutil.Process, psutil.Process]) -> list[float]:
    """Seconds of processor that each has taken so far."""
    return [sum(part.cpu_times()[:2]) for part in parts]
