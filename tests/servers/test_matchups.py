"""Matchups over HTTP: from a real Redis, accounted for in a real Kafka, closed by a real ingest."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from service.log import matchups_topic
from service.suggest.account import Account
from standings.embedded import KafkaServer, ValkeyServer
from tests.api import Client, client, is_problem, settings
from tests.conftest import Command, Unique
from tests.ingesting import Ingesting, Place
from tests.made_up import unique_name
from tests.topics import make, read_back

PATH = "/v1/pools/{}/matchups"
PARTITIONS = 2


@pytest.fixture(scope="module")
def place(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An installation in which ingest runs."""
    made = Place(kafka.bootstrap, valkey.url, unique_name("matchups"), PARTITIONS, unique_name("matchups"))
    make(made.kafka, made.topic, PARTITIONS)
    with Ingesting(made, tmp_path_factory.mktemp("matchups") / "ingest.log", unique_name("group")) as ingest:
        ingest.wait_ready(lambda ready: bool(ready["ready"]))
        yield made


@asynccontextmanager
async def suggesting(place: Place, **more: str) -> AsyncIterator[Client]:
    made = {"kafka": place.kafka, "topic": place.topic, **more}
    async with client(settings(place.redis, place.installation, **made)) as ask:
        yield ask


async def played(ask: Client, pool: str, *pairs: tuple[str, str], **more: Any) -> None:
    """Send results, the winner first, and wait until they are applied."""
    matches = [
        {
            "id": unique_name("m"),
            "pool": pool,
            "at": int(time.time() * 1000),
            "sides": [{"players": [name], "rank": rank} for rank, name in enumerate(pair, 1)],
            **more,
        }
        for pair in pairs
    ]
    response = await ask.post("/v1/matches", {"matches": matches}, wait=10)
    assert response.status_code == 200, response.text


async def suggested(ask: Client, pool: str, **body: Any) -> Any:
    response = await ask.post(PATH.format(pool), body)
    assert response.status_code == 200, response.text
    return response.json()


async def open_ids(ask: Client, pool: str) -> list[str]:
    return [found["id"] for found in (await ask.read(PATH.format(pool), limit=1000))["matchups"]]


def names_of(matchup: Any) -> list[str]:
    return [name for side in matchup["sides"] for name in side["players"]]


def test_from_a_suggestion_to_its_result(place: Place, unique: Unique) -> None:
    pool = unique("pool")

    async def run() -> Any:
        async with suggesting(place) as ask:
            await played(ask, pool, ("ann", "bob"), ("cid", "dan"))
            body = {"count": 2, "policy": "least_played", "floor": 0.5, "seed": 7, "request_id": "tab"}
            answer = await suggested(ask, pool, **body)
            first, second = answer["matchups"]
            assert (answer["policy"], answer["seed"]) == ({"name": "least_played", "parameters": {}, "floor": 0.5}, 7)
            assert answer["position"] == (await ask.read(f"/v1/pools/{pool}/players/ann"))["position"]
            for found in (first, second):
                prediction = await ask.post(f"/v1/pools/{pool}/predictions", {"sides": found["sides"]})
                sides = prediction.json()["sides"]
                assert found["prediction"]["win"] == pytest.approx([side["win"] for side in sides], rel=1e-6)
            # Of four who have all played once, each pair of the six is as likely.
            assert (first["propensity"], first["order_propensity"]) == (pytest.approx(1 / 6), 0.5)
            assert await suggested(ask, pool, **body) == answer
            listed = await ask.read(PATH.format(pool), limit=1)
            after = await ask.read(PATH.format(pool), limit=1, cursor=listed["next"])
            assert {found["id"] for page in (listed, after) for found in page["matchups"]} == {
                first["id"],
                second["id"],
            }
            assert after["next"] is None
            assert listed["matchups"][0]["request_id"] == "tab"

            ann, bob = names_of(first)
            await played(ask, pool, (ann, bob), matchup=first["id"])
            assert await open_ids(ask, pool) == [second["id"]]
            for _ in range(2):
                response = await ask.http.delete(f"{PATH.format(pool)}/{second['id']}")
                assert (response.status_code, response.content) == (204, b"")
                assert await open_ids(ask, pool) == []
            return answer

    answer = asyncio.run(run())
    kept = [
        record
        for partition in read_back(place.kafka, matchups_topic(place.topic)).values()
        for record in partition.records
        if record.key == pool.encode()
    ]
    base, account = kept
    assert json.loads(base.value or b"")["players"] == ["ann", "bob", "cid", "dan"]
    told = msgspec.json.decode(account.value or b"", type=Account)
    assert [one.id for one in told.matchups] == [found["id"] for found in answer["matchups"]]
    assert [one.propensity for one in told.matchups] == [found["propensity"] for found in answer["matchups"]]


