"""Match: each field, each bound, each way of not being JSON; what is refused names its field."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from service.fields import EARLIEST_MS, LATEST_MS, is_slug
from service.match import (
    MOST_AHEAD_MS,
    RECORD_BYTES,
    Match,
    Side,
    check_ahead,
    checked,
    decode,
    encode,
    schema,
)
from service.problems import Problem

GOOD: dict[str, Any] = {
    "id": "m-1",
    "pool": "chess",
    "at": 0,
    "sides": [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}],
}
DAY_MS = 86_400_000


def text(**changed: Any) -> str:
    return json.dumps({**GOOD, **changed}, ensure_ascii=False)


def read(**changed: Any) -> Match:
    return match_in(text(**changed).encode())


def match_in(value: bytes) -> Match:
    found = decode(value)
    assert isinstance(found, Match)
    return found


def refused(value: bytes | None) -> tuple[str, str]:
    """Slug and field of the problem; each names at most one field, in its detail too."""
    with pytest.raises(Problem) as caught:
        decode(value)
    problem = caught.value
    assert len(problem.detail) < 1_000
    if not problem.errors:
        return problem.type.slug, ""
    (error,) = problem.errors
    assert error.remedy
    assert error.field in problem.detail
    return problem.type.slug, error.field


def wrong(**changed: Any) -> str:
    """Field named by the problem of a match with these fields changed."""
    slug, field = refused(text(**changed).encode())
    assert slug == "invalid_match"
    return field


def sides(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"players": [name], "rank": rank} for name, rank in pairs]


def scored(*names: str) -> list[dict[str, Any]]:
    return [{"players": [name], "score": 1} for name in names]


def side(**fields: Any) -> list[dict[str, Any]]:
    """Two sides, the first of them with these fields."""
    return [fields, {"players": ["bob"], "rank": 2}]


def test_every_field_is_read() -> None:
    match = read(
        id="x", pool="go.19x19", at=-5, type="match", weight=2, home=1, voter="eve", matchup="mu-1", tags=["a", "b"],
        sides=[{"players": ["ann", "bob"], "score": 3}, {"players": ["cid"], "score": -1.5}],
    )  # fmt: skip
    assert match == Match(
        "x", "go.19x19", -5, (Side(("ann", "bob"), score=3.0), Side(("cid",), score=-1.5)), "match", 2.0, 1, "eve",
        "mu-1", ("a", "b"),
    )  # fmt: skip
    least = read()
    assert (least.weight, least.home, least.voter, least.matchup, least.tags) == (None, None, None, None, ())


@pytest.mark.parametrize("field", ["id", "pool", "at", "sides"])
def test_what_is_missing_is_named(field: str) -> None:
    assert refused(json.dumps({key: value for key, value in GOOD.items() if key != field}).encode()) == (
        "invalid_match",
        field,
    )
    assert wrong(**{field: None}) == field


@pytest.mark.parametrize("place", ["id", "voter", "matchup", "tags[0]", "sides[0].players[0]", "sides[0].players[1]"])
def test_names(place: str) -> None:
    def change(name: Any) -> dict[str, Any]:
        if place.startswith("tags"):
            return {"tags": [name]}
        if place.startswith("sides"):
            return {"sides": side(players=[name] if place.endswith("[0]") else ["ann", name], rank=1)}
        return {place: name}

    # C0 ends at U+001F, DEL is U+007F, C1 goes from U+0080 to U+009F; their neighbours are ordinary.
    for name in ("x", " ", "x" * 128, "é" * 64, "😀" * 32, "~", "\u00a0", "\u00ad", "\u200b", "\u2028", "\ue000", "Ａ"):
        read(**change(name))
    others: list[Any] = ["", "x" * 129, "é" * 64 + "x", "😀" * 32 + "x", "é" * 129, 1, True, ["x"]]
    for other in others:
        assert wrong(**change(other)) == place
    for code in (*range(0x20), *range(0x7F, 0xA0)):
        assert wrong(**change(f"a{chr(code)}b")) == place


def test_names_are_compared_byte_for_byte() -> None:
    match = read(sides=sides(("é", 1), ("e\u0301", 2), ("É", 3), ("e", 4)))
    assert [len(side.players[0].encode()) for side in match.sides] == [2, 3, 2, 1]


@pytest.mark.parametrize("name", ["a", "7", "A.b-c_d", "x" * 128, "chess.blitz.2026", "a..b", "a-"])
def test_pools_are_slugs(name: str) -> None:
    assert read(pool=name).pool == name
    assert is_slug(name)


@pytest.mark.parametrize("name", ["", ".a", "_a", "-a", "a b", "a/b", "é", "٣", "a\n", "a\x00", "x" * 129, 1])
def test_other_pools_are_refused(name: Any) -> None:
    assert wrong(pool=name) == "pool"
    assert not is_slug(str(name)) or name == 1


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("1970-01-01", 0),
        ("2026-11-21", 1_795_219_200_000),
        ("2026-11-21T10:00:00Z", 1_795_255_200_000),
        ("2026-11-21t10:00:00z", 1_795_255_200_000),
        ("2026-11-21 10:00:00+01:00", 1_795_251_600_000),
        ("2026-11-21T10:00:00-23:59", 1_795_341_540_000),
        ("2026-11-21T10:00:00-00:00", 1_795_255_200_000),
        ("2026-11-21T10:00:00.1Z", 1_795_255_200_100),
        ("2026-11-21T10:00:00.123999999999Z", 1_795_255_200_123),
        ("1970-01-01T00:00:00.0009Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("1969-12-31T23:59:59.9995Z", -1),
        ("1969-12-31", -DAY_MS),
        ("2024-02-29", 1_709_164_800_000),
        ("0001-01-01", EARLIEST_MS),
        ("0001-01-01T01:00:00+01:00", EARLIEST_MS),
        ("9999-12-31T23:59:59.999999Z", LATEST_MS),
        (EARLIEST_MS, EARLIEST_MS),
        (LATEST_MS, LATEST_MS),
        (-0, 0),
    ],
)
def test_times(at: int | str, expected: int) -> None:
    assert read(at=at).at == expected


@pytest.mark.parametrize(
    "at",
    [
        "", "now", "2026", "2026-11", "20261121", "2026-325", "2026-W47-6", " 2026-11-21", "2026-11-21\n",
        "2026-11-21T10:00:00", "2026-11-21T10:00Z", "2026-11-21T10:00:00.Z", "2026-11-21T10:00:00,5Z", "2026-11-21Z",
        "2026-12-31T23:59:60Z", "2026-11-21T24:00:00Z", "2026-11-21T10:60:00Z", "2026-11-21T10:00:00+24:00",
        "2026-11-21T10:00:00+00:60", "2026-11-21T10:00:00+0100", "2026-11-21T10:00:00+01", "2026-11-21_10:00:00Z",
        "2026-02-29", "2026-13-01", "2026-00-01", "2026-04-31", "0000-01-01", "-0001-01-01", "10000-01-01",
        "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2026-11-21T10:00:00.1234567٢Z", "٢٠٢٦-١١-٢١",
        EARLIEST_MS - 1, LATEST_MS + 1, 2**63, -(2**64), 10**30, int("9" * 4_000), 0.0, 1e3, 0.5, True, [], {},
        "x" * 100_000,
    ],
)  # fmt: skip
def test_other_times_are_refused(at: Any) -> None:
    assert wrong(at=at) == "at"


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (
            "weight",
            [5e-324, 0.5, 1, 1000, 1000.0, None],
            [0, 0.0, -0.0, -1, 1000.0000000000001, 1001, 1e308, "1", True],
        ),
        ("home", [0, 1, None], [-1, 2, 19_999, 20_000, 10**30, 1.0, 0.5, "0", True]),
        ("type", ["match"], ["vote", "", "Match", "Seed", "seeds", 1, None, "x" * 10_000]),
        ("tags", [[], ["a"] * 16], [["a"] * 17, None, "a", {}]),
    ],
)
def test_bounds(field: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(read(**{field: value}), field) == (tuple(value) if isinstance(value, list) else value)
    for value in bad:
        assert wrong(**{field: value}) == field


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("rank", [1, 10**9], [0, -1, 10**9 + 1, 10**30, 1.0, 1.5, "1", True]),
        ("score", [0, -0.0, 3, 1e15, -1e15, 5e-324], [1.1e15, -1.1e15, 1e308, "1", True, []]),
        ("players", [["ann"], [str(number) for number in range(100)]], [[], [str(i) for i in range(101)], "ann", None]),
    ],
)
def test_bounds_of_a_side(field: str, good: list[Any], bad: list[Any]) -> None:
    other = {"players": ["bob"], **({"score": 0} if field == "score" else {"rank": 1})}
    first = {"players": ["ann"], **({} if field == "score" else {"rank": 1})}
    for value in good:
        read(sides=[{**first, field: value}, other])
    for value in bad:
        assert wrong(sides=[other, {**first, field: value}]) == f"sides[1].{field}"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([], "sides"),
        (sides(("ann", 1)), "sides"),
        ("ann", "sides"),
        ([1, 2], "sides[0]"),
        ([None, None], "sides[0]"),
        (side(rank=1), "sides[0].players"),
        (sides(("ann", 1), ("ann", 2)), "sides[1].players[0]"),
        (side(players=["ann", "cid", "ann"], rank=1), "sides[0].players[2]"),
        (side(players=["bob"], rank=1), "sides[1].players[0]"),
        (side(players=["ann"]), "sides[0]"),
        (side(players=["ann"], rank=None), "sides[0]"),
        (side(players=["ann"], rank=1, score=1), "sides[0]"),
        (side(players=["ann"], score=1), "sides[1]"),
        ([*scored("ann", "bob"), *sides(("cid", 1))], "sides[2]"),
        ([*sides(("ann", 1), ("bob", 1)), *scored("cid")], "sides[2]"),
        ([*scored("ann", "bob"), {"players": ["cid"], "score": 1, "rank": 1}], "sides[2]"),
        ([{"players": ["ann"], "score": 1}, {"players": ["bob"]}], "sides[1]"),
    ],
)  # fmt: skip
def test_sides_that_are_refused(value: Any, field: str) -> None:
    assert wrong(sides=value) == field


def test_largest_match() -> None:
    largest = sides(*((str(number), 1) for number in range(20_000)))
    assert len(read(sides=largest).sides) == 20_000
    assert wrong(sides=[*largest, *sides(("one", 1))]) == "sides"
    teams = [{"players": [f"{team}/{place}" for place in range(100)], "rank": 1} for team in range(200)]
    assert len(read(sides=teams).sides) == 200
    assert wrong(sides=[*teams, *sides(("one", 1))]) == "sides"


def test_what_is_not_known_is_ignored() -> None:
    odd = {"x": None, "": [1, {"id": 2}], "Id": 3, "ранг": 1e300, "huge": 10**400}
    assert read(**odd) == read()
    assert read(sides=side(players=["ann"], rank=1, **odd)) == read()


def test_the_last_of_equal_keys_counts() -> None:
    value = text()[:-1] + ', "id": "m-2", "sides": [{"players": ["cid"], "rank": 1}, {"players": ["dan"], "rank": 1}]}'
    assert decode(value.encode()) == read(id="m-2", sides=sides(("cid", 1), ("dan", 1)))
    assert refused((text()[:-1] + ', "at": ""}').encode()) == ("invalid_match", "at")


WHOLE = text().encode()
SPLICED = {
    "empty": b"",
    "blank": b" \n",
    "truncated": WHOLE[:-1],
    "more after it": WHOLE + b"{}",
    "a zero byte after it": WHOLE + b"\0",
    "BOM": b"\xef\xbb\xbf" + WHOLE,
    "UTF-16": text().encode("utf-16"),
    "NaN": text().replace(": 0,", ": NaN,").encode(),
    "Infinity": text().replace(": 0,", ": -Infinity,").encode(),
    "leading zero": text().replace(": 0,", ": 00,").encode(),
    "trailing comma": WHOLE[:-1] + b",}",
    "single quotes": text().replace('"', "'").encode(),
    "control character as it is": text().replace("ann", "a\nn").encode(),
    "control character in what is not known": WHOLE[:-1] + b', "x": "\n"}',
    "lone high surrogate": text().replace("ann", "\\ud800").encode(),
    "lone low surrogate": text().replace("ann", "\\udc00x").encode(),
    "surrogates the wrong way round": text().replace("ann", "\\udc00\\ud83d").encode(),
    "surrogate as UTF-8": text().replace("ann", "\ud800").encode("utf-8", "surrogatepass"),
    "Latin-1": text().replace("ann", "é").encode("latin-1"),
    "longer than needed": WHOLE.replace(b"ann", b"\xc0\x80"),
    "beyond Unicode": WHOLE.replace(b"ann", b"\xf4\x90\x80\x80"),
    "not UTF-8 in what is not known": WHOLE[:-1] + b', "x": "\xff"}',
    "not UTF-8 in a key": WHOLE[:-1] + b', "\xff": 1}',
    "nested": WHOLE[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested and open": b'{"x":' * 100_000,
    "lists, nested and open": b"[" * 100_000,
}


@pytest.mark.parametrize("value", SPLICED.values(), ids=SPLICED.keys())
def test_what_is_no_json_is_malformed(value: bytes) -> None:
    assert refused(value) == ("malformed", "")


def test_place_of_a_wrong_byte_is_told() -> None:
    with pytest.raises(Problem, match=f"not UTF-8 at byte {WHOLE.index(b'ann')}"):
        decode(WHOLE.replace(b"ann", b"\xffnn"))


@pytest.mark.parametrize("value", [b"null", b"[]", b"1", b'"x"', b"true"])
def test_what_is_no_object_is_no_match(value: bytes) -> None:
    assert refused(value) == ("invalid_match", "")


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 5_000, "-" + "1" * 400])
def test_numbers_out_of_range(number: str) -> None:
    assert refused(text().replace(": 0,", f": {number},").encode()) == ("invalid_match", "at")
    scored = text(sides=[{"players": ["ann"], "score": 7}, {"players": ["bob"], "score": 1}])
    assert refused(scored.replace(": 7}", f": {number}}}").encode()) == ("invalid_match", "sides[0].score")


def test_no_value_and_too_many_bytes() -> None:
    assert refused(None) == ("null_value", "")
    assert decode(WHOLE + b" " * (RECORD_BYTES - len(WHOLE))) == read()
    assert refused(WHOLE + b" " * (RECORD_BYTES - len(WHOLE) + 1)) == ("record_too_large", "")


def test_a_match_made_here_is_checked_alike() -> None:
    made = Match("m-1", "chess", "1970-01-02", (Side(("ann",), rank=1), Side(("bob",), rank=2)))
    assert checked(made).at == DAY_MS
    with pytest.raises(Problem, match="pool: 'no slug' is no slug"):
        checked(msgspec.structs.replace(made, pool="no slug"))


def test_ahead_of_its_record() -> None:
    now = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
    for at in (now + MOST_AHEAD_MS, now, EARLIEST_MS):
        check_ahead(read(at=at), now)
    with pytest.raises(Problem, match="at: 86400001 ms after the record's own timestamp") as caught:
        check_ahead(read(at=now + MOST_AHEAD_MS + 1), now)
    assert (caught.value.type.slug, caught.value.errors[0].field) == ("invalid_match", "at")


def test_bytes_of_a_match() -> None:
    """Digests of content are made from these bytes: a change here is a change of what a duplicate is."""
    assert encode(read(weight=None, tags=[], type="match", unknown=1)) == (
        b'{"id":"m-1","pool":"chess","at":0,"sides":[{"players":["ann"],"rank":1},{"players":["bob"],"rank":2}]}'
    )
    # An explicit 1 is not the default left out: the content differs, the rating does not.
    assert b'"weight":1.0' in encode(read(weight=1))


def test_what_says_it_is_a_seed_is_read_as_one() -> None:
    """And is told what a seed lacks, not what a match lacks."""
    assert wrong(type="seed") == "system"
    # The last of equal keys counts, and each must be of its kind.
    seed = '{"type": "seed", "id": "1", "pool": "chess", "at": 0, "system": "elo", "players": []}'
    assert refused(seed.encode()) == ("invalid_match", "players")
    assert refused(seed.replace('"elo"', '"elo", "type": "match"').encode()) == ("invalid_match", "type")
    assert refused(seed.replace('"elo"', '"elo", "type": 1').encode()) == ("invalid_match", "type")
    assert refused((text()[:-1] + ', "type": "seed"}').encode()) == ("invalid_match", "system")
    with pytest.raises(Problem, match="type: Invalid type 'vote'") as caught:
        read(type="vote")
    assert caught.value.errors[0].remedy == "'match' or 'seed'"


def test_schema_states_the_bounds() -> None:
    definitions = schema()["$defs"]
    match, one = definitions["Match"], definitions["Side"]
    assert match["required"] == ["id", "pool", "at", "sides"]
    assert one["required"] == ["players"]
    assert set(match["properties"]) == set(Match.__struct_fields__)
    assert match["properties"]["sides"] | {"items": 0} == {
        "type": "array",
        "minItems": 2,
        "maxItems": 20_000,
        "items": 0,
    }
    assert one["properties"]["players"]["maxItems"] == 100
    assert match["properties"]["pool"]["pattern"] == "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
    assert match["properties"]["weight"]["anyOf"][0] == {"type": "number", "exclusiveMinimum": 0, "maximum": 1000}
    assert match["properties"]["type"]["enum"] == ["match"]
    assert "additionalProperties" not in match
    assert json.dumps(schema())
    assert schema()["anyOf"] == [{"$ref": "#/$defs/Match"}, {"$ref": "#/$defs/Seed"}]
    seed, seeded = definitions["Seed"], definitions["SeededPlayer"]
    assert seed["required"] == ["type", "id", "pool", "at", "system", "players"]
    assert seed["properties"]["type"] == {"enum": ["seed"]}
    assert {key: seed["properties"]["players"][key] for key in ("minItems", "maxItems")} == {
        "minItems": 1,
        "maxItems": 1_000,
    }
    assert seeded["required"] == ["player", "rating"]
    assert seeded["properties"]["rating"] == {"type": "number", "minimum": -1e9, "maximum": 1e9}


def test_what_breaks_off_after_a_wrong_field_is_malformed() -> None:
    with pytest.raises(Problem) as caught:
        decode(b'{"id": 7, "pool": "chess", "at": 0, "sides": [')
    assert caught.value.type.slug == "malformed"
