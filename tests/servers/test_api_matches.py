"""Matches sent over HTTP: to a real Kafka, rated by a real ingest, read again from the same Redis."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from service import writer
from service.log import producer
from service.partitioner import partition_of
from service.store import watch
from standings.embedded import KafkaServer, ValkeyServer
from tests.api import Client, client, is_problem, settings
from tests.ingesting import Ingesting, Place, free_port
from tests.league import duel, league
from tests.made_up import unique_name
from tests.topics import make, read_back, read_letters

Unique = Callable[[str], str]
PARTITIONS = 3
MATCHES = "/v1/matches"
JSON = {"Content-Type": "application/json"}
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def place(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An installation in which ingest runs."""
    made = Place(kafka.bootstrap, valkey.url, unique_name("sent"), PARTITIONS, unique_name("sent"))
    make(made.kafka, made.topic, PARTITIONS)
    make(made.kafka, f"{made.topic}.dead-letters", 1)
    with Ingesting(made, tmp_path_factory.mktemp("sent") / "ingest.log", unique_name("group")) as ingest:
        ingest.wait_ready(lambda ready: bool(ready["ready"]))
        yield made


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


def test_one_match_and_what_it_did(place: Place, unique: Unique) -> None:
    pool = unique("pool")
    board = f"/v1/pools/{pool}/players"

    async def standing(ask: Client, name: str) -> tuple[float, float, int]:
        body = await ask.read(f"{board}/{name}")
        return body["rating"], body["deviation"], body["rank"]

    async def run() -> tuple[Any, int]:
        async with sending(place) as ask:
            match = numbered(duel(pool, "ann", "b/ö b"), unique)
            (one,) = await sent(ask, match, 200, wait=10)
            changes = one.pop("changes")
            partition = partition_of(pool, PARTITIONS)
            assert one == {
                "id": match["id"],
                "pool": pool,
                "topic": place.topic,
                "partition": partition,
                "offset": one["offset"],
                "position": f"1-{partition}-{one['offset'] + 1}",
                "outcome": "applied",
            }
            assert [change["player"] for change in changes] == ["ann", "b/ö b"]
            assert [change["rank"][0] for change in changes] == [None, None]
            assert [change["rating"][0] for change in changes] == [1500.0, 1500.0]
            for change in changes:
                after = tuple(change[field][1] for field in ("rating", "deviation", "rank"))
                assert after == await standing(ask, change["player"])
            return match, one["offset"]

    match, offset = asyncio.run(run())
    # The topic has the match as it was sent, under its pool's name, and it asks for a receipt.
    read = read_back(place.kafka, place.topic)[partition_of(pool, PARTITIONS)]
    (record,) = (record for record in read.records if record.offset == offset)
    assert (json.loads(record.value or b""), record.key) == (match, pool.encode())
    assert record.headers == (("receipt", b""),)


def test_before_is_what_was_read_before(place: Place, unique: Unique) -> None:
    """Ratings, deviations and ranks, of those who pass each other and of those who come anew."""
    pool = unique("pool")
    fields = ("rating", "deviation", "rank")

    async def standings(ask: Client, names: list[str]) -> dict[str, tuple[Any, ...]]:
        body = (await ask.post(f"/v1/pools/{pool}/lookup", {"players": names})).json()
        return {row["player"]: tuple(row[field] for field in fields) for row in body["players"]}

    async def run() -> None:
        async with sending(place) as ask:
            names = [f"p{index}" for index in range(6)]
            rounds = [["p0", "p1"], ["p2", "p3"], ["p1", "p0"], ["p3", "p0", "p2"], ["p4", "p1", "p2", "p3", "p0"]]
            rounds += [["p0", "p4"], ["p0", "p4"], ["p5", "p0"]]
            for players in rounds:
                first = (await standings(ask, names)) if players != rounds[0] else {}
                sides = [{"players": [name], "rank": rank} for rank, name in enumerate(players, 1)]
                (one,) = await sent(ask, numbered({"pool": pool, "sides": sides}, unique), 200, wait=10)
                then = await standings(ask, names)
                for change in one["changes"]:
                    name = change["player"]
                    before, after = (tuple(change[field][when] for field in fields) for when in (0, 1))
                    assert after == then[name]
                    if name in first:
                        assert before == first[name], (players, name)
                    else:
                        assert before[2] is None

    asyncio.run(run())


