"""The judge: which records are matches, which are duplicates, which are dead letters and for which reason."""

import gc
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any
from weakref import ref
from zlib import crc32

import pytest

from consumers.judge import Judge, Verdicts, anchor_of
from consumers.seen import SeenIds
from service.match import MOST_AHEAD_MS, RECORD_BYTES, decode, encode
from service.pool_file import parse_pools
from service.pools import Pools
from service.problems import PROBLEMS, Problem

NOW = 1_795_219_200_000
HERE = 3
ELSEWHERE = "go"
"""A pool of another partition; so are all that begin like it."""


@dataclass
class Made:
    """A record."""

    offset: int
    value: bytes | None
    key: bytes | None = b"chess"
    timestamp: int = NOW
    headers: Sequence[tuple[str, bytes]] = ()


def value(**changed: Any) -> bytes:
    match = {
        "id": "m-1",
        "pool": "chess",
        "at": NOW,
        "sides": [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}],
    }
    return json.dumps(match | changed).encode()


def seed(**changed: Any) -> bytes:
    fields = {"type": "seed", "id": "s-1", "pool": "chess", "at": NOW, "system": "kalman"}
    return json.dumps(fields | {"players": [{"player": "ann", "rating": 1800}]} | changed).encode()


GOOD = Made(0, value())
CROWD = [{"players": [str(number)], "rank": 1} for number in range(5_001)]


@pytest.mark.parametrize(
    "change", [{"value": b"{"}, {"value": value(pool="go")}, {"key": b"go"}, {"key": None}], ids=str
)
def test_a_record_that_cannot_be_used_is_not_held(change: dict[str, Any]) -> None:
    """Not until Python looks for cycles, for it may be large; and not for good because many have the same key."""
    judging = Judge(HERE, lambda pool: 5 if pool.startswith(ELSEWHERE) else HERE, Pools())
    gc.disable()
    try:
        seen = SeenIds(100, {})
        held = []
        for offset in range(3):
            record = replace(Made(offset, value()), **change)
            held.append(ref(record))
            judging.judge([record], seen)
            del record
        assert [record() for record in held] == [None] * 3
    finally:
        gc.enable()


def judge(*records: Made, window: int = 100, seen: SeenIds | None = None, pools: Pools | None = None) -> Verdicts:
    judging = Judge(HERE, lambda pool: 5 if pool.startswith(ELSEWHERE) else HERE, pools or Pools())
    return judging.judge(records, SeenIds(window, {}) if seen is None else seen)


def outcomes(verdicts: Verdicts) -> list[str]:
    """For each record: ``match``, ``duplicate`` or the reason."""
    names = []
    for found in verdicts.found:
        if isinstance(found, Problem):
            assert found.detail
            names.append(found.type.slug)
        else:
            names.append("duplicate" if found is None else "match")
    return names


def reason(record: Made) -> str:
    verdicts = judge(record)
    (outcome,) = outcomes(verdicts)
    assert len(verdicts.accepted) == (outcome == "match")
    return outcome


def numbered(records: Sequence[Made]) -> list[Made]:
    return [replace(record, offset=offset) for offset, record in enumerate(records)]


def test_a_good_record() -> None:
    verdicts = judge(replace(GOOD, offset=41))
    assert verdicts.found == [decode(GOOD.value)]
    assert verdicts.accepted["offset"].tolist() == [41]
    assert verdicts.accepted["content"].tolist() == [crc32(encode(decode(GOOD.value)))]
    digest = blake2b(b"chess/m-1", digest_size=16).digest()
    assert verdicts.accepted["high"].tobytes() + verdicts.accepted["low"].tobytes() == digest


