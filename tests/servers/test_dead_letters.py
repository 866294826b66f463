"""Dead letters of real records: listed once each, shown whole, sent again where that helps, and bounded."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from pydantic import SecretStr

from service.dead_letters import REPLAYED_HEADER
from service.records import Place, read_records
from service.settings import Settings
from standings import cli
from standings.dead_letters import Filters, Listing, list_letters
from standings.embedded import KafkaServer, ValkeyServer
from standings.errors import Trouble
from standings.replay import Replayed, replay
from tests.api import Client, client, is_problem, settings
from tests.made_up import mixture, unique_name
from tests.oracle import Record, partition_of
from tests.oracle import replay as oracle
from tests.replay import Replay, Unique, begin
from tests.topics import Item, admin, make, make_topic, produce, producer, read_back, read_letters, remove_topic, write

PARTITIONS = 3
POOL = "ladder"
HERE = partition_of(POOL, PARTITIONS)
NOWHERE = "redis://127.0.0.1:1/0"
Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("count", [1, 40, 5_900])
def test_records_are_read_where_they_lie(far: str, kafka: KafkaServer, count: int) -> None:
    """Near and far from each other, over many fetches; what was never there, and a transaction's mark, are left out."""
    chosen = random.Random(count).sample([(number, offset) for number in range(2) for offset in range(3_050)], count)
    places = [Place(far, number, offset) for number, offset in chosen]
    nowhere = [Place(far, 2, 0), Place(unique_name("none"), 0, 0)]
    found = asyncio.run(read_records(kafka.bootstrap, [*places, *nowhere], 10.0))
    assert asyncio.run(read_records(kafka.bootstrap, nowhere, 10.0)) == {}
    assert set(found) == {place for place in places if place.offset < 3_000 or place[1:] == (1, 3_000)}
    for place, record in found.items():
        assert (record.partition, record.offset) == place[1:]
        assert record.value == b"%d" % place.offset * 300


@pytest.fixture(scope="module")
def far(kafka: KafkaServer) -> str:
    """A topic of more than one fetch, with a transaction behind the rest of one partition."""
    topic = unique_name("far")
    items = [
        Item(None, b"%d" % offset * 300, 1_790_000_000_000, number) for number in range(2) for offset in range(3_000)
    ]
    make(kafka.bootstrap, topic, 2, items)

    async def work() -> None:
        async with producer(kafka.bootstrap, unique_name("transaction")) as sending, sending.transaction():
            await write(sending, topic, 2, [Item(None, b"3000" * 300, 1_790_000_000_000, 1)])

    asyncio.run(work())
    return topic


def settings_of(here: Replay, **more: Any) -> Settings:
    place = here.place
    return Settings(
        kafka=place.kafka,
        redis=SecretStr(place.redis),
        topic=place.topic,
        installation=place.installation,
        partitioner="murmur2",
        pools=None,
    ).model_copy(update=more)


def listed(here: Replay, limit: int = 100_000, **filters: str) -> Listing:
    chosen = Filters.of(filters.get("pool"), filters.get("reason"), filters.get("since"))
    return asyncio.run(list_letters(settings_of(here), chosen, limit))


def replayed(here: Replay, dry_run: bool = False, **filters: str) -> Replayed:
    chosen = Filters.of(filters.get("pool"), filters.get("reason"), None)
    return asyncio.run(replay(settings_of(here), chosen, dry_run))


def dead(here: Replay) -> dict[tuple[int, int], str]:
    """What the oracle says cannot be used."""
    return {(number, offset): reason for number, state in here.expected.items() for offset, reason in state.letters}


def counts(here: Replay) -> Counter[str]:
    found: Counter[str] = Counter()
    for state in here.expected.values():
        found.update(state.counts)
    return found


def brought_in(here: Replay) -> Replay:
    """The same with all that was written to the topic since, once ingest has it."""
    longer = here.reread()
    with longer.ingest(batch=40) as ingest:
        longer.wait(ingest)
    return longer


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


def test_what_can_be_used_is_sent_again_and_nothing_else(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    """The oracle, which knows nothing of replays, finds no dead letter among them and no use for any left out."""
    here = brought_in(begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(42, 900, PARTITIONS)))
    before, letters = counts(here), dead(here)
    foretold = replayed(here, dry_run=True)
    assert here.reread().ends == here.ends, "a dry run sent something"
    done = replayed(here)
    assert (done.sent, done.left_out) == (foretold.sent, foretold.left_out)
    longer = brought_in(here)
    longer.check()
    after = counts(longer)
    assert after == before + Counter(applied=done.sent.total())
    assert done.sent.total() + len(done.left_out) == len(letters)
    assert {letters[place.partition, place.offset] for place, *_ in done.left_out} < set(letters.values())

    left = {(place.partition, place.offset): reason for place, reason, _ in done.left_out}
    sent = [letters[place] for place in letters if place not in left]
    assert {"wrong_key", "wrong_partition"} <= set(sent)
    # Were they sent after all, each would be what was said of it; none of them changes what becomes of the others.
    logs = {number: list(read.records) for number, read in longer.log.items()}
    became: dict[tuple[int, int], str] = {}
    for (number, offset), reason in left.items():
        (record,) = (one for one in here.log[number].records if one.offset == offset)
        pool = pool_named(record.value) or POOL
        target = partition_of(pool, PARTITIONS)
        end = logs[target][-1].offset + 1
        logs[target].append(Record(end, 2_000_000_000_000, pool.encode(), record.value))
        became[target, end] = reason
    for number, records in logs.items():
        state = oracle(records, records[-1].offset + 1, number, PARTITIONS)
        reasons = dict(state.letters)
        for one in records[len(longer.log[number].records) :]:
            assert reasons.get(one.offset, "duplicate") == became[number, one.offset]

    second = replayed(here)
    assert (second.sent.total(), len(second.left_out)) == (0, len(letters))
    assert Counter(reason for _, reason, _ in second.left_out)["duplicate"] >= done.sent.total()
    assert here.reread().ends == longer.ends


