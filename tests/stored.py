"""A partition as it stands in Redis, read by plain commands, and how it differs from what the oracle expects."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, cast

from redis import Redis

from service.store.layout import Keys
from tests.oracle import WINDOW, Expected, Pool, Receipt, State, Table
from tests.oracle_pairs import MOST_SHOWN, Pairs

SHOWN = 8
CHANGES_KEPT = 2_000
SCORES = 39


def stored(client: Redis, keys: Keys, window: int = WINDOW) -> State:
    """Read a partition; it must not change meanwhile.

    Also sees that nothing lies there that no pool accounts for, and that the changes say which rows were written.
    """
    fields = _hash(client, keys.state)
    assert fields.pop("torn", b"") == b"", "torn"
    if not fields:
        # Nothing was applied yet, which means the same as a position of 0.
        return State(position=0)
    position = int(fields["position"])
    state = State(position=position)
    if "anchor_offset" in fields:
        state.anchor = (
            int(fields["anchor_offset"]),
            int(fields["anchor_timestamp"]),
            fields["anchor_digest"].decode(),
        )
    state.counts = {name[6:]: int(value) for name, value in fields.items() if name.startswith("count/")}
    for block in _hash(client, keys.seen).values():
        for offset, digest, content in struct.iter_unpack("<q16sI", block):
            # What the window has left behind may lie there until its whole block has been left behind.
            if offset >= position - window:
                state.seen.add((offset, digest, content))
    expected_keys = {keys.state}
    totals, learned = _hash(client, keys.totals), _hash(client, keys.learned)
    for name, packed in totals.items():
        pool = state.pools[name] = Pool(totals=cast("tuple[int, int, int]", struct.unpack("<qqq", packed)))
        for system in sorted(field.rpartition("/")[2] for field in learned if field.rpartition("/")[0] == name):
            rows, board = keys.rows(name, system), keys.board(name, system)
            floats = _floats(learned[f"{name}/{system}"])
            pool.tables[system] = Table(
                rows={player: _floats(row) for player, row in _hash(client, rows).items()},
                board={player.decode(): float(score) for player, score in _sorted_set(client, board)},
                learned=floats[:-SCORES],
                scores=floats[-SCORES:],
            )
            expected_keys |= {rows, board}
        pool.pairs = _pairs(client, keys, name)
        if pool.pairs is not None:
            expected_keys |= {keys.arenas}
            expected_keys |= {keys.numbers(name)} if pool.pairs.numbers else set()
            expected_keys |= {keys.pairs(name), keys.paired(name)} if pool.pairs.counts else set()
    state.receipts = {position: _receipt(entry) for position, entry in _stream(client, keys.receipts)}
    if totals:
        expected_keys |= {keys.totals, keys.learned, keys.fingerprints, keys.pools, keys.seen, keys.changes}
    if state.receipts:
        expected_keys.add(keys.receipts)
    prefix = keys.state.removesuffix("state")
    found = {key.decode() for key in client.scan_iter(f"{prefix}*", count=1000)}
    assert found == expected_keys
    assert {name.decode() for name, _ in _sorted_set(client, keys.pools)} == set(totals)
    assert set(_hash(client, keys.fingerprints)) == set(learned)
    assert {field.rpartition("/")[0] for field in learned} == set(totals)
    _check_changes(_stream(client, keys.changes), state)
    return state


def _pairs(client: Redis, keys: Keys, pool: str) -> Pairs | None:
    packed = _hash(client, keys.arenas).get(pool)
    if packed is None:
        return None
    players, left_out, heavy, *shown = struct.unpack(f"<qqq{2 * MOST_SHOWN}d", packed)
    numbers = {name: int(number) for name, number in _hash(client, keys.numbers(pool)).items()}
    names = sorted(numbers, key=lambda name: numbers[name])
    assert [numbers[name] for name in names] == list(range(players))
    positions = dict(_sorted_set(client, keys.paired(pool)))
    pairs = Pairs({name: numbers[name] for name in names}, left_out, heavy)
    pairs.shown = {place: (shown[2 * place], shown[2 * place + 1]) for place in range(MOST_SHOWN) if shown[2 * place]}
    for number, value in _hash(client, keys.pairs(pool)).items():
        # The second of two is in as many pairs with those before it as its number says.
        second = next(one for one in range(players) if int(number) < one * (one + 1) // 2)
        first = int(number) - second * (second - 1) // 2
        pairs.counts[names[first], names[second]] = [*_floats(value), positions.pop(number.encode())]
    assert not positions
    return pairs


def _check_changes(entries: list[tuple[int, Any]], state: State) -> None:
    """What the changes say however the log was cut."""
    ends = [end for end, _ in entries]
    assert ends == sorted(set(ends))
    assert all(entry["start"] < end <= (state.position or 0) for end, entry in entries)
    assert all(one[0] <= other[1]["start"] for one, other in pairwise(entries)), "each range follows the one before"
    named: dict[str, set[str]] = {}
    last: dict[str, tuple[int, int]] = {}
    for end, entry in entries:
        for pool, names in entry["pools"].items():
            assert names, f"{end} names nobody of {pool}"
            assert len(names) == len(set(names)), f"{end} names somebody of {pool} twice"
            named.setdefault(pool, set()).update(names)
            last[pool] = (entry["start"], end)
    for pool, (start, end) in last.items():
        assert start < state.pools[pool].totals[1] <= end, f"the last change of {pool} is its revision"
    for pool, names in named.items():
        assert names <= state.pools[pool].rows.keys(), pool
    assert len(entries) <= CHANGES_KEPT
    if len(entries) < CHANGES_KEPT:
        assert {pool: set(held.rows) for pool, held in state.pools.items()} == named


def _receipt(entry: Any) -> Receipt:
    moves = tuple(
        (
            move["player"],
            *((move["rating"][when], move["deviation"][when], move["value"][when]) for when in (0, 1)),
        )
        for move in entry.get("moves", ())
    )
    assert bool(entry.get("detail")) == bool(entry.get("reason")), "a reason comes with its detail"
    return Receipt(entry["outcome"], entry.get("reason", ""), moves)


def _floats(packed: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(packed) // 8}d", packed))


def _stream(client: Redis, key: str) -> list[tuple[int, Any]]:
    """Entries with their ids as positions."""
    entries = []
    for name, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", client.xrange(key)):
        position, _, sequence = name.decode().partition("-")
        assert sequence == "0"
        (value,) = fields.values()
        entries.append((int(position), json.loads(value)))
    return entries


def _hash(client: Redis, key: str) -> dict[str, bytes]:
    return {name.decode(): value for name, value in cast("dict[bytes, bytes]", client.hgetall(key)).items()}


def _sorted_set(client: Redis, key: str) -> list[tuple[bytes, float]]:
    return cast("list[tuple[bytes, float]]", client.zrange(key, 0, -1, withscores=True))


def difference(expected: State, found: State) -> str:
    """Say where two states differ, a few of each kind; empty where they are the same to the last bit."""
    lines = [
        f"{name}: expected {getattr(expected, name)}, stands {getattr(found, name)}"
        for name in ("position", "anchor", "counts")
        if getattr(expected, name) != getattr(found, name)
    ]
    if expected.seen != found.seen:
        missing, more = expected.seen - found.seen, found.seen - expected.seen
        lines.append(f"seen: {len(missing)} missing {sorted(missing)[:3]}, {len(more)} too many {sorted(more)[:3]}")
    lines += _maps("receipts", expected.receipts, found.receipts)
    lines += _maps("pools", dict.fromkeys(expected.pools), dict.fromkeys(found.pools))
    for name in sorted(expected.pools.keys() & found.pools.keys()):
        one, other = expected.pools[name], found.pools[name]
        if one.totals != other.totals:
            lines.append(f"{name} totals: expected {one.totals}, stand {other.totals}")
        if (one.pairs is None) is not (other.pairs is None):
            lines.append(f"{name} pairs: expected {one.pairs is not None}, stand {other.pairs is not None}")
        elif one.pairs is not None and other.pairs is not None:
            for kind in ("left_out", "heavy"):
                one_count, other_count = getattr(one.pairs, kind), getattr(other.pairs, kind)
                if one_count != other_count:
                    lines.append(f"{name} {kind}: expected {one_count}, stand {other_count}")
            lines += _maps(f"{name} shown", one.pairs.shown, other.pairs.shown)
            lines += _maps(f"{name} numbers", one.pairs.numbers, other.pairs.numbers)
            lines += _maps(f"{name} pairs", one.pairs.counts, other.pairs.counts)
        lines += _maps(f"{name} systems", dict.fromkeys(one.tables), dict.fromkeys(other.tables))
        for system in sorted(one.tables.keys() & other.tables.keys()):
            lines += _tables(f"{name} {system}", one.tables[system], other.tables[system])
    return "\n".join(lines)


def _tables(what: str, expected: Table, found: Table) -> Iterator[str]:
    yield from _maps(f"{what} rows", expected.rows, found.rows)
    yield from _maps(f"{what} board", expected.board, found.board)
    yield from _maps(f"{what} learned", dict(enumerate(expected.learned)), dict(enumerate(found.learned)))
    yield from _maps(f"{what} scores", dict(enumerate(expected.scores)), dict(enumerate(found.scores)))


def _maps(what: str, expected: Mapping[Any, Any], found: Mapping[Any, Any]) -> Iterator[str]:
    wrong = [key for key in expected.keys() | found.keys() if _bits(expected.get(key, "")) != _bits(found.get(key, ""))]
    if wrong or expected.keys() != found.keys():
        yield f"{what}: {len(wrong)} of {len(expected)} differ"
        for key in sorted(wrong, key=str)[:SHOWN]:
            yield f"    {key!r}: expected {expected.get(key)}, stands {found.get(key)}"


def _bits(value: Any) -> object:
    """Something that is equal for the same bits alone: -0.0 and 0.0 are not the same."""
    if isinstance(value, (list, tuple)):
        return [_bits(one) for one in value]
    return float.hex(value) if isinstance(value, float) else value


def check(client: Redis, keys: Mapping[int, Keys], expected: Mapping[int, Expected], window: int = WINDOW) -> None:
    """Compare every partition with the oracle."""
    for number, state in expected.items():
        wrong = difference(state, stored(client, keys[number], window))
        assert not wrong, f"partition {number}:\n{wrong}"
