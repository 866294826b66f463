"""What the faults' tests share: servers that may be broken, with a proxy before them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.faults import proxy
from tests.faults.points import Ways
from tests.faults.scene import RECORDS, Recovery, Scene, note, prepare


@pytest.fixture(scope="session")
def taken() -> Iterator[dict[str, float]]:
    """Seconds that recoveries took; with STANDINGS_RENEW set they become the page's."""
    found: dict[str, float] = {}
    yield found
    if os.environ.get("STANDINGS_RENEW"):
        note(found)


@pytest.fixture
def recovery(request: pytest.FixtureRequest, taken: dict[str, float]) -> Iterator[Recovery]:
    recovery = Recovery(request.node.nodeid, taken)
    yield recovery
    # A test that failed has said why.
    if not request.session.testsfailed:
        recovery.finish()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A store of the test's own."""
    with ValkeyServer(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def to_store(store: ValkeyServer) -> Iterator[proxy.Proxy]:
    with proxy.Proxy(proxy.Redis, store.port) as passing:
        yield passing


@pytest.fixture(scope="session")
def broker(
    jars: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[KafkaServer, proxy.Proxy]]:
    """A Kafka whose every client comes through a proxy, for that is the address it gives."""
    with proxy.Proxy(proxy.Kafka) as passing:
        addresses = {"advertised.listeners": f"PLAINTEXT://{proxy.HOST}:{passing.port}"}
        server = KafkaServer(tmp_path_factory.mktemp("broker"), jars, properties=addresses)
        server.begin()
        passing.target = server.port
        try:
            yield server.wait(), passing
        finally:
            server.stop()


@pytest.fixture
def to_broker(broker: tuple[KafkaServer, proxy.Proxy]) -> proxy.Proxy:
    return broker[1]


@pytest.fixture
def ways(
    broker: tuple[KafkaServer, proxy.Proxy], to_store: proxy.Proxy, store: ValkeyServer, unique: Unique, tmp_path: Path
) -> Ways:
    _, to_broker = broker
    url = f"redis://{proxy.HOST}:{to_store.port}/0"
    return Ways(prepare(f"{proxy.HOST}:{to_broker.port}", url, unique, tmp_path, 51), to_store, to_broker)


@pytest.fixture
def begun(kafka: KafkaServer, unique: Unique, tmp_path: Path) -> Callable[[str], Scene]:
    """Make a scene with records waiting, for a store at some address."""

    def begin(redis: str) -> Scene:
        scene = prepare(kafka.bootstrap, redis, unique, tmp_path, 61)
        scene.send(RECORDS)
        return scene

    return begin


@pytest.fixture
def scene(begun: Callable[[str], Scene], to_store: proxy.Proxy) -> Scene:
    return begun(f"redis://{proxy.HOST}:{to_store.port}/0")
