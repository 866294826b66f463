"""Whoever sends matches over HTTP, in an installation whose topic has some partitions."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.api import Client, client, settings
from tests.conftest import Unique
from tests.ingesting import Place

PARTITIONS = 3
MATCHES = "/v1/matches"


@asynccontextmanager
async def sending(place: Place, **more: str) -> AsyncIterator[Client]:
    made = {"kafka": place.kafka, "topic": place.topic, "redis": place.redis, "installation": place.installation}
    made |= more
    async with client(settings(made.pop("redis"), made.pop("installation"), **made)) as ask:
        yield ask


def numbered(match: dict[str, Any], unique: Unique, **more: Any) -> dict[str, Any]:
    return {"id": unique("m"), "at": int(time.time() * 1000), **match, **more}


async def ends(place: Place) -> list[int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=place.kafka)
    await consumer.start()
    try:
        places = [TopicPartition(place.topic, number) for number in range(place.partitions)]
        found = await consumer.end_offsets(places)
        return [found[one] for one in places]
    finally:
        await consumer.stop()


async def sent(ask: Client, body: Any, status: int, **parameters: Any) -> Any:
    response = await ask.post(MATCHES, body, **parameters)
    assert response.status_code == status, response.text
    return response.json()["matches"]