def json_of(record: Made) -> dict[str, Any]:
    assert record.value is not None
    read: dict[str, Any] = json.loads(record.value)
    return read


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (Made(0, None), "null_value"),
        (Made(0, b" " * (RECORD_BYTES + 1)), "record_too_large"),
        (Made(0, b""), "malformed"),
        (Made(0, value()[:-1]), "malformed"),
        (Made(0, value(pool="")), "invalid_match"),
        (Made(0, value(at=NOW + MOST_AHEAD_MS + 1)), "invalid_match"),
        (Made(0, value(at=NOW + MOST_AHEAD_MS)), "match"),
        (Made(0, value(at="0001-01-01")), "match"),
        (Made(0, value(), timestamp=NOW - MOST_AHEAD_MS), "match"),
        (Made(0, value(), timestamp=NOW - MOST_AHEAD_MS - 1), "invalid_match"),
        (Made(0, value(sides=CROWD)), "shape_not_taken"),
        (Made(0, value(sides=CROWD[:-1])), "match"),
        (Made(0, value(), key=None), "wrong_key"),
        (Made(0, value(), key=b""), "wrong_key"),
        (Made(0, value(), key=b"Chess"), "wrong_key"),
        (Made(0, value(), key=b"chess "), "wrong_key"),
        (Made(0, value(), key=b"\xff"), "wrong_key"),
        (Made(0, value(), key=b"no slug"), "wrong_key"),
        (Made(0, value(), key=b"go/no/slug"), "wrong_key"),
        (Made(0, value(), key=b"x" * 129), "wrong_key"),
        (Made(0, value(), key=b'"chess"'), "wrong_key"),
        (Made(0, value(pool="blitz")), "wrong_key"),
        (Made(0, value(pool="blitz"), key=b"blitz"), "match"),
        (Made(0, value(pool=ELSEWHERE), key=b"go"), "wrong_partition"),
        (Made(0, value(type="seed")), "invalid_match"),
        (Made(0, seed()), "match"),
        (Made(0, seed(type="match")), "invalid_match"),
        (Made(0, seed(players=[])), "invalid_match"),
        (Made(0, seed(at=NOW + MOST_AHEAD_MS + 1)), "invalid_match"),
        (Made(0, seed(system="glicko2")), "unknown_name"),
        (Made(0, seed(system="Kalman")), "unknown_name"),
        (Made(0, seed(pool="arena"), key=b"arena"), "match"),
        (Made(0, seed(pool="arena", system="glicko2"), key=b"arena"), "unknown_name"),
        (Made(0, seed(pool="blitz")), "wrong_key"),
    ],
)
def test_reasons(record: Made, expected: str) -> None:
    assert reason(record) == expected
    assert expected == "match" or expected in PROBLEMS


@pytest.mark.parametrize(
    ("record", "first"),
    [
        (Made(0, None, key=None), "null_value"),
        (Made(0, b"{", key=b"\xff"), "malformed"),
        (Made(0, value(sides=[]), key=None), "invalid_match"),
        (Made(0, value(sides=[]), key=b"go"), "invalid_match"),
        (Made(0, value(at=NOW * 1000), key=None), "invalid_match"),
        # The key says where a record belongs: where that is elsewhere, what it holds does not matter.
        (Made(0, value(pool="chess"), key=b"go"), "wrong_partition"),
        (Made(0, value(pool="go"), key=b"chess"), "wrong_key"),
        (Made(0, value(pool="blitz", at=NOW + 2 * MOST_AHEAD_MS)), "wrong_key"),
        (Made(0, value(sides=CROWD, at=NOW + 2 * MOST_AHEAD_MS)), "invalid_match"),
        (Made(0, seed(system="glicko2", at=NOW + 2 * MOST_AHEAD_MS)), "invalid_match"),
        (Made(0, seed(system="glicko2"), key=b"blitz"), "wrong_key"),
    ],
)
def test_the_first_reason_counts(record: Made, first: str) -> None:
    assert reason(record) == first


def test_repeats() -> None:
    again, other = value(), value(sides=[{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 1}])
    verdicts = judge(*numbered([GOOD, Made(0, again), Made(0, other), Made(0, again)]))
    assert outcomes(verdicts) == ["match", "duplicate", "id_reused", "duplicate"]
    assert verdicts.accepted["offset"].tolist() == [0]
    assert "'m-1'" in str(verdicts.found[2])
    assert "'chess'" in str(verdicts.found[2])


def test_the_same_content_in_other_words_is_a_duplicate() -> None:
    spelled = [
        value(at="2026-11-21"),
        value(at="2026-11-21T01:00:00+01:00", weight=None, tags=[], type="match"),
        json.dumps(dict(reversed(json_of(GOOD).items())), indent=4).encode(),
        value(sides=[{"rank": 1, "players": ["\u0061nn"], "extra": 1}, {"players": ["bob"], "rank": 2}], note="x"),
    ]
    assert outcomes(judge(*numbered([GOOD, *(Made(0, text) for text in spelled)]))) == ["match"] + ["duplicate"] * 4


def test_an_id_belongs_to_its_pool() -> None:
    records = [GOOD, Made(0, value(pool="blitz"), key=b"blitz"), Made(0, value(id="m-2"))]
    assert outcomes(judge(*numbered(records))) == ["match"] * 3


def test_pool_and_id_do_not_run_into_each_other() -> None:
    """A slug has no slash, so the first one ends the pool."""
    records = [Made(0, value(pool="a", id="b/c"), key=b"a"), Made(0, value(pool="a.b", id="c"), key=b"a.b")]
    records += [Made(0, value(pool="a", id="b"), key=b"a"), Made(0, value(pool="a", id="b/c"), key=b"a")]
    assert outcomes(judge(*numbered(records))) == ["match", "match", "match", "duplicate"]