def test_several_without_waiting(place: Place, unique: Unique) -> None:
    pools = [unique("pool") for _ in range(7)]

    async def run() -> None:
        async with sending(place) as ask:
            matches = [numbered(duel(pool, f"ann-{index}", "bob"), unique) for index in range(20) for pool in pools]
            answers = await sent(ask, {"matches": matches}, 202)
            assert [(one["id"], one["pool"]) for one in answers] == [(one["id"], one["pool"]) for one in matches]
            assert {one["outcome"] for one in answers} == {"accepted"}
            assert not any("changes" in one for one in answers)
            last = {one["pool"]: one["position"] for one in answers}
            for pool, position in last.items():
                body = await ask.read(f"/v1/pools/{pool}/players/bob", after=position, wait=10)
                assert (body["matches"], body["lost"]) == (20, 20)
            # In the order of the body within a pool: positions rise.
            for pool in pools:
                offsets = [one["offset"] for one in answers if one["pool"] == pool]
                assert offsets == sorted(offsets)

    asyncio.run(run())


def test_a_thousand_that_are_waited_for(place: Place, unique: Unique) -> None:
    pools = [unique("pool") for _ in range(4)]

    async def run() -> None:
        async with sending(place) as ask:
            matches = [numbered(duel(pools[index % 4], f"p{index}", "bob"), unique) for index in range(1_000)]
            answers = await sent(ask, {"matches": matches}, 200, wait=10)
            assert [one["id"] for one in answers] == [one["id"] for one in matches]
            assert {one["outcome"] for one in answers} == {"applied"}
            for one in answers:
                for change in one["changes"]:
                    before, after = change["rank"]
                    assert 1 <= after <= 251
                    assert before is None or 1 <= before <= 251
            # Only the newest of a player's ranks is among others as they stand.
            for pool in pools:
                final = [one["changes"] for one in answers if one["pool"] == pool][-1]
                for change in final:
                    read = await ask.read(f"/v1/pools/{pool}/players/{change['player']}")
                    assert read["rank"] == change["rank"][1]

    asyncio.run(run())


def test_one_that_is_wrong_keeps_all_back(place: Place, unique: Unique) -> None:
    pool = unique("pool")
    good = [numbered(duel(pool, "ann", "bob"), unique) for _ in range(5)]

    def with_wrong(change: Callable[[Any], Any]) -> Any:
        matches = json.loads(json.dumps(good))
        change(matches)
        return {"matches": matches}

    def set_rank(matches: Any) -> None:
        matches[3]["sides"][1]["rank"] = 0

    def no_id(matches: Any) -> None:
        del matches[2]["id"]

    def seed(matches: Any) -> None:
        players = [{"player": "ann", "rating": 9000}]
        matches[4] = {"type": "seed", "id": "s", "pool": pool, "at": 0, "system": "elo", "players": players}

    def twice(matches: Any) -> None:
        matches[4]["id"] = matches[1]["id"]

    def ahead(matches: Any) -> None:
        matches[0]["at"] = int(time.time() * 1000) + 2 * 86_400_000

    def two(matches: Any) -> None:
        set_rank(matches)
        no_id(matches)

    wrong: list[tuple[Callable[[Any], Any], set[str]]] = [
        (set_rank, {"matches[3].sides[1].rank"}),
        (no_id, {"matches[2].id"}),
        (seed, {"matches[4].type"}),
        (twice, {"matches[4].id"}),
        (ahead, {"matches[0].at"}),
        (two, {"matches[3].sides[1].rank", "matches[2].id"}),
        (lambda matches: matches[1]["sides"][1].update(players=["ann"]), {"matches[1].sides[1].players[0]"}),
        (lambda matches: matches.__setitem__(2, 7), {"matches[2]"}),
        (lambda matches: matches.clear(), {"matches"}),
        (lambda matches: matches.extend(numbered(duel(pool, "ann", "bob"), unique) for _ in range(996)), {"matches"}),
    ]

    async def run() -> None:
        async with sending(place) as ask:
            begun = await ends(place)
            for change, fields in wrong:
                for wait in (0, 1):
                    response = await ask.post(MATCHES, with_wrong(change), wait=wait)
                    body = is_problem(response, 422, "invalid_match")
                    assert {error["field"] for error in body["errors"]} == fields
                    assert all(error["problem"] and error["remedy"] for error in body["errors"])
            body = is_problem(await ask.post(MATCHES, {"matches": good, "more": 1}), 422, "invalid_match")
            assert "more" in body["detail"] + body["errors"][0]["problem"]
            for single in ({**good[0], "home": 2}, {"matches": 5}, {"matches": None}, {}, [good[0]], 5):
                is_problem(await ask.post(MATCHES, single), 422, "invalid_match")
            is_problem(await ask.post(MATCHES, good[0], wait=11), 422, "invalid_parameter")
            is_problem(await ask.post(MATCHES, good[0], wiat=1), 422, "invalid_parameter")
            assert await ends(place) == begun
            # At most 20 wrong fields are named, and how many matches are wrong.
            body = is_problem(await ask.post(MATCHES, {"matches": [{}] * 1_000}), 422, "invalid_match")
            assert (len(body["errors"]), body["detail"].split(" cannot")[0]) == (20, "1000 of 1000 matches")

    asyncio.run(run())


