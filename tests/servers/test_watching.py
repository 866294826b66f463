"""A running service as its operator sees it: scraped by a real Prometheus, traced to a real collector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from standings.embedded import KafkaServer, ValkeyServer
from standings.parts import ServePart
from tests.collecting import NO_ANSWER, Collector, collecting
from tests.conftest import Unique
from tests.ingesting import Ingesting, Place, wait_for
from tests.league import duel
from tests.made_up import unique_name
from tests.monitoring import ALERTS, Prometheus, panels
from tests.sending import numbered
from tests.topics import item, make, produce

PARTITIONS = 2

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"

QUIET = ("standings_guard_refusals_total", "standings_client_rebuilds_total", "/v1/pools/{pool}/matchups")
"""What has not happened here has no series."""


@dataclass
class Running:
    """``standings serve`` and ingest at work, traced."""

    place: Place
    collector: Collector
    ingest: Ingesting
    url: str
    serve_port: int

    def send(self, body: Any, **headers: str) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/matches", params={"wait": 10}, json=body, headers=headers, timeout=20)


@pytest.fixture(scope="module")
def running(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = Place(kafka.bootstrap, valkey.url, unique_name("watching"), PARTITIONS, unique_name("watching"))
    make(place.kafka, place.topic, PARTITIONS)
    folder = tmp_path_factory.mktemp("watching")
    settings = Settings.model_validate(
        {"kafka": place.kafka, "redis": place.redis, "topic": place.topic, "installation": place.installation}
    )
    with collecting() as collector, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with (
            Ingesting(place, folder / "ingest.log", unique_name("group")) as ingest,
            ServePart(folder / "serve", settings, "127.0.0.1") as serve,
        ):
            ingest.wait_ready(lambda ready: bool(ready["ready"]))
            yield Running(place, collector, ingest, serve.url, serve.port)


def test_from_the_request_to_the_batch(running: Running, unique: Unique) -> None:
    """One trace: the caller's, the request, what it sent, the batch that applied it."""
    answer = running.send(numbered(duel(unique("pool"), "ann", "bob"), unique), traceparent=f"00-{TRACE}-{PARENT}-01")
    assert answer.status_code == 200, answer.text
    trace, topic = bytes.fromhex(TRACE), running.place.topic
    apply = running.collector.wait(f"apply {topic}", trace)
    send = running.collector.wait(f"send {topic}", trace)
    request = running.collector.wait("POST /v1/matches", trace)
    assert request.parent_span_id.hex() == PARENT
    assert (send.trace_id, send.parent_span_id) == (trace, request.span_id)
    assert [(link.trace_id, link.span_id) for link in apply.links] == [(trace, send.span_id)]
    assert (apply.trace_id, apply.parent_span_id) == (trace, send.span_id)
    assert send.start_time_unix_nano <= apply.start_time_unix_nano < apply.end_time_unix_nano
    assert {of for of, span in running.collector.spans} >= {"standings-serve", "standings-ingest"}
    (sent,) = answer.json()["matches"]
    said = {one.key: one.value for one in apply.attributes}
    assert said["standings.first_offset"].int_value == said["standings.last_offset"].int_value == sent["offset"]


def test_a_batch_of_many_traces_belongs_to_none(running: Running, unique: Unique) -> None:
    """Only so many are linked, only those that somebody records, and what is no trace at all hurts nobody."""
    pool, now, name = unique("pool"), int(time.time() * 1000), f"apply {running.place.topic}"

    def produced(headers: Iterable[bytes]) -> None:
        matches = ((numbered(duel(pool, "ann", "bob"), unique, at=now), header) for header in headers)
        records = [item(match, now, (("traceparent", header),)) for match, header in matches]
        produce(running.place.kafka, running.place.topic, PARTITIONS, records)

    def headers(numbers: range, flags: str) -> list[bytes]:
        return [f"00-{number:032x}-{number:016x}-{flags}".encode() for number in numbers]

    before = len(running.collector.spans)
    produced([*headers(range(1000, 1100), "00"), *headers(range(1), "01"), b"", b"\xff", b"00-0-0-01"])
    produced(headers(range(1, 301), "01"))
    apply = running.collector.wait(name, (1).to_bytes(16, "big"))
    assert [int.from_bytes(link.trace_id, "big") for link in apply.links] == list(range(1, 129))
    assert not apply.parent_span_id
    assert [span for _, span in running.collector.spans[before:] if span.name == name] == [apply]


