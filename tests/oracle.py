"""The oracle: one partition's records, replayed one by one in the order of their offsets.

Plain Python and the standard library alone; nothing of the service is imported, so that a fault there cannot hide
here. What it expects is compared with Redis bit for bit: the floating-point operations are those of the formulas,
in the order that the service states (strongest side first, sums from the smallest term).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import blake2b
from heapq import merge
from typing import Any, NamedTuple

from tests import oracle_glicko2, oracle_kalman, oracle_ratings
from tests.oracle_match import SLUG, Dead, Match, Seed, read
from tests.oracle_pairs import Pairs, was_shown
from tests.oracle_ratings import Scores, unscored

DAY_MS = 86_400_000
WINDOW = 1_000_000
MOST_SIDES = 5_000
RECEIPTS_KEPT = 10_000


class Record(NamedTuple):
    """What decides: nothing else of a Kafka record may."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Rules(NamedTuple):
    """How a pool is rated: its systems, the live one first, and the board by ``rating - deviations * deviation``.

    ``pairs`` says whether it is counted who was before whom, ``first_at_home`` whether the first side of a matchup is
    taken to be at home.
    """

    systems: tuple[str, ...]
    deviations: float
    pairs: bool = False
    first_at_home: bool = False


Configuration = Callable[[str], Rules]


def built_in(pool: str) -> Rules:
    """What is in force without a pools file."""
    arena = pool == "arena" or pool.startswith("arena.")
    return Rules(("kalman",), 2.0 if arena else 0.0, pairs=arena)


@dataclass
class Table:
    """A pool under one system.

    ``rows`` holds by player matches, won, tied, last_at, then what the system keeps; ``board`` the values by which
    players are ordered; ``learned`` what the system keeps of all.
    """

    rows: dict[str, list[float]] = field(default_factory=dict)
    board: dict[str, float] = field(default_factory=dict)
    learned: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=unscored)


@dataclass
class Pool:
    """A pool: ``totals`` is matches, revision and last match; of its systems the live one stands first."""

    tables: dict[str, Table] = field(default_factory=dict)
    totals: tuple[int, int, int] = (0, 0, 0)
    pairs: Pairs | None = None

    @property
    def live(self) -> Table:
        return next(iter(self.tables.values()))

    @property
    def rows(self) -> dict[str, list[float]]:
        return self.live.rows

    @property
    def board(self) -> dict[str, float]:
        return self.live.board

    @property
    def learned(self) -> list[float]:
        return self.live.learned

    @property
    def scores(self) -> list[float]:
        return self.live.scores


Shown = tuple[float, float, float | None]
"""Rating, deviation and board value of a player; no value for one who has no place yet."""


class Receipt(NamedTuple):
    """What became of a record: ``moves`` has each player before and after, in the order in which they are named."""

    outcome: str
    reason: str = ""
    moves: tuple[tuple[str, Shown, Shown], ...] = ()


@dataclass
class State:
    """Everything that a partition's records decide, as it must stand in Redis."""

    position: int | None = None
    anchor: tuple[int, int, str] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    seen: set[tuple[int, bytes, int]] = field(default_factory=set)
    pools: dict[str, Pool] = field(default_factory=dict)
    receipts: dict[int, Receipt] = field(default_factory=dict)
    """By the position that has the record in."""


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


@cache
def partition_of(pool: str, partitions: int) -> int:
    return murmur2(pool.encode()) % partitions


