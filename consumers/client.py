"""All of ingest that hangs on Kafka's client, so that it can be torn down and built anew as one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from consumers.assignment import Assignment
from consumers.dead_letters import DeadLetters
from consumers.health import Health
from consumers.surroundings import Surroundings
from consumers.tally import Bounds
from consumers.watch import Unusable, Watch
from service.broker import Group, describe_group
from service.log import LogUnavailable, producer
from service.partitioner import partition_of
from service.pools import Pools
from service.settings import Settings
from service.store.connection import Store

COMMIT_S: Final = 2.0
"""Between two commits."""

ASK_S: Final = 5.0
"""Time that the group's coordinator has to answer."""

STOP_S: Final = 20.0
"""From SIGTERM to the end of the process, at most."""

FETCH_BYTES: Final = 4 << 20
"""Bytes that a partition is fetched at a time; a larger record still comes, alone."""

SESSION_MS: Final = 10_000
"""A member that is not heard of for so long is taken for dead, and the others get its partitions."""

NAMED_SESSION_MS: Final = 45_000
"""The same for a member with a name: a process has to end and another to start in it, compiled code read in."""

_log = structlog.get_logger()


class Broken(Exception):
    """A task of Kafka's client has ended, by an error that it did not expect, and nobody else would say so."""

    def __init__(self, part: str, error: BaseException | None) -> None:
        super().__init__(f"{part} broke off: {error!r}")
        self.part = part