def pool_named(value: bytes | None) -> str | None:
    try:
        found = json.loads(value or b"")["pool"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def test_a_replayed_record_is_as_it_was_but_for_its_key_and_says_where_it_comes_from(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    """In the order in which it was recorded, wherever it lay."""
    headers = (("trace", b"7f"), ("receipt", b""), ("trace", b"80"))
    items = [
        Item(b"other", duel(number), 1_790_000_000_000 + 1000 * number, number % PARTITIONS, headers)
        for number in range(12)
    ]
    here = brought_in(begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, items))
    assert len(dead(here)) == 12
    longer = brought_in_after(here, lambda: replayed(here, pool=POOL))
    new = [one for one in longer.log[HERE].records if one.offset >= here.log[HERE].end]
    assert [(one.key, one.value) for one in new] == [(POOL.encode(), duel(number)) for number in range(12)]
    for number, one in enumerate(new):
        origin = f"{here.place.topic}/{number % PARTITIONS}/{number // PARTITIONS}"
        assert one.headers == (("trace", b"7f"), ("trace", b"80"), (REPLAYED_HEADER, origin.encode()))
        assert one.timestamp > 1_795_000_000_000
    assert counts(longer)["applied"] == 12


def brought_in_after(here: Replay, step: Callable[[], object]) -> Replay:
    step()
    longer = brought_in(here)
    longer.check()
    return longer


def duel(number: int, room: int = 0) -> bytes:
    sides = [{"players": [f"p{number % 3}"], "rank": 1}, {"players": ["bob"], "rank": 2}]
    match = {"id": f"d-{number}", "pool": POOL, "at": 1_780_000_000_000, "sides": sides}
    return json.dumps(match).encode() + b" " * room


@pytest.mark.parametrize("made_again", [False, True])
def test_letters_stand_in_for_a_log_that_lost_its_records(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, command: Command, made_again: bool
) -> None:
    """Where they are whole: of a longer value a letter keeps the beginning, which is never sent."""
    items = [Item(b"other", duel(number, 300_000 * (number == 1)), 1_790_000_000_000, HERE) for number in range(3)]
    here = brought_in(begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, items))
    topic = here.place.topic
    connect = ("--kafka", kafka.bootstrap, "--topic", topic)
    _, out, _ = command("dead-letters", "show", f"{topic}/{HERE}/1", *connect)
    assert '"id": "d-1"' in out
    assert "cut" not in out

    async def lose() -> None:
        if made_again:
            await remove_topic(kafka.bootstrap, topic)
            await make_topic(kafka.bootstrap, topic, PARTITIONS)
            return
        async with admin(kafka.bootstrap) as asked:
            await asked.delete_records({TopicPartition(topic, HERE): RecordsToDelete(here.log[HERE].end)})

    asyncio.run(lose())
    others = [Item(b"other", duel(number), 1_790_000_000_001, HERE) for number in range(4)] * made_again
    produce(kafka.bootstrap, topic, PARTITIONS, others)
    _, out, _ = command("dead-letters", "show", f"{HERE}/1", *connect)
    assert "cut: the letter keeps 262,144 of 300" in out
    done = replayed(here)
    assert [(place.offset, reason) for place, reason, _ in done.left_out] == [(1, "gone")]
    new = here.reread().log[HERE].records[len(others) :]
    assert [one.value for one in new] == [duel(0), duel(2)]
    assert [one.headers for one in new] == [
        ((REPLAYED_HEADER, f"{topic}/{HERE}/{number}".encode()),) for number in (0, 2)
    ]


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


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run the command in this process; answer exit code, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["standings", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return run


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


def test_a_replay_that_broke_off_is_finished_by_another(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What became of the first one's records nobody knows; a match counts once."""
    items = [Item(b"other", duel(number), 1_790_000_000_000, HERE) for number in range(12)]
    here = brought_in(begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, items))
    with monkeypatch.context() as broken:
        broken.setattr("standings.replay.SEND_S", 0.0)
        with pytest.raises(Trouble, match=r"0 were sent for certain, and a second replay counts none twice"):
            replayed(here)
    assert counts(brought_in_after(here, lambda: replayed(here)))["applied"] == 12
