"""Records read where they lie."""

from __future__ import annotations

import asyncio
import random

import pytest

from service.brokers import Brokers
from service.records import Place, read_records
from standings.embedded import KafkaServer
from tests.made_up import unique_name
from tests.topics import Item, make, producer, write


@pytest.mark.parametrize("count", [1, 40, 5_900])
def test_records_are_read_where_they_lie(far: str, kafka: KafkaServer, count: int) -> None:
    """Near and far from each other, over many fetches; what was never there, and a transaction's mark, are left out."""
    chosen = random.Random(count).sample([(number, offset) for number in range(2) for offset in range(3_050)], count)
    places = [Place(far, number, offset) for number, offset in chosen]
    nowhere = [Place(far, 2, 0), Place(unique_name("none"), 0, 0)]
    found = asyncio.run(read_records(Brokers(kafka.bootstrap), [*places, *nowhere], 10.0))
    assert asyncio.run(read_records(Brokers(kafka.bootstrap), nowhere, 10.0)) == {}
    assert set(found) == {place for place in places if place.offset < 3_000 or place[1:] == (1, 3_000)}
    for place, record in found.items():
        assert (record.partition, record.offset) == place[1:]
        assert record.value == b"%d" % place.offset * 300


@pytest.fixture(scope="module")
def far(kafka: KafkaServer) -> str:
    """A topic of more than one fetch, with a transaction behind the rest of one partition."""
    topic = unique_name("far")
    items = [
        Item(None, b"%d" % offset * 300, 1_790_000_000_000, number) for number in range(2) for offset in range(3_000)
    ]
    make(kafka.bootstrap, topic, 2, items)

    async def work() -> None:
        async with producer(kafka.bootstrap, unique_name("transaction")) as sending, sending.transaction():
            await write(sending, topic, 2, [Item(None, b"3000" * 300, 1_790_000_000_000, 1)])

    asyncio.run(work())
    return topic
