"""Dead letters of real records: listed once each, shown whole, and bounded."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from standings.dead_letters import Listing
from standings.embedded import KafkaServer, ValkeyServer
from tests.api import NOWHERE, Client, client, is_problem, settings
from tests.conftest import Command, Unique
from tests.letters import HERE, PARTITIONS, POOL, brought_in, dead, duel, listed
from tests.made_up import mixture, unique_name
from tests.oracle import partition_of
from tests.replay import Replay, begin
from tests.topics import Item, read_back, read_letters


@pytest.fixture(scope="module")
def mixed(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """Everything that can arrive; nobody changes it."""
    folder = tmp_path_factory.mktemp("letters")
    return brought_in(
        begin(kafka.bootstrap, valkey.url, unique_name, folder, PARTITIONS, mixture(41, 1_500, PARTITIONS))
    )


def test_every_dead_letter_is_listed_once_the_newest_first(mixed: Replay) -> None:
    found = listed(mixed)
    assert {(one.partition, one.offset): one.reason for one in found.dead_letters} == dead(mixed)
    assert len(found.dead_letters) == len(dead(mixed)) > 50
    times = [one.found_at for one in found.dead_letters]
    assert times == sorted(times, reverse=True)
    assert found.reasons == Counter(dead(mixed).values())
    assert found.older == 0
    assert listed(mixed, 7) == Listing(found.topic, found.reasons, 0, found.dead_letters[:7])


def test_filters_leave_out_the_rest(mixed: Replay) -> None:
    found = listed(mixed).dead_letters
    some = listed(mixed, pool=POOL, reason="wrong_partition")
    assert some.dead_letters == [one for one in found if (one.pool, one.reason) == (POOL, "wrong_partition")]
    assert list(some.reasons) == ["wrong_partition"]
    since = found[len(found) // 2].found_at
    assert listed(mixed, since=since.isoformat()).dead_letters == [one for one in found if one.found_at >= since]


def test_killed_between_sending_letters_and_applying_their_batch(
    kafka: KafkaServer, unique: Unique, tmp_path: Path
) -> None:
    """Letters go out again and again while Redis takes nothing; each is one letter and counts once."""
    with ValkeyServer(tmp_path / "valkey") as own:
        here = begin(kafka.bootstrap, own.url, unique, tmp_path, PARTITIONS, mixture(43, 900, PARTITIONS))
        group = unique("group")
        with here.place.client() as store:
            store.set(here.place.keys(0).group, group)
            store.config_set("maxmemory", "1")
            for _ in range(2):
                with here.ingest(group, batch=200) as ingest:
                    ingest.wait_ready(
                        lambda said: Counter(one["state"] for one in said["partitions"])["waiting_for_redis"] > 0
                    )
                    ingest.kill()
                assert here.place.positions(store) == [0] * PARTITIONS
            sent = raw_letters(here)
            assert len(sent) > len(set(sent)), "no letter was sent twice"
            store.config_set("maxmemory", "0")
        here = brought_in(here)
        here.check()
        found = listed(here)
        assert {(one.partition, one.offset): one.reason for one in found.dead_letters} == dead(here)
        assert len(found.dead_letters) == len(dead(here))
        assert len(read_letters(kafka.bootstrap, here.place.topic)) == len(dead(here))


def raw_letters(here: Replay) -> list[bytes]:
    log = read_back(here.place.kafka, f"{here.place.topic}.dead-letters")
    return [one.key or b"" for read in log.values() for one in read.records]


@pytest.mark.parametrize("bound", ["STANDINGS_MOST_DEAD_RUN=5", "STANDINGS_MOST_DEAD_SHARE=0.005"])
def test_past_a_bound_the_partition_stops_and_the_others_go_on(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, bound: str
) -> None:
    good = [Item(POOL.encode(), duel(number), 1_790_000_000_000) for number in range(60)]
    bad = [Item(POOL.encode(), b"{", 1_790_000_000_000)] * 6
    there = next(name for name in ("a", "b", "c", "d", "e") if partition_of(name, PARTITIONS) != HERE)
    other = [Item(there.encode(), b"{", 1_790_000_000_000)] * 5
    items = [*good[:30], *bad[:5], *good[30:], *other] if "SHARE" not in bound else [*good, *bad[:4], *other[:4]]
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, items)

    def bounded() -> Any:
        return replace(here.ingest(batch=10), command=("env", bound, sys.executable, "-m", "standings", "ingest"))

    with bounded() as ingest:
        here.wait(ingest)
        ingest.wait_ready(lambda said: bool(said["ready"]))
        here.check()
        here = here.longer([*bad, *good])
        said = ingest.wait_ready(
            lambda said: any(one["state"] == "stopped_by_operator_decision" for one in said["partitions"])
        )
        (reason,) = (one["reason"] for one in said["partitions"] if one["partition"] == HERE)
        assert reason.startswith("dead_letters: more than ")
        assert bound.partition("=")[0] in reason
        assert "Fix the producer; to go on, restart ingest with a higher bound, or without" in reason
        assert [one["state"] for one in said["partitions"] if one["partition"] != HERE] == ["running"] * 2
    here.check_as_far_as_it_is()
    with here.place.client() as store:
        position = here.place.positions(store)[HERE]
    assert position < here.ends[HERE]
    # What was not applied was not sent either.
    assert {key for key in dead(here) if key[0] != HERE or key[1] < position} == {
        (one.partition, one.offset) for one in listed(here).dead_letters
    }
    brought_in(here).check()


def test_over_http(mixed: Replay) -> None:
    expected = [(one.partition, one.offset, one.reason, one.pool) for one in listed(mixed).dead_letters]

    async def pages(ask: Client, **parameters: Any) -> list[Any]:
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            body = await ask.read("/v1/dead-letters", **parameters, **cursor)
            found += body["dead_letters"]
            cursor = {"cursor": body["next"]}
            if body["next"] is None:
                return [(one["partition"], one["offset"], one["reason"], one["pool"]) for one in found]
            assert len(body["dead_letters"]) == parameters["limit"]

    async def run() -> None:
        async with asking(mixed.place.kafka, mixed.place.topic) as ask:
            assert await pages(ask, limit=1000) == expected
            assert await pages(ask, limit=29) == expected
            some = await pages(ask, limit=2, pool=POOL, reason="malformed")
            assert some == [one for one in expected if one[2:] == ("malformed", POOL)]
            await ask.problem("/v1/dead-letters", 400, "malformed", cursor="x")
            await ask.problem("/v1/dead-letters", 422, "invalid_parameter", pool="a b")
            body = await ask.problem("/v1/dead-letters", 422, "invalid_parameter", reason="wrongkey")
            assert "did you mean 'wrong_key'?" in body["errors"][0]["remedy"]
        async with asking(mixed.place.kafka, unique_name("none")) as ask:
            assert (await ask.read("/v1/dead-letters"))["dead_letters"] == []
        async with asking("127.0.0.1:1", mixed.place.topic) as ask:
            is_problem(await ask.get("/v1/dead-letters"), 503, "kafka_unavailable")

    asyncio.run(run())


def asking(kafka: str, topic: str) -> Any:
    """A client of an API that has no Redis: none is needed for this."""
    return client(settings(NOWHERE, "none").model_copy(update={"kafka": kafka, "topic": topic}))


def test_the_commands(mixed: Replay, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    place = mixed.place
    monkeypatch.setenv("STANDINGS_INSTALLATION", place.installation)
    connect = ("--kafka", place.kafka, "--topic", place.topic)
    found = listed(mixed)
    code, out, _ = command("dead-letters", "list", "--json", "--limit", "3", *connect)
    assert code == 0
    answer = json.loads(out)
    assert list(answer) == ["topic", "reasons", "older", "dead_letters"]
    assert answer["reasons"] == found.reasons
    assert [(one["partition"], one["offset"]) for one in answer["dead_letters"]] == [
        (one.partition, one.offset) for one in found.dead_letters[:3]
    ]
    code, out, _ = command("dead-letters", "list", "--limit", "3", *connect)
    assert code == 0
    assert f"{len(found.dead_letters) - 3:,} more: --limit shows them" in out
    assert f"{found.dead_letters[0].partition}/{found.dead_letters[0].offset}" in out
    wrong = next(one for one in found.dead_letters if one.reason == "wrong_key" and one.key == POOL)
    code, out, _ = command("dead-letters", "show", f"{wrong.partition}/{wrong.offset}", *connect)
    assert code == 0
    assert wrong.detail in out
    assert '"sides": [' in out
    code, out, _ = command("dead-letters", "replay", "--dry-run", "--redis", place.redis, *connect)
    assert code == 0
    assert f"would be sent to {place.topic}, " in out
    code, out, err = command("dead-letters", "show", f"{HERE}/999999", *connect)
    assert (code, out) == (2, "")
    assert err.startswith(f"standings: no dead letter of {place.topic}/{HERE}/999999: ")
    for words in (("list", "--since", "soon"), ("show", "7"), ("replay", "--reason", "x"), ("list", "--limit", "0")):
        code, out, err = command("dead-letters", *words, *connect)
        assert (code, out, err.count("\n")) == (2, "", 1), err
    for asked in ("list", "show 0/1", f"replay --redis {place.redis}"):
        code, out, err = command("dead-letters", *asked.split(), "--kafka", "127.0.0.1:1")
        assert (code, out, err) == (1, "", "standings: Kafka does not answer at 127.0.0.1:1\n")
    code, out, err = command("dead-letters", "replay", "--redis", NOWHERE, *connect)
    assert (code, out, err.count("\n")) == (1, "", 1), err
