"""Matches sent over HTTP that are refused: nothing of the request is sent, and what is wrong is named."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from standings.embedded import KafkaServer, ValkeyServer
from tests.api import is_problem, keys_in
from tests.conftest import Unique
from tests.ingesting import Place
from tests.league import duel
from tests.made_up import unique_name
from tests.sending import MATCHES, PARTITIONS, ends, numbered, sending
from tests.topics import make

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def place(kafka: KafkaServer, valkey: ValkeyServer) -> Place:
    """An installation in which nobody rates."""
    made = Place(kafka.bootstrap, valkey.url, unique_name("refused"), PARTITIONS, unique_name("refused"))
    make(made.kafka, made.topic, PARTITIONS)
    return made


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
        matches[4] = {"type": "seed", "id": "s", "pool": pool, "at": 0, "system": "kalman", "players": players}

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


def test_a_key_is_needed_before_anything_is_said(place: Place, unique: Unique, tmp_path: Path) -> None:
    keys = keys_in(tmp_path / "keys.toml", "feed", "read")
    match = numbered(duel(unique("pool"), "ann", "bob"), unique)

    async def run() -> None:
        async with sending(place, keys=str(tmp_path / "keys.toml")) as ask:
            begun = await ends(place)
            bodies: list[Any] = [match, {}, {"matches": []}]
            for body in bodies:
                is_problem(await ask.post(MATCHES, body), 401, "no_key")
            response = await ask.http.post(MATCHES, json=match, headers=keys["read"])
            is_problem(response, 403, "missing_scope")
            assert await ends(place) == begun
            response = await ask.http.post(MATCHES, json=match, headers=keys["feed"])
            assert response.status_code == 202

    asyncio.run(run())
