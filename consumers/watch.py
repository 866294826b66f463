"""Looks at what Kafka and Redis are set to: at the start, and every `WATCH_S` for as long as ingest runs.

At the start what would lose data is refused. What becomes so later stops every partition, and for good: what was lost
meanwhile cannot be told from what was never there, so an operator must compare, and start ingest again.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from consumers import conditions
from consumers.conditions import Fault
from consumers.takeover import Undecided
from service.broker import count_members, describe_topic
from service.log import LogUnavailable
from service.metrics import TOPIC_FORGETS, TOPIC_RETENTION_SECONDS
from service.settings import Settings
from service.store.connection import Store, StoreUnavailable
from service.store.group import claim
from service.store.inspect import read_policies
from service.store.layout import Keys

WATCH_S: Final = 30.0
SEE_S: Final = 10.0
"""Time for any one look; without an answer the next one must do."""

_log = structlog.get_logger()


class Unusable(Exception):
    """Kafka or Redis is there, but set up so that data would be lost, or that this process cannot get on."""


class Watch:
    """What one ingest process sees of the topic, the store and the group.

    Parameters
    ----------
    settings : Settings
    store : Store

    Attributes
    ----------
    partitions : int
        That the topic had when it was first seen; 0 before.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self.partitions = 0
        self._settings = settings
        self._store = store
        self._short: Fault | None = None
        self._stopped_by = ""

    def check(self) -> None:
        """See whether partitions may go on.

        Raises
        ------
        Undecided
            What was found since the start.
        """
        if self._stopped_by:
            raise Undecided(self._stopped_by)

    async def see_store(self) -> None:
        """See that Redis drops nothing.

        Raises
        ------
        Unusable
        StoreUnavailable
        """
        for policy in await read_policies(self._store):
            _refuse(conditions.policy(policy))

    async def see_topic(self) -> None:
        """See that the topic is there, keeps everything and has as many partitions as before.

        Raises
        ------
        Unusable
        LogUnavailable
        """
        topic = self._settings.topic
        found = await describe_topic(self._settings.brokers, topic)
        if found is None:
            raise LogUnavailable(f"the topic {topic!r} does not exist yet")
        self.partitions = self.partitions or found.partitions
        TOPIC_RETENTION_SECONDS.set(conditions.retention_seconds(found.settings))
        short = conditions.retention(topic, found.settings)
        TOPIC_FORGETS.set(short is not None)
        if short is not None and short != self._short:
            _log.warning("the topic forgets", found=short.found, remedy=short.remedy)
        self._short = short
        _refuse(conditions.cleanup(topic, found.settings))
        _refuse(conditions.partitions(self.partitions, found.partitions))

    async def see_group(self) -> None:
        """See that no other group is at work on the same keys; one that has no members left is stepped in for.

        Raises
        ------
        Unusable
        LogUnavailable, StoreUnavailable
        """
        settings, gone = self._settings, ""
        keys = Keys(settings.installation, settings.topic, 0)
        while (noted := await claim(self._store, keys, settings.group, gone)) != settings.group:
            members = await count_members(settings.brokers, settings.topic, noted)
            _refuse(conditions.group(settings.group, noted, members))
            gone = noted
        if gone:
            _log.info("took over from a group without members", group=gone)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(WATCH_S)
            await self.look()

    async def look(self) -> None:
        """Look at everything once; what cannot be seen now is seen the next time."""
        for see in (self.see_store, self.see_topic, self.see_group):
            try:
                async with asyncio.timeout(SEE_S):
                    await see()
            except Unusable as error:
                self._stopped_by = (
                    f"{error}; then compare each partition with its log (standings verify) and start ingest again"
                )
            except (LogUnavailable, StoreUnavailable, OSError) as error:
                # A timeout is an OSError without a text.
                _log.info("could not look", at=see.__name__, error=str(error) or type(error).__name__)


def _refuse(fault: Fault | None) -> None:
    if fault is not None:
        raise Unusable(str(fault))
