"""``standings doctor`` against real servers: nothing to say of healthy ones; each fault, made for real, is named."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import zlib
from pathlib import Path

import msgspec
import pytest
from aiokafka.admin import NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition
from pydantic import SecretStr
from redis import Redis

from service.broker import ensure_topic
from service.settings import Settings
from service.store.layout import Keys
from standings import doctor
from standings.checks import Check
from standings.embedded import KafkaServer, ValkeyServer
from standings.errors import Mistake
from tests.conftest import Unique
from tests.ingesting import Ingesting, Place, free_port, wait_for
from tests.topics import Item, admin, item, produce, producer, write

PARTITIONS = 4
POOLS = [f"chess.{number}" for number in range(24)]


def settings_for(kafka: KafkaServer, redis: str, unique: Unique) -> Settings:
    return Settings(
        kafka=kafka.bootstrap,
        redis=SecretStr(redis),
        topic=unique("doctor"),
        group=unique("group"),
        installation=unique("installation"),
        partitioner="murmur2",
        pools=None,
    )


def examined(settings: Settings) -> dict[str, Check]:
    report = asyncio.run(doctor.examine(settings, ["kafka"], ["STANDINGS_KAFKA"]))
    assert report.ok == all(check.verdict != "problem" for check in report.checks)
    found = {check.name: check for check in report.checks}
    assert len(found) == len(report.checks)
    return found


def wrong(found: dict[str, Check]) -> dict[str, str]:
    return {name: check.verdict for name, check in found.items() if check.verdict in ("warning", "problem")}


def match(pool: str, number: int = 0, partition: int | None = None, key: str | None = None) -> Item:
    value = {
        "id": f"{pool}-{number}",
        "pool": pool,
        "at": 0,
        "sides": [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}],
    }
    one = item(value, int(time.time() * 1000))
    return one._replace(key=(key or pool).encode(), partition=partition)


def make(settings: Settings, items: list[Item], **configs: str) -> None:
    """Make the topic as the service makes it, changed as said."""

    async def work() -> None:
        if not configs:
            await ensure_topic(settings.brokers, settings.topic, PARTITIONS)
            return
        async with admin(settings.kafka) as client:
            settled = {name.replace("_", "."): value for name, value in configs.items()}
            await client.create_topics([NewTopic(settings.topic, PARTITIONS, 1, topic_configs=settled)])

    asyncio.run(work())
    produce(settings.kafka, settings.topic, PARTITIONS, items)


def ingested(settings: Settings, items: list[Item], folder: Path) -> None:
    """Make the topic and bring its records in."""
    make(settings, items)
    url = settings.redis.get_secret_value()
    place = Place(settings.kafka, url, settings.topic, PARTITIONS, settings.installation)
    with Ingesting(place, folder / "ingest.log", settings.group) as ingest:
        place.wait_past(len(items), ingest)


def test_healthy(
    kafka: KafkaServer,
    redis_server: ValkeyServer,
    unique: Unique,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    settings = settings_for(kafka, redis_server.url, unique)
    ingested(settings, [match(pool, number) for pool in POOLS for number in range(40)], tmp_path)
    report = asyncio.run(doctor.examine(settings, ["kafka"], ["STANDINGS_KAFKA"]))
    found = {check.name: check for check in report.checks}
    # Ingest has ended, in order; nothing else is to be said.
    assert wrong(found) == {"group": "warning"}
    assert {check.verdict for check in report.checks} == {"ok", "warning"}
    assert found["redis.version"].found.lower().startswith(request.node.callspec.params["redis_server"])
    assert found["group"].found.startswith(f"{settings.group}: 0 members, committed up to 0 offsets before the end")
    assert found["stored.position"].found == "Redis is 0 offsets before the log's end"
    assert found["pools.stored"].found == "24 stored pools, rated as configured"
    assert "of 960 newest records" in found["producers.keys"].found
    written = json.loads(msgspec.json.encode(report))
    assert list(written) == ["ok", "checks", "settings", "pools"]
    assert {tuple(check) for check in written["checks"]} == {("name", "verdict", "found", "remedy")}
    assert {tuple(setting) for setting in written["settings"]} == {("name", "value", "from")}
    assert written["pools"][-1]["pattern"] == "*"
    doctor.show(report)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("warning group")
    assert max(map(len, lines)) <= 80
    assert lines[-1] == f"0 problem, 1 warning, 0 unknown, {len(report.checks) - 1} ok"


def test_a_member_of_the_group_is_seen(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    settings = settings_for(kafka, valkey.url, unique)
    make(settings, [match(pool) for pool in POOLS])
    place = Place(settings.kafka, valkey.url, settings.topic, PARTITIONS, settings.installation)
    with Ingesting(place, tmp_path / "ingest.log", settings.group) as ingest:
        ingest.wait_ready(lambda said: bool(said["ready"]))
        found: dict[str, Check] = {}

        def look() -> Check:
            found.update(examined(settings))
            return found["ingest"]

        wait_for(lambda: look().verdict == "ok", lambda: f"{found}", ingest)
        assert wrong(found) == {}
        assert found["ingest"].found == "4 partitions running"
        assert "1 member" in found["group"].found
        other = examined(settings.model_copy(update={"group": unique("other")}))
        assert wrong(other) == {"group": "warning", "group.other": "problem"}
        assert f"group '{settings.group}' (1 member) brings these records into these keys" in other["group.other"].found
        assert f"--group {settings.group}" in other["group.other"].remedy
        with place.client() as client:
            client.hset(place.keys(2).state, "torn", "17")
        wait_for(lambda: look().verdict == "problem", lambda: f"{found}", ingest)
        assert found["ingest"].found.startswith("partition 2: stopped_by_operator_decision: torn")
        with place.client() as client:
            client.hdel(place.keys(2).state, "torn")
    # Who left is in nobody's way.
    later = examined(settings.model_copy(update={"group": unique("other")}))
    assert wrong(later) == {"group": "warning"}
    assert f"{settings.group} brought these records in, and has no member left" in later["group.other"].found


def test_a_transaction_left_open(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique) -> None:
    settings = settings_for(kafka, valkey.url, unique)
    make(settings, [match(POOLS[0], number, partition=2) for number in range(3)])

    async def run() -> dict[str, Check]:
        async with producer(kafka.bootstrap, unique("transactional")) as client:
            await client.begin_transaction()
            await write(client, settings.topic, PARTITIONS, [match(POOLS[0], 3, partition=2)])
            found = await asyncio.to_thread(examined, settings)
            await client.abort_transaction()
            return found

    found = asyncio.run(run())["topic.transactions"]
    assert found.verdict == "warning"
    assert found.found == "a transaction is open since offset 3 of partition 2; what comes after it waits"
    assert f"kafka-transactions.sh abort --topic {settings.topic} --partition 2 --start-offset 3" in found.remedy


def test_no_topic(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique) -> None:
    settings = settings_for(kafka, valkey.url, unique)
    found = examined(settings)
    assert wrong(found) == {"topic": "problem"}
    assert settings.topic in found["topic"].found
    assert found["producers.partitioner"].verdict == found["group"].verdict == "unknown"


def test_looking_makes_no_topic(valkey: ValkeyServer, unique: Unique, tmp_path: Path, jars: tuple[Path, ...]) -> None:
    with KafkaServer(tmp_path / "willing", jars, properties={"auto.create.topics.enable": "true"}) as willing:
        settings = settings_for(willing, valkey.url, unique)
        assert wrong(examined(settings)) == {"topic": "problem"}
        assert wrong(examined(settings)) == {"topic": "problem"}


def test_a_topic_that_forgets(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique) -> None:
    settings = settings_for(kafka, valkey.url, unique)
    configs = {
        "cleanup_policy": "compact,delete",
        "retention_ms": "604800000",
        "retention_bytes": "1000000000",
        "max_message_bytes": "1000000",
    }
    make(settings, [match(pool) for pool in POOLS], **configs)

    async def forget() -> None:
        async with admin(settings.kafka) as client:
            await client.delete_records({TopicPartition(settings.topic, 1): RecordsToDelete(before_offset=2)})

    asyncio.run(forget())
    found = examined(settings)
    assert wrong(found) == {
        "topic.cleanup": "problem",
        "topic.retention": "warning",
        "topic.record_size": "warning",
        "topic.beginning": "warning",
        "group": "warning",
    }
    assert "7 days" in found["topic.retention"].found
    assert "1,000,000,000 bytes" in found["topic.retention"].found
    assert "partition 1 begins at 2: a rebuild would miss 2 offsets" in found["topic.beginning"].found


def test_producers_with_the_other_partitioner(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique) -> None:
    settings = settings_for(kafka, valkey.url, unique)
    make(settings, [match(pool, partition=zlib.crc32(pool.encode()) % PARTITIONS) for pool in POOLS])
    found = examined(settings)
    assert wrong(found) == {"producers.partitioner": "problem", "group": "warning"}
    assert found["producers.partitioner"].found.startswith("the producers use crc32, the setting is murmur2")
    assert "STANDINGS_PARTITIONER=crc32" in found["producers.partitioner"].remedy
    assert wrong(examined(settings.model_copy(update={"partitioner": "crc32"}))) == {"group": "warning"}


def test_only_the_newest_records_are_looked_at(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "SAMPLED", 100)
    settings = settings_for(kafka, valkey.url, unique)
    make(settings, [match("chess", number, partition=0)._replace(key=None) for number in range(300)])
    assert "of 100 newest records, 100 without a key" in examined(settings)["producers.keys"].found
    produce(settings.kafka, settings.topic, PARTITIONS, [match("other", number, 0, "chess") for number in range(99)])
    said = examined(settings)["producers.keys"].found
    assert "of 100 newest records, 99 whose match is of another pool than the key" in said
    assert "1 without a key (partition 0, offset 299)" in said


def test_a_record_of_the_future(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique) -> None:
    settings = settings_for(kafka, valkey.url, unique)
    make(settings, [match("chess")._replace(timestamp=int(time.time() * 1000) + 600_000)])
    assert wrong(examined(settings)) == {"clocks.records": "warning", "group": "warning"}


def test_what_is_stored_does_not_fit(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    settings = settings_for(kafka, valkey.url, unique)
    ingested(settings, [match(pool) for pool in POOLS], tmp_path)
    states = [Keys(settings.installation, settings.topic, partition).state for partition in range(PARTITIONS)]
    with Redis.from_url(valkey.url) as client:
        client.hset(states[0], "torn", "rows/chess/kalman")
        client.hset(states[1], "layout", "1")
        client.hset(states[2], "partitions", "5")
        client.hset(states[3], "position", "1000")
    pools = tmp_path / "pools.toml"
    pools.write_text('[pools."chess.*"]\nparameters.home = 24\n\n[pools.go]\n')
    found = examined(settings.model_copy(update={"pools": pools}))
    assert wrong(found) == {
        "stored.torn": "problem",
        "stored.layout": "problem",
        "topic.partitions": "problem",
        "stored.position": "problem",
        "pools.stored": "problem",
        "group": "warning",
    }
    assert "partition 0 (on its way to rows/chess/kalman)" in found["stored.torn"].found
    assert "partition 1 in layout 1" in found["stored.layout"].found
    assert "the topic has 4 partitions, Redis knows 4, 5" in found["topic.partitions"].found
    assert "before the position 1000" in found["stored.position"].found
    assert "home = 58.0 (now 24.0)" in found["pools.stored"].found
    assert found["pools.patterns"].found == 'no stored pool is taken by "go"'


def test_a_wrong_pools_file_stops_nothing_else(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    settings = settings_for(kafka, valkey.url, unique)
    make(settings, [match(pool) for pool in POOLS])
    pools = tmp_path / "pools.toml"
    pools.write_text("[pools.go]\nsystem = 'eloo'\n")
    found = examined(settings.model_copy(update={"pools": pools}))
    assert wrong(found) == {"pools.file": "problem", "group": "warning"}
    assert f"{pools}, line 2" in found["pools.file"].found
    assert found["pools.stored"].verdict == "unknown"
    assert found["producers.partitioner"].verdict == "ok"


def test_a_store_that_forgets(kafka: KafkaServer, unique: Unique, tmp_path: Path) -> None:
    extra = ["--maxmemory-policy", "volatile-lru", "--maxmemory", "1100000", "--appendonly", "no"]
    with ValkeyServer(tmp_path / "forgetful", extra=extra) as forgetful:
        settings = settings_for(kafka, forgetful.url, unique)
        make(settings, [match(pool) for pool in POOLS])
        found = examined(settings)
    assert wrong(found) == {
        "redis.policy": "problem",
        "redis.memory": "warning",
        "redis.persistence": "warning",
        "group": "warning",
    }


def test_a_replica(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    extra = ["--replicaof", "127.0.0.1", str(valkey.port)]
    with ValkeyServer(tmp_path / "replica", extra=extra) as replica:
        settings = settings_for(kafka, replica.url, unique)
        make(settings, [match(pool) for pool in POOLS])
        found = examined(settings)
    assert wrong(found) == {"redis.role": "problem", "group": "warning"}
    assert f"127.0.0.1:{valkey.port}" in found["redis.role"].remedy


def test_a_member_of_a_cluster_without_slots(kafka: KafkaServer, unique: Unique, tmp_path: Path) -> None:
    extra = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    with ValkeyServer(tmp_path / "member", extra=extra) as member:
        found = examined(settings_for(kafka, member.url, unique))
    assert wrong(found) == {"topic": "problem", "redis.cluster": "problem", "redis.scripts": "problem"}
    assert found["stored.torn"].verdict == "unknown"


def test_passwords_and_rights(
    kafka: KafkaServer, unique: Unique, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with ValkeyServer(tmp_path / "closed") as closed:
        with Redis.from_url(closed.url) as client:
            client.execute_command("ACL", "SETUSER", "app", "on", ">geheim", "~*", "+@all", "-@scripting", "-config")
            client.execute_command("ACL", "SETUSER", "default", "off")

        def ask(user: str) -> dict[str, Check]:
            report = asyncio.run(doctor.examine(replaced(settings, user), [], []))
            doctor.show(report)
            shown = "".join(capfd.readouterr()) + msgspec.json.encode(report).decode()
            assert "geheim" not in shown
            assert f"{user.partition(':')[0]}:***@127.0.0.1" in shown
            return {check.name: check for check in report.checks}

        def replaced(settings: Settings, user: str) -> Settings:
            url = closed.url.replace("redis://", f"redis://{user}@")
            return settings.model_copy(update={"redis": SecretStr(url)})

        settings = settings_for(kafka, closed.url, unique)
        make(settings, [])
        assert wrong(ask("app:geheim")) == {"redis.scripts": "problem", "group": "warning"}
        found = ask("app:geheim-not")
        assert wrong(found) == {"redis": "problem", "group": "warning"}
        assert "invalid username-password" in found["redis"].found


def test_servers_that_are_away(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "WAIT_S", 2.0)
    settings = settings_for(kafka, valkey.url, unique)
    make(settings, [])
    # Connections are taken there, and nothing is ever said.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = f"127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        found = examined(settings.model_copy(update={"kafka": f"{kafka.bootstrap},{mute},127.0.0.1:1"}))
        assert wrong(found) == {"broker": "warning", "group": "warning"}
        assert f"{mute} (no answer within 2 s), 127.0.0.1:1 (Kafka does not answer)" in found["broker"].found
        found = examined(settings.model_copy(update={"kafka": mute}))
        assert wrong(found) == {"broker": "problem"}
        assert found["topic.cleanup"].verdict == found["producers.keys"].verdict == "unknown"
        found = examined(settings.model_copy(update={"redis": SecretStr(f"redis://:geheim@{mute}/0")}))
        assert wrong(found) == {"redis": "problem", "group": "warning"}
        assert found["stored.torn"].verdict == found["pools.stored"].verdict == "unknown"
        assert time.monotonic() - begun < 15


def test_an_address_that_is_none_is_a_mistake(kafka: KafkaServer, unique: Unique) -> None:
    settings = settings_for(kafka, "redis://app:ge/heim@db:6379/0", unique)
    with pytest.raises(Mistake, match=r"^STANDINGS_REDIS: not an address") as raised:
        asyncio.run(doctor.examine(settings, [], []))
    assert "heim" not in str(raised.value)
