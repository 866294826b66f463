"""The verdicts of ``standings doctor``, from facts that are given."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.health import Told
from service.broker import Group, Topic
from service.partitioner import Partitioner
from service.records import Extent
from service.settings import Settings
from service.store.inspect import Server
from service.store.layout import LAYOUT, Keys
from service.store.partition import Loaded
from standings.checks import Check, Unanswered, clocks, configuration, ingest, log, producers, store
from tests.api import keys_in
from tests.oracle import partition_of

SERVER = Server(
    address="db:6379",
    product="Redis",
    version="7.0.15",
    role="master",
    primary="",
    policy="noeviction",
    used=79,
    limit=100,
    appends=True,
    appendfsync="everysec",
    save="",
    cluster="",
    nodes=0,
    ahead=0.1,
    within=0.01,
)
TOPIC = Topic(
    partitions=4,
    replicas=3,
    in_sync=3,
    settings={
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "max.message.bytes": "2097152",
        "min.insync.replicas": "2",
    },
)
AWAY = Unanswered("away")


@dataclass
class Record:
    partition: int
    key: bytes | None
    value: bytes | None
    offset: int = 0
    timestamp: int = 0
    timestamp_type: int = 0


def verdicts(checks: list[Check]) -> dict[str, str]:
    """Give the checks that are not ok; whatever is wrong must say what to do, and nothing else may."""
    assert len({check.name for check in checks}) == len(checks)
    for check in checks:
        assert check.found
        assert bool(check.remedy) == (check.verdict in ("warning", "problem")), check
    return {check.name: check.verdict for check in checks if check.verdict != "ok"}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, {}),
        ({"product": "Valkey", "version": "9.1.2"}, {}),
        ({"version": "6.2.0"}, {}),
        ({"version": "6.0.16"}, {"redis.version": "problem"}),
        ({"version": "10.0"}, {}),
        ({"policy": "allkeys-lru"}, {"redis.policy": "problem"}),
        ({"policy": ""}, {"redis.policy": "unknown"}),
        ({"used": 80}, {"redis.memory": "warning"}),
        ({"used": 10**9, "limit": 0}, {}),
        ({"appendfsync": "always"}, {}),
        ({"appendfsync": None, "save": None}, {}),
        ({"appendfsync": "no"}, {"redis.persistence": "warning"}),
        ({"appends": False, "save": "3600 1"}, {}),
        ({"appends": False, "save": None}, {"redis.persistence": "unknown"}),
        ({"appends": False}, {"redis.persistence": "warning"}),
        ({"role": "slave", "primary": "db:1"}, {"redis.role": "problem"}),
        ({"role": "sentinel"}, {"redis.role": "unknown"}),
        ({"cluster": "ok", "nodes": 1}, {}),
        ({"cluster": "fail", "nodes": 1}, {"redis.cluster": "problem"}),
        ({"cluster": "ok", "nodes": 3}, {"redis.cluster": "problem"}),
    ],
)
def test_the_server(change: dict[str, object], wrong: dict[str, str]) -> None:
    checks = store.server("redis://db:6379/0", [replace(SERVER, **change)])  # type: ignore[arg-type]  # as given above
    assert verdicts(checks) == wrong
    assert [check.name for check in checks] == ["redis", *store.SERVER]


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({}, {}),
        ({"cleanup.policy": "compact"}, {"topic.cleanup": "problem"}),
        ({"cleanup.policy": "compact,delete"}, {"topic.cleanup": "problem"}),
        ({"retention.ms": "604800000"}, {"topic.retention": "warning"}),
        ({"retention.bytes": "1"}, {"topic.retention": "warning"}),
        ({"max.message.bytes": "1048588"}, {"topic.record_size": "warning"}),
        ({"message.timestamp.type": "LogAppendTime"}, {}),
        ({"min.insync.replicas": "1"}, {"topic.replication": "warning"}),
        ({"min.insync.replicas": "4"}, {"topic.replication": "problem"}),
    ],
)
def test_the_topic(settings: dict[str, str], wrong: dict[str, str]) -> None:
    found = replace(TOPIC, settings={**TOPIC.settings, **settings})
    checks = log.topic("matches", found, 3)
    assert verdicts(checks) == wrong
    assert tuple(check.name for check in checks) == log.TOPIC
    if "topic.retention" in wrong and "retention.ms" in settings:
        assert "7 days" in checks[2].found


@pytest.mark.parametrize(
    ("replicas", "in_sync", "brokers", "least", "verdict"),
    [(1, 1, 1, 1, "ok"), (1, 1, 3, 1, "warning"), (2, 2, 2, 1, "ok"), (3, 2, 3, 2, "warning"), (3, 1, 3, 2, "problem")],
)
def test_replication(replicas: int, in_sync: int, brokers: int, least: int, verdict: str) -> None:
    found = Topic(1, replicas, in_sync, {**TOPIC.settings, "min.insync.replicas": str(least)})
    assert verdicts(log.topic("matches", found, brokers)).get("topic.replication", "ok") == verdict


def test_what_cannot_be_asked_is_unknown() -> None:
    assert verdicts(log.topic("matches", AWAY, 0)) == dict.fromkeys(log.TOPIC, "unknown")
    assert verdicts(log.topic("matches", None, 1)) == {**dict.fromkeys(log.TOPIC, "unknown"), "topic": "problem"}
    assert verdicts(store.server("a", AWAY)) == {"redis": "problem", **dict.fromkeys(store.SERVER, "unknown")}
    assert verdicts(store.partitions(AWAY, TOPIC, {})) == dict.fromkeys(store.PARTITIONS, "unknown")
    assert log.beginning(AWAY).verdict == log.group("g", AWAY, {}).verdict == "unknown"


def test_some_of_the_brokers() -> None:
    assert log.brokers({"a:1": 3, "b:1": 3}).verdict == "ok"
    half = log.brokers({"a:1": 3, "b:1": AWAY})
    assert (half.verdict, half.found) == ("warning", "3 brokers, reached at a:1; not reached: b:1 (away)")
    assert log.brokers({"a:1": AWAY}).verdict == "problem"


def test_the_group() -> None:
    extents = {0: Extent(0, 100), 1: Extent(10, 50)}
    working = log.group("g", Group(1, {0: 40}), extents)
    assert (working.verdict, working.found) == ("ok", "g: 1 member, committed up to 100 offsets before the end")
    assert log.group("g", Group(0, {0: 100, 1: 50}), extents).verdict == "warning"
    assert "nothing was ever committed" in log.group("g", Group(0, {}), extents).found


def test_what_the_owners_say() -> None:
    now = 1e9
    running = Told("running", "", now - 3).pack()
    torn = Told("stopped_by_operator_decision", "torn: x", now - 3).pack()
    ready = ingest.states(Group(1, {}, {0: running, 1: running}), [0, 1], now)
    assert (ready.verdict, ready.found) == ("ok", "2 partitions running")
    stopped = ingest.states(Group(1, {}, {0: running, 1: torn}), [0, 1], now)
    assert (stopped.verdict, stopped.found) == ("problem", "partition 1: stopped_by_operator_decision: torn: x")
    waits = Told("waiting_for_redis", "Redis: away", now).pack()
    assert ingest.states(Group(1, {}, {0: waits}), [0], now).found == "partition 0: waiting_for_redis Redis: away"
    late = ingest.states(Group(2, {}, {0: running}), [0, 1], now + 100)
    assert late.found == "partition 0: running was said 103 s ago, nothing since, partition 1: nothing was said yet"
    strange = ingest.states(Group(1, {}, {0: '{"state": "of another version"}'}), [0], now)
    gone = ingest.states(Group(0, {}, {0: torn}), [0], now)
    assert verdicts([late]) == verdicts([strange]) == {"ingest": "warning"}
    assert verdicts([stopped]) == {"ingest": "problem"}
    assert verdicts([gone]) == {}
    assert ingest.states(AWAY, [0], now).verdict == ingest.states(Group(1, {}), AWAY, now).verdict == "unknown"


def test_another_group() -> None:
    assert log.other_group("g", "", 0).verdict == log.other_group("g", "g", 3).verdict == "ok"
    assert "g may take over" in log.other_group("g", "old", 0).found
    found = log.other_group("g", "old", 2)
    assert verdicts([found]) == {"group.other": "problem"}
    assert "'old' (2 members)" in found.found
    assert log.other_group("g", AWAY, 0).verdict == log.other_group("g", "old", AWAY).verdict == "unknown"


def test_open_transactions() -> None:
    assert log.transactions("t", {}).verdict == "ok"
    assert log.transactions("t", AWAY).verdict == "unknown"
    found = log.transactions("t", {1: 7, 3: 9})
    assert verdicts([found]) == {"topic.transactions": "warning"}
    assert "offset 7 of partition 1" in found.found
    assert "--partition 3 --start-offset 9" in found.remedy


def test_a_log_that_begins_late() -> None:
    late = log.beginning({0: Extent(0, 9), 1: Extent(7, 9)})
    assert late.verdict == "warning"
    assert "partition 1 begins at 7: a rebuild would miss 7 offsets" in late.found
    assert log.beginning({0: Extent(0, 9)}).verdict == "ok"


def loaded(partition: int, **change: object) -> Loaded:
    empty = Loaded(Keys("i", "t", partition), 5, "", LAYOUT, 2, None, {}, {}, {})
    return replace(empty, **change)  # type: ignore[arg-type]  # as given below


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, {}),
        ({"position": 9}, {}),
        ({"torn": "rows/chess/elo"}, {"stored.torn": "problem"}),
        ({"layout": "1"}, {"stored.layout": "problem"}),
        ({"partitions": 3}, {"topic.partitions": "problem"}),
        ({"position": 10}, {"stored.position": "problem"}),
        ({"position": 2}, {"stored.position": "problem"}),
        ({"position": None, "layout": "", "partitions": None}, {"stored.position": "problem"}),
    ],
)
def test_what_is_stored(change: dict[str, object], wrong: dict[str, str]) -> None:
    extents = {0: Extent(0, 9), 1: Extent(3, 9)}
    checks = store.partitions([loaded(0), loaded(1, **change)], replace(TOPIC, partitions=2), extents)
    assert verdicts(checks) == wrong
    assert tuple(check.name for check in checks) == store.PARTITIONS


def test_nothing_stored_is_no_fault() -> None:
    empty = loaded(0, position=None, layout="", partitions=None)
    assert verdicts(store.partitions([empty], TOPIC, {0: Extent(0, 9)})) == {}


def sent(key: str, partition: int, pool: str | None = None) -> Record:
    return Record(partition, key.encode(), json.dumps({"pool": pool or key}).encode())


def crc32(key: str, partitions: int) -> int:
    """The table-free definition, bit by bit."""
    register = 0xFFFFFFFF
    for byte in key.encode():
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return (register ^ 0xFFFFFFFF) % partitions


@given(
    st.lists(st.from_regex(r"[a-z][a-z0-9.]{0,9}", fullmatch=True), min_size=30, max_size=60, unique=True),
    st.integers(2, 12),
    st.sampled_from(["murmur2", "crc32"]),
    st.sampled_from(["murmur2", "crc32", "neither"]),
)
def test_the_partitioner_is_recognised(names: list[str], partitions: int, setting: Partitioner, used: str) -> None:
    tally = producers.Producers(partitions, setting)
    told = False
    for name in names:
        places = {"murmur2": partition_of(name, partitions), "crc32": crc32(name, partitions)}
        free = [place for place in range(partitions) if place not in places.values()]
        if used == "neither" and not free:
            continue
        tally.look(sent(name, places[used] if used != "neither" else random.Random(name).choice(free)))
        told |= used == "neither" or len(set(places.values())) == 2
    found, keys = tally.checks()
    if not told:
        assert found.verdict == "unknown"
        return
    assert keys.verdict == "ok"
    assert found.verdict == ("ok" if used == setting else "problem")
    if used == "neither":
        assert f"{tally.records:,} where neither does" in found.found
    elif used != setting:
        assert found.found.startswith(f"the producers use {used}, the setting is {setting}")
        assert f"STANDINGS_PARTITIONER={used}" in found.remedy


def test_mixed_producers_are_counted() -> None:
    names = [f"pool{number}" for number in range(40)]
    tally = producers.Producers(8, "murmur2")
    apart = [name for name in names if partition_of(name, 8) != crc32(name, 8)]
    for name in apart:
        tally.look(sent(name, partition_of(name, 8)))
    tally.look(sent(apart[0], crc32(apart[0], 8)))
    found, _ = tally.checks()
    assert found.verdict == "problem"
    assert f"{len(apart)} where murmur2 puts them, 1 where only crc32 does, 0 where neither does" in found.found


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record(0, None, b"{}", offset=7), "1 without a key (partition 0, offset 7)"),
        (Record(0, b"\xff", b"{}"), "1 whose key is no pool's name"),
        (Record(0, b"a/b", b"{}"), "1 whose key is no pool's name"),
        (sent("chess", 0, "go"), "1 whose match is of another pool than the key"),
    ],
)
def test_keys(record: Record, said: str) -> None:
    tally = producers.Producers(1, "murmur2")
    for each in (sent("chess", 0), record, Record(0, b"chess", None), Record(0, b"chess", b"\xff{")):
        tally.look(each)
    _, keys = tally.checks()
    assert keys.verdict == "problem"
    assert f"of 4 newest records, {said}" in keys.found


def test_no_records_say_nothing() -> None:
    assert {check.verdict for check in producers.Producers(4, "murmur2").checks()} == {"unknown"}


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(1.9, "ok"), (-2.04, "ok"), (2.1, "warning"), (-3, "warning"), (86_401, "problem")]
)
def test_clocks(ahead: float, verdict: str) -> None:
    assert clocks.redis(ahead, 0.05).verdict == verdict
    assert clocks.records(round((1e9 + ahead) * 1000), False, 1e9).verdict == (verdict if ahead > 0 else "ok")


def test_each_setting_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDINGS_TOPIC", "votes")
    monkeypatch.setenv("STANDINGS_GROUP", "from-environment")
    monkeypatch.setenv("STANDINGS_KEYS", "/etc/keys.toml")
    monkeypatch.setenv("STANDINGS_REDIS", "redis://app:geheim-2@db:6379/0")
    monkeypatch.delenv("STANDINGS_BATCH", raising=False)
    settings = Settings(group="from-option")
    found = {one.name: (one.value, one.source) for one in configuration.settings_in_force(settings, ["group"])}
    assert found["topic"] == ("votes", "environment")
    assert found["group"] == ("from-option", "option")
    assert found["batch"] == (5000, "default")
    assert found["keys"] == ("/etc/keys.toml", "environment")
    assert found["redis"] == ("redis://app:***@db:6379/0", "environment")
    assert found.keys() == Settings.model_fields.keys()


@pytest.mark.parametrize(
    "url",
    [
        "redis://:SECRET@db",
        "redis://app:SECRET@db:6379/0",
        "redis://app:a@SECRET@db:6379",
        "redis://app:SECRET/x@db:6379/0",
        "redis://app:a/SECRET@db",
        "redis://app:a?SECRET@db",
        "redis://app:a#SECRET@db",
        "redis://db/0?username=app&password=SECRET",
        "unix://app:SECRET@/run/redis.sock",
        "redis://[SECRET",
        "app:SECRET@db",
    ],
)
def test_no_password_is_ever_shown(url: str) -> None:
    assert "SECRET" not in configuration.without_secrets(url)


@pytest.mark.parametrize(
    "url", ["redis://db:6379/0", "rediss://app@db:6379/0?ssl_cert_reqs=required", "redis://[::1]:1"]
)
def test_what_is_no_secret_stays(url: str) -> None:
    assert configuration.without_secrets(url) == url


def test_a_variable_that_nothing_reads_is_named() -> None:
    right = ["STANDINGS_KAFKA", "STANDINGS_HOME", "PATH", "standings_topic"]
    assert configuration.environment(right).verdict == "ok"
    wrong = configuration.environment([*right, "STANDINGS_PARTITONER"])
    assert wrong.verdict == "warning"
    assert "STANDINGS_PARTITONER" in wrong.found
    assert "did you mean STANDINGS_PARTITIONER?" in wrong.remedy


def test_the_keys_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    assert configuration.keys_file(Settings(keys=None)).verdict == "ok"
    missing = configuration.keys_file(Settings(keys=path))
    assert (missing.verdict, missing.found) == ("problem", f"{path}: No such file or directory")
    keys_in(path, "read", "feed")
    found = configuration.keys_file(Settings(keys=path))
    assert (found.verdict, found.found) == ("ok", f"{path}: 2 keys; none has the scope suggest, operate")


def test_the_pools_file(tmp_path: Path) -> None:
    path = tmp_path / "pools.toml"
    path.write_text('[pools."chess.*"]\nparameters.home = 24\n\n[pools.go]\nparameters.kk = 3\n')
    check, pools = configuration.pools_file(Settings(pools=path))
    assert (check.verdict, pools) == ("problem", None)
    assert f"{path}, line 5" in check.found
    path.write_text('[pools."chess.*"]\nparameters.home = 24\n\n[pools.go]\n')
    check, pools = configuration.pools_file(Settings(pools=path))
    assert check.verdict == "ok"
    assert pools is not None
    sections = configuration.sections_in_force(pools)
    assert [section.pattern for section in sections] == ["chess.*", "go", "arena", "arena.*", "*"]
    assert sections[0].systems[0].parameters["home"] == 24
    blitz = pools.configured("chess.blitz").fingerprints()
    fits, patterns = configuration.stored_pools(pools, [loaded(0, fingerprints=blitz)])
    assert fits.verdict == patterns.verdict == "ok"
    assert 'taken by "go"' in patterns.found
    other = {"chess.blitz/kalman": blitz["chess.blitz/kalman"].replace("24.0", "32.0")}
    fits, _ = configuration.stored_pools(pools, [loaded(0, fingerprints=other)])
    assert fits.verdict == "problem"
    assert "home = 32.0 (now 24.0)" in fits.found
    assert {check.verdict for check in configuration.stored_pools(None, [])} == {"unknown"}
