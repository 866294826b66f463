"""Logs with dead letters among them, and what the commands make of those."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from pydantic import SecretStr

from service.settings import Settings
from standings.dead_letters import Filters, Listing, list_letters
from standings.replay import Replayed, replay
from tests.oracle import partition_of
from tests.replay import Replay

PARTITIONS = 3
POOL = "ladder"
HERE = partition_of(POOL, PARTITIONS)


def settings_of(here: Replay, **more: Any) -> Settings:
    place = here.place
    return Settings(
        kafka=place.kafka,
        redis=SecretStr(place.redis),
        topic=place.topic,
        installation=place.installation,
        partitioner="murmur2",
        pools=None,
    ).model_copy(update=more)


def listed(here: Replay, limit: int = 100_000, **filters: str) -> Listing:
    chosen = Filters.of(filters.get("pool"), filters.get("reason"), filters.get("since"))
    return asyncio.run(list_letters(settings_of(here), chosen, limit))


def replayed(here: Replay, dry_run: bool = False, **filters: str) -> Replayed:
    chosen = Filters.of(filters.get("pool"), filters.get("reason"), None)
    return asyncio.run(replay(settings_of(here), chosen, dry_run))


def dead(here: Replay) -> dict[tuple[int, int], str]:
    """What the oracle says cannot be used."""
    return {(number, offset): reason for number, state in here.expected.items() for offset, reason in state.letters}


def counts(here: Replay) -> Counter[str]:
    found: Counter[str] = Counter()
    for state in here.expected.values():
        found.update(state.counts)
    return found


def brought_in(here: Replay) -> Replay:
    """The same with all that was written to the topic since, once ingest has it."""
    longer = here.reread()
    with longer.ingest(batch=40) as ingest:
        longer.wait(ingest)
    return longer


def duel(number: int, room: int = 0) -> bytes:
    sides = [{"players": [f"p{number % 3}"], "rank": 1}, {"players": ["bob"], "rank": 2}]
    match = {"id": f"d-{number}", "pool": POOL, "at": 1_780_000_000_000, "sides": sides}
    return json.dumps(match).encode() + b" " * room
