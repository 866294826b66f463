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

from service.broker import describe_topic, ensure_topic
from service.brokers import Brokers
from service.match import decode
from service.partitioner import partition_of
from service.records import lag
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


def notice(topic: str) -> str:
    """What is said where no ingest has run yet."""
    return f"nobody has read {topic!r} as group 'standings' yet: sending without waiting for `standings ingest`\n"


async def read(
    kafka: str, topic: str, count: int, partitions: int, seconds: float = 30.0
) -> dict[int, list[ConsumerRecord]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
        await consumer.seek_to_beginning()
        found: dict[int, list[ConsumerRecord]] = {partition: [] for partition in range(partitions)}
        deadline = time.monotonic() + seconds
        while sum(map(len, found.values())) < count and time.monotonic() < deadline:
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                found[place.partition] += records
        return found
    finally:
        await consumer.stop()


@pytest.fixture
def topic(kafka: KafkaServer, unique: Callable[[str], str]) -> str:
    name = unique("fed")
    asyncio.run(ensure_topic(Brokers(kafka.bootstrap), name, 4))
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
    assert (sending.returncode, out, err) == (0, "", notice(topic) + f"{name}: 20,000 matches sent, 0 rows refused\n")
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
    nobody, first, second, last = err.splitlines(keepends=True)
    assert nobody == notice(topic)
    assert first.startswith(f"{path}:2: malformed: ")
    assert second.startswith(f"{path}:3: invalid_match: at: ")
    assert last == f"{path}: 2 matches sent, 2 rows refused\n"
    assert sending.returncode == 0
    found = asyncio.run(read(kafka.bootstrap, topic, 2, 4))
    assert [decode(record.value).id for records in found.values() for record in records] == ["1", "3"]


def test_the_largest_record_is_taken(kafka: KafkaServer, topic: str, tmp_path: Path) -> None:
    path = tmp_path / "matches.ndjson"
    text = match(1, "chess")
    path.write_text(text[:-1] + " " * ((1 << 20) - len(text)) + text[-1] + "\n" + match(2, "chess"))
    sending = feed(kafka.bootstrap, topic, str(path))
    _, err = sending.communicate(timeout=60)
    assert err == notice(topic) + f"{path}: 2 matches sent, 0 rows refused\n"


def test_a_slow_pipe_is_sent_as_it_comes_and_ctrl_c_does_not_wait_for_it(kafka: KafkaServer, topic: str) -> None:
    with feeding(kafka.bootstrap, topic) as (sending, pipe, said):
        pipe.write(match(1, "chess") + "\n")
        pipe.flush()
        found = asyncio.run(read(kafka.bootstrap, topic, 1, 4))
        assert sum(map(len, found.values())) == 1
        sending.send_signal(signal.SIGINT)
        assert sending.wait(15) == 130
        assert said.read() == notice(topic) + "standard input: 1 matches sent, 0 rows refused\n"


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
        asyncio.run(ensure_topic(Brokers(server.bootstrap), "fed", 1))
        with feeding(server.bootstrap, "fed") as (sending, pipe, said):
            pipe.write(match(1, "chess") + "\n")
            pipe.flush()
            asyncio.run(read(server.bootstrap, "fed", 1, 1))
            server.kill()
            pipe.write(match(2, "chess") + "\n")
            pipe.close()
            assert sending.wait(60) == 1
            *_, summary, trouble = said.read().splitlines()
    assert summary == "standard input: 1 matches sent, 0 rows refused"
    assert trouble.startswith("standings: Kafka")
    assert trouble.endswith("feeding the same file again is safe")


async def commit(kafka: str, group: str, offsets: dict[TopicPartition, int]) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)
    finally:
        await consumer.stop()