def test_a_dead_letter_uses_up_no_id() -> None:
    late = Made(0, value(at=NOW + 2 * MOST_AHEAD_MS))
    records = [late, Made(0, value(), key=b"blitz"), Made(0, value(sides=CROWD)), GOOD, Made(0, value(), key=None)]
    assert outcomes(judge(*numbered(records))) == [
        "invalid_match", "wrong_key", "shape_not_taken", "match", "wrong_key",
    ]  # fmt: skip


def test_seeds_and_matches_share_their_ids() -> None:
    records = [GOOD, Made(0, seed(id="m-1")), Made(0, seed()), Made(0, seed()), Made(0, value(id="s-1"))]
    assert outcomes(judge(*numbered(records))) == ["match", "id_reused", "match", "duplicate", "id_reused"]
    spelled = [
        seed(at="2026-11-21", note=1),
        seed(players=[{"rating": 1800.0, "player": "ann", "deviation": None}]),
        seed(players=[{"player": "ann", "rating": 1800.5}]),
        seed(players=[{"player": "ann", "rating": 1800, "deviation": 350}]),
    ]
    again = judge(*numbered([Made(0, seed()), *(Made(0, text) for text in spelled)]))
    assert outcomes(again) == ["match", "duplicate", "duplicate", "id_reused", "id_reused"]


def test_the_pools_configuration_decides_what_is_taken() -> None:
    pools = parse_pools(
        """
        [pools.chess]
        most_sides = 3
        most_players = 2
        shadows = [{system = "glicko2"}]
        """,
        "pools.toml",
    )

    def found(text: bytes) -> str:
        (outcome,) = judge(Made(0, text), pools=pools).found
        return outcome.detail if isinstance(outcome, Problem) else "taken"

    def sides(count: int, players: int) -> bytes:
        return value(sides=[{"players": [f"{s}/{p}" for p in range(players)], "rank": 1} for s in range(count)])

    assert found(sides(3, 2)) == "taken"
    assert found(sides(4, 1)) == "sides: the pool takes at most 3 sides, not 4"
    assert found(sides(2, 3)) == "sides: the pool takes at most 2 players a side"
    # Of any system that the pool has, the shadows too.
    assert found(seed(system="glicko2")) == "taken"
    assert found(seed(system="x")) == "system: the pool has no 'x', it has kalman, glicko2"


def test_headers_decide_nothing() -> None:
    asked = replace(GOOD, headers=[("receipt", b""), ("x", b"\xff")])
    assert judge(asked).found == judge(GOOD).found
    assert anchor_of(asked) == anchor_of(GOOD)


def test_the_window_counts_offsets() -> None:
    first = replace(GOOD, offset=10)
    for gap, expected in [(1, "duplicate"), (100, "duplicate"), (101, "match")]:
        assert outcomes(judge(first, replace(GOOD, offset=10 + gap))) == ["match", expected]


def test_what_was_seen_before_counts() -> None:
    seen = SeenIds(100, {})
    assert outcomes(judge(GOOD, seen=seen)) == ["match"]
    assert outcomes(judge(replace(GOOD, offset=1), seen=seen)) == ["duplicate"]


def test_nothing_to_judge() -> None:
    verdicts = judge()
    assert (verdicts.found, len(verdicts.accepted)) == ([], 0)
    verdicts = judge(Made(0, None), Made(1, b"{"))
    assert (outcomes(verdicts), len(verdicts.accepted)) == (["null_value", "malformed"], 0)


def test_a_decision_about_a_key_is_remembered_and_bounded() -> None:
    asked: list[str] = []

    def partition_of(pool: str) -> int:
        asked.append(pool)
        return HERE

    judging, seen = Judge(HERE, partition_of, Pools()), SeenIds(10_000, {})
    records = [Made(number, value(id=str(number))) for number in range(50)]
    judging.judge(records, seen)
    assert asked == ["chess"]
    assert judging._pool_of_key.cache_info().maxsize == 4096


def test_anchors_differ_wherever_records_do() -> None:
    assert anchor_of(GOOD) == anchor_of(replace(GOOD))
    others = [
        replace(GOOD, offset=1),
        replace(GOOD, timestamp=NOW + 1),
        replace(GOOD, key=b"ches"),
        replace(GOOD, value=None),
        replace(GOOD, value=b""),
        replace(GOOD, value=value(id="m-2")),
        replace(GOOD, key=b"chess" + value()[:1], value=value()[1:]),
    ]
    assert len({anchor_of(record) for record in [GOOD, *others]}) == len(others) + 1
