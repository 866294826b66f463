"""``standings feed``: everything arrives, in order within a pool, or is named."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import ConsumerRecord, TopicPartition

from service.log import count_partitions, ensure_topic
from service.match import decode
from service.partitioner import partition_of
from standings.embedded import KafkaServer


def match(number: int, pool: str, at: int = 0) -> str:
    sides = [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]
    return json.dumps({"id": str(number), "pool": pool, "at": at, "sides": sides})


def feed(kafka: str, topic: str, *words: str, partitioner: str = "murmur2") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "standings", "feed", "--kafka", kafka, "--topic", topic, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "STANDINGS_PARTITIONER": partitioner},
    )


@contextmanager
def feeding(kafka: str, topic: str) -> Iterator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """Feed from a pipe that stays open; answer the process, its input and its standard error."""
    with feed(kafka, topic, "-") as sending:
        assert sending.stdin is not None
        assert sending.stderr is not None
        try:
            yield sending, sending.stdin, sending.stderr
        finally:
            # Without effect on one that has ended, as it should have.
            sending.kill()


async def read(kafka: str, topic: str, count: int, partitions: int) -> dict[int, list[ConsumerRecord]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
        await consumer.seek_to_beginning()
        found: dict[int, list[ConsumerRecord]] = {partition: [] for partition in range(partitions)}
        deadline = time.monotonic() + 30
        while sum(map(len, found.values())) < count and time.monotonic() < deadline:
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                found[place.partition] += records
        return found
    finally:
        await consumer.stop()


@pytest.fixture
def topic(kafka: KafkaServer, unique: Callable[[str], str]) -> str:
    name = unique("fed")
    asyncio.run(ensure_topic(kafka.bootstrap, name, 4))
    return name


@pytest.mark.parametrize("partitioner", ["murmur2", "crc32"])
@pytest.mark.parametrize("piped", [False, True])
def test_all_arrive_in_order(kafka: KafkaServer, topic: str, tmp_path: Path, partitioner: str, piped: bool) -> None:
    path = tmp_path / "matches.ndjson"
    lines = [match(number, f"pool-{number % 7}") for number in range(20_000)]
    path.write_text("\n".join(lines))
    sending = feed(kafka.bootstrap, topic, "-" if piped else str(path), partitioner=partitioner)
    begun = time.time()
    out, err = sending.communicate(path.read_text() if piped else None, timeout=60)
    name = "standard input" if piped else str(path)
    assert (sending.returncode, out, err) == (0, "", f"{name}: 20,000 matches sent, 0 rows refused\n")
    found = asyncio.run(read(kafka.bootstrap, topic, 20_000, 4))
    got: dict[str, list[int]] = {}
    for partition, records in found.items():
        for record in records:
            one = decode(record.value)
            assert record.key == one.pool.encode()
            assert partition == partition_of(one.pool, 4, "crc32" if partitioner == "crc32" else "murmur2")
            assert begun - 5 < record.timestamp / 1000 < time.time() + 5
            got.setdefault(one.pool, []).append(int(one.id))
    assert got == {f"pool-{pool}": list(range(pool, 20_000, 7)) for pool in range(7)}


def test_bad_rows_are_named_and_not_sent(kafka: KafkaServer, topic: str, tmp_path: Path) -> None:
    path = tmp_path / "matches.ndjson"
    tomorrow = int(time.time() * 1000) + 2 * 86_400_000
    path.write_text("\n".join([match(1, "chess"), "{", match(2, "chess", tomorrow), match(3, "chess")]))
    sending = feed(kafka.bootstrap, topic, str(path))
    _, err = sending.communicate(timeout=60)
    first, second, last = err.splitlines()
    assert first.startswith(f"{path}:2: malformed: ")
    assert second.startswith(f"{path}:3: invalid_match: at: ")
    assert last == f"{path}: 2 matches sent, 2 rows refused"
    assert sending.returncode == 0
    found = asyncio.run(read(kafka.bootstrap, topic, 2, 4))
    assert [decode(record.value).id for records in found.values() for record in records] == ["1", "3"]


def test_the_largest_record_is_taken(kafka: KafkaServer, topic: str, tmp_path: Path) -> None:
    path = tmp_path / "matches.ndjson"
    text = match(1, "chess")
    path.write_text(text[:-1] + " " * ((1 << 20) - len(text)) + text[-1] + "\n" + match(2, "chess"))
    sending = feed(kafka.bootstrap, topic, str(path))
    _, err = sending.communicate(timeout=60)
    assert err == f"{path}: 2 matches sent, 0 rows refused\n"


def test_a_slow_pipe_is_sent_as_it_comes_and_ctrl_c_does_not_wait_for_it(kafka: KafkaServer, topic: str) -> None:
    with feeding(kafka.bootstrap, topic) as (sending, pipe, said):
        pipe.write(match(1, "chess") + "\n")
        pipe.flush()
        found = asyncio.run(read(kafka.bootstrap, topic, 1, 4))
        assert sum(map(len, found.values())) == 1
        sending.send_signal(signal.SIGINT)
        assert sending.wait(15) == 130
        assert said.read() == "standard input: 1 matches sent, 0 rows refused\n"


def test_a_topic_that_is_not_there_is_a_mistake(
    kafka: KafkaServer, unique: Callable[[str], str], tmp_path: Path
) -> None:
    path = tmp_path / "matches.ndjson"
    path.write_text(match(1, "chess"))
    missing = unique("missing")
    sending = feed(kafka.bootstrap, missing, str(path))
    _, err = sending.communicate(timeout=60)
    assert (sending.returncode, err) == (2, f"standings: Kafka at {kafka.bootstrap} has no topic {missing!r}\n")


def test_a_broker_that_goes_away_is_the_worlds_trouble(jars: tuple[Path, ...], tmp_path: Path) -> None:
    with KafkaServer(tmp_path / "kafka", jars) as server:
        asyncio.run(ensure_topic(server.bootstrap, "fed", 1))
        with feeding(server.bootstrap, "fed") as (sending, pipe, said):
            pipe.write(match(1, "chess") + "\n")
            pipe.flush()
            asyncio.run(read(server.bootstrap, "fed", 1, 1))
            server.kill()
            pipe.write(match(2, "chess") + "\n")
            pipe.close()
            assert sending.wait(60) == 1
            summary, trouble = said.read().splitlines()
    assert summary == "standard input: 1 matches sent, 0 rows refused"
    assert trouble.startswith("standings: Kafka")
    assert trouble.endswith("feeding the same file again is safe")


async def topic_settings(kafka: str, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}
    finally:
        await admin.close()


def test_a_topic_keeps_everything(kafka: KafkaServer, topic: str) -> None:
    settings = asyncio.run(topic_settings(kafka.bootstrap, topic))
    assert (settings["cleanup.policy"], settings["retention.ms"], settings["retention.bytes"]) == ("delete", "-1", "-1")


def test_a_topic_is_made_once(kafka: KafkaServer, topic: str) -> None:
    assert asyncio.run(ensure_topic(kafka.bootstrap, topic, 9)) == 4
    assert asyncio.run(count_partitions(kafka.bootstrap, topic)) == 4
    assert asyncio.run(count_partitions(kafka.bootstrap, f"{topic}-not")) == 0