class Client:
    """A consumer in the group, a producer of dead letters, and the owners of the partitions that are ours.

    Parameters
    ----------
    settings : Settings
    store : Store
    pools : Pools
    health : Health
        Is told of states, and given pulses to watch.
    watch : Watch
        Looks at topic and store all the while.
    """

    def __init__(self, settings: Settings, store: Store, pools: Pools, health: Health, watch: Watch) -> None:
        self._settings = settings
        self._watch = watch
        self._health = health
        self._letters = producer(settings.brokers)
        self._consumer = AIOKafkaConsumer(
            **settings.brokers.arguments(),
            group_id=settings.group,
            group_instance_id=settings.member,
            session_timeout_ms=SESSION_MS if settings.member is None else NAMED_SESSION_MS,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=8 * FETCH_BYTES,
            metadata_max_age_ms=30_000,
            # Longer than workers have to end, and a heartbeat, or a slow Redis would cost the membership.
            rebalance_timeout_ms=20_000,
        )
        self._assignment = Assignment(
            Surroundings(
                consumer=self._consumer,
                store=store,
                letters=DeadLetters(self._letters, settings.topic),
                health=health,
                installation=settings.installation,
                batch=settings.batch,
                partition_of=lambda pool, partitions: partition_of(pool, partitions, settings.partitioner),
                pools=pools,
                bounds=Bounds(settings.most_dead_share, settings.most_dead_run),
                watch=watch,
            )
        )
        if settings.member is not None:
            self._assignment.before_joining = self._see_that_the_name_is_ours

    @property
    def parts(self) -> Sequence[AIOKafkaProducer | AIOKafkaConsumer]:
        """What must be started, in this order; a start that failed can be repeated."""
        return self._letters, self._consumer

    async def work(self, stop: asyncio.Event) -> None:
        """Own what the group assigns, and commit, until told to stop.

        Raises
        ------
        Unusable
            Another process has the member's name.
        Broken
        """
        self._consumer.subscribe([self._settings.topic], listener=self._assignment)
        told = asyncio.create_task(stop.wait())
        watching = asyncio.create_task(self._watch.run())
        ended: set[asyncio.Future[Any]] = {told, self._assignment.failure, watching}
        pulse = self._health.watchdog.begin("commits")
        try:
            while not told.done():
                await asyncio.wait(ended, timeout=COMMIT_S, return_when=asyncio.FIRST_COMPLETED)
                for failed in (self._assignment.failure, watching):
                    if failed.done():
                        failed.result()
                self._see_that_it_is_whole()
                await self._commit()
                pulse.beat()
        finally:
            pulse.end()
            told.cancel()
            watching.cancel()
            await asyncio.wait([watching], timeout=COMMIT_S)

    async def close(self, for_good: bool) -> bool:
        """End the workers, tell Kafka how far they came, and leave; answers whether all has ended in `STOP_S`.

        Parameters
        ----------
        for_good : bool
            Whether nobody comes back under the member's name, so that its partitions are to be shared out at once.
        """
        try:
            async with asyncio.timeout(STOP_S):
                await self._assignment.close()
                await self._commit()
                await self._assignment.abandon()
                if for_good:
                    # aiokafka keeps the seat of a member that has a name; by its id Kafka lets any member leave.
                    self._consumer._coordinator._group_instance_id = None  # noqa: SLF001  # there is no public way
                for part, connections in (
                    (self._consumer, self._consumer._client),  # noqa: SLF001  # the producer's is public
                    (self._letters, self._letters.client),
                ):
                    try:
                        await part.stop()
                    except KafkaError as error:
                        # What broke off is raised here, too, and then its connections stay open.
                        _log.info("client_broken", error=str(error))
                        await connections.close()
        except TimeoutError:
            return False
        return True

    def _see_that_it_is_whole(self) -> None:
        """Look at the tasks that do all of aiokafka's work: where one has died, its callers wait on as if for records.

        A connection that is closed while it is written to is enough: uvloop raises what aiokafka takes for impossible.
        """
        consumer, sender = self._consumer, self._letters._sender  # noqa: SLF001  # no public name tells of these tasks
        tasks: dict[str, asyncio.Task[None]] = {
            "fetch": consumer._fetcher._fetch_task,  # noqa: SLF001  # as above
            "group": consumer._coordinator._coordination_task,  # noqa: SLF001  # as above
            "letters": sender.sender_task,
        }
        for part, task in tasks.items():
            if task.done():
                raise Broken(part, None if task.cancelled() else task.exception())

    async def look(self) -> Group:
        """Ask the brokers, by another connection, who is in the group.

        Raises
        ------
        LogUnavailable
            They do not answer either.
        Unusable
            Another process has the member's name.
        """
        settings = self._settings
        try:
            async with asyncio.timeout(ASK_S):
                group = await describe_group(settings.brokers, settings.topic, settings.group, 0)
        except TimeoutError as error:
            raise LogUnavailable(f"the group's coordinator did not answer within {ASK_S:g} s") from error
        # Nothing, where Kafka has refused the member that it was.
        mine: str = self._consumer._coordinator.member_id  # noqa: SLF001  # told nowhere else
        if self._assignment.joined and mine not in group.ids and any(map(self._named, group.ids)):
            raise Unusable(
                f"member: another process joined group {settings.group!r} as {settings.member!r}, so this one ends;"
                " give each a STANDINGS_MEMBER (--member) of its own"
            )
        return group

    async def _see_that_the_name_is_ours(self) -> None:
        """Before a join: aiokafka knows of no fencing, it would take the name back, and then the other, and so on."""
        try:
            await self.look()
        except LogUnavailable as error:
            # Whoever comes to join then is the newer one, and the other ends.
            _log.warning("group_unknown", reason=str(error))

    def _named(self, member: str) -> bool:
        """Whether Kafka made a member's id of our name: a UUID follows it."""
        return re.fullmatch(re.escape(self._settings.member or "") + "-[0-9a-f-]{36}", member) is not None

    async def _commit(self) -> None:
        """Tell Kafka how far Redis is, and how each partition does. For lag tools and `doctor` only."""
        offsets = {
            place: OffsetAndMetadata(position, self._health.told(place.partition))
            for place, position in self._assignment.positions().items()
        }
        if not offsets:
            return
        try:
            async with asyncio.timeout(ASK_S):
                await self._consumer.commit(offsets)
        except TimeoutError:
            self._health.become("waiting_for_broker", f"the group's coordinator did not answer within {ASK_S:g} s")
        except (CommitFailedError, IllegalStateError, KafkaError):
            # A rebalance, mostly, and that has its own states.
            return
        else:
            if self._health.state == "waiting_for_broker":
                self._health.become("running")
