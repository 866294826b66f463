"""One pool in its owner's memory: names, and a table of ratings for each system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from consumers.pairs import PairMemory
from service.columns import Integers, lay_out
from service.match import Match
from service.pools import Pool
from service.rate import DAY_MS, LAST_AT, MATCHES, TALLY_COLUMNS, empty, enlarged, rate, seed
from service.score import SCORE_COLUMNS
from service.seed import Seed
from service.store.apply import Section
from service.store.connection import Argument
from service.store.layout import Keys
from service.store.rows import PairTotals, Totals, pack_learned, pack_rows, unpack_learned, unpack_rows
from service.store.streams import Move, Receipt

POOL_ROWS: Final = 32
"""What a pool itself takes in memory, counted as players."""

KEY_BYTES: Final = 384
"""A key without the pool's name: tag, generation, kind, system."""


def names_of(record: Match | Seed) -> list[str]:
    """Players that a record names, in their order."""
    if isinstance(record, Seed):
        return [player.player for player in record.players]
    return [name for side in record.sides for name in side.players]


class PoolMemory:
    """One pool: its players, and a table for each of its systems."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.row_of: dict[str, int] = {}
        self.names: list[str] = []
        self.tables = [empty(system, 16) for system in pool.systems]
        self.totals: Totals | None = None
        self._matches = 0
        self._last_at: int | None = None
        self.pairs = PairMemory(pool.name) if pool.pairs else None
        self.loaded = 0
        """Rows that were read; those after it are names that are new to this memory."""
        # Of each system: the row, the board's value as text, the name with both; then the name among those touched, and
        # where it gets a number.
        self.row_bytes = 16 + sum(8 * (len(TALLY_COLUMNS) + len(one.skill_columns)) + 24 for one in pool.systems)
        """The most that a player adds to a script call beside the name."""
        self.names_written = 2 * len(pool.systems) + 1 + pool.pairs
        """How often the name is written."""
        self.fingerprints = pool.fingerprints()
        learned = sum(8 * (len(system.pool_columns) + SCORE_COLUMNS) for system in pool.systems)
        prints = sum(map(len, self.fingerprints.values()))
        keys, fields = 4 + 2 * len(pool.systems) + 4 * pool.pairs, 2 + 4 * len(pool.systems) + 4 * pool.pairs
        arena = len(PairTotals().pack()) * pool.pairs
        self.pool_bytes = learned + arena + keys * KEY_BYTES + fields * (len(pool.name) + 64) + prints
        """The most that the pool itself adds: its keys, totals, what is learned, fingerprints."""

    @property
    def size(self) -> int:
        """What it takes in memory, counted as players."""
        return POOL_ROWS + len(self.names) + (0 if self.pairs is None else len(self.pairs))

    def begin(self, accepted: Sequence[Match | Seed], positions: Sequence[int]) -> list[int]:
        """Turn to a batch.

        Parameters
        ----------
        accepted : sequence of Match or Seed
        positions : sequence of int
            The position after each.

        Returns
        -------
        list of int
            Rows of all players, record by record in the order in which they are named; new ones for new names.
        """
        if self.pairs is not None:
            self.pairs.begin(accepted, positions)
        row_of = self.row_of
        names = [name for record in accepted for name in names_of(record)]
        rows: list[int | None] = list(map(row_of.get, names))
        if None in rows:
            for place, row in enumerate(rows):
                if row is None:
                    # The same new name may come twice.
                    name = names[place]
                    rows[place] = row_of.setdefault(name, len(self.names))
                    if rows[place] == len(self.names):
                        self.names.append(name)
        return rows  # type: ignore[return-value]  # none is None any more

    def fill(self, values: Sequence[Sequence[bytes | None]]) -> None:
        """Take in what was read for `wanted`."""
        given, new = iter(values), self.names[self.loaded :]
        for index, system in enumerate(self.pool.systems if new else ()):
            table = self.tables[index] = enlarged(system, self.tables[index], len(self.names))
            tallies, skills = unpack_rows(next(given), system)
            end = self.loaded + len(tallies)
            table.tallies[self.loaded : end], table.skills[self.loaded : end] = tallies, skills
        if self.totals is None:
            (totals,), learned = next(given), next(given)
            self.totals = Totals() if totals is None else Totals.unpack(totals)
            for index, system in enumerate(self.pool.systems):
                pool, scores = unpack_learned(learned[index], system)
                self.tables[index] = self.tables[index]._replace(pool=pool, scores=scores)
        if self.pairs is not None:
            self.pairs.fill(new, given)
        self.loaded = len(self.names)

    def wanted(self, keys: Keys) -> list[tuple[str, Sequence[str]]]:
        """What must be read before the pool can be rated; empty if nothing. What was read may say what else is."""
        name, systems = self.pool.name, self.pool.systems
        new = self.names[self.loaded :]
        wanted: list[tuple[str, Sequence[str]]] = (
            [(keys.rows(name, system.name), new) for system in systems] if new else []
        )
        if self.totals is None:
            wanted.append((keys.totals, [name]))
            wanted.append((keys.learned, [f"{name}/{system.name}" for system in systems]))
        return wanted if self.pairs is None else wanted + self.pairs.wanted(keys, new)

    def rate(
        self, accepted: Sequence[Match | Seed], rows: Sequence[int], watched: Mapping[int, int]
    ) -> list[tuple[int, Receipt]]:
        """Rate records in their order.

        Parameters
        ----------
        accepted : sequence of Match or Seed
        rows : sequence of int
            What `begin` gave for them.
        watched : mapping
            Index of each record of which a receipt is wanted, to the position that has it in.

        Returns
        -------
        list of (position, Receipt)
        """
        if self.pairs is not None:
            self.pairs.count()
        receipts = []
        start = 0
        for piece, position in _pieces(accepted, watched):
            end = start + _players(piece)
            here, start = rows[start:end], end
            if position is None:
                self._rate(piece, here)
                continue
            at = (piece if isinstance(piece, Seed) else piece[0]).at
            assert isinstance(at, int), "checked"
            before = self._shown(here, at)
            self._rate(piece, here)
            moves = self._moves(here, before, self._shown(here, at))
            receipts.append((position, Receipt("applied", moves=moves)))
        return receipts

    def _rate(self, piece: Sequence[Match] | Seed, rows: Sequence[int]) -> None:
        if isinstance(piece, Seed):
            for system, table in zip(self.pool.systems, self.tables, strict=True):
                seed(system, piece, rows, table)
            return
        columns = lay_out(piece, rows, self.pool.first_at_home)
        for system, table in zip(self.pool.systems, self.tables, strict=True):
            rate(system, columns, table)
        self._matches += len(piece)
        last = int(columns.at.max())
        self._last_at = last if self._last_at is None else max(self._last_at, last)

    def count(self, revision: int) -> bool:
        """Add what was rated since to the totals; answers whether this is the first that is known of the pool."""
        before = self.totals
        assert before is not None, "read before it is rated"
        last = before.last_match_at
        if self._last_at is not None:
            last = self._last_at if before.matches == 0 else max(last, self._last_at)
        self.totals = Totals(before.matches + self._matches, revision, last)
        self._matches, self._last_at = 0, None
        return before.revision == 0

    def _shown(self, rows: Sequence[int], at: int) -> list[tuple[float, float, float | None]]:
        """Rating, deviation and board value of players under the live system at the time of a record."""
        system, table = self.pool.live, self.tables[0]
        tallies, skills = table.tallies[rows], table.skills[rows]
        rest = np.maximum(0.0, at - tallies[:, LAST_AT]) / DAY_MS
        new = (tallies[:, MATCHES] == 0) & (tallies[:, LAST_AT] == 0)
        rating, deviation = system.view(skills, table.pool, np.where(new, 0.0, rest))
        places = self.pool.places(system, skills).tolist()
        values = [None if no_place else place for no_place, place in zip(new.tolist(), places, strict=True)]
        return list(zip(rating.tolist(), deviation.tolist(), values, strict=True))

    def _moves(
        self,
        rows: Sequence[int],
        before: Sequence[tuple[float, float, float | None]],
        after: Sequence[tuple[float, float, float | None]],
    ) -> tuple[Move, ...]:
        return tuple(
            Move(self.names[row], (was[0], now[0]), (was[1], now[1]), (was[2], now[2] or 0.0))
            for row, was, now in zip(rows, before, after, strict=True)
        )

    def sections(self, keys: Keys, touched: Integers, names: Sequence[str]) -> list[Section]:
        """Write down the rows, board places and totals that a batch changed."""
        pool = self.pool
        learned: list[Argument] = []
        sections: list[Section] = []
        for system, table in zip(pool.systems, self.tables, strict=True):
            tallies, skills = table.tallies[touched], table.skills[touched]
            rows: list[Argument] = [b""] * (2 * len(names))
            rows[::2], rows[1::2] = names, pack_rows(tallies, skills)
            places: list[Argument] = [b""] * (2 * len(names))
            places[::2], places[1::2] = map(repr, pool.places(system, skills).tolist()), names
            sections.append(Section(keys.rows(pool.name, system.name), "HSET", rows))
            sections.append(Section(keys.board(pool.name, system.name), "ZADD", places))
            learned += (f"{pool.name}/{system.name}", pack_learned(table.pool, table.scores))
        assert self.totals is not None, "counted before it is written"
        sections.append(Section(keys.totals, "HSET", (pool.name, self.totals.pack())))
        sections.append(Section(keys.learned, "HSET", learned))
        return sections if self.pairs is None else sections + self.pairs.sections(keys)


def _pieces(
    accepted: Sequence[Match | Seed], watched: Mapping[int, int]
) -> Iterator[tuple[Sequence[Match] | Seed, int | None]]:
    """Cut records where one is to be looked at alone: a seed, or a record of which a receipt is wanted.

    How matches are cut changes no bit. Answers each piece with its receipt's position.
    """
    plain: list[Match] = []
    for index, record in enumerate(accepted):
        if isinstance(record, Seed) or index in watched:
            if plain:
                yield plain, None
                plain = []
            yield record if isinstance(record, Seed) else [record], watched.get(index)
        else:
            plain.append(record)
    if plain:
        yield plain, None


def _players(piece: Sequence[Match] | Seed) -> int:
    if isinstance(piece, Seed):
        return len(piece.players)
    return sum([len(side.players) for match in piece for side in match.sides])
