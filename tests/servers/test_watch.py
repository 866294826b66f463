"""What becomes wrong while ingest runs is seen: settings of the topic and of the store changed for real."""

from __future__ import annotations

import asyncio
import faulthandler
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from prometheus_client import REGISTRY
from pydantic import SecretStr
from redis import Redis
from structlog.testing import CapturingLogger

from consumers import watch
from consumers.ingest import Ingest
from consumers.takeover import Undecided
from consumers.watch import Unusable, Watch
from service.settings import Settings
from service.store.connection import Store
from service.store.layout import Keys
from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.ingesting import DEADLINE_S
from tests.topics import add_partitions, make_topic, set_topic

PARTITIONS = 2


@asynccontextmanager
async def member(kafka: str, group: str, topic: str) -> AsyncIterator[None]:
    """A member of a group that reads a topic."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()


def gauge(name: str) -> float | None:
    return REGISTRY.get_sample_value(name)


class Here:
    """A watch that has seen that all is well."""

    def __init__(self, kafka: str, redis: str, unique: Unique) -> None:
        self.kafka, self.topic, self.group = kafka, unique("watched"), unique("group")
        self.settings = Settings(
            kafka=kafka,
            redis=SecretStr(redis),
            topic=self.topic,
            group=self.group,
            installation=unique("installation"),
        )
        self.store = Store(redis)
        self.watch = Watch(self.settings, self.store)

    def run(self, steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def work() -> None:
            try:
                await make_topic(self.kafka, self.topic, PARTITIONS)
                await self.begin()
                await self.watch.look()
                self.watch.check()
                await steps()
            finally:
                await self.store.close()

        asyncio.run(work())

    async def begin(self) -> None:
        for see in (self.watch.see_store, self.watch.see_topic, self.watch.see_group):
            await see()

    async def stops(self, reason: str) -> None:
        """Another look finds it and says what to do."""
        await self.watch.look()
        with pytest.raises(Undecided, match=f"^{reason}: ") as found:
            self.watch.check()
        assert "start ingest again" in str(found.value)


@pytest.fixture
def here(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique) -> Here:
    return Here(kafka.bootstrap, valkey.url, unique)


def test_compacted_for_a_while(here: Here) -> None:
    async def steps() -> None:
        await set_topic(here.kafka, here.topic, {"cleanup.policy": "compact,delete", "retention.ms": "-1"})
        await here.stops("cleanup")
        with pytest.raises(Unusable, match=r"^cleanup: "):
            await here.begin()
        # What the cleaner did meanwhile nobody knows: it does not go on by itself.
        await set_topic(here.kafka, here.topic, {"retention.ms": "-1"})
        await here.begin()
        await here.stops("cleanup")

    here.run(steps)


def test_every_partition_stops(here: Here) -> None:
    """Of ingest at work, in this process: half a minute is long."""

    async def steps() -> None:
        part = Ingest(here.settings, 0)
        work = asyncio.create_task(part._work())

        async def become(state: str) -> None:
            async with asyncio.timeout(DEADLINE_S):
                while [now for now, _ in part.health.partitions.values()] != [state] * PARTITIONS:
                    assert not work.done()
                    await asyncio.sleep(0.01)

        try:
            await become("running")
            assert part.health.ready
            await set_topic(here.kafka, here.topic, {"cleanup.policy": "compact"})
            await part._watch.look()
            await become("stopped_by_operator_decision")
            assert all(reason.startswith("cleanup: ") for _, reason in part.health.partitions.values())
            assert not part.health.ready
        finally:
            part._stop.set()
            await work
            # It watches over this process, too.
            faulthandler.cancel_dump_traceback_later()
            await part._store.close()

    here.run(steps)


def test_partitions_added(here: Here) -> None:
    async def steps() -> None:
        await add_partitions(here.kafka, here.topic, PARTITIONS + 1)
        await here.stops("partitions")

    here.run(steps)


def test_retention_shortened(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    log = CapturingLogger()
    monkeypatch.setattr(watch, "_log", log)

    async def steps() -> None:
        assert gauge("standings_topic_retention_seconds") == math.inf
        assert gauge("standings_topic_forgets") == 0
        for _ in range(2):
            await set_topic(here.kafka, here.topic, {"retention.ms": "3600000"})
            await here.watch.look()
            assert gauge("standings_topic_retention_seconds") == 3600
            assert gauge("standings_topic_forgets") == 1
        await set_topic(here.kafka, here.topic, {"retention.ms": "-1", "retention.bytes": "1000000000"})
        await here.watch.look()
        assert gauge("standings_topic_retention_seconds") == math.inf
        assert gauge("standings_topic_forgets") == 1
        here.watch.check()

    here.run(steps)
    # Once for each change, with what to do.
    said = [call.kwargs["remedy"] for call in log.calls if call.args == ("the topic forgets",)]
    assert ["retention.ms=-1" in remedy for remedy in said] == [True, False]
    assert "retention.bytes=-1" in said[1]


def test_a_store_that_begins_to_forget(kafka: KafkaServer, unique: Unique, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "store") as own:
        here = Here(kafka.bootstrap, own.url, unique)

        async def steps() -> None:
            with Redis.from_url(own.url) as client:
                client.config_set("maxmemory-policy", "allkeys-lru")
                await here.stops("policy")
                client.config_set("maxmemory-policy", "noeviction")
            await here.stops("policy")

        here.run(steps)


def test_another_group(here: Here, valkey: ValkeyServer, unique: Unique) -> None:
    key = Keys(here.settings.installation, here.topic, 0).group
    other, elsewhere = unique("other"), unique("elsewhere")

    async def steps() -> None:
        await make_topic(here.kafka, elsewhere, PARTITIONS)
        with Redis.from_url(valkey.url) as client:
            assert client.get(key) == here.group.encode()
            # Emptied, it is noted again.
            client.delete(key)
            await here.watch.look()
            assert client.get(key) == here.group.encode()
            # A group that is noted and reads another topic by now is in nobody's way.
            client.set(key, other)
            async with member(here.kafka, other, elsewhere):
                await here.watch.look()
            assert client.get(key) == here.group.encode()
            here.watch.check()
            client.set(key, other)
            async with member(here.kafka, other, here.topic):
                await here.stops("group")
                assert client.get(key) == other.encode()

    here.run(steps)


def test_what_cannot_be_seen_stops_nothing(here: Here) -> None:
    async def steps() -> None:
        away = Settings(**{**here.settings.model_dump(), "kafka": "127.0.0.1:1"})
        store = Store("redis://127.0.0.1:1/0")
        watch = Watch(away, store)
        await watch.look()
        watch.check()
        await store.close()

    here.run(steps)
