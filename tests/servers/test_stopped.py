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
from aiokafka.admin import RecordsToDelete

from service.store.layout import Keys
from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.ingesting import DEADLINE_S, Ingesting
from tests.made_up import POOLS, mixture
from tests.oracle import Rules, built_in, partition_of
from tests.replay import Replay, begin, expect
from tests.topics import add_partitions, admin, make, produce, remove_topic

PARTITIONS = 3
STOPPED = partition_of(POOLS[0], PARTITIONS)


@pytest.fixture
def here(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> Replay:
    return begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(31, 900, PARTITIONS))


def states(said: dict[str, Any]) -> dict[int, str]:
    return {one["partition"]: one["state"] for one in said["partitions"]}


def stopped(ingest: Ingesting, *numbers: int) -> str:
    """Wait until exactly these partitions have stopped and the others run; answers the reasons."""
    wanted = {
        number: "stopped_by_operator_decision" if number in numbers else "running" for number in range(PARTITIONS)
    }
    said = ingest.wait_ready(lambda said: states(said) == wanted)
    assert not said["ready"]
    return " ".join(one["reason"] for one in said["partitions"])


def dump(here: Replay, number: int) -> dict[bytes, Any]:
    """All that is of the partition; which group brought it in is no part of that."""
    with here.place.client() as client:
        keys = here.place.keys(number)
        read: dict[bytes, Callable[[bytes], Any]] = {
            b"hash": client.hgetall,
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            b"stream": client.xrange,
            b"string": client.get,
        }
        found = client.scan_iter(f"{keys.live.removesuffix('live')}*")
        return {key: read[client.type(key)](key) for key in found if key != keys.group.encode()}


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
    return keys.fingerprints, f"{POOLS[0]}/kalman", "of other parameters"


@pytest.mark.parametrize(
    ("running", "damage", "reason"),
    [
        (True, tear, "torn"),
        (True, change_layout, "layout"),
        (True, change_fingerprint, "fingerprint"),
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
        client.hset(key, field, value)
        if not running:
            ingest = stack.enter_context(here.ingest())
        others_go_on(here, ingest)
        assert reason in stopped(ingest, STOPPED)


def refused(here: Replay) -> str:
    """Ingest ends at once by the user's mistake, and has written nothing; answers what it says."""
    before = {number: dump(here, number) for number in range(PARTITIONS)}
    with here.ingest() as ingest:
        assert ingest.process is not None
        assert ingest.process.wait(DEADLINE_S) == 2
        *_, said = ingest.said().splitlines()
    assert {number: dump(here, number) for number in range(PARTITIONS)} == before
    return said


def test_changed_parameters_are_refused_until_they_are_restored(here: Replay, tmp_path: Path) -> None:
    pools = tmp_path / "pools.toml"
    with here.ingest() as ingest:
        here.wait(ingest)
    longer = here.longer(mixture(36, 300, PARTITIONS))
    pools.write_text(f'[pools."{POOLS[0]}"]\nparameters.home = 24\n')
    said = refused(replace(longer, pools=pools))
    assert (
        f"pool '{POOLS[0]}' (section '{POOLS[0]}'): 'kalman' was rated with home = 58.0 (now 24.0): restore that"
        in said
    )
    pools.write_text(f'[pools."{POOLS[0]}"]\nparameters.home = 58\nprovisional.matches = 3\n')
    restored = replace(longer, pools=pools)
    with restored.ingest() as ingest:
        restored.wait(ingest)
    restored.check()


def test_a_shadow_that_was_taken_away_does_not_come_back(here: Replay, tmp_path: Path) -> None:
    pools = tmp_path / "pools.toml"
    pools.write_text(f'[pools."{POOLS[0]}"]\nshadows = [{{system = "glicko2"}}]\n')

    def rules(pool: str) -> Rules:
        return Rules(("kalman", "glicko2"), 0.0) if pool == POOLS[0] else built_in(pool)

    shadowed = replace(here, pools=pools, configuration=rules, expected=expect(here.log, configuration=rules))
    with shadowed.ingest() as ingest:
        shadowed.wait(ingest)
    shadowed.check()
    # Without it, and with nothing new of its pool, nothing is lost yet.
    for one in (here, shadowed):
        with one.ingest() as ingest:
            ingest.wait_ready(lambda said: said["ready"])
    longer = here.longer(mixture(35, 300, PARTITIONS))
    with longer.ingest() as ingest:
        longer.wait(ingest)
    said = refused(replace(longer, pools=pools))
    assert f"pool '{POOLS[0]}'" in said
    assert "'glicko2' was taken away for a while and lacks matches: leave it out" in said
    with longer.ingest() as ingest:
        ingest.wait_ready(lambda said: said["ready"])


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

    asyncio.run(add_partitions(here.place.kafka, here.place.topic, PARTITIONS + 1))
    with here.ingest() as ingest:
        said = ingest.wait_ready(
            lambda said: states(said) == dict.fromkeys(range(PARTITIONS + 1), "stopped_by_operator_decision")
        )
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


def test_a_state_that_fits_again_is_gone_on_from(here: Replay) -> None:
    """As after a restore: what stands in Redis is not what it was when the partition stopped."""
    state = here.place.keys(STOPPED).state
    with here.ingest() as ingest, here.place.client() as client:
        here.wait(ingest)
        position = client.hget(state, "position")
        client.hset(state, "position", "1000000")
        assert "log: " in stopped(ingest, STOPPED)
        client.hset(state, "position", position)
        ingest.wait_ready(lambda said: bool(said["ready"]))
