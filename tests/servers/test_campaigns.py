"""Campaigns over HTTP: from their begin to the certificate, on a real Redis, Kafka and ingest, the API started anew."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from service.campaigns import create
from service.columns import Floats
from service.log import matchups_topic
from service.matchups.field import level
from service.suggest.account import Account
from standings.embedded import KafkaServer, ValkeyServer
from tests.api import Client, is_problem
from tests.conftest import Unique
from tests.ingesting import Ingesting, Place
from tests.made_up import unique_name
from tests.servers.test_matchups import names_of, played, suggesting
from tests.topics import make, read_back

PLAYERS = ["ann", "bob", "cid", "dan"]
PARTITIONS = 2


@pytest.fixture(scope="module")
def place(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An installation in which ingest runs."""
    made = Place(kafka.bootstrap, valkey.url, unique_name("campaigns"), PARTITIONS, unique_name("campaigns"))
    make(made.kafka, made.topic, PARTITIONS)
    with Ingesting(made, tmp_path_factory.mktemp("campaigns") / "ingest.log", unique_name("group")) as ingest:
        ingest.wait_ready(lambda ready: bool(ready["ready"]))
        yield made


class Player:
    """Plays what a campaign hands out, and counts it: who is named earlier wins nine times in ten."""

    def __init__(self, pool: str) -> None:
        self.pool = pool
        self.path = f"/v1/pools/{pool}/campaigns"
        self.wins: Floats = np.zeros((len(PLAYERS), len(PLAYERS)))
        self.ids: set[str] = set()
        self._chance = random.Random(7)

    async def begin(self, ask: Client, **body: Any) -> Any:
        response = await ask.post(self.path, {"request_id": unique_name("c"), **body})
        assert response.status_code == 200, response.text
        return response.json()

    async def round(self, ask: Client, id_: str) -> bool:
        """Play the next ones; False where the campaign has ended."""
        response = await ask.post(f"{self.path}/{id_}/matchups", {"count": 4})
        if response.status_code == 410:
            body = is_problem(response, 410, "campaign_ended")
            assert body["detail"].endswith(f"{self.path}/{id_}")
            return False
        assert response.status_code == 200, response.text
        standing = await ask.read(f"{self.path}/{id_}")
        assert standing["state"] == "open"
        assert standing["matches"] == self.wins.sum()
        matchups = response.json()["matchups"]
        assert standing["under_way"] == len(matchups) == min(4, len(matchups) + standing["left"])
        assert standing["matches"] + standing["under_way"] + standing["left"] == standing["parameters"]["budget"]
        for matchup in matchups:
            better, worse = sorted(names_of(matchup))
            winner, loser = (better, worse) if self._chance.random() < 0.9 else (worse, better)
            self.wins[PLAYERS.index(winner), PLAYERS.index(loser)] += 1.0
            self.ids.add(matchup["id"])
            await played(ask, self.pool, (winner, loser), matchup=matchup["id"])
        return True

    async def certificate(self, ask: Client, id_: str) -> Any:
        found = await ask.read(f"{self.path}/{id_}")
        assert (found["state"], found["under_way"], found["left"]) == (found["certificate"]["stopped"], None, 0)
        return found["certificate"]

    def foretold(self, kind: str, position: str, **parameters: Any) -> Any:
        """What the campaign says by itself of the same counts."""
        field = replace(level(len(PLAYERS)), wins=self.wins)
        campaign = create(kind, {"players": PLAYERS, **parameters})
        certificate = campaign.certificate(field, int(self.wins.sum()), position)
        assert certificate is not None
        return msgspec.json.decode(msgspec.json.encode(certificate))


def test_from_its_begin_to_the_certificate(place: Place) -> None:
    player = Player(unique_name("arena."))
    settle = {"goal": "best", "delta": 0.1, "tolerance": 0.1, "budget": 400}
    knockout = {"delta": 0.2, "gap": 0.35, "budget": 400}

    async def run() -> None:
        async with suggesting(place) as ask:
            # What was before it began does not count.
            await played(ask, player.pool, ("dan", "ann"), ("dan", "bob"), ("dan", "cid"), ("cid", "ann"))
            first = await player.begin(ask, players=PLAYERS, **settle)
            second = await player.begin(ask, players=PLAYERS, goal="best", method="knockout", **knockout)
            assert (first["state"], first["matches"], first["left"]) == ("open", 0, 400)
            for _ in range(2):
                assert await player.round(ask, first["id"])
        # Another process, that knows nothing of it.
        async with suggesting(place) as ask:
            while await player.round(ask, first["id"]):
                pass
            found = await player.certificate(ask, first["id"])
            assert found == player.foretold("settle", found["position"], **settle)
            assert (found["stopped"], found["players"]) == ("certified", ["ann"])
            # All that was played for the one counts for the other as well.
            while await player.round(ask, second["id"]):
                pass
            last = await player.certificate(ask, second["id"])
            assert last == player.foretold("knockout", last["position"], **knockout)
            assert await player.certificate(ask, first["id"]) == found
            listed = (await ask.read(player.path))["campaigns"]
            assert {one["id"]: one["matches"] for one in listed} == {
                first["id"]: found["matches"],
                second["id"]: last["matches"],
            }

    asyncio.run(run())
    values = [
        record.value or b""
        for partition in read_back(place.kafka, matchups_topic(place.topic)).values()
        for record in partition.records
        if record.key == player.pool.encode()
    ]
    accounts = [msgspec.json.decode(value, type=Account) for value in values if b'"type":"matchups"' in value]
    assert {one.id for account in accounts for one in account.matchups} == player.ids
    assert all(account.campaign is not None for account in accounts)


def test_a_newcomer_finds_its_place_within_the_budget(place: Place, unique: Unique) -> None:
    player = Player(unique("arena."))

    async def run() -> None:
        async with suggesting(place) as ask:
            await played(ask, player.pool, ("ann", "bob"), ("cid", "dan"), ("ann", "dan"))
            body = {"goal": "place", "players": PLAYERS, "player": "cid", "budget": 6, "request_id": "again"}
            begun = await player.begin(ask, **body)
            assert await player.begin(ask, **body) == begun
            for _ in range(2):
                assert await player.round(ask, begun["id"])
            assert not await player.round(ask, begun["id"])
            found = await player.certificate(ask, begun["id"])
            assert (found["stopped"], found["matches"], len(found["players"])) == ("budget", 6, 4)
            # Nobody but the newcomer was sent to play.
            others = np.delete(np.delete(player.wins, 2, 0), 2, 1)
            assert not others.any()
            for _ in range(2):
                response = await ask.http.delete(f"{player.path}/{begun['id']}")
                assert (response.status_code, response.content) == (204, b"")
            await ask.problem(f"{player.path}/{begun['id']}", 404, "unknown_name")

    asyncio.run(run())
