"""Reads one partition from Kafka: no call is ever cancelled, and none holds its caller up when that is to end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CorruptRecordException, KafkaTimeoutError
from aiokafka.structs import ConsumerRecord, TopicPartition

from consumers.skips import Skips
from consumers.takeover import Undecided

POLL_MS: Final = 250
FETCH_RECORDS: Final = 5_000

POSITION_S: Final = 10.0
"""Kafka's client knows the position, which was sought; where it has lost it, it would wait for one for ever."""


class Fetch:
    """Calls `getmany` for one partition, one call at a time.

    A call that is cancelled lets aiokafka lose count of its callers. A call that meets a rebalance comes back only with
    the next assignment, and that in turn waits until the owner of the partition has ended. So the owner ends without
    it, and the next owner waits for it before it lets Kafka hand out any record.

    Parameters
    ----------
    consumer : AIOKafkaConsumer
    place : TopicPartition
        The partition.
    closing : asyncio.Event
        Set when the owner is to end.
    """

    def __init__(self, consumer: AIOKafkaConsumer, place: TopicPartition, closing: asyncio.Event) -> None:
        self._consumer = consumer
        self._place = place
        self._closing = closing
        self._call: asyncio.Future[Any] | None = None
        self._careful = range(0)
        """Where something is damaged, as far as is known."""
        self.skips = Skips()
        """What is passed without being fetched."""

    @property
    def left_alone(self) -> asyncio.Future[Any] | None:
        """The call that has not come back; it may yet take records of the partition."""
        return None if self._call is None or self._call.done() else self._call

    async def position(self) -> int:
        """Offset of the next record that will be fetched.

        Raises
        ------
        KafkaTimeoutError
            Kafka's client knows none.
        """
        try:
            async with asyncio.timeout(POSITION_S):
                position: int = await self._consumer.position(self._place)
                return position
        except TimeoutError as error:
            raise KafkaTimeoutError(f"Kafka's client has had no position for {POSITION_S:g} s") from error

    async def records(self) -> Sequence[ConsumerRecord]:
        """Next records; none after a while without any, or where the owner is to end meanwhile.

        Raises
        ------
        Undecided
            The record at the consumer's position lies there damaged.
        """
        position = await self.position()
        if position != (beyond := self.skips.beyond(position)):
            self._consumer.seek(self._place, beyond)
            position = beyond
        # What cannot be read takes with it what was fetched before it in the same call: near it, one at a time.
        following = self.skips.following(position)
        alone = position in self._careful or (following is not None and following - position <= FETCH_RECORDS)
        most = 1 if alone else FETCH_RECORDS
        call = asyncio.ensure_future(self._consumer.getmany(self._place, timeout_ms=POLL_MS, max_records=most))
        # Nobody asks a call that was left alone how it went.
        call.add_done_callback(lambda call: call.cancelled() or call.exception())
        await self.wait_for(call)
        if not call.done():
            return ()
        try:
            records: Sequence[ConsumerRecord] = call.result().get(self._place, ())
        # A header's name that is no UTF-8 is Kafka's business to take and aiokafka's to refuse.
        except (CorruptRecordException, UnicodeDecodeError) as error:
            if alone:
                self._careful = range(0)
                raise Undecided(
                    f"record: offset {position} lies damaged in the log ({error}): repair the log, or pass what"
                    f" cannot be read: standings skip {self._place.partition} {position}"
                ) from error
            self._consumer.seek(self._place, position)
            self._careful = range(position, position + FETCH_RECORDS)
            return ()
        return records

    async def wait_for(self, call: asyncio.Future[Any]) -> None:
        """Wait until a call comes back or the owner is to end."""
        self._call = call
        closing = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait((call, closing), return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
