"""The embedded servers: up for real, back after a crash, never left behind."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from standings.embedded import EmbeddedError, KafkaServer, ValkeyServer, download, ensure_jars, home, ports
from standings.embedded.process import ServerProcess
from tests.ingesting import free_port

ABANDON = """
import sys, time
from pathlib import Path
from standings.embedded import ValkeyServer
server = ValkeyServer(Path(sys.argv[1])).start()
print(server.pid, flush=True)
time.sleep(60)
"""


async def create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def produce(bootstrap: str, topic: str, value: bytes) -> int:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        return int((await producer.send_and_wait(topic, value)).offset)
    finally:
        await producer.stop()


async def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"{topic}-readers", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        return [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(count)]
    finally:
        await consumer.stop()


def client(server: ValkeyServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


def gone(pid: int, timeout: float = 10.0) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def abandoned(tmp_path: Path) -> Iterator[tuple[Path, int, subprocess.Popen[str]]]:
    """A Valkey whose owner is another process: its folder, its process id, the owner."""
    folder = tmp_path / "abandoned"
    with subprocess.Popen([sys.executable, "-c", ABANDON, folder], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        try:
            yield folder, pid, owner
        finally:
            owner.kill()
            if not gone(pid):
                psutil.Process(pid).kill()


def test_kafka_serves(kafka: KafkaServer, unique: Callable[[str], str]) -> None:
    topic = unique("serves")
    asyncio.run(create(kafka.bootstrap, topic))
    assert asyncio.run(produce(kafka.bootstrap, topic, b"first")) == 0
    assert asyncio.run(consume(kafka.bootstrap, topic, 1)) == [b"first"]


def test_kafka_keeps_its_records_and_address_over_a_crash(tmp_path: Path, jars: tuple[Path, ...]) -> None:
    server = KafkaServer(tmp_path, jars).start()
    try:
        address = server.bootstrap
        asyncio.run(create(address, "kept"))
        asyncio.run(produce(address, "kept", b"before"))
        server.kill()
        assert server.pid is None
        server.start()
        assert server.bootstrap == address
        assert asyncio.run(produce(address, "kept", b"after")) == 1
    finally:
        server.stop()
    with KafkaServer(tmp_path, jars) as again:
        assert again.bootstrap == address
        assert asyncio.run(consume(again.bootstrap, "kept", 2)) == [b"before", b"after"]


def test_store_serves(redis_server: ValkeyServer, unique: Callable[[str], str]) -> None:
    with client(redis_server) as store:
        assert store.set(unique("key"), "value")
        assert store.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_valkey_keeps_its_values_and_address_over_a_crash(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path).start()
    try:
        address = server.url
        with client(server) as store:
            store.set("kept", "before")
        server.kill()
        server.start()
        assert server.url == address
        with client(server) as store:
            assert store.get("kept") == "before"
            store.set("kept", "after")
    finally:
        server.stop()
    with ValkeyServer(tmp_path) as again, client(again) as store:
        assert again.url == address
        assert store.get("kept") == "after"


def test_server_ends_when_its_owner_is_killed(abandoned: tuple[Path, int, subprocess.Popen[str]]) -> None:
    _folder, pid, owner = abandoned
    owner.kill()
    assert gone(pid)


def test_left_over_server_is_ended_by_the_next_start(
    abandoned: tuple[Path, int, subprocess.Popen[str]],
) -> None:
    folder, pid, owner = abandoned
    # Without its watcher, the worst case: nobody else would end it.
    for watcher in psutil.Process(pid).children():
        watcher.kill()
    owner.kill()
    owner.wait()
    assert not gone(pid, 0.3)
    with ValkeyServer(folder) as server:
        assert gone(pid, 1.0)
        assert server.pid not in (None, pid)


def test_only_its_own_left_over_is_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd="/") as stranger:
        try:
            server = ValkeyServer(tmp_path)
            created = psutil.Process(stranger.pid).create_time()
            server._write_record({"pid": stranger.pid, "created": created, "ports": []})
            with server:
                assert stranger.poll() is None
        finally:
            stranger.kill()


def test_folder_in_use_is_refused(abandoned: tuple[Path, int, subprocess.Popen[str]]) -> None:
    folder, pid, _owner = abandoned
    with pytest.raises(EmbeddedError, match="in use by another process"):
        ValkeyServer(folder).start()
    assert psutil.pid_exists(pid)


def test_interrupt_of_the_terminal_does_not_reach_the_server(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        assert server.pid is not None
        # The terminal sends its signals to the process groups of its session.
        assert os.getsid(server.pid) == server.pid != os.getsid(0)


@pytest.mark.parametrize("kind", [ValkeyServer, KafkaServer])
def test_taken_port_is_named(kind: type[ServerProcess], tmp_path: Path, jars: tuple[Path, ...]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = KafkaServer(tmp_path, jars, port) if kind is KafkaServer else ValkeyServer(tmp_path, port)
        with pytest.raises(EmbeddedError, match=f"port {port} on 127.0.0.1 is taken"):
            server.start()
        assert server.pid is None


def test_a_port_is_given_to_one_before_its_server_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(random, "sample", lambda *_: [port])
    one, other = (ValkeyServer(tmp_path / name) for name in ("one", "other"))
    assert ports.free_port(one, []) == port
    with pytest.raises(EmbeddedError, match="no free port"):
        ports.free_port(other, [])


def test_taken_port_of_the_last_start_is_given_up(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        last = server.port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", last))
        other.listen()
        with ValkeyServer(tmp_path) as server:
            assert server.port != last


def test_missing_binary_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"no program to run at .*nowhere"):
        ValkeyServer(tmp_path, binary=tmp_path / "nowhere").start()


def test_failure_shows_the_log(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"(?s)ended .code 1. before it was ready.*no-such-option"):
        ValkeyServer(tmp_path, extra=["--no-such-option", "1"]).start()


def test_kafka_failure_shows_the_log(tmp_path: Path, jars: tuple[Path, ...]) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(EmbeddedError, match=r"(?s)ended .* before it was ready.*No readable meta"):
        KafkaServer(tmp_path, jars).start()


def test_kafka_that_cannot_make_its_folder_says_why(tmp_path: Path, jars: tuple[Path, ...]) -> None:
    with pytest.raises(EmbeddedError, match=r"Invalid value none for configuration num\.io\.threads"):
        KafkaServer(tmp_path, jars, properties={"num.io.threads": "none"}).start()
    assert not (tmp_path / "data").exists()


def test_server_that_does_not_stop_is_ended_by_force(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path).start()
    pid = server.pid
    assert pid is not None
    psutil.Process(pid).send_signal(signal.SIGSTOP)
    server.stop(timeout=0.2)
    assert gone(pid)


def test_damaged_and_missing_jars_are_repaired(
    tmp_path: Path, jars: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = sorted(jars, key=lambda jar: jar.stat().st_size)[:3]
    names = {jar.name for jar in small}
    pins = {pin: digest for pin, digest in download._read_pins().items() if pin.rsplit("/", 1)[1] in names}
    monkeypatch.setattr(download, "_read_pins", lambda: pins)
    whole = {jar.name: jar.read_bytes() for jar in small}
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    first, second, _third = names
    (tmp_path / first).write_bytes(whole[first][:-1] + b"?")
    (tmp_path / second).unlink()
    steps: list[tuple[int, int]] = []
    paths = ensure_jars(tmp_path, lambda done, total: steps.append((done, total)))
    assert {path.name: path.read_bytes() for path in paths} == whole
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_jars_that_are_right_are_not_fetched(jars: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_fetch", lambda *_: pytest.fail("fetched"))
    assert ensure_jars(home() / "jars") == jars


def test_jars_that_cannot_be_had_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_read_pins", lambda: {"a/b/1/b-1.jar": "0"})
    monkeypatch.setattr(download, "_fetch", lambda *_: OSError("no route"))
    with pytest.raises(EmbeddedError, match=r"1 of Kafka's 1 jars .*no route.*check the network"):
        ensure_jars(tmp_path)