def test_bodies_that_are_none(place: Place, unique: Unique) -> None:
    match = numbered(duel(unique("pool"), "ann", "bob"), unique)
    text = json.dumps(match).encode()

    async def run() -> None:
        async with sending(place) as ask:
            begun = await ends(place)

            async def post(content: bytes, headers: dict[str, str] = JSON) -> Any:
                return await ask.http.post(MATCHES, content=content, headers=headers)

            padded = b" " * ((1 << 20) - len(text))
            is_problem(await post(padded + b" " + text), 413, "too_large")
            for kind in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-ndjson"}):
                is_problem(await post(text, kind), 415, "unsupported_media_type")
            several = b'{"matches": [' + text + b"]}"
            broken = [b"", b"{", text + b"}", text[:-1], b"[" * 100_000, several[:-1], b"\xff" + text]
            broken += [
                several.replace(b"ann", b"\xff"),
                text.replace(b"ann", b"\xff"),
                text.replace(b"ann", b"\\ud800"),
            ]
            for content in broken:
                is_problem(await post(content), 400, "malformed")
            assert await ends(place) == begun
            assert (await post(padded + text)).status_code == 202
            assert sum(await ends(place)) == sum(begun) + 1

    asyncio.run(run())


def test_the_same_id_again(place: Place, unique: Unique) -> None:
    pool = unique("pool")

    async def run() -> str:
        async with sending(place) as ask:
            match = numbered(duel(pool, "ann", "bob"), unique)
            (first,) = await sent(ask, match, 200, wait=10)
            # Written otherwise, the same content.
            (again,) = await sent(ask, dict(reversed(match.items())), 200, wait=10)
            assert (first["outcome"], again["outcome"]) == ("applied", "duplicate")
            assert "changes" not in again
            other = match | {"sides": duel(pool, "bob", "ann")["sides"]}
            fresh = numbered(duel(pool, "ann", "bob"), unique)
            reused, applied = await sent(ask, {"matches": [other, fresh]}, 200, wait=10)
            assert (reused["outcome"], reused["reason"]) == ("dead_letter", "id_reused")
            assert match["id"] in reused["detail"]
            assert applied["outcome"] == "applied"
            body = await ask.read(f"/v1/pools/{pool}/players/ann", after=applied["position"], wait=10)
            assert (body["matches"], body["won"]) == (2, 2)
            return f"{place.topic}/{reused['partition']}/{reused['offset']}"

    key = asyncio.run(run())
    assert read_letters(place.kafka, place.topic)[key].headers["reason"] == b"id_reused"


