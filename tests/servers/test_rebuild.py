"""`standings rebuild`: beside the live generation, while ingest runs, gone on with after a kill, then switched to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.ingesting import wait_for
from tests.made_up import POOLS, mixture
from tests.operating import check_live, live_keys, position, run, start, verified, wait_live
from tests.oracle import Rules, built_in, partition_of
from tests.replay import Replay, begin, expect
from tests.topics import admin, produce, read_letters

PARTITIONS = 2
ONE = partition_of(POOLS[0], PARTITIONS)


@pytest.fixture
def here(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> Replay:
    return begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(61, 2_000, PARTITIONS))


def generation_keys(here: Replay, partition: int, generation: str) -> list[bytes]:
    with here.place.client() as client:
        prefix = replace(here.place.keys(partition), generation=generation).state.removesuffix("state")
        return list(client.scan_iter(f"{prefix}*"))


def test_while_ingest_runs_under_load(here: Replay) -> None:
    with here.ingest(batch=50) as ingest:
        here.wait(ingest)
        process = start(here, "rebuild", ONE)
        rounds = 0
        while process.poll() is None:
            produce(here.place.kafka, here.place.topic, PARTITIONS, mixture(200 + rounds, 80, PARTITIONS))
            rounds += 1
        _, said = process.communicate()
        assert process.returncode == 0, said
        assert rounds
        assert "generation 2 is live from position" in said
        assert "counts and totals are those of the generation before" in said
        longer = here.longer(mixture(62, 300, PARTITIONS))
        # By itself: nobody restarted it.
        wait_live(longer, ingest)
        check_live(longer)
        assert ingest.ready()["ready"]
        assert ingest.metric('standings_guard_refusals_total{kind="generation"}') == 1
        with here.place.client() as client:
            assert [live_keys(here, client, number).generation for number in (ONE, 1 - ONE)] == ["2", "1"]
        # The one before is kept for as long as the operator wants it.
        assert generation_keys(here, ONE, "1")
        assert "1 old generations dropped" in run(here, "rebuild", ONE, "--drop-old")[1]
        assert not generation_keys(here, ONE, "1")
        check_live(longer)
    letters = read_letters(here.place.kafka, here.place.topic)
    assert {(one.headers["offset"], one.headers["reason"]) for one in letters.values()} == {
        (str(offset).encode(), reason.encode())
        for state in longer.expected.values()
        for offset, reason in state.letters
    }


def killed_half_way(here: Replay) -> int:
    """Start a rebuild, and end it as a crash would; answers how far it came."""
    built = replace(here.place.keys(ONE), generation="2")
    process = start(here, "rebuild", ONE, "--rate", 500)
    with here.place.client() as client:
        wait_for(lambda: position(client, built) > 0 or process.poll() is not None, lambda: "nothing built")
        process.kill()
        process.communicate()
        reached = position(client, built)
        assert client.get(built.live) is None
    assert 0 < reached < here.ends[ONE]
    return reached


def test_killed_it_goes_on_where_it_was(here: Replay) -> None:
    with here.ingest() as ingest:
        here.wait(ingest)
    reached = killed_half_way(here)
    here.place.wait(here.ends)
    _, said = run(here, "rebuild", ONE)
    assert f"went on from {reached:,}" in said
    left = sum(record.offset >= reached for record in here.log[ONE].records)
    assert f"{left:,} records; generation 2 is live from position {here.ends[ONE]:,}" in said
    check_live(here)


def test_a_changed_configuration(here: Replay, tmp_path: Path) -> None:
    pools = tmp_path / "pools.toml"
    pools.write_text(f'[pools."{POOLS[0]}"]\ndeviations = 2.0\nshadows = [{{system = "elo"}}]\n')

    def rules(pool: str) -> Rules:
        return Rules(("kalman", "elo"), 2.0) if pool == POOLS[0] else built_in(pool)

    with here.ingest() as ingest:
        here.wait(ingest)
    killed_half_way(here)
    changed = replace(here, pools=pools, configuration=rules, expected=expect(here.log, configuration=rules))
    with changed.ingest() as refused:
        assert refused.process is not None
        assert refused.process.wait(60) == 2
    _, said = run(changed, "rebuild", ONE)
    assert "begun anew: it was rated as another configuration says" in said
    check_live(changed)
    # Seeds of the shadow's system are dead letters no more.
    assert "records dead/unknown_name:" in said
    longer = changed.longer(mixture(63, 300, PARTITIONS))
    with longer.ingest() as ingest:
        wait_live(longer, ingest)
    check_live(longer)


def test_a_torn_partition(here: Replay) -> None:
    with here.ingest() as ingest, here.place.client() as client:
        here.wait(ingest)
        keys = here.place.keys(ONE)
        client.hset(keys.state, "torn", "17")
        client.delete(keys.rows(POOLS[0], "kalman"))
        longer = here.longer(mixture(64, 300, PARTITIONS))
        told = ingest.wait_ready(
            lambda said: any(one["state"] == "stopped_by_operator_decision" for one in said["partitions"])
        )
        assert f"standings rebuild {ONE}" in next(one["reason"] for one in told["partitions"] if one["reason"])
        run(here, "rebuild", ONE)
        # What had stopped sees it, and goes on.
        wait_live(longer, ingest)
        ingest.wait_ready(lambda said: said["ready"])
    check_live(longer)
    assert verified(longer, ONE)["generation"] == "2"


def test_a_log_without_its_beginning(here: Replay) -> None:
    with here.ingest() as ingest:
        here.wait(ingest)

    async def delete() -> None:
        async with admin(here.place.kafka) as client:
            await client.delete_records({TopicPartition(here.place.topic, ONE): RecordsToDelete(7)})

    asyncio.run(delete())
    for command in ("rebuild", "verify"):
        _, said = run(here, command, ONE, code=1)
        assert f"partition {ONE}: start: the log begins at 7, so its records from 0 on are gone" in said
    assert not generation_keys(here, ONE, "2")
    here.check()
