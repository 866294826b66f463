"""The oracle's reading of a match or a seed: plain Python, a second opinion that shares no code with the service.

JSON is read by the standard library. A record that is no JSON in UTF-8 is ``malformed`` wherever it breaks off;
one that is, and says something that no match can say, is ``invalid_match``. Of a name given twice in one object
the last counts, though each must be of its type.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, NoReturn

DEEPEST = 64
EPOCH = date(1970, 1, 1).toordinal()
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2})))?"
)


class Dead(Exception):
    """The record cannot be used; the only argument is the reason."""


@dataclass(frozen=True)
class Match:
    """What the oracle needs of a match; ``content`` is the CRC-32 of its canonical form."""

    id: str
    pool: str
    at: int
    sides: list[list[str]]
    ranks: list[int]
    scores: list[float] | None
    weight: float
    home: int | None
    matchup: str | None
    content: int


@dataclass(frozen=True)
class Seed:
    """What the oracle needs of a seed: by player the rating and, if it is given, the deviation."""

    id: str
    pool: str
    at: int
    system: str
    players: dict[str, tuple[float, float | None]]
    content: int


class Object(list[tuple[str, Any]]):
    """A JSON object with every name as it came, so that none of those given twice is lost."""


def read(value: bytes | None) -> Match | Seed:
    if value is None:
        raise Dead("null_value")
    if len(value) > 1024 * 1024:
        raise Dead("record_too_large")
    found = _load(value)
    _need(type(found) is Object)
    return _read_seed(found) if dict(found).get("type") == "seed" else _read_match(found)


def _read_match(found: Object) -> Match:
    fields = _fields(found, MATCH)
    sides = [_fields(side, SIDE) for side in fields.get("sides", ())]
    _need(all(name in fields for name in ("id", "pool", "at", "sides")))
    names = [name for side in sides for name in side["players"]]
    _need(SLUG.fullmatch(fields["pool"]) is not None)
    _need(all(map(_is_name, [fields["id"], *names, *fields.get("tags", ())])))
    _need(all(fields.get(label) is None or _is_name(fields[label]) for label in ("voter", "matchup")))
    _need(len(names) <= 20_000 and len(set(names)) == len(names))
    _need(fields.get("home") is None or fields["home"] < len(sides))
    given = [[side.get(kind) is not None for side in sides] for kind in ("rank", "score")]
    _need(sorted((any(of), all(of)) for of in given) == [(False, False), (True, True)])
    at = _time(fields["at"])
    scores = [float(side["score"]) for side in sides] if all(given[1]) else None
    ranks = [side["rank"] for side in sides] if scores is None else _by_score(scores)
    weight = fields.get("weight")
    return Match(
        id=fields["id"],
        pool=fields["pool"],
        at=at,
        sides=[side["players"] for side in sides],
        ranks=ranks,
        scores=scores,
        weight=1.0 if weight is None else float(weight),
        home=fields.get("home"),
        matchup=fields.get("matchup"),
        content=zlib.crc32(_canonical(fields, sides, at).encode()),
    )


def _read_seed(found: Object) -> Seed:
    fields = _fields(found, SEED)
    _need(all(name in fields for name in ("id", "pool", "at", "system", "players")))
    players = [_fields(player, SEEDED) for player in fields["players"]]
    names = [player["player"] for player in players]
    _need(SLUG.fullmatch(fields["pool"]) is not None)
    _need(all(map(_is_name, [fields["id"], fields["system"], *names])))
    _need(len(set(names)) == len(names))
    at = _time(fields["at"])
    laid = []
    for player in players:
        deviation = player.get("deviation")
        known = "" if deviation is None else f',"deviation":{_float(deviation)}'
        laid.append(f'{{"player":{_text(player["player"])},"rating":{_float(player["rating"])}{known}}}')
    canonical = (
        f'{{"type":"seed","id":{_text(fields["id"])},"pool":{_text(fields["pool"])},"at":{at},'
        f'"system":{_text(fields["system"])},"players":[{",".join(laid)}]}}'
    )
    return Seed(
        id=fields["id"],
        pool=fields["pool"],
        at=at,
        system=fields["system"],
        players={
            player["player"]: (
                float(player["rating"]),
                None if player.get("deviation") is None else float(player["deviation"]),
            )
            for player in players
        },
        content=zlib.crc32(canonical.encode()),
    )


def _time(at: int | str) -> int:
    moment = at if isinstance(at, int) else _moment(at)
    # The years 1 to 9999, as far as RFC 3339 goes.
    _need((date.min.toordinal() - EPOCH) * 86_400_000 <= moment < (date.max.toordinal() + 1 - EPOCH) * 86_400_000)
    return moment


def _load(value: bytes) -> Any:
    try:
        text = value.decode("utf-8")
        found = _reader.decode(text)
        if r"\ud" in text.lower():
            # Half of a surrogate pair is no character; encoding finds it.
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        if value.count(b"[") + value.count(b"{") > DEEPEST and _depth(found) > DEEPEST:
            raise Dead("malformed")
    except (ValueError, RecursionError):
        raise Dead("malformed") from None
    return found


def _depth(found: Any) -> int:
    if not isinstance(found, list):
        return 0
    inner = [value for _, value in found] if isinstance(found, Object) else found
    return 1 + max(map(_depth, inner), default=0)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _integer(text: str) -> float:
    # With its sign, more digits than are read as an integer, be it in a field that counts or not.
    return int(text) if len(text) <= 4300 else math.inf


_reader = json.JSONDecoder(object_pairs_hook=Object, parse_constant=_refuse, parse_int=_integer)
_writer = json.JSONEncoder(ensure_ascii=False)


def _need(true: bool) -> None:
    if not true:
        raise Dead("invalid_match")


def _fields(found: Any, known: dict[str, Callable[[Any], bool]]) -> dict[str, Any]:
    _need(type(found) is Object)
    for name, value in found:
        _need(name not in known or known[name](value))
    return dict(found)


def _is_name(text: str) -> bool:
    return len(text.encode()) <= 128 and not any(mark < " " or "\x7f" <= mark <= "\x9f" for mark in text)


def _is_text(value: Any) -> bool:
    return type(value) is str and 1 <= len(value) <= 128


def _is_integer(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _is_number(value: Any, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high


def _is_list(value: Any, low: int, high: int, of: Callable[[Any], bool]) -> bool:
    return type(value) is list and low <= len(value) <= high and all(map(of, value))


def _is_side(value: Any) -> bool:
    return "players" in _fields(value, SIDE)


def _is_seeded(value: Any) -> bool:
    return {"player", "rating"} <= _fields(value, SEEDED).keys()


SIDE: dict[str, Callable[[Any], bool]] = {
    "players": lambda value: _is_list(value, 1, 100, _is_text),
    "rank": lambda value: value is None or _is_integer(value, 1, 10**9),
    "score": lambda value: value is None or _is_number(value, -1e15, 1e15),
}
MATCH: dict[str, Callable[[Any], bool]] = {
    "id": _is_text,
    "pool": _is_text,
    "at": lambda value: type(value) in (int, str),
    "sides": lambda value: _is_list(value, 2, 20_000, _is_side),
    "type": lambda value: type(value) is str and value == "match",
    "weight": lambda value: value is None or (_is_number(value, 0.0, 1000.0) and float(value) > 0),
    "home": lambda value: value is None or _is_integer(value, 0, 19_999),
    "voter": lambda value: value is None or _is_text(value),
    "matchup": lambda value: value is None or _is_text(value),
    "tags": lambda value: _is_list(value, 0, 16, _is_text),
}
SEEDED: dict[str, Callable[[Any], bool]] = {
    "player": _is_text,
    "rating": lambda value: _is_number(value, -1e9, 1e9),
    "deviation": lambda value: value is None or (_is_number(value, 0.0, 1e9) and float(value) > 0),
}
SEED: dict[str, Callable[[Any], bool]] = {
    "type": lambda value: type(value) is str and value == "seed",
    "id": _is_text,
    "pool": _is_text,
    "at": lambda value: type(value) in (int, str),
    "system": _is_text,
    "players": lambda value: _is_list(value, 1, 1_000, _is_seeded),
}


def _moment(text: str) -> int:
    _need(len(text) <= 64)
    found = TIME.fullmatch(text)
    _need(found is not None)
    assert found is not None
    year, month, day, hour, minute, second, fraction, sign, ahead_hours, ahead_minutes = found.groups(default="0")
    try:
        days = date(int(year), int(month), int(day)).toordinal() - EPOCH
    except ValueError:
        raise Dead("invalid_match") from None
    _need(int(hour) < 24 and int(minute) < 60 and int(second) < 60)
    _need(int(ahead_hours) < 24 and int(ahead_minutes) < 60)
    minutes = (days * 24 + int(hour)) * 60 + int(minute)
    ahead = int(ahead_hours) * 60 + int(ahead_minutes)
    minutes += ahead if sign == "-" else -ahead
    return (minutes * 60 + int(second)) * 1000 + int((fraction + "00")[:3])


def _by_score(scores: list[float]) -> list[int]:
    place: dict[float, int] = {}
    for index, score in enumerate(sorted(scores, reverse=True)):
        place.setdefault(score, index + 1)
    return [place[score] for score in scores]


def _canonical(fields: dict[str, Any], sides: list[dict[str, Any]], at: int) -> str:
    """JSON without spaces, names in the order of the definition, what is not given or the default left out."""
    parts = [f'"id":{_text(fields["id"])}', f'"pool":{_text(fields["pool"])}', f'"at":{at}']
    laid: list[str] = []
    for side in sides:
        players = ",".join(map(_text, side["players"]))
        rank, score = side.get("rank"), side.get("score")
        result = f'"rank":{rank}' if rank is not None else f'"score":{_float(score)}'
        laid.append(f'{{"players":[{players}],{result}}}')
    parts.append(f'"sides":[{",".join(laid)}]')
    if fields.get("weight") is not None:
        parts.append(f'"weight":{_float(fields["weight"])}')
    if fields.get("home") is not None:
        parts.append(f'"home":{fields["home"]}')
    parts += [f'"{name}":{_text(fields[name])}' for name in ("voter", "matchup") if fields.get(name) is not None]
    if fields.get("tags"):
        parts.append(f'"tags":[{",".join(map(_text, fields["tags"]))}]')
    return "{" + ",".join(parts) + "}"


def _text(value: str) -> str:
    return _writer.encode(value)


def _float(value: Any) -> str:
    """Shortest digits that read back to the same bits, without an exponent down to a hundred-thousandth."""
    number = float(value)
    digits = repr(number)
    if "e" not in digits:
        return digits
    mantissa, _, exponent = digits.partition("e")
    if abs(number) < 1e-5:
        return f"{mantissa}e{int(exponent)}"
    sign = "-" if number < 0 else ""
    return f"{sign}0.{'0' * (-int(exponent) - 1)}{mantissa.lstrip('-').replace('.', '')}"
