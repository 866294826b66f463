"""Matches sent over HTTP while Kafka is away, the topic missing, or nobody rates them."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from service import writer
from service.brokers import Brokers
from service.log import producer
from standings.embedded import KafkaServer, ValkeyServer
from tests.api import is_problem
from tests.conftest import Unique
from tests.ingesting import Ingesting, Place, free_port
from tests.league import duel, league
from tests.sending import MATCHES, numbered, sending, sent
from tests.topics import make, read_back


def test_nobody_rates_them_yet(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique) -> None:
    """Where ingest does not run, waiting ends with what is known: they are in Kafka."""
    place = Place(kafka.bootstrap, valkey.url, unique("idle"), 1, unique("idle"))
    make(place.kafka, place.topic, 1)

    async def run() -> None:
        async with sending(place) as ask:
            assert (await ask.read("/v1/pools"))["pools"] == []
            begun = time.monotonic()
            (one,) = await sent(ask, numbered(duel("x", "ann", "bob"), unique), 202, wait=0.5)
            assert 0.5 <= time.monotonic() - begun < 5
            assert one["position"] == f"1-{one['partition']}-{one['offset'] + 1}"
            assert one["outcome"] == "accepted"

    asyncio.run(run())


def test_the_first_match_of_all(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    """An API that has just seen an empty installation still tells what became of it."""
    place = Place(kafka.bootstrap, valkey.url, unique("first"), 1, unique("first"))
    make(place.kafka, place.topic, 1)

    async def run() -> None:
        async with sending(place) as ask:
            (one,) = await sent(ask, numbered(duel("x", "ann", "bob"), unique), 202)
            assert (await ask.read("/v1/pools"))["pools"] == []
            with Ingesting(place, tmp_path / "log", unique("group")) as ingest:
                await asyncio.to_thread(place.wait, [1], ingest)
                (one,) = await sent(ask, numbered(duel("x", "ann", "bob"), unique), 200, wait=10)
                assert [change["rank"] for change in one["changes"]] == [[1, 1], [2, 2]]
                # What one has sent one can read.
                assert (await ask.read("/v1/pools/x/players/ann", after=one["position"]))["matches"] == 2

    asyncio.run(run())


def test_a_topic_that_is_not_there(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SEND_S", 2.0)
    place = Place(kafka.bootstrap, valkey.url, unique("missing"), 1, unique("missing"))

    async def run() -> None:
        async with sending(place) as ask:
            begun = time.monotonic()
            response = await ask.post(MATCHES, numbered(duel("x", "ann", "bob"), unique))
            body = is_problem(response, 503, "kafka_unavailable")
            assert time.monotonic() - begun < writer.SEND_S + 2
            assert response.headers["retry-after"] == "1"
            assert body["detail"] == f"nothing was sent: Kafka did not tell of the topic {place.topic!r} within 2 s"

    asyncio.run(run())


def test_kafka_goes_and_comes_back(
    tmp_path: Path, jars: tuple[Path, ...], valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writer.SEND_S == 8
    monkeypatch.setattr(writer, "SEND_S", 4.0)

    async def run(server: KafkaServer) -> None:
        place = Place(server.bootstrap, valkey.url, "matches", 1, unique("away"))
        await asyncio.to_thread(make, place.kafka, place.topic, 1)
        async with sending(place) as ask, league(place.redis, place.installation) as made:
            await made.play(duel("chess", "ann", "bob"))
            assert (await sent(ask, numbered(duel("chess", "ann", "bob"), unique), 202))[0]["offset"] == 0
            await asyncio.to_thread(server.kill)
            begun = time.monotonic()
            doubtful = [numbered(duel("chess", "ann", "bob"), unique) for _ in range(3)]
            asked = asyncio.create_task(ask.post(MATCHES, {"matches": doubtful}))
            # Reads need no Kafka.
            while not asked.done():
                await ask.read("/v1/pools/chess/leaderboard")
                await asyncio.sleep(0.1)
            body = is_problem(await asked, 503, "kafka_unavailable")
            assert time.monotonic() - begun < writer.SEND_S + 2
            assert body["detail"].startswith(("Kafka has 0 of 3 matches for certain (none)", "nothing was sent: "))
            await asyncio.to_thread(server.start)
            # The same body again; what Kafka may have taken after all counts once, by its id.
            again = await sent(ask, {"matches": doubtful}, 202)
            log = (await asyncio.to_thread(read_back, place.kafka, place.topic))[0].records
            written = [json.loads(record.value or b"")["id"] for record in log]
            assert [written[one["offset"]] for one in again] == [one["id"] for one in doubtful]
            assert set(written[1:]) == {one["id"] for one in doubtful}

    with KafkaServer(tmp_path, jars) as server:
        asyncio.run(run(server))


def test_kafka_was_never_there(valkey: ValkeyServer, unique: Unique) -> None:
    place = Place(f"127.0.0.1:{free_port()}", valkey.url, "matches", 1, unique("away"))

    async def run() -> None:
        async with sending(place) as ask:
            for _ in range(2):
                begun = time.monotonic()
                response = await ask.post(MATCHES, numbered(duel("chess", "ann", "bob"), unique))
                body = is_problem(response, 503, "kafka_unavailable")
                assert body["detail"] == "nothing was sent: Kafka does not answer"
                assert time.monotonic() - begun < writer.SEND_S + 2

    asyncio.run(run())


def test_every_replica_acknowledges_and_repeats_are_known(kafka: KafkaServer) -> None:
    async def run() -> None:
        made = producer(Brokers(kafka.bootstrap))
        try:
            assert made._sender._acks == -1
            assert made._txn_manager is not None
        finally:
            await made.stop()

    asyncio.run(run())
