"""Kafka gone, cut, made again, strange: the ratings are the oracle's, or the partition stops and says why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete

from consumers.client import FETCH_BYTES
from consumers.lag import WAITING_S
from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.faults.scene import PARTITIONS, Recovery, prepare
from tests.ingesting import Ingesting, Place
from tests.made_up import POOLS, RECORDED, mixture
from tests.oracle import partition_of
from tests.replay import Replay, begin, expect
from tests.servers.test_stopped import states, stopped
from tests.topics import Item, admin, make, producer, read_back, write

HELD = partition_of(POOLS[0], PARTITIONS)
"""The partition to which something happens."""

RUNNING = dict.fromkeys(range(PARTITIONS), "running")


def test_topic_missing(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    place = Place(kafka.bootstrap, valkey.url, unique("matches"), PARTITIONS, unique("installation"))
    with Ingesting(place, tmp_path / "ingest.log", unique("group")) as ingest:
        said = ingest.wait_ready(lambda said: said["state"] == "waiting_for_broker")
        assert said["reason"] == f"the topic {place.topic!r} does not exist yet"
        make(kafka.bootstrap, place.topic, PARTITIONS, mixture(82, 300, PARTITIONS))
        log = read_back(kafka.bootstrap, place.topic)
        here = Replay(place, log, expect(log), unique, tmp_path)
        with recovery.measured():
            here.wait(ingest)
    here.check()


def test_log_cut_while_it_runs(
    kafka: KafkaServer, store: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    """The store is away while records come and are deleted: what it lacks is nowhere any more."""
    scene = prepare(kafka.bootstrap, store.url, unique, tmp_path, 83)
    scene.send(900)
    before = list(scene.ends)
    with scene.ingest() as ingest:
        scene.wait(ingest)
        store.stop()
        scene.send(300)
        cut = before[HELD] + 5

        async def delete() -> None:
            async with admin(kafka.bootstrap) as client:
                await client.delete_records({TopicPartition(scene.here.place.topic, HELD): RecordsToDelete(cut)})

        asyncio.run(delete())
        store.start()
        assert f"begins at {cut}" in stopped(ingest, HELD)
        ends = [before[HELD] if number == HELD else scene.ends[number] for number in range(PARTITIONS)]
        scene.here.place.wait(ends, ingest)
    others = scene.here.reread()
    log = {number: read for number, read in others.log.items() if number != HELD}
    replace(others, log=log, expected={number: others.expected[number] for number in log}).check()


def test_message_larger_than_a_fetch(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    place = Place(kafka.bootstrap, valkey.url, unique("matches"), PARTITIONS, unique("installation"))
    huge = json.dumps({"pool": POOLS[0], "id": "huge", "padding": "x" * (FETCH_BYTES + (1 << 20))}).encode()
    items = mixture(86, 200, PARTITIONS)
    items.insert(100, Item(POOLS[0].encode(), huge, RECORDED + 1_000))

    async def fill() -> None:
        async with admin(kafka.bootstrap) as client:
            configs = {"max.message.bytes": str(2 * FETCH_BYTES), "retention.ms": "-1"}
            await client.create_topics([NewTopic(place.topic, PARTITIONS, 1, topic_configs=configs)])
        async with AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap, max_request_size=2 * FETCH_BYTES, max_batch_size=2 * FETCH_BYTES
        ) as client:
            await write(client, place.topic, PARTITIONS, items)

    asyncio.run(fill())
    log = read_back(kafka.bootstrap, place.topic)
    here = Replay(place, log, expect(log), unique, tmp_path)
    assert "dead/record_too_large" in here.outcomes
    with recovery.measured(), here.ingest() as ingest:
        here.wait(ingest)
    here.check()


def test_compressed_in_every_way(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS)
    items = mixture(87, 1_200, PARTITIONS)

    async def fill() -> None:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(
                    AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, compression_type=codec)
                )
                for codec in ("gzip", "snappy", "lz4", "zstd", None)
            ]
            for number in range(0, len(items), 60):
                await write(clients[number // 60 % 5], here.place.topic, PARTITIONS, items[number : number + 60])

    asyncio.run(fill())
    here = here.reread()
    assert sum(here.ends) == len(items)
    with recovery.measured(), here.ingest(batch=70) as ingest:
        here.wait(ingest)
    here.check()


def test_transaction_left_open(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    scene = prepare(kafka.bootstrap, valkey.url, unique, tmp_path, 88)
    scene.send(300)
    topic, before = scene.here.place.topic, list(scene.ends)
    held = [one for one in mixture(89, 200, PARTITIONS) if place_of(one) == HELD]

    async def run(between: Callable[[], None]) -> None:
        async with producer(kafka.bootstrap, unique("transactional")) as client:
            await client.begin_transaction()
            await write(client, topic, PARTITIONS, held)
            await asyncio.to_thread(between)
            await client.abort_transaction()

    with scene.ingest() as ingest:

        def meanwhile() -> None:
            scene.send(300)
            ends = [before[HELD] if number == HELD else scene.ends[number] for number in range(PARTITIONS)]
            scene.here.place.wait(ends, ingest)
            said = ingest.wait_ready(lambda said: states(said) == {**RUNNING, HELD: "waiting_for_transaction"})
            assert said["ready"], "no restart would end it"
            assert f"open since offset {before[HELD]} of partition {HELD}" in said["partitions"][HELD]["reason"]
            assert ingest.metric(f'standings_transaction_seconds{{partition="{HELD}"}}') > WAITING_S
            # What nobody may read yet is no lag.
            assert [ingest.metric(f'standings_lag_records{{partition="{number}"}}') for number in RUNNING] == [0, 0, 0]

        asyncio.run(run(meanwhile))
        # What was aborted, and the mark that says so, are gaps now.
        scene.ends[HELD] += len(held) + 1
        with recovery.measured():
            scene.wait(ingest)
        ingest.wait_ready(lambda said: states(said) == RUNNING)
        assert ingest.metric(f'standings_transaction_seconds{{partition="{HELD}"}}') == 0
    scene.check()


def place_of(one: Item) -> int | None:
    if one.partition is not None or one.key is None:
        return one.partition
    return partition_of(one.key.decode(), PARTITIONS)