def test_a_hundred_callers_of_two_processes_get_different_pairs(place: Place, unique: Unique) -> None:
    pool = unique("pool")

    async def run() -> None:
        async with suggesting(place) as ask, suggesting(place) as other:
            names = [f"p{number}" for number in range(200)]
            await played(ask, pool, *zip(names[::2], names[1::2], strict=True))
            body = {"policy": "least_played", "floor": 0.0}
            answers = await asyncio.gather(
                *(suggested((ask, other)[number % 2], pool, **body) for number in range(100))
            )
            found = [name for answer in answers for name in names_of(answer["matchups"][0])]
            assert sorted(found) == sorted(names)

    asyncio.run(run())


def test_what_cannot_be_accounted_for_is_refused(place: Place, unique: Unique) -> None:
    pool = unique("pool")

    async def run() -> None:
        async with suggesting(place) as ask, suggesting(place, kafka="127.0.0.1:1") as cut_off:
            await played(ask, pool, ("ann", "bob"))
            response = await cut_off.post(PATH.format(pool), {})
            is_problem(response, 503, "kafka_unavailable")
            assert response.headers["retry-after"] == "1"
            assert await open_ids(ask, pool) == []

    asyncio.run(run())


def test_from_the_command_line(place: Place, unique: Unique, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = unique("pool")
    where = ("--redis", place.redis, "--topic", place.topic)
    monkeypatch.setenv("STANDINGS_INSTALLATION", place.installation)

    async def begin() -> None:
        async with suggesting(place) as ask:
            await played(ask, pool, ("ann", "bob"), ("cid", "[red]"))

    asyncio.run(begin())
    words = ("matchups", pool, "--kafka", place.kafka, *where)
    more = ("--count", "2", "--goal", "cover", "--floor", "0", "--request-id", "tab")
    code, out, _ = command(*words, *more, "--json")
    assert code == 0
    matchups = json.loads(out)["matchups"]
    assert sorted(names_of(matchups[0]) + names_of(matchups[1])) == ["[red]", "ann", "bob", "cid"]
    code, out, _ = command(*words, *more)
    assert code == 0
    assert all(text in out for text in ("[red]", matchups[0]["id"], matchups[1]["id"]))
    for wrong, told in (
        (("--candidate", "ann"), "--candidate: "),
        (("--candidate", "ann", "--candidate", "eve"), "candidates[1]: "),
        (("--goal", "fun"), "--goal: "),
        (("--policy", "best"), "no policy 'best'"),
        (("--policy", "closest", "--param", "temperature"), "--param temperature: "),
        (("--sides", "5"), "candidates: 4 to choose from for 5 sides"),
    ):
        code, out, err = command(*words, *wrong)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert err.startswith(f"standings: {told}")
    code, out, err = command("matchups", pool, "--kafka", "127.0.0.1:1", *where)
    assert (code, out, err.count("\n")) == (1, "", 1), err
    assert err.startswith("standings: no matchup was given")
