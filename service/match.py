"""Match: the one definition of what arrives, its JSON Schema and its checks.

Kafka records, HTTP bodies and files are all read by `decode`, so all refuse the same things in the same words.
"""

from __future__ import annotations

import re
from array import array
from functools import cache
from itertools import accumulate
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from service.fields import Name, Slug, check_name, check_pool, moment, wrong
from service.problems import Problem
from service.seed import Seed, decode_seed

MOST_SIDES: Final = 20_000
MOST_PLAYERS: Final = 20_000
MOST_ON_A_SIDE: Final = 100
MOST_AHEAD_MS: Final = 86_400_000
RECORD_BYTES: Final = 1 << 20
MOST_DEEP: Final = 64
"""Levels of lists and objects, also in fields that are not known. Python has a bound of its own, but that hangs on how
deep in calls the reader is: one program would take what another refuses."""


class Side(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One or more players who share a place.

    Attributes
    ----------
    players : tuple of str
        1 to 100 names.
    rank : int, optional
        The place, 1 = best; sides of equal rank are tied.
    score : float, optional
        Points, higher is better; ranks follow from them. Every side has a rank or every side a score.
    """

    players: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MOST_ON_A_SIDE)]
    rank: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    score: Annotated[float, Meta(ge=-1e15, le=1e15)] | None = None


class Match(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One result.

    Attributes
    ----------
    id : str
        Unique in its pool; the same id again is a duplicate.
    pool : str
        The ladder that the match belongs to; also the record's key.
    at : int or str
        When it was played: epoch milliseconds, or an RFC 3339 date or time (a date is its midnight in UTC).
    sides : tuple of Side
        2 to 20,000 sides with at most 20,000 players altogether, nobody twice.
    type : str
        ``match``.
    weight : float, optional
        How much the match counts; 1 by default.
    home : int, optional
        Index of the side that has the advantage of its home.
    voter, matchup : str, optional
        Who judged; which suggestion was played.
    tags : tuple of str, optional
        Free labels.
    """

    id: Name
    pool: Slug
    at: int | str
    sides: Annotated[tuple[Side, ...], Meta(min_length=2, max_length=MOST_SIDES)]
    type: Literal["match"] = "match"
    weight: Annotated[float, Meta(gt=0, le=1000)] | None = None
    home: Annotated[int, Meta(ge=0, lt=MOST_SIDES)] | None = None
    voter: Name | None = None
    matchup: Name | None = None
    tags: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()


class _Kind(msgspec.Struct):
    type: str = "match"


_decoder = msgspec.json.Decoder(Match)
_kind_decoder = msgspec.json.Decoder(_Kind)
_encoder = msgspec.json.Encoder()
_where = re.compile(r"(.*) - at `(?:key in )?\$\.?(.*)`", re.DOTALL)
# A text, be it ended or not: whatever stands in it, nothing is gone through twice.
_text = re.compile(rb'"(?:[^"\\]++|\\.)*+\\?(?:"|\Z)', re.DOTALL)
_steps = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_no_bracket = bytes(byte for byte in range(256) if byte not in b"[{]}")


def decode(value: bytes | None) -> Match | Seed:
    """Read a match or a seed and check everything that can be checked without its surroundings.

    Parameters
    ----------
    value : bytes or None
        JSON in UTF-8.

    Returns
    -------
    Match or Seed

    Raises
    ------
    Problem
        ``null_value``, ``record_too_large``, ``malformed`` or ``invalid_match``, with the field named.

    Examples
    --------
    >>> match = decode(b'{"id": "1", "pool": "chess", "at": "2026-11-21", "sides":'
    ...                b' [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]}')
    >>> match.sides[0].players, match.at
    (('ann',), 1795219200000)
    """
    if value is None:
        raise Problem("null_value", "the record has no value")
    if len(value) > RECORD_BYTES:
        raise Problem("record_too_large", f"{len(value)} bytes are more than {RECORD_BYTES}")
    try:
        # As text: msgspec itself does not look at the bytes of fields that it does not know.
        text = value.decode()
    except UnicodeDecodeError as error:
        raise Problem("malformed", f"not UTF-8 at byte {error.start}") from None
    try:
        match = _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return _decode_other(text, error)
    _check_depth(text, 2 * len(match.sides))
    return checked(match)


def _decode_other(text: str, error: Exception) -> Seed:
    """Read what is no match; every record that is one has been read without looking at its type."""
    _check_depth(text, 0)
    try:
        if _kind_decoder.decode(text).type == "seed":
            return decode_seed(text)
    except msgspec.ValidationError as wrong_seed:
        raise _unreadable(text, wrong_seed) from None
    except (msgspec.DecodeError, RecursionError):
        pass
    raise _unreadable(text, error) from None


def _check_depth(text: str, known: int) -> None:
    """Refuse what has too many levels, by counting alone where brackets beside those known are few."""
    if len(text) < 2 * MOST_DEEP or text.count("[") + text.count("{") <= known + MOST_DEEP // 2:
        return
    steps = array("b", _text.sub(b"", text.encode()).translate(_steps, _no_bracket))
    if max(accumulate(steps), default=0) > MOST_DEEP:
        raise _too_deep()


def _too_deep() -> Problem:
    return Problem("malformed", f"nested deeper than {MOST_DEEP} levels")


def checked(match: Match) -> Match:
    """Check what the types alone cannot say.

    Returns
    -------
    Match
        The same, with ``at`` in epoch milliseconds.

    Raises
    ------
    Problem
        ``invalid_match``, with the field named.
    """
    sides = match.sides
    names = [name for side in sides for name in side.players]
    text = "".join(names)
    # All but a few names are plain ASCII, whose bytes are as many as their characters.
    if not (text.isascii() and text.isprintable() and match.id.isascii() and match.id.isprintable()):
        _check_names(match)
    if match.voter is not None or match.matchup is not None or match.tags:
        _check_labels(match)
    check_pool(match.pool)
    if len(set(names)) != len(names):
        raise _name_twice(match)
    if len(names) > MOST_PLAYERS:
        raise wrong("sides", f"{len(names)} players", f"at most {MOST_PLAYERS:,} players in a match")
    ranked = sides[0].rank is not None
    for index, side in enumerate(sides):
        if (side.rank is not None) is not ranked or (side.score is None) is not ranked:
            raise _rank_and_score(index, side)
    if match.home is not None and match.home >= len(sides):
        raise wrong("home", f"{match.home} names no side", f"0 to {len(sides) - 1}")
    at = moment(match.at)
    return match if at is match.at else msgspec.structs.replace(match, at=at)


def check_ahead(match: Match | Seed, timestamp: int) -> None:
    """Refuse a match that says it was played more than a day after its record was made.

    Parameters
    ----------
    match : Match or Seed
        Checked.
    timestamp : int
        The record's own, in epoch milliseconds.
    """
    at = match.at
    assert isinstance(at, int), "checked"
    if at > timestamp + MOST_AHEAD_MS:
        raise wrong(
            "at",
            f"{at - timestamp} ms after the record's own timestamp",
            "at most one day ahead; check the producer's clock and the unit (milliseconds)",
        )


def encode(match: Match | Seed) -> bytes:
    """Write a match or a seed as JSON; equal matches give equal bytes: fields in order, defaults left out."""
    return _encoder.encode(match)


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a record, a match or a seed, written from the definitions above."""
    (match, seed), components = msgspec.json.schema_components((Match, Seed))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "anyOf": [match, seed], "$defs": components}


def _unreadable(text: str, error: Exception) -> Problem:
    if isinstance(error, msgspec.ValidationError):
        # The decoder ended at the first wrong field; what follows may not even be JSON.
        try:
            msgspec.json.decode(text, type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError) as worse:
            return _unreadable(text, worse)
        return _located(str(error))
    return _too_deep() if isinstance(error, RecursionError) else Problem("malformed", str(error))


def _located(message: str) -> Problem:
    """Turn a decoder's message into a problem that names the field."""
    found = _where.fullmatch(message)
    text, field = found.groups() if found else (message, "")
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", text):
        field = f"{field}.{missing[1]}" if field else missing[1]
        text = "missing"
    if field == "type":
        text = text.replace("enum value", "type")
        return wrong("type", text[:128], "'match' or 'seed'")
    return wrong(field, text, "see /schemas/match.json")


def _check_names(match: Match) -> None:
    check_name("id", match.id)
    for i, side in enumerate(match.sides):
        for j, name in enumerate(side.players):
            check_name(f"sides[{i}].players[{j}]", name)


def _check_labels(match: Match) -> None:
    for field, text in (("voter", match.voter), ("matchup", match.matchup)):
        if text is not None:
            check_name(field, text)
    for index, tag in enumerate(match.tags):
        check_name(f"tags[{index}]", tag)


def _name_twice(match: Match) -> Problem:
    seen: dict[str, int] = {}
    for i, side in enumerate(match.sides):
        for j, name in enumerate(side.players):
            if name in seen:
                where = "one side" if seen[name] == i else "two sides"
                return wrong(f"sides[{i}].players[{j}]", f"stands twice on {where}: {name!r}", "name each player once")
            seen[name] = i
    raise AssertionError("called for a match that names nobody twice")


def _rank_and_score(index: int, side: Side) -> Problem:
    if side.rank is not None and side.score is not None:
        what = "has a rank and a score"
    elif side.rank is None and side.score is None:
        what = "has neither rank nor score"
    else:
        what = "has a score where others have ranks" if side.rank is None else "has a rank where others have scores"
    return wrong(f"sides[{index}]", what, "a rank on every side, or a score on every side")