class Oracle:
    """Replays a partition, as far as is wanted and further.

    Parameters
    ----------
    partition, partitions : int
        Which of how many.
    window : int
        Offsets for which an id is remembered.
    configuration : callable
        How each pool is rated.
    skipped : collection of int
        Offsets that an operator passed, whether there was a record or not.
    """

    def __init__(
        self,
        partition: int,
        partitions: int,
        window: int = WINDOW,
        configuration: Configuration = built_in,
        skipped: Collection[int] = (),
    ) -> None:
        self.position = 0
        self._where = partition, partitions, configuration
        self._window, self._skipped = window, skipped
        self._state = Expected()
        self._counts: Counter[str] = Counter()
        self._accepted: dict[bytes, tuple[int, int]] = {}

    def advance(self, records: Iterable[Record], end: int) -> Expected:
        """Replay further; what is answered is right until the next call.

        Parameters
        ----------
        records : iterable of Record
            Committed records from the position on, in the order of their offsets.
        end : int
            Where to stop, such as the log's end: behind the last record, be it one of a transaction that was aborted.
        """
        state, skipped = self._state, self._skipped
        readable = (record for record in records if record.offset not in skipped)
        passed = (Record(offset, 0, None, None) for offset in sorted(skipped) if self.position <= offset < end)
        last = None
        for record in merge(readable, passed, key=lambda record: record.offset):
            if record.offset in skipped:
                self._counts["dead/skipped"] += 1
                state.letters.append((record.offset, "skipped"))
                continue
            last = record
            asks = any(name == "receipt" for name, _ in record.headers)
            receipt = self._receive(record, asks)
            if asks:
                state.receipts[record.offset + 1] = receipt
        if last is not None:
            state.anchor = (last.offset, last.timestamp, _digest_of(last))
        self.position = end
        accepted, least = self._accepted.items(), end - self._window
        return replace(
            state,
            position=end,
            counts=dict(self._counts),
            seen={(offset, digest, content) for digest, (offset, content) in accepted if offset >= least},
            receipts=dict(list(state.receipts.items())[-RECEIPTS_KEPT:]),
        )

    def _receive(self, record: Record, asks: bool) -> Receipt:
        partition, partitions, configuration = self._where
        try:
            found = _judge(record, partition, partitions, configuration)
            digest = blake2b(f"{found.pool}/{found.id}".encode(), digest_size=16).digest()
            earlier = self._accepted.get(digest)
            again = earlier is not None and earlier[0] >= record.offset - self._window
            if again and earlier is not None and earlier[1] != found.content:
                raise Dead("id_reused")
        except Dead as dead:
            (reason,) = dead.args
            self._counts[f"dead/{reason}"] += 1
            self._state.letters.append((record.offset, reason))
            return Receipt("dead_letter", reason)
        if again:
            self._counts["duplicate"] += 1
            return Receipt("duplicate")
        self._accepted[digest] = (record.offset, found.content)
        self._counts["applied"] += 1
        rules = configuration(found.pool)
        pool = self._state.pools.setdefault(found.pool, _new_pool(rules))
        before = _moves(pool, rules, found) if asks else []
        _apply(pool, rules, found, record.offset)
        after = _moves(pool, rules, found) if asks else []
        return Receipt("applied", moves=tuple((*was, now) for was, (_, now) in zip(before, after, strict=True)))


def replay(
    records: Iterable[Record],
    end: int,
    partition: int,
    partitions: int,
    window: int = WINDOW,
    configuration: Configuration = built_in,
    skipped: Collection[int] = (),
) -> Expected:
    """Replay a partition from its beginning; see `Oracle`."""
    return Oracle(partition, partitions, window, configuration, skipped).advance(records, end)


