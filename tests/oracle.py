"""The oracle: one partition's records, replayed one by one in the order of their offsets.

Plain Python and the standard library alone; nothing of the service is imported, so that a fault there cannot hide
here. What it expects is compared with Redis bit for bit: the floating-point operations are those of the formulas,
in the order that the service states (strongest side first, sums from the smallest term).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from tests.oracle_match import SLUG, Dead, Match, read
from tests.oracle_ratings import Scores, new_row, rate

DAY_MS = 86_400_000
WINDOW = 1_000_000
MOST_SIDES = 5_000


class Record(NamedTuple):
    """What decides: nothing else of a Kafka record may."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass
class Pool:
    """A pool under Elo.

    ``rows`` holds by player matches, won, tied, last_at, rating, belief, variance; ``totals`` matches, revision
    and last match; ``board`` the values by which players are ordered.
    """

    rows: dict[str, list[float]] = field(default_factory=dict)
    board: dict[str, float] = field(default_factory=dict)
    totals: tuple[int, int, int] = (0, 0, 0)
    learned: list[float] = field(default_factory=lambda: [0.0, 0.0])
    scores: list[float] = field(default_factory=lambda: [0.0] * 35)


@dataclass
class State:
    """Everything that a partition's records decide, as it must stand in Redis."""

    position: int | None = None
    anchor: tuple[int, int, str] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    seen: set[tuple[int, bytes, int]] = field(default_factory=set)
    pools: dict[str, Pool] = field(default_factory=dict)


@dataclass
class Expected(State):
    """And what must stand in the topic of dead letters: offsets with their reasons."""

    letters: list[tuple[int, str]] = field(default_factory=list)


def murmur2(key: bytes) -> int:
    """Kafka's hash of a key, as Java's client computes it, sign bit cut off."""
    length = len(key)
    h = 0x9747B28C ^ length
    for index in range(length // 4):
        k = key[4 * index] | key[4 * index + 1] << 8 | key[4 * index + 2] << 16 | key[4 * index + 3] << 24
        k = (k * 0x5BD1E995) % 2**32
        k ^= k >> 24
        k = (k * 0x5BD1E995) % 2**32
        h = (h * 0x5BD1E995) % 2**32
        h ^= k
    tail = key[length - length % 4 :]
    if tail:
        for index, byte in enumerate(tail):
            h ^= byte << 8 * index
        h = (h * 0x5BD1E995) % 2**32
    h ^= h >> 13
    h = (h * 0x5BD1E995) % 2**32
    h ^= h >> 15
    return h & 0x7FFFFFFF


def partition_of(pool: str, partitions: int) -> int:
    return murmur2(pool.encode()) % partitions


def replay(records: Iterable[Record], end: int, partition: int, partitions: int, window: int = WINDOW) -> Expected:
    """Replay a partition.

    Parameters
    ----------
    records : iterable of Record
        Its committed records in the order of their offsets.
    end : int
        The log's end: behind the last record, be it one of a transaction that was aborted.
    partition, partitions : int
        Which of how many.
    window : int
        Offsets for which an id is remembered.
    """
    state = Expected(position=end)
    counts: Counter[str] = Counter()
    accepted: dict[bytes, tuple[int, int]] = {}
    for record in records:
        state.anchor = (record.offset, record.timestamp, _digest_of(record))
        try:
            match = _judge(record, partition, partitions)
            digest = blake2b(f"{match.pool}/{match.id}".encode(), digest_size=16).digest()
            earlier = accepted.get(digest)
            if earlier is not None and earlier[0] >= record.offset - window:
                if earlier[1] != match.content:
                    raise Dead("id_reused")
                counts["duplicate"] += 1
                continue
        except Dead as dead:
            (reason,) = dead.args
            counts[f"dead/{reason}"] += 1
            state.letters.append((record.offset, reason))
            continue
        accepted[digest] = (record.offset, match.content)
        counts["applied"] += 1
        _apply(state.pools.setdefault(match.pool, Pool()), match, record.offset)
    state.counts = dict(counts)
    state.seen = {(offset, digest, content) for digest, (offset, content) in accepted.items() if offset >= end - window}
    return state


def _judge(record: Record, partition: int, partitions: int) -> Match:
    match = read(record.value)
    try:
        pool = (record.key or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise Dead("wrong_key") from None
    if not SLUG.fullmatch(pool):
        raise Dead("wrong_key")
    if partition_of(pool, partitions) != partition:
        raise Dead("wrong_partition")
    if match.pool != pool:
        raise Dead("wrong_key")
    if match.at > record.timestamp + DAY_MS:
        raise Dead("invalid_match")
    if len(match.sides) > MOST_SIDES:
        raise Dead("shape_not_taken")
    return match


def _digest_of(record: Record) -> str:
    value = b"\0" if record.value is None else b"\1" + record.value
    return blake2b((record.key or b"") + value, digest_size=16).hexdigest()


def _apply(pool: Pool, match: Match, offset: int) -> None:
    best = min(match.ranks)
    shared = match.ranks.count(best) > 1
    for side, rank in zip(match.sides, match.ranks, strict=True):
        for player in side:
            row = pool.rows.setdefault(player, new_row())
            row[3] = float(match.at) if row[0] == 0.0 else max(float(match.at), row[3])
            row[0] += 1.0
            if rank == best:
                row[2 if shared else 1] += 1.0
    rate(match, pool.rows, pool.learned, Scores(pool.scores))
    for side in match.sides:
        for player in side:
            pool.board[player] = pool.rows[player][4]
    matches, _, last_at = pool.totals
    pool.totals = (matches + 1, offset + 1, match.at if matches == 0 else max(last_at, match.at))


def top(pool: Pool, count: int = 10) -> str:
    """The head of the board, to read."""
    first = sorted(pool.rows.items(), key=lambda item: (-item[1][4], item[0]))[:count]
    lines = []
    for place, (player, row) in enumerate(first, 1):
        off = row[5] - row[4] - pool.learned[0]
        lines.append(
            f"{place:3} {player:24} {row[4]:8.2f} ± {math.sqrt(row[6] + off * off):6.2f}  {row[0]:.0f} matches"
        )
    return "\n".join(lines)
