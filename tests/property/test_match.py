"""Matches and seeds: what is written reads back, only a Problem is ever raised, schema and oracle agree."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.fields import EARLIEST_MS, LATEST_MS
from service.match import Match, Side, checked, decode, encode, schema
from service.problems import PROBLEMS, Problem
from service.seed import Seed, SeededPlayer
from tests import oracle_match

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
QUICK = settings(deadline=None, max_examples=150, suppress_health_check=SLOW, print_blob=True)

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40).filter(
    lambda name: len(name.encode()) <= 128
)
slugs = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True)
times = st.integers(EARLIEST_MS, LATEST_MS)
weights = st.none() | st.floats(0, 1000, exclude_min=True)
ranks = st.integers(1, 1_000_000_000)
scores = st.floats(-1e15, 1e15)


@st.composite
def matches(draw: st.DrawFn) -> Match:
    players = draw(st.lists(names, min_size=2, max_size=12, unique=True))
    cuts = sorted(draw(st.sets(st.integers(1, len(players) - 1), min_size=1)))
    ranked = draw(st.booleans())
    sides = tuple(
        Side(tuple(players[low:high]), **{"rank": draw(ranks)} if ranked else {"score": draw(scores)})
        for low, high in zip([0, *cuts], [*cuts, len(players)], strict=True)
    )
    return Match(
        draw(names),
        draw(slugs),
        draw(times),
        sides,
        weight=draw(weights),
        home=draw(st.none() | st.integers(0, len(sides) - 1)),
        voter=draw(st.none() | names),
        matchup=draw(st.none() | names),
        tags=tuple(draw(st.lists(names, max_size=16))),
    )


@st.composite
def seeds(draw: st.DrawFn) -> Seed:
    deviations = st.none() | st.floats(0, 1e9, exclude_min=True)
    players = draw(st.lists(names, min_size=1, max_size=8, unique=True))
    return Seed(
        "seed",
        draw(names),
        draw(slugs),
        draw(times),
        draw(names),
        tuple(SeededPlayer(player, draw(st.floats(-1e9, 1e9)), draw(deviations)) for player in players),
    )


records = matches() | seeds()


def outcome(value: bytes) -> Match | Seed | Problem:
    """What a value is read as, which is what the oracle reads; any other exception is a failure."""
    found: Match | Seed | Problem
    try:
        found = decode(value)
    except Problem as problem:
        found = problem
    try:
        read = oracle_match.read(value)
    except oracle_match.Dead as dead:
        assert isinstance(found, Problem)
        (reason,) = dead.args
        assert found.type.slug == reason
        assert PROBLEMS[found.type.slug] is found.type
        assert len(found.detail.encode()) < 1_000
        return found
    assert not isinstance(found, Problem)
    assert (read.id, read.pool, read.at, read.content) == (found.id, found.pool, found.at, crc32(encode(found)))
    if isinstance(found, Seed):
        assert isinstance(read, oracle_match.Seed)
        assert read.system == found.system
        assert read.players == {one.player: (one.rating, one.deviation) for one in found.players}
    else:
        assert isinstance(read, oracle_match.Match)
        assert read.sides == [list(side.players) for side in found.sides]
    return found


def valid(value: Any, rule: dict[str, Any]) -> bool:
    """The part of JSON Schema that msgspec writes; whatever else stands in a schema fails here."""
    rest = {key: rule[key] for key in rule if key not in ("title", "description", "default")}
    if "$ref" in rest:
        return valid(value, schema()["$defs"][rest["$ref"].rpartition("/")[2]])
    if "anyOf" in rest:
        return any(valid(value, one) for one in rest["anyOf"])
    if "enum" in rest:
        return value in rest["enum"]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    kinds = {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str),
        "integer": number and value == value // 1,
        "number": number,
        "null": value is None,
    }
    if not kinds[rest.pop("type")]:
        return False
    holds: dict[str, Callable[[Any], bool]] = {
        "properties": lambda fields: all(valid(value[key], fields[key]) for key in value if key in fields),
        "required": lambda wanted: all(key in value for key in wanted),
        "items": lambda one: all(valid(item, one) for item in value),
        "minItems": lambda least: len(value) >= least,
        "maxItems": lambda most: len(value) <= most,
        "minLength": lambda least: len(value) >= least,
        "maxLength": lambda most: len(value) <= most,
        "pattern": lambda pattern: re.search(pattern, value) is not None,
        "minimum": lambda least: value >= least,
        "maximum": lambda most: value <= most,
        "exclusiveMinimum": lambda least: value > least,
        "exclusiveMaximum": lambda most: value < most,
    }
    return all(holds[key](rest[key]) for key in rest)


@given(match=records)
@QUICK
def test_round_trip(match: Match | Seed) -> None:
    if isinstance(match, Match):
        assert checked(match) == match
    written = encode(match)
    assert decode(written) == match
    assert encode(decode(written)) == written
    assert outcome(written) == match
    # And what another program would write of it.
    assert decode(json.dumps(json.loads(written), indent=1).encode()) == match


@given(match=records)
@QUICK
def test_schema_accepts_what_is_accepted(match: Match | Seed) -> None:
    assert valid(json.loads(encode(match)), schema())


wild = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
edges = st.sampled_from(
    [0, -1, 1, 2, 19_999, 20_000, 1_000, 1_001, 10**9, 10**9 + 1, 1e15, 1.1e15, "", "x" * 129, "match", "seed"]
)


@given(match=records, data=st.data())
@QUICK
def test_what_the_schema_refuses_is_refused(match: Match | Seed, data: st.DataObject) -> None:
    """A match or a seed with one or two of its parts replaced by anything at all."""
    value = json.loads(encode(match))
    part, inner = ("sides", ["players", "rank", "score"]) if isinstance(match, Match) else ("players", [])
    inner = inner or list(SeededPlayer.__struct_fields__)
    for _ in range(data.draw(st.integers(1, 2))):
        inside = data.draw(st.sampled_from([value, *(one for one in value[part] if isinstance(one, dict))]))
        field = data.draw(st.sampled_from(inner if inside is not value else list(match.__struct_fields__)))
        if data.draw(st.booleans()):
            inside.pop(field, None)
        else:
            inside[field] = data.draw(wild | edges)
        if not isinstance(value.get(part), list):
            break
    found = outcome(json.dumps(value).encode())
    if not valid(value, schema()):
        # A JSON Schema takes 1.0 for an integer; nothing that it refuses is a match or a seed.
        assert isinstance(found, Problem)
        assert found.type.slug == "invalid_match"
    elif not isinstance(found, Problem):
        assert decode(encode(found)) == found


@given(value=st.binary(max_size=300))
@example(b"\xff")
@settings(QUICK, max_examples=300)
def test_any_bytes_are_a_match_or_a_problem(value: bytes) -> None:
    assert isinstance(outcome(value), Problem)


@given(match=records, data=st.data())
@QUICK
def test_damaged_bytes_are_a_match_or_a_problem(match: Match | Seed, data: st.DataObject) -> None:
    value = bytearray(encode(match))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(value)))
        value[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    found = outcome(bytes(value))
    if not isinstance(found, Problem):
        assert decode(encode(found)) == found


@given(moment=st.datetimes(timezones=st.just(UTC)), minutes=st.integers(-1439, 1439), spaced=st.booleans())
@QUICK
def test_a_time_is_its_milliseconds_in_any_zone(moment: datetime, minutes: int, spaced: bool) -> None:
    try:
        local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        local = moment
    text = local.isoformat(sep=" " if spaced else "T")
    match = Match("1", "chess", text, (Side(("ann",), rank=1), Side(("bob",), rank=2)))
    assert checked(match).at == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


STAMP = (
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]([Tt ][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]+)?([Zz]|[+-][0-2][0-9]:[0-5][0-9]))?"
)


@given(text=st.text(max_size=30) | st.from_regex(STAMP) | st.from_regex(STAMP.replace("0-9", r"\d")))
@settings(QUICK, max_examples=400)
def test_a_time_is_strictly_rfc_3339(text: str) -> None:
    match = Match("1", "chess", text, (Side(("ann",), rank=1), Side(("bob",), rank=2)))
    try:
        checked(match)
    except Problem as problem:
        (error,) = problem.errors
    else:
        assert re.fullmatch(STAMP, text)
        return
    assert error.field == "at"


@pytest.mark.parametrize("value", [{}, {"id": 1}, {"sides": []}])
def test_the_schema_can_refuse(value: dict[str, Any]) -> None:
    assert not valid(value, schema())
