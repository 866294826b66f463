"""Whatever bytes come: a match, a seed or a problem with its reason, soon, by any caller, and nothing stays behind."""

from __future__ import annotations

import gc
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from consumers.judge import Judge
from consumers.seen import SeenIds
from service.match import Match, decode
from service.pools import Pools
from service.problems import Problem
from service.seed import Seed
from tests.hostile import MIB, Example, examples, hostile
from tests.league import Record
from tests.oracle import partition_of
from tests.property.test_match import outcome

PARTITIONS = 3
SEED, COUNT = 11, 4_000
MOST_S = 2.0
"""Processor time for 1 MiB, of which it takes a tenth; what is quadratic would take minutes."""

WORST = {
    "beginnings": (b"", b"[", b""),
    "beginnings of objects": (b"", b'{"":', b""),
    "levels": (b"[" * (MIB // 2), b"]", b""),
    "short lists": (b"[]", b",[]", b"]"),
    "escaped quotes in a text without an end": (b"[" * 100 + b'"', b'\\"', b""),
    "texts": (b"[" * 100, b'"",', b""),
    "backslashes": (b'"', b"\\", b""),
    "digits of a field": (b'{"id":"1","pool":"x","sides":[],"at":', b"9", b"}"),
    "digits of a fraction": (b'{"id":"1","pool":"x","sides":[],"weight":0.', b"3", b"}"),
    "characters of a name": (b'{"id":"', "é".encode(), b'"}'),
    "escapes of a name": (b'{"id":"', b"\\u00e9", b'"}'),
    "fields": (b'{"id":"1"', b',"id":"1"', b"}"),
    "sides": (b'{"id":"1","pool":"x","at":1,"sides":[', b'{"players":["a"],"rank":1},', b"]}"),
}


@pytest.mark.parametrize("one", examples(), ids=lambda one: one.what)
def test_kept_examples_are_what_they_were(one: Example) -> None:
    found = outcome(one.value)
    assert (found.type.slug if isinstance(found, Problem) else "") == one.reason


def test_made_ones_are_what_the_oracle_says() -> None:
    reasons: Counter[str] = Counter()
    for one in hostile(SEED, COUNT, PARTITIONS):
        if one.value is not None:
            found = outcome(one.value)
            reasons[found.type.slug if isinstance(found, Problem) else "good"] += 1
    assert reasons["malformed"] > COUNT // 4 < 4 * reasons["invalid_match"]
    assert 0 < reasons["good"] < COUNT // 4


def called_from(depth: int, value: bytes) -> Match | Seed | str:
    if depth:
        return called_from(depth - 1, value)
    try:
        return decode(value)
    except Problem as problem:
        return problem.type.slug


def test_who_calls_decides_nothing() -> None:
    """Python's own bound counts the calls of the reader, too: ingest and a command line have not the same."""
    start = b'{"id":"1","pool":"x","at":1,"sides":[{"players":["a"],"rank":1},{"players":["b"],"rank":2}],"x":'
    accepted = set()
    for depth in (1, 40, 62, 63, 64, 65, 300, 600, 800, 900, 950, 1_000):
        value = start + b"[" * depth + b"]" * depth + b"}"
        found = called_from(0, value)
        assert all(called_from(calls, value) == found for calls in (100, 400, 700))
        accepted.add(depth if isinstance(found, Match) else 0)
    assert accepted == {0, 1, 40, 62, 63}


@pytest.mark.parametrize("what", WORST)
def test_a_mebibyte_is_read_soon(what: str) -> None:
    first, unit, last = WORST[what]
    value = first + unit * ((MIB - len(first) - len(last)) // len(unit)) + last
    begun = time.process_time()
    with pytest.raises(Problem):
        decode(value)
    assert time.process_time() - begun < MOST_S


@contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_judged_records_leave_nothing_behind() -> None:
    """A dead letter holds no frame, so neither its record nor others; and no cache holds what was refused."""
    records = [
        Record(offset, one.timestamp, one.key, one.value)
        for offset, one in enumerate(hostile(SEED, COUNT // 4, PARTITIONS))
    ]
    judge = Judge(0, lambda pool: partition_of(pool, PARTITIONS), Pools())
    seen = SeenIds(len(records), {})
    judge.judge(records, seen)
    with no_collector():
        verdicts = judge.judge(records, seen)
        problems = [found for found in verdicts.found if isinstance(found, Problem)]
        assert len({problem.type.slug for problem in problems}) >= 5
        assert all(problem.__traceback__ is None and problem.__context__ is None for problem in problems)
        left = [weakref.ref(problem) for problem in problems]
        del verdicts, problems
        assert not any(problem() for problem in left)
        assert gc.collect() == 0
