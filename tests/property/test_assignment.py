"""The assignment logic against a model in memory: partitions come and go in any order, workers are slow to end or fail.

Real are the assignment, its workers, their calls to Kafka and the scripts; made up are Kafka's client, two processes
in one, and time, which passes at once wherever all wait for it.
"""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Coroutine, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from aiokafka.errors import IllegalStateError
from aiokafka.structs import TopicPartition
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from consumers.assignment import REVOKE_S, Assignment
from consumers.dead_letters import DeadLetters
from consumers.health import Health
from consumers.surroundings import Surroundings
from consumers.tally import Bounds
from consumers.watch import Watch
from service.pools import Pools
from service.settings import Settings
from service.store.connection import TIMEOUT_S, Argument, StoreUnavailable
from service.store.layout import Keys
from tests.league import AT, TOPIC, Record, duel
from tests.unit.test_scripts import FakeStore

T = TypeVar("T")

PARTITIONS, MEMBERS = 3, 2


class Owner:
    """Whoever works on a partition, and whatever it starts.

    Parameters
    ----------
    state : str
        The partition's key, which an owner reads before all else.
    """

    def __init__(self, state: str) -> None:
        self.state = state


OWNER: ContextVar[Owner] = ContextVar("owner")


class Passing(selectors.SelectSelector):
    """Lets time pass where others would wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "all wait for what never comes"
            self.now += max(0.0, timeout)
        return ready


class Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._passing = Passing()
        super().__init__(self._passing)

    def time(self) -> float:
        return self._passing.now


class Kafka:
    """The client of one member, as far as its workers see it, on a log that all share."""

    def __init__(self, logs: list[list[Record]]) -> None:
        self._logs = logs
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._calling: set[TopicPartition] = set()
        self._assigned = asyncio.Event()

    async def rebalance(self, listener: Assignment, places: Sequence[TopicPartition], turns: int) -> None:
        """As aiokafka does it: calls stand still, and go on before the listener has heard of the assignment."""
        self._assigned.clear()
        await listener.on_partitions_revoked(self.assignment())
        self._positions, self._paused = dict.fromkeys(places, 0), set()
        self._assigned.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        await listener.on_partitions_assigned(places)

    async def getmany(self, place: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, Any]:
        assert place not in self._calling, "two calls at once"
        self._calling.add(place)
        try:
            await self._assigned.wait()
            if not (found := self._take(place, max_records)):
                await asyncio.sleep(timeout_ms / 1000)
                await self._assigned.wait()
                found = self._take(place, max_records)
            return {place: found} if found else {}
        finally:
            self._calling.remove(place)

    def _take(self, place: TopicPartition, most: int) -> list[Record]:
        if place not in self._positions or place in self._paused:
            return []
        start = self._positions[place]
        found = self._logs[place.partition][start : start + most]
        self._positions[place] = start + len(found)
        return found

    def _ours(self, place: TopicPartition) -> None:
        if place not in self._positions:
            raise IllegalStateError(f"{place} is not assigned")

    async def position(self, place: TopicPartition) -> int:
        self._ours(place)
        return self._positions[place]

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._ours(place)
        self._positions[place] = offset

    def pause(self, *places: TopicPartition) -> None:
        for place in places:
            self._ours(place)
            self._paused.add(place)

    def resume(self, *places: TopicPartition) -> None:
        for place in places:
            self._ours(place)
            self._paused.discard(place)

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._positions)

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(PARTITIONS))

    def highwater(self, place: TopicPartition) -> int:
        self._ours(place)
        return len(self._logs[place.partition])

    last_stable_offset = highwater

    def last_poll_timestamp(self, place: TopicPartition) -> int | None:
        self._ours(place)
        return None

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: self.highwater(place) for place in places}


class Watched(FakeStore):
    """The connection of one member: it may be slow or break down, and knows who asks.

    Attributes
    ----------
    delay : float
        Seconds before an answer; from `TIMEOUT_S` on there is none.
    deaf : bool
        Whether what is not answered was not done either.
    fault : Exception or None
        Raised by the next call.
    calls : list of Owner
        Whose calls are on their way.
    asked, ended : set of Owner
        Who asked at all, and who may not ask any more.
    """

    def __init__(self, shared: FakeStore) -> None:
        self.fake = shared.fake
        self.delay, self.deaf = 0.0, False
        self.fault: Exception | None = None
        self.calls: list[Owner] = []
        self.asked: set[Owner] = set()
        self.ended: set[Owner] = set()

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        if OWNER.get(None) is None:
            OWNER.set(Owner(keys[1]))
        owner = OWNER.get()
        assert owner not in self.ended, "ended, and works on"
        assert all(other is owner or other.state != owner.state for other in self.calls), "two owners of one partition"
        self.asked.add(owner)
        self.calls.append(owner)
        try:
            return await self._run(name, keys, arguments)
        finally:
            self.calls.remove(owner)

    async def _run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        if self.fault is not None:
            raise self.fault
        in_time = self.delay < TIMEOUT_S
        answer = await super().run(name, keys, arguments) if in_time or not self.deaf else None
        await asyncio.sleep(min(self.delay, TIMEOUT_S))
        if not in_time:
            raise StoreUnavailable("no answer")
        return answer


class Member:
    """One process."""

    def __init__(self, logs: list[list[Record]], shared: FakeStore) -> None:
        self.store = Watched(shared)
        self.kafka = Kafka(logs)
        self.health = Health()
        self.assignment = Assignment(
            Surroundings(
                consumer=self.kafka,
                store=self.store,
                letters=DeadLetters(cast("Any", None), TOPIC),
                health=self.health,
                installation="model",
                batch=2,
                partition_of=lambda pool, partitions: int(pool[1:]),
                pools=Pools(),
                bounds=Bounds(),
                watch=Watch(Settings(), self.store),
            )
        )


class Assigning(RuleBasedStateMachine):
    """Two members are given any partitions, both the same at times, as if one were taken for dead."""

    @initialize()
    def begin(self) -> None:
        self.loop = Loop()
        self.logs: list[list[Record]] = [[] for _ in range(PARTITIONS)]
        self.shared = FakeStore()
        self.members = [self.run(self.new()) for _ in range(MEMBERS)]

    @rule(partition=st.integers(0, PARTITIONS - 1), count=st.integers(1, 5))
    def arrive(self, partition: int, count: int) -> None:
        log = self.logs[partition]
        for offset in range(len(log), len(log) + count):
            match = duel(f"p{partition}", f"w{offset % 3}", "loser") | {"id": str(offset), "at": AT}
            log.append(Record(offset, AT, match["pool"].encode(), json.dumps(match).encode()))

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.3, 2.0, 12.0]))
    def wait(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule(number=st.integers(0, MEMBERS - 1), delay=st.sampled_from([0.0, 0.2, 3.0, 4.9, 5.0]), deaf=st.booleans())
    def slow_down(self, number: int, delay: float, deaf: bool) -> None:
        self.members[number].store.delay, self.members[number].store.deaf = delay, deaf

    @rule(
        number=st.integers(0, MEMBERS - 1),
        partitions=st.sets(st.integers(0, PARTITIONS - 1)),
        turns=st.integers(0, 2),
    )
    def rebalance(self, number: int, partitions: set[int], turns: int) -> None:
        member = self.members[number]
        places = [TopicPartition(TOPIC, partition) for partition in sorted(partitions)]
        self.run(self.rebalanced(member, places, turns))

    @rule(number=st.integers(0, MEMBERS - 1))
    def stop(self, number: int) -> None:
        """In the middle of whatever it does; another process comes in its place."""
        self.run(self.stopped(self.members[number]))
        self.members[number] = self.run(self.new())

    @rule(number=st.integers(0, MEMBERS - 1))
    def fail(self, number: int) -> None:
        """Nobody foresaw it: the process ends of it, and another comes in its place."""
        member = self.members[number]
        member.store.delay, member.store.fault = 0.0, LookupError("unforeseen")
        # So that there is a call.
        self.run(self.rebalanced(member, [TopicPartition(TOPIC, 0)], 0))
        self.run(asyncio.sleep(6.0))
        assert member.assignment.failure.done()
        assert member.assignment.failure.exception() is member.store.fault
        self.stop(number)

    @invariant()
    def reports_what_is_its_own(self) -> None:
        for member in self.members:
            assert member.assignment.positions().keys() <= member.kafka.assignment()

    @invariant()
    def goes_on(self) -> None:
        for member in self.members:
            assert not member.assignment.failure.done()
            assert {state for state, _ in member.health.partitions.values()} <= {
                *("starting", "running", "recovering", "waiting_for_redis")
            }

    def teardown(self) -> None:
        for member in self.members:
            member.store.delay = 0.0
        for member, partitions in zip(self.members, (range(PARTITIONS), ()), strict=True):
            self.run(self.rebalanced(member, [TopicPartition(TOPIC, number) for number in partitions], 0))
        self.run(asyncio.sleep(60.0))
        self.goes_on()
        ours = {place.partition: position for place, position in self.members[0].assignment.positions().items()}
        for number, log in enumerate(self.logs):
            stored = self.run(self.stored(number))
            assert (ours.get(number, 0), stored) == (len(log), {"applied": len(log)} if log else {})
        for member in self.members:
            self.run(self.stopped(member))
        # Calls to Kafka that were left alone come back by themselves.
        self.run(asyncio.sleep(1.0))
        assert asyncio.all_tasks(self.loop) == set()
        self.loop.close()

    async def new(self) -> Member:
        return Member(self.logs, self.shared)

    async def rebalanced(self, member: Member, places: list[TopicPartition], turns: int) -> None:
        begun = self.loop.time()
        await member.kafka.rebalance(member.assignment, places, turns)
        self.ended(member, self.loop.time() - begun)

    async def stopped(self, member: Member) -> None:
        begun = self.loop.time()
        await member.assignment.close()
        self.ended(member, self.loop.time() - begun)

    def ended(self, member: Member, seconds: float) -> None:
        """Workers have ended, or were given all the time there is; those that follow have not begun yet."""
        assert seconds <= REVOKE_S + 0.001
        if seconds < REVOKE_S - 0.001:
            assert not member.store.calls
            member.store.ended |= member.store.asked

    async def stored(self, number: int) -> dict[str, int]:
        state = cast("dict[bytes, bytes]", self.shared.fake.hgetall(Keys("model", TOPIC, number).state))
        return {name[6:].decode(): int(value) for name, value in state.items() if name.startswith(b"count/")}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)


TestAssigning = Assigning.TestCase
TestAssigning.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