def test_a_shape_that_the_pool_does_not_take(place: Place, unique: Unique, tmp_path: Path) -> None:
    file = tmp_path / "pools.toml"
    file.write_text('[pools."teams.*"]\nmost_sides = 2\n')
    sides = [{"players": [name], "rank": rank} for rank, name in enumerate(("ann", "bob", "cid"), 1)]

    async def run() -> None:
        async with sending(place, pools=str(file)) as ask:
            begun = await ends(place)
            good, bad = (numbered({"pool": "teams.x", "sides": some}, unique) for some in (sides[:2], sides))
            response = await ask.post(MATCHES, {"matches": [good, bad]})
            (error,) = is_problem(response, 422, "shape_not_taken")["errors"]
            assert error["field"] == "matches[1].sides"
            assert await ends(place) == begun

    asyncio.run(run())


def test_a_key_is_needed_before_anything_is_said(place: Place, unique: Unique) -> None:
    match = numbered(duel(unique("pool"), "ann", "bob"), unique)

    async def run() -> None:
        async with sending(place, key="secret") as ask:
            begun = await ends(place)
            bodies: list[Any] = [match, {}, {"matches": []}]
            for body in bodies:
                is_problem(await ask.post(MATCHES, body), 401, "no_key")
            response = await ask.http.post(MATCHES, json=match, headers={"Authorization": "Bearer secrets"})
            is_problem(response, 401, "no_key")
            assert await ends(place) == begun
            response = await ask.http.post(MATCHES, json=match, headers={"Authorization": "Bearer secret"})
            assert response.status_code == 202

    asyncio.run(run())


def test_without_redis_they_are_taken(place: Place, unique: Unique) -> None:
    pool = unique("pool")

    async def run() -> None:
        async with sending(place, redis=NOWHERE) as ask:
            taken = [await sent(ask, numbered(duel(pool, "ann", "bob"), unique), 202, wait=wait) for wait in (0, 2)]
            assert [(one["position"], one["outcome"]) for (one,) in taken] == [(None, "accepted")] * 2
            is_problem(await ask.get(f"/v1/pools/{pool}"), 503, "redis_unavailable")
        async with sending(place) as ask:
            (last,) = taken[-1]
            position = f"1-{last['partition']}-{last['offset'] + 1}"
            assert (await ask.read(f"/v1/pools/{pool}", after=position, wait=10))["matches"] == 2

    asyncio.run(run())


def test_whoever_cannot_wait_has_sent_them_all_the_same(
    place: Place, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MOST_WAITING", 0)
    pool = unique("pool")

    async def run() -> None:
        async with sending(place) as ask:
            matches = [numbered(duel(pool, "ann", "bob"), unique) for _ in range(50)]
            response = await ask.post(MATCHES, {"matches": matches}, wait=10)
            assert response.status_code in (200, 202), response.text
            assert all(one["position"] for one in response.json()["matches"])

    asyncio.run(run())


def test_nobody_rates_them_yet(place: Place, unique: Unique) -> None:
    """Where ingest does not run, waiting ends with what is known: they are in Kafka."""

    async def run() -> None:
        async with sending(place, installation=unique("idle")) as ask:
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


def test_a_topic_that_is_not_there(place: Place, unique: Unique, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SEND_S", 2.0)

    async def run() -> None:
        topic = unique("missing")
        async with sending(place, topic=topic) as ask:
            begun = time.monotonic()
            response = await ask.post(MATCHES, numbered(duel("x", "ann", "bob"), unique))
            body = is_problem(response, 503, "kafka_unavailable")
            assert time.monotonic() - begun < writer.SEND_S + 2
            assert response.headers["retry-after"] == "1"
            assert body["detail"] == f"nothing was sent: Kafka did not tell of the topic {topic!r} within 2 s"

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


def test_every_replica_acknowledges_and_repeats_are_known(place: Place) -> None:
    async def run() -> None:
        made = producer(place.kafka)
        try:
            assert made._sender._acks == -1
            assert made._txn_manager is not None
        finally:
            await made.stop()

    asyncio.run(run())
