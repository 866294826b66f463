"""The pair counts of one pool in its owner's memory: players' numbers, and the pairs that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from service.match import Match
from service.pairs import MOST_PAIRED, number_of, pairs_in, share_of
from service.seed import Seed
from service.store.apply import Section
from service.store.connection import Argument
from service.store.layout import Keys
from service.store.rows import PairTotals, pack_pair, unpack_pair

PAIR_BYTES: Final = 64
"""The most that a pair adds to a script call."""

_FIRST, _SECOND, _TIES = range(3)


class _Meeting(NamedTuple):
    """Two players in one match: which count of which pair grows by how much, and the position that has it in."""

    pair: int
    column: int
    share: float
    position: int


class PairMemory:
    """What is known of the pairs of one pool.

    Parameters
    ----------
    pool : str
        The name.
    """

    def __init__(self, pool: str) -> None:
        self._pool = pool
        self._totals: PairTotals | None = None
        self._numbers: dict[str, int] = {}
        self._counts: dict[int, list[float]] = {}
        self._batch: tuple[Sequence[Match | Seed], Sequence[int]] = (), ()
        self._numbered: list[str] = []
        self._meetings: list[_Meeting] | None = None
        self._changed: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def begin(self, accepted: Sequence[Match | Seed], positions: Sequence[int]) -> None:
        """Turn to a batch: its records, and the position after each."""
        self._batch = accepted, positions
        self._meetings = None

    def wanted(self, keys: Keys, new: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
        """What must be read: the numbers of names that are new to memory, then the pairs that follow from numbers."""
        wanted: list[tuple[str, Sequence[str]]] = [(keys.numbers(self._pool), new)] if new else []
        if self._totals is None:
            wanted.append((keys.arenas, [self._pool]))
        elif not new and (missing := self._missing()):
            wanted.append((keys.pairs(self._pool), list(map(str, missing))))
        return wanted

    def fill(self, new: Sequence[str], values: Iterator[Sequence[bytes | None]]) -> None:
        """Take in what was read for `wanted`."""
        if new:
            stored = zip(new, next(values), strict=True)
            self._numbers |= {name: int(number) for name, number in stored if number is not None}
        if self._totals is None:
            (totals,) = next(values)
            self._totals = PairTotals() if totals is None else PairTotals.unpack(totals)
        elif not new and (missing := self._missing()):
            self._counts |= {pair: list(unpack_pair(value)) for pair, value in zip(missing, next(values), strict=True)}

    def count(self) -> None:
        """Count the batch's pairs, in the order of its records."""
        self._changed = {}
        for pair, column, share, position in self._met():
            self._counts[pair][column] += share
            self._changed[pair] = position

    def sections(self, keys: Keys) -> list[Section]:
        """Write down what `count` changed."""
        assert self._totals is not None, "read before it is counted"
        name = self._pool
        sections = [Section(keys.arenas, "HSET", (name, self._totals.pack()))]
        if self._numbered:
            numbers: list[Argument] = [
                item for player in self._numbered for item in (player, b"%d" % self._numbers[player])
            ]
            sections.append(Section(keys.numbers(name), "HSET", numbers))
        if self._changed:
            counts: list[Argument] = [
                item for pair in self._changed for item in (str(pair), pack_pair(self._counts[pair]))
            ]
            places: list[Argument] = [
                item for pair, position in self._changed.items() for item in (str(position), str(pair))
            ]
            sections.append(Section(keys.pairs(name), "HSET", counts))
            sections.append(Section(keys.paired(name), "ZADD", places))
        return sections

    def _missing(self) -> list[int]:
        return list(dict.fromkeys(one.pair for one in self._met() if one.pair not in self._counts))

    def _met(self) -> list[_Meeting]:
        """The batch's meetings; numbers those who come to their first, and counts matches that are left out."""
        if self._meetings is None:
            assert self._totals is not None, "read before it is counted"
            players, left_out = self._totals
            self._meetings, self._numbered = [], []
            for record, position in zip(*self._batch, strict=True):
                if isinstance(record, Match) and not self._meet(record, position):
                    left_out += 1
            self._totals = PairTotals(players + len(self._numbered), left_out)
            # Pairs of those who were just numbered cannot be stored.
            stored = players * (players - 1) // 2
            self._counts |= {one.pair: [0.0, 0.0, 0.0] for one in self._meetings if one.pair >= stored}
        return self._meetings

    def _meet(self, match: Match, position: int) -> bool:
        """Add the meetings of a match; answers whether each of its pairs has one."""
        assert self._meetings is not None, "a batch was begun"
        if not pairs_in(match):
            return False
        share = share_of(len(match.sides), match.weight)
        known = []
        for side in match.sides:
            number = self._number(side.players[0])
            if number is not None:
                # Each side has a rank, or each a score, of which the higher is the better.
                known.append((number, side.rank or -(side.score or 0.0)))
        for (one, place), (other, its_place) in combinations(known, 2):
            column = _TIES if place == its_place else _FIRST if (place < its_place) is (one < other) else _SECOND
            self._meetings.append(_Meeting(number_of(one, other), column, share, position))
        return len(known) == len(match.sides)

    def _number(self, player: str) -> int | None:
        """Number of a player; None for one who came when all were given away."""
        assert self._totals is not None, "read before it is counted"
        number = self._numbers.get(player)
        if number is None:
            taken = self._totals.players + len(self._numbered)
            if taken < MOST_PAIRED:
                self._numbers[player] = number = taken
                self._numbered.append(player)
        return number
