"""Records that nobody sane would send: kept examples first, then as many as wanted, made from a seed."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ingesting import Ingesting
from tests.made_up import POOLS, RECEIPT, RECORDED, mixture
from tests.oracle import partition_of
from tests.replay import Replay
from tests.topics import Item, read_letters

EXAMPLES = Path(__file__).with_name("hostile.json")
"""What was once read wrongly, or nearly: each is a value in pieces, every piece with how often it stands there."""

MIB = 1 << 20
TEXTS = (
    "",
    "x" * 128,
    "x" * 129,
    "é" * 64,
    "é" * 65,
    "\U0001f3c6" * 32,
    "a\tb",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufeff",
    "../",
)
ESCAPES = (
    r"\u0000",
    r"\ud800",
    r"\udfff",
    r"\udc00\ud800",
    r"\ud83d\ude00",
    r"\u00",
    r"\x41",
    r"\u001b[31m",
    r"\uFFFF",
)
NUMBERS = (
    *("NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e999", "1e-999", "1e99999999999999999999", "0e999999999"),
    *("1E400", "1.7976931348623159e308", "4.9e-324", "5e-325", "1e-7", "-0", "-0.0", "0.1e1", "1e3", "1.0", "9" * 400),
    *("-" + "9" * 5000, "0." + "3" * 500, str(2**53 + 1), str(2**63), str(2**64), str(-(2**63) - 1), "1000000001"),
    *("01", "+1", ".5", "1.", "0x1F", "1_000", "١", "- 1", "1e", "--1"),
)
OTHERS = ("null", "true", "false", "True", "[]", "{}", "[null]", "[[]]", '{"players":null}', "undefined", "'x'", "")
DEPTHS = (3, 61, 62, 63, 64, 65, 66, 200, 900, 985, 991, 997, 1_003, 5_000, 50_000)
FIELDS = ("id", "pool", "at", "sides", "type", "weight", "home", "voter", "matchup", "tags", "system", "unknown", "")
INNER = ("players", "rank", "score", "unknown")


@dataclass(frozen=True)
class Example:
    """A kept record: what it shows, and its dead letter's reason, empty where it is a match."""

    what: str
    value: bytes
    reason: str


def examples() -> list[Example]:
    return [
        Example(one["what"], b"".join(text.encode("latin-1") * times for text, times in one["value"]), one["reason"])
        for one in json.loads(EXAMPLES.read_text())
    ]


def hostile(seed: int, count: int, partitions: int) -> Iterator[Item]:
    """Records made from a seed; what some of them say is right after all."""
    rng = random.Random(seed)
    for number in range(count):
        pool = rng.choice(POOLS)
        place, timestamp = partition_of(pool, partitions), RECORDED + number
        value = _value(rng, number, pool)
        key, where = rng.choices(
            [
                (pool.encode(), place),
                (None, place),
                (rng.randbytes(rng.choice((0, 1, 9, 129, 2_000))), place),
                (rng.choice(POOLS).encode(), place),
                (pool.encode(), rng.randrange(partitions)),
            ],
            (16, 1, 1, 1, 1),
        )[0]
        headers = RECEIPT if rng.random() < 0.01 else ()
        yield Item(key, value, timestamp, where, headers)


def among_good_ones(seed: int, count: int, good: int, partitions: int) -> Iterator[Item]:
    """The kept examples, then made ones, with matches and seeds between them all along."""
    rng = random.Random(seed)
    place = partition_of("x", partitions)
    bad = [Item(b"x", one.value, RECORDED, place) for one in examples()]
    left = iter(mixture(seed, good, partitions))
    share = good / (count + len(bad))
    for one in (*bad, *hostile(seed, count, partitions)):
        while rng.random() < share and (match := next(left, None)):
            yield match
        yield one
    yield from left


def accounted(here: Replay, ingest: Ingesting) -> int:
    """See that ratings are the oracle's, and that letters, counts in Redis and metrics agree; answers how many died."""
    here.check()
    expected = {
        f"{here.place.topic}/{number}/{offset}": reason
        for number, state in here.expected.items()
        for offset, reason in state.letters
    }
    letters = read_letters(here.place.kafka, here.place.topic)
    assert {key: letter.headers["reason"].decode() for key, letter in letters.items()} == expected
    for reason, count in Counter(expected.values()).items():
        assert sum(state.counts.get(f"dead/{reason}", 0) for state in here.expected.values()) == count
        assert ingest.metric(f'standings_records_total{{outcome="{reason}"}}') == count
    return len(expected)