def test_lag_is_what_a_group_has_not_committed(
    kafka: KafkaServer, topic: str, unique: Callable[[str], str], tmp_path: Path
) -> None:
    path, group = tmp_path / "matches.ndjson", unique("group")
    path.write_text("\n".join(match(number, f"pool-{number % 9}") for number in range(1_000)))
    assert asyncio.run(lag(Brokers(kafka.bootstrap), topic, group)) is None
    feed(kafka.bootstrap, topic, str(path)).communicate(timeout=60)
    assert asyncio.run(lag(Brokers(kafka.bootstrap), topic, group)) is None
    found = asyncio.run(read(kafka.bootstrap, topic, 1_000, 4))
    largest = max(found, key=lambda partition: len(found[partition]))
    place = TopicPartition(topic, largest)
    asyncio.run(commit(kafka.bootstrap, group, {place: 100}))
    assert asyncio.run(lag(Brokers(kafka.bootstrap), topic, group)) == 900
    ends = {TopicPartition(topic, partition): len(records) for partition, records in found.items()}
    asyncio.run(commit(kafka.bootstrap, group, ends))
    assert asyncio.run(lag(Brokers(kafka.bootstrap), topic, group)) == 0
    # As if the log had been made anew since.
    asyncio.run(commit(kafka.bootstrap, group, {place: 100_000}))
    assert asyncio.run(lag(Brokers(kafka.bootstrap), topic, group)) == 0


def test_feed_waits_while_ingest_is_far_behind(
    kafka: KafkaServer, topic: str, unique: Callable[[str], str], tmp_path: Path
) -> None:
    path, group, count = tmp_path / "matches.ndjson", unique("group"), 30_000
    path.write_text("\n".join(match(number, "chess") for number in range(count)))
    place = TopicPartition(topic, partition_of("chess", 4, "murmur2"))
    asyncio.run(commit(kafka.bootstrap, group, {place: 0}))
    with feed(kafka.bootstrap, topic, str(path), "--group", group, "--most-lag", "5000") as sending:
        try:
            # One block holds about 2,500 of these; what is waited for is more than may come before it holds.
            first = asyncio.run(read(kafka.bootstrap, topic, 5_001, 4))[place.partition]
            later = asyncio.run(read(kafka.bootstrap, topic, count, 4, 3.0))[place.partition]
            assert 5_000 < len(first) <= len(later) < 10_000
            assert sending.poll() is None
            asyncio.run(commit(kafka.bootstrap, group, {place: count}))
            _, err = sending.communicate(timeout=60)
        finally:
            sending.kill()
    waiting, summary = err.splitlines()
    assert waiting == f"waiting: group {group!r} is more than 5,000 records behind"
    assert (sending.returncode, summary) == (0, f"{path}: {count:,} matches sent, 0 rows refused")


def test_strict_sends_what_stands_before_the_first_bad_row_and_nothing_after(
    kafka: KafkaServer, topic: str, tmp_path: Path
) -> None:
    path = tmp_path / "matches.ndjson"
    path.write_text("\n".join([match(1, "chess"), match(2, "go"), "{", match(3, "chess")]))
    sending = feed(kafka.bootstrap, topic, str(path), "--strict")
    _, err = sending.communicate(timeout=60)
    _, summary, mistake = err.splitlines()
    assert (sending.returncode, summary) == (2, f"{path}: 2 matches sent, 1 rows refused")
    assert mistake.startswith(f"standings: {path}:3: malformed: ")
    found = asyncio.run(read(kafka.bootstrap, topic, 3, 4, 2.0))
    assert sorted(decode(record.value).id for records in found.values() for record in records) == ["1", "2"]


def test_a_csv_fed_twice_gives_the_same_ids(kafka: KafkaServer, topic: str, tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("model_a,model_b,winner\n" + "gpt,claude,model_a\n" * 3 + "gpt,claude,x\n")
    for _ in range(2):
        sending = feed(kafka.bootstrap, topic, str(path), "--preset", "votes", "--at", "2026-11-20")
        _, err = sending.communicate(timeout=60)
        assert err.splitlines()[-1] == f"{path}: 3 matches sent, 1 rows refused"
    found = asyncio.run(read(kafka.bootstrap, topic, 6, 4))
    ids = [decode(record.value).id for records in found.values() for record in records]
    assert ids[:3] == ids[3:]
    assert len(set(ids)) == 3


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
    assert asyncio.run(ensure_topic(Brokers(kafka.bootstrap), topic, 9)) == 4
    found = asyncio.run(describe_topic(Brokers(kafka.bootstrap), topic))
    assert found is not None
    assert found.partitions == 4
    assert asyncio.run(describe_topic(Brokers(kafka.bootstrap), f"{topic}-not")) is None
