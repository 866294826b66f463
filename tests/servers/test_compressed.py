"""What a compressed batch may become: bounded by the brokers of a topic that stores uncompressed, by nothing else."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from service.broker import TOPIC_SETTINGS, ensure_topic
from service.brokers import Brokers
from standings.embedded import KafkaServer
from tests.conftest import Unique
from tests.topics import set_topic

LARGE = 16 << 20


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_unpacked_by_the_broker_it_must_fit(codec: str, kafka: KafkaServer, unique: Unique) -> None:
    topic = unique("matches")

    async def send() -> int:
        """Send a record that is small as it travels; answers its offset."""
        async with AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap, compression_type=codec, max_request_size=2 * LARGE
        ) as client:
            return int((await client.send_and_wait(topic, bytes(LARGE), key=b"chess")).offset)

    async def work() -> None:
        await ensure_topic(Brokers(kafka.bootstrap), topic, 1)
        assert await send() == 0
        await set_topic(kafka.bootstrap, topic, {**TOPIC_SETTINGS, "compression.type": "uncompressed"})
        with pytest.raises(MessageSizeTooLargeError):
            await send()

    asyncio.run(work())
