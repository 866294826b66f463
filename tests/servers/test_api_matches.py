"""Matches sent over HTTP: to a real Kafka, rated by a real ingest, read again from the same Redis."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from service.partitioner import partition_of
from service.store import watch
from standings.embedded import KafkaServer, ValkeyServer
from tests.api import NOWHERE, Client, is_problem
from tests.conftest import Unique
from tests.ingesting import Ingesting, Place
from tests.league import duel
from tests.made_up import unique_name
from tests.sending import MATCHES, PARTITIONS, numbered, sending, sent
from tests.topics import make, read_back, read_letters


@pytest.fixture(scope="module")
def place(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An installation in which ingest runs."""
    made = Place(kafka.bootstrap, valkey.url, unique_name("sent"), PARTITIONS, unique_name("sent"))
    make(made.kafka, made.topic, PARTITIONS)
    make(made.kafka, f"{made.topic}.dead-letters", 1)
    with Ingesting(made, tmp_path_factory.mktemp("sent") / "ingest.log", unique_name("group")) as ingest:
        ingest.wait_ready(lambda ready: bool(ready["ready"]))
        yield made


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
                # Seconds of rest hardly show.
                assert after == pytest.approx(await standing(ask, change["player"]), rel=1e-6)
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
                    # But for what moments of rest do.
                    assert after == pytest.approx(then[name], rel=1e-6)
                    if name in first:
                        assert before == pytest.approx(first[name], rel=1e-6), (players, name)
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
