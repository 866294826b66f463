"""Players' names over real connections: each written with POST, read again by path and in a body."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from service.settings import Settings
from standings.embedded import KafkaServer, ValkeyServer
from standings.parts import ServePart
from tests.conftest import Unique
from tests.ingesting import Ingesting, Place, wait_for
from tests.made_up import unique_name
from tests.topics import make

SAFE = [
    "ann",
    "meta-llama/Llama-3.1-8B",
    "a b",
    " ",
    "a/",
    "100%",
    "%2F",
    "a%2Fb",
    "%25",
    "%252F",
    "c++",
    "a+b c",
    "a?b=c&d;e#f",
    "history/ann",
    "../ann",
    "..a",
    "...",
    "日本語",
    "🎉🥇",
    "👩‍👩‍👧",
    "e\u0301",
    "\u00e9",
    "\ufffd",
    "\u2028",
    "\u202e",
    "x" * 128,
    "é" * 64,
    "🎉" * 32,
    "'\"\\",
    "<b>",
    "{player}",
    ":80",
    "@",
]
"""A client that follows the rules takes these as they are, each written with percent signs."""

CHANGED = [".", "..", "a/../b", "a/./b", "a//b", "/a", "/", "//"]
"""Some clients and proxies change these on the way: they are asked for in a body, or over a bare socket."""


@pytest.fixture(scope="module")
def service(
    kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    """``standings serve`` and ingest, each a process; the API's host and port."""
    place = Place(kafka.bootstrap, valkey.url, unique_name("names"), 2, unique_name("names"))
    make(place.kafka, place.topic, 2)
    folder = tmp_path_factory.mktemp("names")
    settings = Settings.model_validate(
        {"kafka": place.kafka, "redis": place.redis, "topic": place.topic, "installation": place.installation}
    )
    with Ingesting(place, folder / "ingest.log", unique_name("group")) as ingest:
        with place.client() as redis:
            # Without any trace of it, the API would take the installation for an empty one for a while.
            states = [place.keys(number).state for number in range(2)]
            wait_for(lambda: redis.exists(*states) == 2, lambda: "no position", ingest)
        with ServePart(folder / "serve", settings, "127.0.0.1") as serve:
            yield "127.0.0.1", serve.port


@pytest.fixture(scope="module")
def pool(service: tuple[str, int]) -> str:
    """A pool in which each of them won one match."""
    name = unique_name("pool")
    host, port = service
    matches = [
        {
            "id": f"m-{index}",
            "pool": name,
            "at": int(time.time() * 1000),
            "sides": [{"players": [player], "rank": 1}, {"players": ["loser"], "rank": 2}],
        }
        for index, player in enumerate(SAFE + CHANGED)
    ]
    answer = httpx.post(f"http://{host}:{port}/v1/matches?wait=10", json={"matches": matches}, timeout=20)
    assert answer.status_code == 200, answer.text
    found = answer.json()["matches"]
    assert {one["outcome"] for one in found} == {"applied"}
    assert [one["changes"][0]["player"] for one in found] == SAFE + CHANGED
    return name


def must_be(body: Any, name: str) -> None:
    assert (body["player"], body["matches"], body["won"]) == (name, 1, 1), (body["player"], name)


@pytest.mark.parametrize("name", SAFE)
def test_by_path_with_a_client(service: tuple[str, int], pool: str, name: str) -> None:
    host, port = service
    base = f"http://{host}:{port}/v1/pools/{pool}"
    # A slash may be raw; all else that means something in an address is written with a percent sign.
    spellings = {quote(name, safe="")}
    if "../" not in name:
        spellings.add(quote(name))
    for spelling in spellings:
        answer = httpx.get(f"{base}/players/{spelling}")
        assert answer.status_code == 200, answer.text
        must_be(answer.json(), name)
    around = httpx.get(f"{base}/leaderboard", params={"around": name, "limit": 1}).json()
    assert [row["player"] for row in around["players"]] == [name]


def test_any_name_in_a_body(service: tuple[str, int], pool: str) -> None:
    host, port = service
    names = SAFE + CHANGED
    answer = httpx.post(f"http://{host}:{port}/v1/pools/{pool}/lookup", json={"players": names}).json()
    assert answer["unknown"] == []
    for name, row in zip(names, answer["players"], strict=True):
        must_be(row, name)


def ask(service: tuple[str, int], target: bytes) -> tuple[int, Any]:
    """Status and JSON of a request whose target goes out byte for byte."""
    with socket.create_connection(service, 10) as client:
        client.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        body = answer.read()
    return answer.status, json.loads(body) if body[:1] == b"{" else body


def test_over_a_bare_socket_every_name_has_a_path(service: tuple[str, int], pool: str) -> None:
    base = f"/v1/pools/{pool}/players/".encode()
    for name in SAFE + CHANGED:
        everything = "".join(f"%{byte:02X}" for byte in name.encode()).encode()
        for target in (everything, everything.lower(), quote(name, safe="").encode(), quote(name).encode()):
            status, body = ask(service, base + target)
            assert status == 200, (name, target, body)
            must_be(body, name)
    # A plus sign in a path is one; in a query it is a space, as browsers write it.
    status, body = ask(service, base + b"a+b%20c")
    must_be(body, "a+b c")
    status, body = ask(service, f"/v1/pools/{pool}/leaderboard?limit=1&around=a%2Bb+c".encode())
    assert [row["player"] for row in body["players"]] == ["a+b c"]


def test_what_is_no_name_is_nobody(service: tuple[str, int], pool: str) -> None:
    base = f"/v1/pools/{pool}/players/".encode()
    for target, status, slug in (
        (b"%FF", 400, "malformed"),
        (b"a%2F%C3", 400, "malformed"),
        (b"%ED%A0%80", 400, "malformed"),
        (b"", 422, "invalid_parameter"),
        (b"x" * 129, 422, "invalid_parameter"),
        (b"ann/", 404, "unknown_player"),
        (b"Ann", 404, "unknown_player"),
        (b"%00", 404, "unknown_player"),
        (b"%2Fann", 404, "unknown_player"),
    ):
        found, body = ask(service, base + target)
        assert (found, body["type"]) == (status, f"/problems/{slug}"), target


def test_names_that_no_match_may_have(service: tuple[str, int], unique: Unique) -> None:
    host, port = service
    sides = [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]
    for wrong in ("", "x" * 129, "é" * 65, "a\nb", "\u0000", "\u007f", "\u0085"):
        sides[1] = {"players": [wrong], "rank": 2}
        match = {"id": unique("m"), "pool": "chess", "at": 0, "sides": sides}
        answer = httpx.post(f"http://{host}:{port}/v1/matches", json=match)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid_match"), wrong
        (error,) = answer.json()["errors"]
        assert error["field"] == "sides[1].players[0]", (wrong, error)


def test_metrics_name_nobody(service: tuple[str, int], pool: str) -> None:
    host, port = service
    assert pool
    text = httpx.get(f"http://{host}:{port}/metrics").text
    assert "llama" not in text.lower()
    assert 'route="/v1/pools/{pool}/players/{player}"' in text
