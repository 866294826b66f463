"""Whatever arrives: what cannot be used becomes a dead letter with its reason, counted once, and harms nothing else."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any, NamedTuple

import pytest

from standings.embedded import KafkaServer, ValkeyServer
from tests.made_up import RECORDED, unique_name
from tests.oracle import Pool, partition_of, replay
from tests.replay import Replay, begin
from tests.topics import Item, Letter, read_letters

PARTITIONS = 3
POOL = "ladder"
HERE = partition_of(POOL, PARTITIONS)
DAY = 86_400_000
KEPT = 256 * 1024


class Bad(NamedTuple):
    """A record that cannot be used, why, and the field that its dead letter names."""

    what: str
    item: Item
    reason: str
    field: str | None


def match(number: int, **changed: Any) -> dict[str, Any]:
    names = (f"p{number % 7}", f"q{number % 5}")
    sides = [{"players": [names[0]], "rank": 1 + number % 2}, {"players": [names[1]], "rank": 1 + number % 3}]
    return {"id": f"id-{number}", "pool": POOL, "at": "2026-01-01", "sides": sides} | changed


def record(value: dict[str, Any] | bytes | None, key: bytes | None = POOL.encode(), partition: int = HERE) -> Item:
    written = json.dumps(value).encode() if isinstance(value, dict) else value
    return Item(key, written, RECORDED, partition)


def side(number: int, **changed: Any) -> list[dict[str, Any]]:
    """Two sides, the first of them changed; a field set to None is left out."""
    first = {"players": [f"p{number % 7}"], "rank": 1} | changed
    return [{name: value for name, value in first.items() if value is not None}, {"players": ["q0"], "rank": 2}]


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in match(0).items() if field != name}


def ranked(sizes: list[int]) -> list[dict[str, Any]]:
    return [
        {"players": [f"s{place}-{one}" for one in range(size)], "rank": place + 1} for place, size in enumerate(sizes)
    ]


def fields() -> list[Bad]:
    """Matches with one field that cannot be."""
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("id a number", {"id": 5}, "id"),
        ("id empty", {"id": ""}, "id"),
        ("id too long", {"id": "x" * 129}, "id"),
        ("id too long in bytes", {"id": "é" * 65}, "id"),
        ("id with a control character", {"id": "a\tb"}, "id"),
        ("type not known", {"type": "vote"}, "type"),
        ("at true", {"at": True}, "at"),
        ("at a fraction", {"at": 1.5}, "at"),
        ("at no time", {"at": "yesterday"}, "at"),
        ("at without a zone", {"at": "2026-01-01T10:00:00"}, "at"),
        ("at no day", {"at": "2026-02-30"}, "at"),
        ("at in nanoseconds", {"at": RECORDED * 10**6}, "at"),
        ("at ahead by more than a day", {"at": RECORDED + DAY + 1}, "at"),
        ("sides an object", {"sides": {}}, "sides"),
        ("no side", {"sides": []}, "sides"),
        ("one side", {"sides": side(0)[:1]}, "sides"),
        ("20,001 sides", {"sides": ranked([1] * 20_001)}, "sides"),
        ("20,001 players", {"sides": ranked([100] * 200 + [1])}, "sides"),
        ("101 on a side", {"sides": ranked([101, 1])}, "sides[0].players"),
        ("nobody on a side", {"sides": side(0, players=[])}, "sides[0].players"),
        ("players a name", {"sides": side(0, players="ann")}, "sides[0].players"),
        ("no players", {"sides": side(0, players=None)}, "sides[0].players"),
        ("a player twice on a side", {"sides": side(0, players=["ann", "ann"])}, "sides[0].players[1]"),
        ("a player on two sides", {"sides": side(0, players=["q0"])}, "sides[1].players[0]"),
        ("a player without a name", {"sides": side(0, players=[""])}, "sides[0].players[0]"),
        ("a name of 129 bytes", {"sides": side(0, players=["n" * 129])}, "sides[0].players[0]"),
        ("a name of 130 bytes", {"sides": side(0, players=["ann", "é" * 65])}, "sides[0].players[1]"),
        ("a control character", {"sides": side(0, players=["a\u0000b"])}, "sides[0].players[0]"),
        ("a late control character", {"sides": side(0, players=["a\u0085b"])}, "sides[0].players[0]"),
        ("rank text", {"sides": side(0, rank="1")}, "sides[0].rank"),
        ("rank 0", {"sides": side(0, rank=0)}, "sides[0].rank"),
        ("rank a fraction", {"sides": side(0, rank=1.5)}, "sides[0].rank"),
        ("score too large", {"sides": side(0, rank=None, score=1e16)}, "sides[0].score"),
        ("score text", {"sides": side(0, rank=None, score="3")}, "sides[0].score"),
        ("score beside ranks", {"sides": side(0, rank=None, score=3)}, "sides[1]"),
        ("rank and score", {"sides": side(0, score=3)}, "sides[0]"),
        ("neither rank nor score", {"sides": side(0, rank=None)}, "sides[0]"),
        ("weight 0", {"weight": 0}, "weight"),
        ("weight 1001", {"weight": 1001}, "weight"),
        ("weight text", {"weight": "1"}, "weight"),
        ("home nobody", {"home": 2}, "home"),
        ("home before the first", {"home": -1}, "home"),
        ("voter a number", {"voter": 7}, "voter"),
        ("matchup with a control character", {"matchup": "a\u001b[31m"}, "matchup"),
        ("tags a text", {"tags": "eu"}, "tags"),
        ("17 tags", {"tags": ["t"] * 17}, "tags"),
    ]
    bad = [
        Bad(what, record(match(1000 + number, **changed)), "invalid_match", field)
        for number, (what, changed, field) in enumerate(wrong)
    ]
    bad += [Bad(f"no {name}", record(without(name)), "invalid_match", name) for name in ("id", "pool", "at", "sides")]
    return bad


def bodies() -> list[Bad]:
    """Records that are no match, or lie where they should not."""
    good = json.dumps(match(2000)).encode()
    here = POOL.encode()
    deep = good[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    return [
        Bad("broken off", record(good[:-9]), "malformed", None),
        Bad("something after it", record(good + b"x"), "malformed", None),
        Bad("empty", record(b""), "malformed", None),
        Bad("a list", record(b"[]"), "invalid_match", ""),
        Bad("not UTF-8", record(good.replace(b"id-2000", b"id-\xff")), "malformed", None),
        Bad("not UTF-8 where nobody looks", record(good[:-1] + b',"x":"\xff"}'), "malformed", None),
        Bad("half a surrogate pair", record(good.replace(b"id-2000", b"id-\\ud800")), "malformed", None),
        Bad("deep", record(deep), "malformed", None),
        Bad("score NaN", record(match(2001, sides=side(0, rank=None, score=float("nan")))), "malformed", None),
        Bad("score infinite", record(match(2002, sides=side(0, rank=None, score=float("inf")))), "malformed", None),
        Bad(
            "score past all floats",
            record(json.dumps(match(2003, sides=side(0, rank=None, score=7))).replace("7}", "1e999}").encode()),
            "invalid_match",
            "sides[0].score",
        ),
        Bad("no value", record(None), "null_value", None),
        Bad("2 MB", record(good + b" " * 2_000_000), "record_too_large", None),
        Bad("kept by its beginning", record(good + b" " * KEPT + b"x"), "malformed", None),
        Bad("no key", record(good, None), "wrong_key", None),
        Bad("key not UTF-8", record(good, b"\xff"), "wrong_key", None),
        Bad("key no pool's name", record(good, b"a pool"), "wrong_key", None),
        Bad("another pool", record(match(2004, pool="elsewhere")), "wrong_key", None),
        Bad("another partition", record(good, here, (HERE + 1) % PARTITIONS), "wrong_partition", None),
        Bad("5,001 sides", record(match(2005, sides=ranked([1] * 5_001))), "shape_not_taken", None),
        Bad("id used for another", record(match(1, weight=0.5)), "id_reused", None),
    ]


def good_ones() -> list[Item]:
    """Matches that are just about right."""
    twice = json.dumps(match(3000)).replace('"rank": 1', '"rank": 9, "rank": 1', 1).replace("{", '{"id": "first", ', 1)
    odd = [
        match(3001, at=RECORDED + DAY),
        match(3002, at="0001-01-01"),
        match(3003, at=-5_000_000_000_000, id="é" * 64),
        match(3004, sides=side(0, players=["n" * 128, "\U0001f3c6", "../a//b "])),
        match(3005, not_known=[[[None]], {"a": {}}], weight=1000, home=1, tags=[], voter=None),
        match(3006, sides=ranked([1] * 300)),
        match(3010, sides=ranked([100] * 200)),
        match(3007, sides=[{"players": ["low"], "score": -1e15}, {"players": ["zero"], "score": -0.0}]),
    ]
    padded = json.dumps(match(3008)).encode()
    full = padded + b" " * ((1 << 20) - len(padded))
    return [*map(record, odd), record(full), record(twice.encode())]


@pytest.fixture(scope="module")
def brought_in(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """Every bad record with a good one before it, in one log; brought in by batches of 40."""
    items: list[Item] = []
    for number, bad in enumerate([*fields(), *bodies()]):
        items += (record(match(number)), bad.item)
    items += good_ones()
    items += [record(dict(reversed(match(number).items()))) for number in range(3)]
    here = begin(kafka.bootstrap, valkey.url, unique_name, tmp_path_factory.mktemp("bad"), PARTITIONS, items)
    with here.ingest(batch=40) as ingest:
        here.wait(ingest)
        for reason, count in Counter(bad.reason for bad in [*fields(), *bodies()]).items():
            assert ingest.metric(f'standings_records_total{{outcome="{reason}"}}') == count
    return here


@pytest.fixture(scope="module")
def letters(brought_in: Replay) -> dict[str, Letter]:
    return read_letters(brought_in.place.kafka, brought_in.place.topic)


def test_ratings_counts_and_position_are_the_oracles(brought_in: Replay) -> None:
    brought_in.check()
    # As many good ones as were meant to be good; only then is the rest of this file about what it says.
    assert brought_in.expected[HERE].counts["applied"] == len([*fields(), *bodies(), *good_ones()])
    assert brought_in.expected[HERE].counts["duplicate"] == 3


def test_ratings_are_those_of_a_log_without_the_bad_records(brought_in: Replay) -> None:
    state, log = brought_in.expected[HERE], brought_in.log[HERE]
    dead = {offset for offset, _ in state.letters}
    others = [one for one in log.records if one.offset not in dead]
    without_them = replay(others, log.end, HERE, PARTITIONS)
    assert without_them.letters == []
    assert with_no_offsets(without_them.pools[POOL]) == with_no_offsets(state.pools[POOL])


def with_no_offsets(pool: Pool) -> object:
    return pool.rows, pool.board, pool.scores, pool.totals[0], pool.totals[2]


def test_every_bad_record_is_a_dead_letter_once(brought_in: Replay, letters: dict[str, Letter]) -> None:
    expected = {
        f"{brought_in.place.topic}/{number}/{offset}": reason
        for number, state in brought_in.expected.items()
        for offset, reason in state.letters
    }
    assert {key: letter.headers["reason"].decode() for key, letter in letters.items()} == expected
    assert len(expected) == len([*fields(), *bodies()])


@pytest.mark.parametrize("bad", [*fields(), *bodies()], ids=lambda bad: bad.what)
def test_letter_says_what_is_wrong_and_keeps_the_record(
    bad: Bad, brought_in: Replay, letters: dict[str, Letter]
) -> None:
    assert bad.item.partition is not None
    (found,) = (
        one
        for one in brought_in.log[bad.item.partition].records
        if (one.key, one.value) == (bad.item.key, bad.item.value)
    )
    letter = letters[f"{brought_in.place.topic}/{bad.item.partition}/{found.offset}"]
    headers = letter.headers
    assert headers["reason"].decode() == bad.reason
    assert headers["detail"]
    assert headers.get("field", b"").decode() == (bad.field or "")
    if bad.field:
        assert headers["detail"].decode().startswith(bad.field)
    assert headers["topic"].decode() == brought_in.place.topic
    assert [int(headers[name]) for name in ("partition", "offset", "timestamp")] == [
        bad.item.partition,
        found.offset,
        RECORDED,
    ]
    assert headers.get("key") == bad.item.key
    value = bad.item.value
    if value is None or len(value) <= KEPT:
        assert letter.value == value
        assert "sha256" not in headers
    else:
        assert letter.value == value[:KEPT]
        assert int(headers["bytes"]) == len(value)
        assert headers["sha256"].decode() == hashlib.sha256(value).hexdigest()