def _value(rng: random.Random, number: int, pool: str) -> bytes | None:
    match = _match(rng, number, pool)
    kind = rng.random()
    if kind < 0.55:
        return _replaced(rng, match)
    if kind < 0.65:
        return _deep(rng, match)
    written = json.dumps(match, ensure_ascii=False).encode()
    if kind < 0.75:
        return written[: rng.randrange(len(written))]
    if kind < 0.87:
        return _damaged(rng, written)
    if kind < 0.95:
        return _otherwise_written(rng, written.decode())
    if kind < 0.99:
        return rng.choice(
            (None, b"", b" ", rng.randbytes(rng.randrange(400)), b"[" + written + b"]", written + written)
        )
    # Few, since each is as long as ten thousand others.
    return written if rng.random() < 0.95 else _huge(rng, written)


def _match(rng: random.Random, number: int, pool: str) -> dict[str, Any]:
    sides: list[dict[str, Any]] = [{"players": [f"h{one}"]} for one in rng.sample(range(50), rng.choice((2, 2, 2, 5)))]
    for place, side in enumerate(sides):
        side["rank"] = place + 1
    match: dict[str, Any] = {"id": f"hostile-{number}", "pool": pool, "at": RECORDED - number, "sides": sides}
    if rng.random() < 0.2:
        match |= {"voter": "é", "weight": 0.5, "tags": ["a"], "unknown": {"deep": [1]}}
    return match


def _token(rng: random.Random) -> str:
    """A value as it would stand in JSON, if it could."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(NUMBERS)
    if kind < 0.6:
        return rng.choice(OTHERS)
    if kind < 0.8:
        return json.dumps(rng.choice(TEXTS), ensure_ascii=rng.random() < 0.5)
    return f'"a{rng.choice(ESCAPES)}b"'


def _replaced(rng: random.Random, match: dict[str, Any]) -> bytes:
    """One part is another; or stands there twice."""
    mark, token = "\x01", _token(rng)
    side = rng.choice(match["sides"])
    inside, name = rng.choice([(match, rng.choice(FIELDS)), (side, rng.choice(INNER))])
    twice = rng.random() < 0.2
    if name == "players" and rng.random() < 0.7:
        side["players"] = [mark]
    elif not twice:
        inside[name] = mark
    text = json.dumps(match).replace(json.dumps(mark), token)
    if twice:
        # Before what it repeats or after it: of two the last counts.
        again = f'"{name}": {token}'
        text = f"{{{again}, {text[1:]}" if rng.random() < 0.5 else f"{text[:-1]}, {again}}}"
    return text.encode()


def _deep(rng: random.Random, match: dict[str, Any]) -> bytes:
    depth = rng.choices(DEPTHS, [3_000 // (1 + depth // 50) + 1 for depth in DEPTHS])[0]
    first, last = rng.choice([("[", "]"), ('{"a":', "}"), ('[{"sides":', "}]"), ('["]",', "]")])
    nested = first * depth + "0" + last * (depth if rng.random() < 0.8 else depth - 1)
    name = rng.choice(("unknown", "sides", "at", "id", ""))
    return json.dumps(match | {name: "\x01"}).replace(json.dumps("\x01"), nested).encode() if name else nested.encode()


def _damaged(rng: random.Random, written: bytes) -> bytes:
    value = bytearray(written)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(value) + 1)
        what = rng.choice(
            (b"\x00", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b'"', b"\\", b"{")
        )
        value[at : at + rng.randrange(3)] = what if rng.random() < 0.7 else rng.randbytes(2)
    return bytes(value)


def _otherwise_written(rng: random.Random, text: str) -> bytes:
    encoding = rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "utf-7", "cp500", "gzip", "other"))
    if encoding == "gzip":
        return gzip.compress(text.encode(), mtime=0)
    if encoding == "other":
        return rng.choice(
            (f"{text}\x00", f"{text}//", f"\xa0{text}", text.replace('"', "'"), f"{text[:-1]},}}")
        ).encode()
    return text.encode(encoding, errors="replace")


def _huge(rng: random.Random, written: bytes) -> bytes:
    first, unit, last = rng.choice(
        [
            (written, b" ", b""),
            (written[:-1] + b', "unknown": "', b"x", b'"}'),
            (written[:-1] + b', "unknown": ', b"7", b"}"),
            (written[:-1] + b', "unknown": [', b"[],", b"[]]}"),
            (b"", b"[", b""),
            (b'"', b"\\u0000", b'"'),
        ]
    )
    length = rng.choice((MIB - len(first) - len(last), MIB - 1_000, MIB + 1, 2 * MIB))
    return first + unit * (length // len(unit)) + last
