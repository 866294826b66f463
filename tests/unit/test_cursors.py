"""Cursors read back as they were written, and nothing else is taken for one."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.cursors import BoardCursor, decode_pool, encode_pool
from service.fields import is_slug
from service.problems import Problem


def _encodable(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


words = st.text(st.sampled_from("abc19_-"), min_size=1, max_size=20)
players = st.text(min_size=1, max_size=32).filter(_encodable)


@given(words, words, words, st.floats(allow_nan=False, allow_infinity=False), players)
def test_a_cursor_reads_back_exactly(pool: str, generation: str, system: str, value: float, player: str) -> None:
    cursor = BoardCursor(pool, generation, system, value, player)
    read = BoardCursor.decode(cursor.encode())
    assert read == cursor
    assert repr(read.value) == repr(value)


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda b: base64.urlsafe_b64encode(b).decode())))
def test_whatever_else_is_malformed_or_reads_back_as_itself(text: str) -> None:
    def read(decode: Callable[[str], str]) -> str:
        try:
            return decode(text)
        except Problem as problem:
            return problem.type.slug

    assert read(lambda text: BoardCursor.decode(text).encode()) in (text, "malformed")
    assert read(lambda text: encode_pool(decode_pool(text))) in (text, "malformed")


GOOD = BoardCursor("go", "1", "elo", 1893.2, "atlas-9").encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD[:12],
        GOOD + "=",
        GOOD + "\n",
        " " + GOOD,
        BoardCursor("go", "1", "elo", float("nan"), "ann").encode(),
        BoardCursor("go", "1", "elo", float("inf"), "ann").encode(),
        BoardCursor("go", "1", "elo", 1.0, "").encode(),
        BoardCursor("go", "1", "elo", 1.0, "a" * 129).encode(),
        base64.urlsafe_b64encode(b"\x02go\x011\x03elo" + b"\0" * 8 + b"\xff").decode().rstrip("="),
        base64.urlsafe_b64encode(b"\xff").decode().rstrip("="),
    ],
)
def test_a_cursor_that_no_page_gave_is_malformed(text: str) -> None:
    with pytest.raises(Problem) as raised:
        BoardCursor.decode(text)
    assert raised.value.type.slug == "malformed"


@pytest.mark.parametrize("name", ["chess", "a", "a" * 128, "chess.blitz_2026-x"])
def test_a_pool_reads_back(name: str) -> None:
    assert is_slug(name)
    assert decode_pool(encode_pool(name)) == name


@pytest.mark.parametrize("text", ["", GOOD, encode_pool("no slug"), encode_pool("a" * 129), encode_pool("é")])
def test_only_slugs_are_pools(text: str) -> None:
    with pytest.raises(Problem):
        decode_pool(text)
