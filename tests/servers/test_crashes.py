"""Ingest killed, joined, left, and its servers killed under it: the ratings are those of a quiet replay."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.ingesting import Ingesting
from tests.made_up import mixture, unique_name
from tests.oracle import Oracle
from tests.replay import Replay, begin
from tests.topics import producer, write

PARTITIONS = 4
KILLS = 10
SMALL = 3
"""Batches so small that every moment is near the end of one and the beginning of another."""


@pytest.fixture(scope="module")
def mixed(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """A log long enough to be interrupted, with everything in it that can arrive."""
    folder = tmp_path_factory.mktemp("crashes")
    log = begin(kafka.bootstrap, valkey.url, unique_name, folder, PARTITIONS, mixture(1, 8_000, PARTITIONS))
    reasons = {"invalid_match", "malformed", "null_value", "wrong_key", "wrong_partition", "id_reused", "unknown_name"}
    assert log.outcomes == {"applied", "duplicate"} | {f"dead/{reason}" for reason in reasons}
    return log


def test_killed_again_and_again(mixed: Replay) -> None:
    here = mixed.elsewhere()
    end = sum(here.ends)
    rng = random.Random(7)
    reached = []
    oracles: dict[int, Oracle] = {}
    for moment in sorted(rng.sample(range(1, end * 9 // 10), KILLS)):
        # A group of its own each time: a member that was killed is missed after its session only, which is 10 s.
        with here.ingest(batch=SMALL) as ingest:
            here.place.wait_past(moment, ingest)
            ingest.kill()
        # Whatever moment it was, Redis holds whole batches and nothing of the next.
        reached.append(here.check_as_far_as_it_is(oracles))
    assert reached[-1] < end, f"was through before it was killed: {reached}"
    with here.ingest(batch=SMALL) as ingest:
        here.wait(ingest)
    here.check()


def test_store_killed_under_it(mixed: Replay, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as own:
        here = mixed.elsewhere(own.url)
        end = sum(here.ends)
        with here.ingest(batch=SMALL) as ingest:
            for share in (0.2, 0.5, 0.8):
                here.place.wait_past(int(end * share), ingest)
                own.kill()
                ingest.wait_ready(lambda said: any(one["state"] == "waiting_for_redis" for one in said["partitions"]))
                own.start()
            here.wait(ingest)
            ingest.wait_ready(lambda said: bool(said["ready"]))
        here.check()


def test_members_join_and_leave_while_records_arrive(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS)
    group = unique("group")

    def owns_all(said: dict[str, Any]) -> bool:
        return bool(said["ready"]) and len(said["partitions"]) == PARTITIONS

    def owns_half(said: dict[str, Any]) -> bool:
        return bool(said["ready"]) and len(said["partitions"]) == PARTITIONS // 2

    with ExitStack() as stack:
        with arriving(here):
            first = stack.enter_context(here.ingest(group, SMALL))
            here.place.wait_past(100, first)
            second = stack.enter_context(here.ingest(group, SMALL))
            first.wait_ready(owns_half)
            second.wait_ready(owns_half)
            assert (rebalances(first), rebalances(second)) == (2, 1), "a member was taken for dead"
            assert first.stop() == 0, first.said()
            second.wait_ready(owns_all)
            third = stack.enter_context(here.ingest(group, SMALL))
            second.wait_ready(owns_half)
            third.wait_ready(owns_half)
            assert (rebalances(second), rebalances(third)) == (3, 1), "a member was taken for dead"
            # Missed only when its session has run out; until then its partitions stand still.
            second.kill()
            third.wait_ready(owns_all)
        here = here.reread()
        assert sum(here.ends) > 1_000, "records were to arrive all the while"
        here.wait(third)
    here.check()


def rebalances(ingest: Ingesting) -> float:
    return ingest.metric("standings_rebalances_total")


@contextmanager
def arriving(here: Replay) -> Iterator[None]:
    """Records keep arriving, a few at a time, until the end of the block."""
    over = threading.Event()

    async def work() -> None:
        items = iter(mixture(8, 20_000, PARTITIONS))
        async with producer(here.place.kafka) as client:
            while not over.is_set():
                await write(client, here.place.topic, PARTITIONS, [next(items) for _ in range(10)])
                # The pace of a busy ladder; nothing waits for it.
                await asyncio.sleep(0.04)

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
