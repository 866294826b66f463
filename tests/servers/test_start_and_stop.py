"""How ingest begins and ends: in time, with nothing lost, and patiently where a server is not there yet."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewTopic

from consumers.client import STOP_S
from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.ingesting import Ingesting, Place
from tests.made_up import mixture
from tests.replay import Replay, begin
from tests.topics import admin

PARTITIONS = 2


@pytest.fixture
def own_kafka(tmp_path: Path, jars: tuple[Path, ...]) -> Iterator[KafkaServer]:
    with KafkaServer(tmp_path / "kafka", jars) as server:
        yield server


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path / "valkey") as server:
        yield server


def committed(here: Replay, group: str) -> list[int]:
    async def ask() -> list[int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=here.place.kafka, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            places = [TopicPartition(here.place.topic, number) for number in range(here.place.partitions)]
            consumer.assign(places)
            return [await consumer.committed(place) or 0 for place in places]
        finally:
            await consumer.stop()

    return asyncio.run(ask())


def times_said(ingest: Ingesting, event: str) -> int:
    """How often an event of the process as a whole, not of a partition, was logged."""
    lines = [json.loads(line) for line in ingest.log.read_text().splitlines()]
    return sum(line["event"] == event and "partition" not in line for line in lines)


def turn_away(port: int, times: int = 4) -> None:
    """Stand where a server should be, until so many callers have come in vain."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(60)
        for _ in range(times):
            caller, _ = listener.accept()
            caller.close()


def test_told_to_stop_it_stops_in_time_and_nothing_is_lost(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(11, 6_000, PARTITIONS))
    group = unique("group")
    with here.ingest(group, 3) as ingest:
        here.place.wait_past(1_000, ingest)
        told = time.monotonic()
        assert ingest.stop() == 0, ingest.said()
        assert time.monotonic() - told < STOP_S
    reached = here.check_as_far_as_it_is()
    assert 1_000 <= reached < sum(here.ends)
    with here.place.client() as client:
        assert committed(here, group) == here.place.positions(client)
    with here.ingest(group) as ingest:
        here.wait(ingest)
    here.check()
    assert committed(here, group) == here.ends


def test_waits_for_the_store(kafka: KafkaServer, own_valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    here = begin(kafka.bootstrap, own_valkey.url, unique, tmp_path, PARTITIONS, mixture(12, 300, PARTITIONS))
    own_valkey.stop()
    with here.ingest() as ingest:
        said = ingest.wait_ready(lambda said: said["state"] == "waiting_for_redis")
        assert (said["ready"], said["partitions"]) == (False, [])
        assert "Redis" in said["reason"]
        turn_away(own_valkey.port)
        own_valkey.start()
        here.wait(ingest)
        ingest.wait_ready(lambda said: bool(said["ready"]))
    assert times_said(ingest, "waiting_for_redis") == 1
    here.check()


def test_waits_for_the_broker_and_outlives_its_crash(
    own_kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    here = begin(own_kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(13, 4_000, PARTITIONS))
    own_kafka.stop()
    with here.ingest(batch=3) as ingest:
        said = ingest.wait_ready(lambda said: said["state"] == "waiting_for_broker")
        assert (said["ready"], said["partitions"]) == (False, [])
        assert said["reason"]
        turn_away(own_kafka.port)
        own_kafka.start()
        here.place.wait_past(1_000, ingest)
        assert times_said(ingest, "waiting_for_broker") == 1
        own_kafka.kill()
        own_kafka.start()
        here = here.longer(mixture(14, 500, PARTITIONS))
        here.wait(ingest)
        ingest.wait_ready(lambda said: bool(said["ready"]))
    here.check()


def test_told_to_stop_while_it_waits(unique: Unique, own_valkey: ValkeyServer, tmp_path: Path) -> None:
    # Nobody listens there: the port is of a server that has ended.
    own_valkey.stop()
    place = Place("127.0.0.1:1", own_valkey.url, unique("matches"), 1, unique("installation"))
    with Ingesting(place, tmp_path / "ingest.log", unique("group")) as ingest:
        ingest.wait_ready(lambda said: said["state"] == "waiting_for_redis")
        own_valkey.start()
        ingest.wait_ready(lambda said: said["state"] == "waiting_for_broker")
        told = time.monotonic()
        assert ingest.stop() == 0, ingest.said()
        assert time.monotonic() - told < STOP_S


def test_refuses_a_store_that_forgets(kafka: KafkaServer, unique: Unique, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "forgetful", extra=["--maxmemory-policy", "allkeys-lru"]) as forgetful:
        place = Place(kafka.bootstrap, forgetful.url, unique("matches"), 1, unique("installation"))
        ingest = Ingesting(place, tmp_path / "ingest.log", unique("group"))
        assert ended(ingest) == 2
        assert "noeviction" in ingest.said()


def test_refuses_a_topic_that_forgets(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    place = Place(kafka.bootstrap, valkey.url, unique("compacted"), 1, unique("installation"))

    async def make() -> None:
        async with admin(kafka.bootstrap) as client:
            configs = {"cleanup.policy": "compact"}
            await client.create_topics([NewTopic(place.topic, 1, 1, topic_configs=configs)])

    asyncio.run(make())
    ingest = Ingesting(place, tmp_path / "ingest.log", unique("group"))
    assert ended(ingest) == 2
    assert "cleanup.policy is compact" in ingest.said()
    assert f"--topic {place.topic} --add-config cleanup.policy=delete" in ingest.said()


def ended(ingest: Ingesting) -> int:
    with ingest:
        assert ingest.process is not None
        return ingest.process.wait(60)
