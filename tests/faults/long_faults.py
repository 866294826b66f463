"""Rows of the crash matrix that take long to show: ``make chaos`` runs them, ``make test`` does not."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

import pytest
from redis import Redis

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.faults.points import Ways, ended_at_every_point
from tests.faults.proxy import HOST, Proxy
from tests.faults.scene import PARTITIONS, RECORDS, Recovery, Scene, prepare, waits, whole_again
from tests.ingesting import Ingesting, wait_for
from tests.made_up import mixture
from tests.replay import begin
from tests.servers.test_stopped import stopped
from tests.topics import add_partitions, make, produce, remove_topic, set_topic

Spoilt = Callable[[str, bool], None]

AWAY_S = 60.0


def test_told_to_stop_at_every_point(ways: Ways, recovery: Recovery) -> None:
    def tell(ingest: Ingesting) -> None:
        assert ingest.process is not None
        ingest.process.terminate()

    ended_at_every_point(ways, recovery, tell, 0)


def test_rolling_restart(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    scene = prepare(kafka.bootstrap, valkey.url, unique, tmp_path, 72)
    group = unique("group")
    with ExitStack() as stack:
        members = [stack.enter_context(scene.ingest(group)) for _ in range(2)]
        for one in members:
            one.wait_ready(lambda said: bool(said["ready"]) and 0 < len(said["partitions"]) < PARTITIONS)
        for number in range(2):
            scene.send(900)
            assert members[number].stop() == 0, members[number].said()
            members[number] = stack.enter_context(scene.ingest(group))
        with recovery.measured():
            scene.wait(*members)
            for one in members:
                one.wait_ready(lambda said: bool(said["ready"]) and 0 < len(said["partitions"]) < PARTITIONS)
    scene.check()


class Stalls:
    """Sends records all the time, and notes how long each partition stood still at most."""

    def __init__(self, scene: Scene) -> None:
        self.longest = [0.0] * PARTITIONS
        self._scene = scene
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._send, self._look)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        stood = ", ".join(f"{seconds:.1f} s" for seconds in self.longest)
        print(f"longest stall of each partition: {stood}")  # noqa: T201  # for docs/operating.md

    def _send(self) -> None:
        while not self._over.wait(0.1):
            self._scene.send(15)

    def _look(self) -> None:
        place = self._scene.here.place
        with place.client() as client:
            stood, since = place.positions(client), [time.monotonic()] * PARTITIONS
            while not self._over.wait(0.01):
                now = place.positions(client)
                for number in range(PARTITIONS):
                    if now[number] != stood[number]:
                        stood[number], since[number] = now[number], time.monotonic()
                    self.longest[number] = max(self.longest[number], time.monotonic() - since[number])


def test_rolling_restart_of_members_with_names(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    scene = prepare(kafka.bootstrap, valkey.url, unique, tmp_path, 74)
    group = unique("group")
    with ExitStack() as stack:

        def start(number: int) -> Ingesting:
            return stack.enter_context(replace(scene.ingest(group, 500), member=f"ingest-{number}"))

        members = [start(number) for number in range(PARTITIONS)]
        wait_for(lambda: [owned(one) for one in members] == [1] * PARTITIONS, lambda: "not shared out", *members)
        scene.send(900)
        scene.wait(*members)
        with Stalls(scene) as stalls:
            for number in range(PARTITIONS):
                others = [one for one in members if one is not members[number]]
                before = [one.metric("standings_rebalances_total") for one in others]
                assert members[number].stop() == 0, members[number].said()
                members[number] = start(number)
                members[number].wait_ready(lambda said: bool(said["ready"]) and len(said["partitions"]) == 1)
                assert [one.metric("standings_rebalances_total") for one in others] == before
        recovery.took(max(stalls.longest))
        scene.wait(*members)
    scene.check()


def test_a_member_with_a_name_does_not_return(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    """Nobody knows but by its session's end that it will not: its partition stands still for so long."""
    scene = prepare(kafka.bootstrap, valkey.url, unique, tmp_path, 75)
    group = unique("group")
    with ExitStack() as stack:
        members = [
            stack.enter_context(replace(scene.ingest(group, 500), member=f"ingest-{number}"))
            for number in range(PARTITIONS)
        ]
        wait_for(lambda: [owned(one) for one in members] == [1] * PARTITIONS, lambda: "not shared out", *members)
        scene.send(900)
        scene.wait(*members)
        with Stalls(scene) as stalls:
            gone = members.pop()
            assert gone.stop() == 0, gone.said()
            wait_for(
                lambda: sorted(owned(one) for one in members) == [1, PARTITIONS - 1],
                lambda: "not shared out",
                *members,
            )
        recovery.took(max(stalls.longest))
        scene.wait(*members)
    scene.check()


