"""Who stands still, by a clock that is given."""

from __future__ import annotations

import asyncio
import random

import httpx

from consumers.health import Health
from consumers.operations import application
from consumers.watchdog import COUNTED_S, LOOK_S, PROGRESS_S, Watchdog


class Clock:
    def __init__(self) -> None:
        self.now = 1e6

    def __call__(self) -> float:
        return self.now


def pass_time(watchdog: Watchdog, clock: Clock, seconds: float) -> None:
    for _ in range(round(seconds / LOOK_S)):
        clock.now += LOOK_S
        watchdog.look()


def test_the_part_that_made_no_round_for_longest_is_named() -> None:
    watchdog = Watchdog(clock := Clock())
    slow, quick = watchdog.begin("partition 1"), watchdog.begin("partition 2")
    for _ in range(20):
        pass_time(watchdog, clock, PROGRESS_S / 10)
        quick.beat()
        assert watchdog.still() == ("partition 1" if watchdog.counted > PROGRESS_S else None)
    pass_time(watchdog, clock, LOOK_S)
    slow.beat()
    assert watchdog.still() is None
    pass_time(watchdog, clock, PROGRESS_S - LOOK_S)
    assert watchdog.still() is None, "the bound itself is not past it"
    pass_time(watchdog, clock, LOOK_S)
    assert watchdog.still() == "partition 2"
    quick.end()
    assert watchdog.still() is None
    pass_time(watchdog, clock, LOOK_S)
    assert watchdog.still() == "partition 1"
    slow.end()
    slow.end()
    assert watchdog.still() is None


def test_whoever_begins_late_has_the_whole_time() -> None:
    watchdog = Watchdog(clock := Clock())
    pass_time(watchdog, clock, 10 * PROGRESS_S)
    pulse = watchdog.begin("group")
    pass_time(watchdog, clock, PROGRESS_S)
    assert watchdog.still() is None
    pass_time(watchdog, clock, LOOK_S)
    assert watchdog.still() == "group"
    watchdog.excuse()
    assert watchdog.still() is None
    pass_time(watchdog, clock, PROGRESS_S + LOOK_S)
    watchdog.clear()
    assert watchdog.still() is None
    pulse.beat()
    pulse.end()


def test_time_in_which_nobody_looked_is_nobodys_fault() -> None:
    """The loop was blocked, or the process stopped: however often, at most a little of each time counts."""
    watchdog = Watchdog(clock := Clock())
    watchdog.begin("commits")
    chance = random.Random(5)
    times = int(PROGRESS_S / COUNTED_S)
    for _ in range(times):
        clock.now += chance.uniform(COUNTED_S, 10 * PROGRESS_S)
        watchdog.look()
        assert watchdog.still() is None
    clock.now += COUNTED_S
    watchdog.look()
    assert watchdog.still() == "commits"


def test_livez_follows_from_progress_and_readyz_from_states() -> None:
    clock = Clock()
    health = Health(watchdog=Watchdog(clock))

    def ask(path: str) -> httpx.Response:
        async def get() -> httpx.Response:
            transport = httpx.ASGITransport(application(health))
            async with httpx.AsyncClient(transport=transport, base_url="http://ops") as client:
                return await client.get(path)

        return asyncio.run(get())

    pulse = health.watchdog.begin("partition 3")
    health.become("waiting_for_broker", "away")
    assert (ask("/livez").status_code, ask("/readyz").status_code) == (200, 503)
    health.become("running")
    assert ask("/readyz").status_code == 200
    pass_time(health.watchdog, clock, PROGRESS_S + LOOK_S)
    answer = ask("/livez")
    assert (answer.status_code, answer.text) == (503, "partition 3 stands still\n")
    pulse.beat()
    assert ask("/livez").status_code == 200
    health.become("waiting_for_redis", "away")
    health.partition(2, "stopped_by_operator_decision", "torn")
    shown = ask("/metrics").text
    for line in (
        'standings_ingest_state{state="waiting_for_redis"} 1.0',
        'standings_ingest_state{state="running"} 0.0',
        'standings_partitions{state="stopped_by_operator_decision"} 1.0',
    ):
        assert f"{line}\n" in shown
    health.forget(2)
