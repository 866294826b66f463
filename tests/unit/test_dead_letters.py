"""Dead letters: how they are read, chosen and shown; and when there are too many of them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumers.tally import RECENT, Bounds, Tally
from service.api.dead_letters import DeadLetter, decode_order, encode_order
from service.dead_letters import Found, Letter, digest_of, pool_of, read_letter
from service.problems import Problem
from service.records import Place
from service.settings import Settings
from standings.dead_letters import Filters, read_place, readable
from standings.errors import Mistake

VALUE = b'{"pool": "chess"'


@dataclass
class Made:
    """A record."""

    offset: int = 3
    value: bytes | None = VALUE
    key: bytes | None = b"matches/1/17"
    timestamp: int = 1_795_000_000_123
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int = 2
    timestamp_type: int = 0


HEADERS = {
    "reason": b"malformed",
    "detail": b"broken off",
    "topic": b"matches",
    "partition": b"1",
    "offset": b"17",
    "timestamp": b"1790000000000",
    "key": b"chess",
}


def letter(**changed: bytes | None) -> Made:
    headers = HEADERS | changed
    return Made(headers=[(name, value) for name, value in headers.items() if value is not None])


def read(made: Made) -> Found:
    found = read_letter(made)
    assert found is not None
    return found


def test_a_letter_is_read() -> None:
    found = read(letter())
    assert found.letter == Letter(
        topic="matches",
        partition=1,
        offset=17,
        pool="chess",
        reason="malformed",
        detail="broken off",
        field=None,
        key="chess",
        bytes=len(VALUE),
        cut=False,
        recorded_at=datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC),
        found_at=datetime.fromtimestamp(1_795_000_000.123, UTC),
    )
    assert found.lies == Place("matches.dead-letters", 2, 3)


def test_a_letter_knows_its_record_again() -> None:
    whole, record = read(letter()), Made(timestamp=1_790_000_000_000)
    assert whole.is_of(record)
    assert not whole.is_of(replace(record, timestamp=1))
    assert not whole.is_of(replace(record, value=VALUE + b"}"))
    assert not whole.is_of(replace(record, value=None))
    long = VALUE + b" " * 300_000
    digest = digest_of(long)
    assert digest is not None
    cut = read(letter(bytes=str(len(long)).encode(), sha256=digest.encode()))
    assert (cut.letter.bytes, cut.letter.cut) == (len(long), True)
    assert cut.is_of(replace(record, value=long))
    assert not cut.is_of(record)
    empty = read(replace(letter(), value=None))
    assert (empty.letter.bytes, empty.letter.cut) == (None, False)
    assert empty.is_of(replace(record, value=None))


@pytest.mark.parametrize("name", ["reason", "topic", "partition", "offset", "timestamp"])
def test_what_ingest_did_not_write_is_no_letter(name: str) -> None:
    assert read_letter(letter(**{name: None})) is None
    assert read_letter(letter(**{name: b"\xff"})) is None


def test_a_record_of_no_time_at_all_is_read_too() -> None:
    for timestamp in (b"-99999999999999999", b"9223372036854775807"):
        assert read(letter(timestamp=timestamp)).letter.recorded_at is None


def test_the_match_names_the_pool_before_the_key_does() -> None:
    assert pool_of(b'{"id": 7, "pool": "chess", "sides": 0}', b"go") == "chess"
    for value in (None, b"", b"{", b'{"pool": 7}', b'{"pool": "a b"}', b'{"pool": "\xff"}', b"[" * 100_000):
        assert pool_of(value, b"go") == ("go" if value != b'{"pool": "a b"}' else None)
        assert pool_of(value, None) is None
        assert pool_of(value, b"no slug") is None


def test_filters() -> None:
    one = read(letter()).letter
    assert Filters.of(None, None, None).take(one)
    assert Filters.of("chess", "malformed", "2026-11-18T11:06:40Z").take(one)
    assert Filters.of(None, None, "1795000000123").take(one)
    assert not Filters.of(None, None, "1795000000124").take(one)
    assert not Filters.of("go", None, None).take(one)
    assert not Filters.of(None, "wrong_key", None).take(one)


@pytest.mark.parametrize(
    ("given_options", "said"),
    [
        (("a b", None, None), "--pool: 'a b' is no pool's name"),
        ((None, "wrongkey", None), "--reason: no dead letter has 'wrongkey', did you mean 'wrong_key'?"),
        ((None, None, "yesterday"), "--since: 'yesterday': neither a date nor a time with its zone; an RFC 3339"),
        ((None, None, "9" * 30), "--since: 9999"),
    ],
)
def test_a_wrong_filter_is_named(given_options: tuple[Any, Any, Any], said: str) -> None:
    with pytest.raises(Mistake) as raised:
        Filters.of(*given_options)
    assert str(raised.value).startswith(said)


def test_places() -> None:
    assert read_place("3/17", "matches") == read_place("matches/3/17", "matches") == Place("matches", 3, 17)
    for wrong in ("", "3", "3/", "3/x", "-1/3", "matches/3/17/9", "3/" + "9" * 30, "٣/1"):
        with pytest.raises(Mistake, match=r"TOPIC/PARTITION/OFFSET|of another topic"):
            read_place(wrong, "matches")
    with pytest.raises(Mistake, match="is of another topic than 'matches': name it with --topic"):
        read_place("votes/3/17", "matches")


@given(st.text())
def test_a_terminal_obeys_nothing_that_is_shown(text: str) -> None:
    shown = readable(text)
    assert all(one.isprintable() or one == "\n" for one in shown)
    assert text.isprintable() <= (shown == text)


@given(st.integers(0, 253_402_300_799_999), st.integers(0, 2**31), st.integers(0, 2**62))
def test_a_cursor_says_where_it_goes_on(at: int, partition: int, offset: int) -> None:
    made = replace(letter(partition=str(partition).encode(), offset=str(offset).encode()), timestamp=at)
    found = read(made)
    assert decode_order(encode_order(found)) == found.order


@pytest.mark.parametrize("text", ["", "1", "1-2", "1-2-3-4", "01-2-3", "1-2-x", "-1-2-3", "1-2-3 ", "9" * 15 + "-0-0"])
def test_a_cursor_that_no_page_gave(text: str) -> None:
    with pytest.raises(Problem) as raised:
        decode_order(text)
    assert raised.value.type.slug == "malformed"


def test_what_is_documented_is_what_is_answered() -> None:
    assert list(DeadLetter.__annotations__) == list(Letter.__struct_fields__)


def first_passed(dead: Sequence[bool], bounds: Bounds) -> int | None:
    """At which record a bound is passed, counted anew for each."""
    for end in range(1, len(dead) + 1):
        recent = dead[max(0, end - RECENT) : end]
        run = len(list(itertools.takewhile(bool, reversed(recent))))
        if bounds.run is not None and run > bounds.run:
            return end - 1
        if bounds.share is not None and sum(recent) > bounds.share * RECENT:
            return end - 1
    return None


@pytest.mark.parametrize("seed", range(40))
def test_a_bound_is_passed_where_it_is_passed_however_the_records_are_cut(seed: int) -> None:
    rng = random.Random(seed)
    share, run = rng.choice([None, 0.0, 0.02, 0.3, 1.0]), rng.choice([None, 1, 4, 30])
    chance, dead = rng.choice([0.0, 0.01, 0.2, 0.35, 0.9]), list[bool]()
    while len(dead) < 2_500:
        dead += [rng.random() < chance] * rng.choice([1, 1, 1, 20])
    bounds, records = Bounds(share, run), [Made(offset=7 + 2 * index) for index in range(len(dead))]
    expected = first_passed(dead, bounds)
    tally, done, said = Tally(bounds), 0, None
    while done < len(dead) and said is None:
        cut = records[done : done + rng.choice([1, 3, 500])]
        said = tally.count(cut, {one.offset for one in cut if dead[(one.offset - 7) // 2]})
        done += len(cut)
    if expected is None:
        assert said is None
        return
    assert said is not None
    assert f"the last of them at offset {7 + 2 * expected};" in said
    assert ("STANDINGS_MOST_DEAD_RUN" in said) or ("STANDINGS_MOST_DEAD_SHARE" in said)


def test_without_bounds_nothing_is_too_much() -> None:
    records = [Made(offset=offset) for offset in range(3_000)]
    assert Tally(Bounds()).count(records, range(3_000)) is None


@pytest.mark.parametrize(("name", "value"), [("share", "1.1"), ("share", "-0.1"), ("share", "nan"), ("run", "0")])
def test_bounds_that_cannot_be(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"STANDINGS_MOST_DEAD_{name.upper()}", value)
    with pytest.raises(ValidationError, match=f"most_dead_{name}"):
        Settings()