def test_more_members_than_partitions(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    scene = prepare(kafka.bootstrap, valkey.url, unique, tmp_path, 73)
    group = unique("group")
    with ExitStack() as stack:
        members = [stack.enter_context(scene.ingest(group)) for _ in range(PARTITIONS + 1)]
        wait_for(
            lambda: sorted(owned(one) for one in members) == [0, *[1] * PARTITIONS], lambda: "not shared out", *members
        )
        scene.send(900)
        leaving = next(one for one in members if owned(one) == 1)
        members.remove(leaving)
        assert leaving.stop() == 0, leaving.said()
        with recovery.measured():
            scene.wait(*members)
            wait_for(lambda: [owned(one) for one in members] == [1] * PARTITIONS, lambda: "not shared out", *members)
    scene.check()


def owned(ingest: Ingesting) -> int:
    """How many partitions a member owns; -1 while it is not ready."""
    said = ingest.ready()
    return len(said["partitions"]) if said["ready"] else -1


def test_answers_nothing_for_longer_than_a_call_may_take(scene: Scene, store: ValkeyServer, recovery: Recovery) -> None:
    with scene.ingest() as ingest, Redis.from_url(store.url) as client:
        scene.here.place.wait_past(RECORDS // 2, ingest)
        # All clients, this one too.
        client.client_pause(7_000)
        ingest.wait_ready(waits)
        client.ping()
        whole_again(scene, recovery, ingest)
    scene.check()


def test_unreachable_for_a_minute(
    broker: tuple[KafkaServer, Proxy], valkey: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    """Longer than a member's session, and than a client's requests live."""
    _, to_broker = broker
    scene = prepare(f"{HOST}:{to_broker.port}", valkey.url, unique, tmp_path, 81)
    scene.send(1_500)
    with scene.ingest() as ingest:
        scene.here.place.wait_past(500, ingest)
        scene.send(600)
        to_broker.refuse(True)
        # How long it is away is the fault itself.
        threading.Event().wait(AWAY_S)
        assert not ingest.ready()["ready"]
        to_broker.refuse(False)
        scene.send(300)
        whole_again(scene, recovery, ingest)
    scene.check()


@pytest.mark.parametrize("count", [pytest.param(100, id="shorter"), pytest.param(1_500, id="longer")])
def test_topic_made_again_while_it_runs(
    count: int, kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(84, 600, PARTITIONS))
    with here.ingest() as ingest:
        here.wait(ingest)
        asyncio.run(remove_topic(kafka.bootstrap, here.place.topic))
        make(kafka.bootstrap, here.place.topic, PARTITIONS, mixture(85, count, PARTITIONS))
        assert "log: " in stopped(ingest, *range(PARTITIONS))
    # What was applied is as it was.
    here.check()


def test_topic_made_again_while_nobody_looks(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    """No fetch of ours meets the hour in which there is none, so that the new log, longer, fits by its offsets."""
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(96, 600, PARTITIONS))
    with here.ingest() as ingest:
        here.wait(ingest)
        ingest.wait_ready(lambda said: bool(said["ready"]))
        assert ingest.process is not None
        ingest.process.send_signal(signal.SIGSTOP)
        try:
            asyncio.run(remove_topic(kafka.bootstrap, here.place.topic))
            make(kafka.bootstrap, here.place.topic, PARTITIONS, mixture(97, 1_500, PARTITIONS))
            # Shorter than its session, longer than any fetch.
            threading.Event().wait(3)
        finally:
            ingest.process.send_signal(signal.SIGCONT)
        assert "not the record that was applied" in stopped(ingest, *range(PARTITIONS))
    here.check()


@pytest.fixture
def spoilt(kafka: KafkaServer, store: ValkeyServer, reason: str) -> Spoilt:
    """Set it wrong, for this reason, or back."""

    def spoil(topic: str, wrong: bool) -> None:
        if reason == "policy":
            with Redis.from_url(store.url) as client:
                client.config_set("maxmemory-policy", "allkeys-lru" if wrong else "noeviction")
        elif reason == "partitions":
            asyncio.run(add_partitions(kafka.bootstrap, topic, PARTITIONS + 1))
        else:
            settings = {"cleanup.policy": "compact" if wrong else "delete", "retention.ms": "-1"}
            asyncio.run(set_topic(kafka.bootstrap, topic, settings))

    return spoil


@pytest.mark.parametrize("reason", ["cleanup", "partitions", "policy"])
def test_set_wrong_while_it_runs(
    kafka: KafkaServer, store: ValkeyServer, unique: Unique, tmp_path: Path, spoilt: Spoilt, reason: str
) -> None:
    here = begin(kafka.bootstrap, store.url, unique, tmp_path, PARTITIONS, mixture(93, 600, PARTITIONS))
    group = unique("group")
    with here.ingest(group) as ingest:
        here.wait(ingest)
        spoilt(here.place.topic, True)
        said = ingest.wait_ready(
            lambda said: {one["state"] for one in said["partitions"]} == {"stopped_by_operator_decision"}
        )
        assert all(one["reason"].startswith(f"{reason}: ") for one in said["partitions"])
        # Nothing more is brought in. A compacted topic takes no record without a key.
        more = [one for one in mixture(94, 300, PARTITIONS) if one.key is not None]
        produce(kafka.bootstrap, here.place.topic, PARTITIONS, more)
    here.check()
    if reason == "partitions":
        # There is no way back.
        return
    spoilt(here.place.topic, False)
    here = here.reread()
    with here.ingest(group) as ingest:
        here.wait(ingest)
    here.check()


def test_second_group_while_it_runs(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(95, 300, PARTITIONS))
    with here.ingest() as one:
        one.wait_ready(lambda said: bool(said["ready"]))
        # What the first one noted is lost, so the second one does not know of it.
        with here.ingest() as other:
            assert "group: " in stopped(one, *range(PARTITIONS))
            here = here.longer(mixture(96, 300, PARTITIONS))
            here.wait(other)
            other.wait_ready(lambda said: bool(said["ready"]))
    here.check()


@pytest.mark.parametrize("kept", ["always", "none"])
def test_killed_under_load(
    kept: Literal["always", "none"],
    begun: Callable[[str], Scene],
    tmp_path: Path,
    recovery: Recovery,
) -> None:
    server = (
        ValkeyServer(tmp_path / "store", extra=["--appendonly", "no"])
        if kept == "none"
        else ValkeyServer(tmp_path / "store", appendfsync=kept)
    )
    with server as own:
        scene = begun(own.url)
        with scene.ingest() as ingest:
            scene.here.place.wait_past(RECORDS // 2, ingest)
            own.kill()
            ingest.wait_ready(waits)
            own.start()
            if kept != "none":
                with scene.here.place.client() as client:
                    assert sum(scene.here.place.positions(client)) >= RECORDS // 2
            whole_again(scene, recovery, ingest)
        scene.check()
