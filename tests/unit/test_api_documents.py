"""Documents: schemas that hold, topics as they are written, a page for each problem."""

import asyncio
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from consumers.dead_letters import KEPT_BYTES, DeadLetters
from service.api.asyncapi import LETTER_HEADERS, MATCH_EXAMPLE, SEED_EXAMPLE, asyncapi
from service.broker import TOPIC_SETTINGS, ensure_topic
from service.brokers import Brokers
from service.log import dead_letters_topic, producer
from service.match import checked, decode, encode
from service.problems import PROBLEMS, Problem, wrong_field
from service.seed import Seed
from standings.embedded import KafkaServer, ValkeyServer
from tests.api import client, keys_in, settings
from tests.conftest import Unique
from tests.league import Record

PATHS = ["/schemas/match.json", "/asyncapi.json", "/problems", "/problems/unknown_pool"]


def test_documents_are_kept_by_their_tag(valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    keys_in(tmp_path / "keys.toml", "read")

    async def run() -> None:
        # They are open: no key is shown.
        async with client(settings(valkey.url, unique("documents"), keys=str(tmp_path / "keys.toml"))) as ask:
            tags = set()
            for path in PATHS:
                for accept in ("*/*", "application/json", "text/html,application/xhtml+xml,*/*;q=0.8"):
                    first = await ask.http.get(path, headers={"Accept": accept})
                    assert first.status_code == 200
                    assert first.headers["cache-control"] == "public, max-age=300"
                    tag = first.headers["etag"]
                    again = await ask.http.get(path, headers={"Accept": accept, "If-None-Match": tag})
                    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
                    html = path.startswith("/problems") and accept.startswith("text/html")
                    media = "text/html; charset=utf-8" if html else "application/json"
                    assert first.headers["content-type"] == media
                    assert html or first.json()
                    tags.add(tag)
            assert len(tags) == len(PATHS) + 2

    asyncio.run(run())


def test_the_schema_takes_what_is_taken(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> Any:
        async with client(settings(valkey.url, unique("documents"))) as ask:
            return await ask.read("/schemas/match.json")

    schema = asyncio.run(run())
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.validator_for(schema)
    for example in (MATCH_EXAMPLE, SEED_EXAMPLE):
        value = encode(example)
        assert decode(value) == example
        assert validator.is_valid(json.loads(value))
    match = json.loads(encode(MATCH_EXAMPLE))
    for wrong in (
        {"id": ""},
        {"pool": "no slug"},
        {"sides": match["sides"][:1]},
        {"weight": 0},
        {"home": -1},
        {"at": 1.5},
    ):
        assert not validator.is_valid({**match, **wrong}), wrong
        with pytest.raises(Problem):
            decode(json.dumps({**match, **wrong}).encode())


class Page(HTMLParser):
    """What a page links to, and the tags that it opens."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_each_problem_has_its_page(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with client(settings(valkey.url, unique("documents"))) as ask:
            listed = await ask.read("/problems")
            assert [entry["type"] for entry in listed["problems"]] == [f"/problems/{slug}" for slug in PROBLEMS]
            browser = {"Accept": "text/html"}
            links = Page((await ask.http.get("/problems", headers=browser)).text).links
            assert links == [entry["type"] for entry in listed["problems"]]
            for entry, kind in zip(listed["problems"], PROBLEMS.values(), strict=True):
                assert await ask.read(entry["type"]) == entry
                assert (entry["title"], entry["status"], entry["remedy"]) == (kind.title, kind.status, kind.remedy)
                page = Page((await ask.http.get(entry["type"], headers=browser)).text)
                assert page.links == ["/problems"]
                assert all(text in page.text for text in (kind.title, kind.remedy, kind.slug, str(kind.status)))
            body = await ask.problem("/problems/no-such", 404, "unknown_name")
            assert "unknown_pool" in body["detail"]

    asyncio.run(run())


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from _refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _refs(inner)


def _at(document: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document


def _validator(document: Any, schema: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{schema}", "components": document["components"]})


@pytest.mark.parametrize("partitioner", ["murmur2", "crc32"])
def test_asyncapi_hangs_together(partitioner: Any) -> None:
    document = msgspec.json.decode(msgspec.json.encode(asyncapi("results", partitioner)))
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(document["info"])
    for reference in _refs(document):
        assert _at(document, reference), reference
    for channel in document["channels"].values():
        assert channel["bindings"]["kafka"]["topic"] == channel["address"]
    for operation in document["operations"].values():
        assert operation["action"] in ("send", "receive")
        # An operation's messages are its channel's, by the channel's own names.
        prefix = operation["channel"]["$ref"] + "/messages/"
        assert {message["$ref"] for message in operation["messages"]} == {
            prefix + name for name in _at(document, operation["channel"]["$ref"])["messages"]
        }
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
    for name in ("match", "seed"):
        message = document["components"]["messages"][name]
        schema = message["payload"]["$ref"].rpartition("/")[2]
        for example in message["examples"]:
            assert _validator(document, schema).is_valid(example["payload"])
            found = decode(json.dumps(example["payload"]).encode())
            assert isinstance(found, Seed) or found == checked(found)
    letter = document["components"]["messages"]["deadLetter"]["examples"][0]
    assert _validator(document, "DeadLetterHeaders").is_valid(letter["headers"])
    with pytest.raises(Problem) as refused:
        decode(letter["payload"].encode())
    assert (refused.value.type.slug, refused.value.detail) == (letter["headers"]["reason"], letter["headers"]["detail"])
    assert partitioner in document["channels"]["matches"]["description"]
    stated = document["channels"]["matches"]["bindings"]["kafka"]["topicConfiguration"]
    assert set(stated) == set(TOPIC_SETTINGS)


def test_dead_letters_are_written_as_described(kafka: KafkaServer, unique: Unique) -> None:
    topic = unique("matches")
    letters = [
        (Record(0, 1_795_000_000_000, b"chess", b"x" * (KEPT_BYTES + 1)), wrong_field("invalid_match", "at", "?", "!")),
        (Record(1, -1, None, None), Problem("null_value", "ü" * 2000)),
    ]

    async def run() -> list[dict[str, str]]:
        await ensure_topic(Brokers(kafka.bootstrap), dead_letters_topic(topic), 1)
        sending = producer(Brokers(kafka.bootstrap))
        await sending.start()
        try:
            await DeadLetters(sending, topic).send(3, letters)
        finally:
            await sending.stop()
        reading = AIOKafkaConsumer(
            dead_letters_topic(topic), bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest"
        )
        await reading.start()
        try:
            return [
                {name: value.decode(errors="replace") for name, value in (await reading.getone()).headers}
                for _ in letters
            ]
        finally:
            await reading.stop()

    found = asyncio.run(run())
    validator = _validator(asyncapi(topic, "murmur2"), "DeadLetterHeaders")
    for headers in found:
        validator.validate(headers)
    assert set().union(*found) == set(LETTER_HEADERS)
