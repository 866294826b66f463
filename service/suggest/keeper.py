"""Keeps the account of matchups in its topic."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from service.broker import ensure_topic
from service.brokers import Brokers
from service.log import LogUnavailable, matchups_topic
from service.partitioner import Partitioner
from service.suggest.account import Account, Base
from service.writer import SEND_S, Writer

_encode = msgspec.json.Encoder().encode


class Keeper:
    """Sends accounts; connects when the first is sent.

    Parameters
    ----------
    kafka : Brokers
    topic : str
        The topic of matches, beside which theirs is made where it is missing.
    partitioner : {"murmur2", "crc32"}
    """

    def __init__(self, kafka: Brokers, topic: str, partitioner: Partitioner) -> None:
        self._kafka = kafka
        self._topic = matchups_topic(topic)
        self._writer = Writer(kafka, self._topic, partitioner)
        self._there = asyncio.Lock()
        self._made = False

    async def keep(self, pool: str, partitions: int, records: Sequence[Base | Account]) -> None:
        """Have records acknowledged by every replica.

        Parameters
        ----------
        pool : str
        partitions : int
            Of the topic, where it has to be made.
        records : sequence of Base or Account

        Raises
        ------
        LogUnavailable
            Kafka has them not, or that is not known.
        """
        if not self._made:
            async with self._there:
                await self._make(partitions)
        sent = await self._writer.send([(pool, _encode(record)) for record in records], ())
        if None in sent:
            raise LogUnavailable("Kafka did not acknowledge the account of the matchups in time")

    async def _make(self, partitions: int) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                if not self._made:
                    await ensure_topic(self._kafka, self._topic, partitions)
                    self._made = True
        except TimeoutError as error:
            raise LogUnavailable(f"Kafka did not answer within {SEND_S:g} s") from error

    async def close(self) -> None:
        """End the connection."""
        await self._writer.close()