def test_a_problem_is_known_by_its_trace(running: Running, unique: Unique) -> None:
    body = running.send({"no": "match"}).json()
    trace = bytes.fromhex(body["trace_id"])
    request = running.collector.wait("POST /v1/matches", trace)
    assert not request.parent_span_id
    kept = running.send({"no": "match"}, traceparent=f"00-{TRACE}-{PARENT}-01").json()
    assert kept["trace_id"] == TRACE


def test_what_is_fed_is_one_trace(running: Running, unique: Unique, tmp_path: Path) -> None:
    """And the last span leaves before the process does."""
    pool = unique("pool")
    file = tmp_path / "matches.ndjson"
    file.write_text("".join(json.dumps(numbered(duel(pool, "ann", "bob"), unique)) + "\n" for _ in range(50)))
    place = running.place
    options = ["--kafka", place.kafka, "--topic", place.topic, "--redis", place.redis, "--group", running.ingest.group]
    # Nothing leaves by itself.
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": running.collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "60000",
    }
    command = [sys.executable, "-m", "standings", "feed", str(file), *options]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    sends = [span for of, span in running.collector.spans if of == "standings-feed"]
    assert [span.name for span in sends] == [f"send {place.topic}"]
    apply = running.collector.wait(f"apply {place.topic}", sends[0].trace_id)
    assert {(link.trace_id, link.span_id) for link in apply.links} == {(sends[0].trace_id, sends[0].span_id)}


def test_a_collector_that_does_not_answer_holds_nobody_up(running: Running, unique: Unique, tmp_path: Path) -> None:
    file = tmp_path / "matches.ndjson"
    file.write_text(json.dumps(numbered(duel(unique("pool"), "ann", "bob"), unique)) + "\n")
    command = [sys.executable, "-m", "standings", "feed", str(file), "--kafka", running.place.kafka]
    command += ["--topic", running.place.topic, "--group", running.ingest.group]
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": running.collector.url + NO_ANSWER}
    ended = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=20)
    assert "1 matches sent" in ended.stderr


def test_every_panel_is_answered_by_prometheus(running: Running, unique: Unique, tmp_path: Path) -> None:
    pool = unique("pool")
    with Prometheus(
        tmp_path / "prometheus", {"ingest": running.ingest.port, "serve": running.serve_port}
    ) as prometheus:
        queries = {query for panel in panels() for query in panel.queries}
        quiet = {query for query in queries if any(name in query for name in QUIET)}

        def without_data() -> set[str]:
            return {query for query in queries if not prometheus.ask(query)}

        def play() -> bool:
            # Rates need change between two scrapes.
            good = [numbered(duel(pool, "ann", "bob"), unique) for _ in range(20)]
            assert running.send({"matches": good}).status_code == 200
            assert running.send({"no": "match"}).status_code == 422
            httpx.get(f"{running.url}/v1/pools/{pool}/leaderboard").raise_for_status()
            dead = item({"id": "no match", "pool": pool}, int(time.time() * 1000))
            produce(running.place.kafka, running.place.topic, PARTITIONS, [dead])
            return without_data() == quiet

        wait_for(play, lambda: f"without data: {without_data() - quiet}", running.ingest, every=0.5)
        (share,) = prometheus.ask("standings:dead_letters:ratio_rate15m")
        assert 0 < float(share["value"][1]) < 1
        assert {one["metric"]["part"]: one["value"][1] for one in prometheus.ask("standings_ready")} == {
            "ingest": "1",
            "serve": "1",
        }
        rules = [rule for group in prometheus.get("/api/v1/rules")["groups"] for rule in group["rules"]]
        assert {rule["name"] for rule in rules if rule["type"] == "alerting"} == set(ALERTS)
        assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
