"""What Redis needs to remember: bytes a player of each rating system, a pair, and an accepted id, as it counts them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.report import figure
from service.pairs import PairCount, number_of
from service.rate import TALLY_COLUMNS
from service.ratings import create, systems
from service.store.connection import Argument, Store
from service.store.layout import Keys
from service.store.rows import SEEN, pack_pair, pack_rows
from standings.embedded import ValkeyServer

PLAYERS = 20_000
ARENA = 200
IDS = 100_000
BLOCK = 1_000
PIECE = 1_000
KEYS = Keys("memory", "matches", 0)


def run() -> None:
    """Print bytes each, of values such as ingest writes."""
    print(f"memory: {PLAYERS:,} players with names of 8 letters, {ARENA} in pairs")
    asyncio.run(_run())


async def _run() -> None:
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(Path(folder)) as valkey:
        store = Store(valkey.url)
        rng = np.random.default_rng(7)
        names = [f"player{number:05d}"[-8:] for number in range(PLAYERS)]
        for system in systems():
            width = create(system).newcomer().size
            values = pack_rows(rng.random((PLAYERS, len(TALLY_COLUMNS))), rng.random((PLAYERS, width)))
            rows, board = KEYS.rows("ladder", system), KEYS.board("ladder", system)
            await _write(store, "HSET", rows, [word for pair in zip(names, values, strict=True) for word in pair])
            scores = [repr(score) for score in rng.normal(1500, 200, PLAYERS).tolist()]
            await _write(store, "ZADD", board, [word for pair in zip(scores, names, strict=True) for word in pair])
            figure(f"{system}: row", [await _size(store, rows) / PLAYERS], "B/player")
            figure(f"{system}: board", [await _size(store, board) / PLAYERS], "B/player")
        numbers = [str(number_of(one, other)) for one in range(ARENA) for other in range(one)]
        counts = [pack_pair(PairCount(*count)) for count in rng.random((len(numbers), 3))]
        pairs, paired = KEYS.pairs("arena"), KEYS.paired("arena")
        await _write(store, "HSET", pairs, [word for pair in zip(numbers, counts, strict=True) for word in pair])
        await _write(store, "ZADD", paired, [word for place, number in enumerate(numbers) for word in (place, number)])
        size = sum([await _size(store, key) for key in (pairs, paired)])
        figure("counts of pairs", [size / len(numbers)], "B/pair")
        block = bytes(SEEN.itemsize * BLOCK)
        await _write(store, "HSET", KEYS.seen, [word for at in range(0, IDS, BLOCK) for word in (str(at), block)])
        figure("accepted ids", [await _size(store, KEYS.seen) / IDS], "B/match")
        await store.close()


async def _write(store: Store, command: str, key: str, words: Sequence[Argument]) -> None:
    for start in range(0, len(words), PIECE):
        await store.command(command, key, *words[start : start + PIECE])


async def _size(store: Store, key: str) -> int:
    (node,) = await store.primaries()
    return int(await store.ask(node, "MEMORY", "USAGE", key, "SAMPLES", "0"))
