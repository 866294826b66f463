"""What only an operator can decide stops its partition, says why at /readyz, and leaves the others running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete

from service.store.layout import Keys
from standings.embedded import KafkaServer, ValkeyServer
from tests.ingesting import Ingesting
from tests.made_up import POOLS, mixture
from tests.oracle import partition_of
from tests.replay import Replay, Unique, begin
from tests.topics import admin, make, produce, remove_topic

PARTITIONS = 3
STOPPED = partition_of(POOLS[0], PARTITIONS)


@pytest.fixture
def here(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> Replay:
    return begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(31, 900, PARTITIONS))


def states(said: dict[str, Any]) -> dict[int, str]:
    return {one["partition"]: one["state"] for one in said["partitions"]}


def stopped(ingest: Ingesting, *numbers: int) -> str:
    """Wait until exactly these partitions have stopped and the others run; answers the reasons."""
    wanted = {number: "stopped" if number in numbers else "running" for number in range(PARTITIONS)}
    said = ingest.wait_ready(lambda said: states(said) == wanted)
    assert not said["ready"]
    return " ".join(one["reason"] for one in said["partitions"])


def dump(here: Replay, number: int) -> dict[bytes, bytes]:
    with here.place.client() as client:
        prefix = here.place.keys(number).live.removesuffix("live")
        return {key: client.dump(key) for key in client.scan_iter(f"{prefix}*")}


def others_go_on(here: Replay, ingest: Ingesting) -> None:
    """More records reach every partition but the one that stopped, which is not touched."""
    before = dump(here, STOPPED)
    longer = here.longer(mixture(32, 300, PARTITIONS))
    log = {number: read for number, read in longer.log.items() if number != STOPPED}
    ends = [longer.log[number].end for number in range(PARTITIONS)]
    with here.place.client() as client:
        ends[STOPPED] = here.place.positions(client)[STOPPED]
    here.place.wait(ends, ingest)
    assert dump(here, STOPPED) == before
    replace(longer, log=log, expected={number: longer.expected[number] for number in log}).check()


def tear(keys: Keys) -> tuple[str, str, str]:
    return keys.state, "torn", "17"


def change_layout(keys: Keys) -> tuple[str, str, str]:
    return keys.state, "layout", "0"


def change_fingerprint(keys: Keys) -> tuple[str, str, str]:
    return keys.fingerprints, f"{POOLS[0]}/elo", "of other parameters"


def change_generation(keys: Keys) -> tuple[str, str, str]:
    return keys.live, "", "2"


@pytest.mark.parametrize(
    ("running", "damage", "reason"),
    [
        (True, tear, "torn"),
        (True, change_layout, "layout"),
        (True, change_fingerprint, "fingerprint"),
        (True, change_generation, "generation"),
        (False, tear, "torn"),
    ],
)
def test_damaged_partition_stops_alone(
    here: Replay, running: bool, damage: Callable[[Keys], tuple[str, str, str]], reason: str
) -> None:
    key, field, value = damage(here.place.keys(STOPPED))
    with ExitStack() as stack, here.place.client() as client:
        ingest = stack.enter_context(here.ingest())
        here.wait(ingest)
        if not running:
            assert ingest.stop() == 0
        client.hset(key, field, value) if field else client.set(key, value)
        if not running:
            ingest = stack.enter_context(here.ingest())
        others_go_on(here, ingest)
        assert reason in stopped(ingest, STOPPED)


@pytest.mark.parametrize(
    ("count", "reason"), [(100, "before the position"), (1_500, "not the record that was applied")]
)
def test_topic_made_again_is_another_log(here: Replay, count: int, reason: str) -> None:
    with here.ingest() as ingest:
        here.wait(ingest)
    before = {number: dump(here, number) for number in range(PARTITIONS)}
    asyncio.run(remove_topic(here.place.kafka, here.place.topic))
    make(here.place.kafka, here.place.topic, PARTITIONS, mixture(33, count, PARTITIONS))
    with here.ingest() as ingest:
        assert reason in stopped(ingest, *range(PARTITIONS))
    assert {number: dump(here, number) for number in range(PARTITIONS)} == before


def test_added_partitions_stop_all(here: Replay) -> None:
    with here.ingest() as ingest:
        here.wait(ingest)

    async def add() -> None:
        async with admin(here.place.kafka) as client:
            await client.create_partitions({here.place.topic: NewPartitions(PARTITIONS + 1)})

    asyncio.run(add())
    with here.ingest() as ingest:
        said = ingest.wait_ready(lambda said: states(said) == dict.fromkeys(range(PARTITIONS + 1), "stopped"))
        assert all(f"had {PARTITIONS}" in one["reason"] for one in said["partitions"])
    here.check()


@pytest.mark.parametrize("running", [True, False], ids=["was applied before", "never applied"])
def test_lost_records_stop_it(here: Replay, running: bool) -> None:
    if running:
        with here.ingest() as ingest:
            here.wait(ingest)
        produce(here.place.kafka, here.place.topic, PARTITIONS, mixture(34, 300, PARTITIONS))
    cut = here.ends[STOPPED] + 5 if running else 5

    async def delete() -> None:
        async with admin(here.place.kafka) as client:
            await client.delete_records({TopicPartition(here.place.topic, STOPPED): RecordsToDelete(cut)})

    asyncio.run(delete())
    with here.ingest() as ingest:
        reason = stopped(ingest, STOPPED)
        assert f"begins at {cut}" in reason
        assert ("records were lost" if running else "its beginning is gone") in reason
