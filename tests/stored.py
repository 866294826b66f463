"""A partition as it stands in Redis, read by plain commands, and how it differs from what the oracle expects."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, cast

from redis import Redis

from service.store.layout import Keys
from tests.oracle import WINDOW, Expected, Pool, State

SHOWN = 8


def stored(client: Redis, keys: Keys, window: int = WINDOW) -> State:
    """Read a partition; it must not change meanwhile.

    Also sees that nothing lies there that no pool accounts for.
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
        state.pools[name] = Pool(
            rows={
                player: list(struct.unpack("<7d", row)) for player, row in _hash(client, keys.rows(name, "elo")).items()
            },
            board={player.decode(): float(score) for player, score in _sorted_set(client, keys.board(name, "elo"))},
            totals=cast("tuple[int, int, int]", struct.unpack("<qqq", packed)),
            learned=list(struct.unpack("<2d", learned[f"{name}/elo"][:16])),
            scores=list(struct.unpack("<35d", learned[f"{name}/elo"][16:])),
        )
        expected_keys |= {keys.rows(name, "elo"), keys.board(name, "elo")}
    if totals:
        expected_keys |= {keys.totals, keys.learned, keys.fingerprints, keys.pools, keys.seen}
    found = {key.decode() for key in client.scan_iter(f"{keys.live.removesuffix('/live')}/*", count=1000)}
    assert found == expected_keys
    assert {name.decode() for name, _ in _sorted_set(client, keys.pools)} == set(totals)
    assert set(_hash(client, keys.fingerprints)) == {f"{name}/elo" for name in totals}
    assert set(learned) == {f"{name}/elo" for name in totals}
    return state


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
    lines += _maps("pools", dict.fromkeys(expected.pools), dict.fromkeys(found.pools))
    for name in sorted(expected.pools.keys() & found.pools.keys()):
        one, other = expected.pools[name], found.pools[name]
        if one.totals != other.totals:
            lines.append(f"{name} totals: expected {one.totals}, stand {other.totals}")
        lines += _maps(f"{name} rows", one.rows, other.rows)
        lines += _maps(f"{name} board", one.board, other.board)
        lines += _maps(f"{name} learned", dict(enumerate(one.learned)), dict(enumerate(other.learned)))
        lines += _maps(f"{name} scores", dict(enumerate(one.scores)), dict(enumerate(other.scores)))
    return "\n".join(lines)


def _maps(what: str, expected: Mapping[Any, Any], found: Mapping[Any, Any]) -> Iterator[str]:
    wrong = [key for key in expected.keys() | found.keys() if _bits(expected.get(key, "")) != _bits(found.get(key, ""))]
    if wrong or expected.keys() != found.keys():
        yield f"{what}: {len(wrong)} of {len(expected)} differ"
        for key in sorted(wrong, key=str)[:SHOWN]:
            yield f"    {key!r}: expected {expected.get(key)}, stands {found.get(key)}"


def _bits(value: Any) -> object:
    """Something that is equal for the same bits alone: -0.0 and 0.0 are not the same."""
    if isinstance(value, list):
        return [float.hex(number) for number in value]
    return float.hex(value) if isinstance(value, float) else value


def check(client: Redis, keys: Mapping[int, Keys], expected: Mapping[int, Expected], window: int = WINDOW) -> None:
    """Compare every partition with the oracle."""
    for number, state in expected.items():
        wrong = difference(state, stored(client, keys[number], window))
        assert not wrong, f"partition {number}:\n{wrong}"