def _judge(record: Record, partition: int, partitions: int, configuration: Configuration) -> Match | Seed:
    found = read(record.value)
    try:
        pool = (record.key or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise Dead("wrong_key") from None
    if not SLUG.fullmatch(pool):
        raise Dead("wrong_key")
    if partition_of(pool, partitions) != partition:
        raise Dead("wrong_partition")
    if found.pool != pool:
        raise Dead("wrong_key")
    if found.at > record.timestamp + DAY_MS:
        raise Dead("invalid_match")
    if isinstance(found, Seed):
        if found.system not in configuration(pool).systems:
            raise Dead("unknown_name")
    elif len(found.sides) > MOST_SIDES:
        raise Dead("shape_not_taken")
    return found


def _digest_of(record: Record) -> str:
    value = b"\0" if record.value is None else b"\1" + record.value
    return blake2b((record.key or b"") + value, digest_size=16).hexdigest()


SYSTEMS: dict[str, Any] = {"elo": oracle_ratings, "glicko2": oracle_glicko2, "kalman": oracle_kalman}
"""Each with ``OPENING``, ``new_row``, ``seeded``, ``view`` and ``rate``."""


def _new_pool(rules: Rules) -> Pool:
    tables = {system: Table(learned=list(SYSTEMS[system].OPENING)) for system in rules.systems}
    return Pool(tables, pairs=Pairs() if rules.pairs else None)


def _names(found: Match | Seed) -> list[str]:
    return [name for side in found.sides for name in side] if isinstance(found, Match) else list(found.players)


def _moves(pool: Pool, rules: Rules, found: Match | Seed) -> list[tuple[str, Shown]]:
    return [(name, _shown(pool, rules, name, found.at)) for name in _names(found)]


def _apply(pool: Pool, rules: Rules, found: Match | Seed, offset: int) -> None:
    names = _names(found)
    for system, table in pool.tables.items():
        for name in names:
            row = table.rows.setdefault(name, SYSTEMS[system].new_row())
            if _is_new(row):
                # No rest for those who come to their first match.
                row[3] = float(found.at)
        if isinstance(found, Seed):
            _seed(system, table, found)
        else:
            _count(table, found)
            SYSTEMS[system].rate(_at_home(found, rules), table.rows, table.learned, Scores(table.scores))
        for name in names:
            row = table.rows[name]
            row[3] = max(row[3], float(found.at))
            table.board[name] = _value(system, row, rules)
    matches, _, last_at = pool.totals
    if isinstance(found, Match):
        last_at = found.at if matches == 0 else max(last_at, found.at)
        matches += 1
        if pool.pairs is not None:
            pool.pairs.add(found, offset + 1)
    pool.totals = (matches, offset + 1, last_at)


def _at_home(match: Match, rules: Rules) -> Match:
    return replace(match, home=0) if rules.first_at_home and was_shown(match) else match


def _count(table: Table, match: Match) -> None:
    best = min(match.ranks)
    shared = match.ranks.count(best) > 1
    for side, rank in zip(match.sides, match.ranks, strict=True):
        for name in side:
            row = table.rows[name]
            row[0] += 1.0
            if rank == best:
                row[2 if shared else 1] += 1.0


def _seed(system: str, table: Table, seed: Seed) -> None:
    """Under another system than the seed's, players only begin."""
    if system != seed.system:
        return
    # As a pool begins: by what it has learned since, the error of one seed would widen the next.
    rates = SYSTEMS[system]
    _, unsure = rates.view(rates.new_row(), rates.OPENING, 0.0)
    for name, (rating, deviation) in seed.players.items():
        table.rows[name][4:] = rates.seeded(
            rating, unsure if deviation is None else max(deviation, 1e-30), table.learned
        )


def _is_new(row: list[float]) -> bool:
    return row[0] == 0.0 and row[3] == 0.0


def _value(system: str, row: list[float], rules: Rules) -> float:
    """By the row alone: what a pool learns later moves no place."""
    rating, deviation = SYSTEMS[system].view(row, SYSTEMS[system].OPENING, 0.0)
    return float(rating - rules.deviations * deviation if rules.deviations else rating)


def _shown(pool: Pool, rules: Rules, name: str, at: int) -> Shown:
    system = rules.systems[0]
    table = pool.tables[system]
    row = table.rows.get(name, SYSTEMS[system].new_row())
    rest = 0.0 if _is_new(row) else max(0.0, at - row[3]) / DAY_MS
    return (*SYSTEMS[system].view(row, table.learned, rest), table.board.get(name))


def top(pool: Pool, count: int = 10) -> str:
    """The head of the board, to read."""
    first = sorted(pool.board.items(), key=lambda item: (-item[1], item[0]))[:count]
    system = next(iter(pool.tables))
    lines = []
    for place, (player, _) in enumerate(first, 1):
        row = pool.rows[player]
        rating, deviation = SYSTEMS[system].view(row, pool.learned, 0.0)
        lines.append(f"{place:3} {player:24} {rating:8.2f} ± {deviation:6.2f}  {row[0]:.0f} matches")
    return "\n".join(lines)
