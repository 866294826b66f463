"""The pair counts of one pool in its owner's memory: players' numbers, and the pairs that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from service.match import Match
from service.pairs import MOST_PAIRED, number_of, pairs_in, share_of
from service.seed import Seed
from service.shown import add_places, is_shown
from service.store.apply import Section
from service.store.connection import Argument
from service.store.layout import Keys
from service.store.rows import PairTotals, pack_pair, unpack_pair

PAIR_BYTES: Final = 64
"""The most that a pair adds to a script call."""

_FIRST, _SECOND, _TIES = range(3)


_Meeting = tuple[int, int, float, int]
"""Two players in one match: the pair, which of its counts grows, by how much, and the position that has it in."""


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
        self._missing: list[int] = []
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
        elif not new:
            if self._meetings is None:
                self._lay_out()
            if self._missing:
                wanted.append((keys.pairs(self._pool), list(map(str, self._missing))))
        return wanted

    def fill(self, new: Sequence[str], values: Iterator[Sequence[bytes | None]]) -> None:
        """Take in what was read for `wanted`."""
        if new:
            numbers = zip(new, next(values), strict=True)
            self._numbers |= {name: int(number) for name, number in numbers if number is not None}
        if self._totals is None:
            (totals,) = next(values)
            self._totals = PairTotals() if totals is None else PairTotals.unpack(totals)
        elif not new and self._missing:
            stored = zip(self._missing, next(values), strict=True)
            self._counts |= {pair: list(unpack_pair(value)) for pair, value in stored}
            self._missing = []

    def count(self) -> None:
        """Count the batch's pairs, in the order of its records."""
        assert self._meetings is not None, "asked what is wanted before it is counted"
        self._changed = {}
        for pair, column, share, position in self._meetings:
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

    def _lay_out(self) -> None:
        """Lay out the batch's meetings, number those who come to their first, see which pairs are not in memory."""
        assert self._totals is not None, "read before it is counted"
        players, left_out, heavy, before = self._totals
        shown = list(before)
        self._meetings, self._numbered = [], []
        for record, position in zip(*self._batch, strict=True):
            if isinstance(record, Seed):
                continue
            first = len(self._meetings)
            left_out += not self._meet(record, position, players, self._meetings)
            heavy += len(self._meetings) > first and self._meetings[first][2] > 1.0
            if is_shown(record):
                add_places(record, shown)
        self._totals = PairTotals(players + len(self._numbered), left_out, heavy, tuple(shown))
        unknown = dict.fromkeys([pair for pair, *_ in self._meetings if pair not in self._counts])
        # Pairs of those who were just numbered cannot be stored.
        stored = players * (players - 1) // 2
        self._counts |= {pair: [0.0, 0.0, 0.0] for pair in unknown if pair >= stored}
        self._missing = [pair for pair in unknown if pair < stored]

    def _meet(self, match: Match, position: int, players: int, meetings: list[_Meeting]) -> bool:
        """Add the meetings of a match; answers whether each of its pairs has one."""
        sides = match.sides
        names = [name for side in sides for name in side.players]
        if not pairs_in(len(sides), len(names)):
            return False
        numbers = list(map(self._numbers.get, names))
        if None in numbers:
            numbers = [self._number(name, players) for name in names]
        share = share_of(len(sides), match.weight)
        # Each side has a rank, or each a score, of which the higher is the better.
        places = [side.rank or -(side.score or 0.0) for side in sides]
        for index, (other, its_place) in enumerate(zip(numbers, places, strict=True)):
            for one, place in zip(numbers[:index], places, strict=False):
                if one is None or other is None:
                    continue
                column = _TIES if place == its_place else _FIRST if (place < its_place) is (one < other) else _SECOND
                meetings.append((number_of(one, other), column, share, position))
        return None not in numbers

    def _number(self, player: str, players: int) -> int | None:
        """Number of a player; None for one who came when all were given away."""
        number = self._numbers.get(player)
        if number is None and players + len(self._numbered) < MOST_PAIRED:
            self._numbers[player] = number = players + len(self._numbered)
            self._numbered.append(player)
        return number
