"""One pool in its owner's memory: names, and a table of ratings for each system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from service.columns import Integers
from service.match import NAME_BYTES, Match
from service.pools import Pool
from service.rate import SCORE_COLUMNS, TALLY_COLUMNS, Table, empty
from service.store.apply import Section
from service.store.connection import Argument
from service.store.layout import Keys
from service.store.rows import Totals, pack_learned, pack_rows, unpack_learned, unpack_rows

KEY_BYTES: Final = 384
"""A key without the pool's name: tag, generation, kind, system."""


class PoolMemory:
    """One pool: its players, and a table for each of its systems."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.row_of: dict[str, int] = {}
        self.names: list[str] = []
        self.tables = [empty(system, 16) for system in pool.systems]
        self.totals: Totals | None = None
        self.loaded = 0
        """Rows that were read; those after it are names that are new to this memory."""
        floats = sum(len(TALLY_COLUMNS) + len(system.skill_columns) for system in pool.systems)
        self.row_bytes = 8 * floats + len(pool.systems) * (2 * NAME_BYTES + 64)
        """The most that one row adds to a script call: its row and board entry under every system."""
        learned = sum(8 * (len(system.pool_columns) + SCORE_COLUMNS) for system in pool.systems)
        keys, fields = 3 + 2 * len(pool.systems), 2 + 4 * len(pool.systems)
        self.pool_bytes = learned + keys * KEY_BYTES + fields * (len(pool.name) + 64)
        """The most that the pool itself adds: its keys, totals, what is learned, fingerprints."""

    def rows(self, matches: Sequence[Match]) -> list[int]:
        """Rows of all players, match by match in the order in which they are named; new ones for new names."""
        row_of = self.row_of
        names = [name for match in matches for side in match.sides for name in side.players]
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
        for index, system in enumerate(self.pool.systems):
            table = self._grown(index)
            tallies, skills = unpack_rows(values[index], system)
            end = self.loaded + len(tallies)
            table.tallies[self.loaded : end], table.skills[self.loaded : end] = tallies, skills
        if self.totals is None:
            (totals,), learned = values[-2], values[-1]
            self.totals = Totals() if totals is None else Totals.unpack(totals)
            for index, system in enumerate(self.pool.systems):
                pool, scores = unpack_learned(learned[index], system)
                self.tables[index] = self.tables[index]._replace(pool=pool, scores=scores)
        self.loaded = len(self.names)

    def wanted(self, keys: Keys) -> list[tuple[str, Sequence[str]]]:
        """What must be read before the pool can be rated; empty if nothing."""
        name, systems = self.pool.name, self.pool.systems
        new = self.names[self.loaded :]
        wanted: list[tuple[str, Sequence[str]]] = (
            [(keys.rows(name, system.name), new) for system in systems] if new else []
        )
        if self.totals is None:
            wanted.append((keys.totals, [name]))
            wanted.append((keys.learned, [f"{name}/{system.name}" for system in systems]))
        return wanted

    def count(self, matches: int, revision: int, last_at: int) -> bool:
        """Add to the totals; answers whether these are the pool's first matches."""
        before = self.totals
        assert before is not None, "read before it is rated"
        last = last_at if before.matches == 0 else max(before.last_match_at, last_at)
        self.totals = Totals(before.matches + matches, revision, last)
        return before.matches == 0

    def sections(self, keys: Keys, touched: Integers) -> list[Section]:
        """Write down the rows, board places and totals that a batch changed."""
        pool, names = self.pool, [self.names[row] for row in touched.tolist()]
        learned: list[Argument] = []
        sections: list[Section] = []
        for system, table in zip(pool.systems, self.tables, strict=True):
            tallies, skills = table.tallies[touched], table.skills[touched]
            _, _, value = pool.standing(system, skills, table.pool)
            rows: list[Argument] = [b""] * (2 * len(names))
            rows[::2], rows[1::2] = names, pack_rows(tallies, skills)
            places: list[Argument] = [b""] * (2 * len(names))
            places[::2], places[1::2] = map(repr, value.tolist()), names
            sections.append(Section(keys.rows(pool.name, system.name), "HSET", rows))
            sections.append(Section(keys.board(pool.name, system.name), "ZADD", places))
            learned += (f"{pool.name}/{system.name}", pack_learned(table.pool, table.scores))
        assert self.totals is not None, "counted before it is written"
        sections.append(Section(keys.totals, "HSET", (pool.name, self.totals.pack())))
        sections.append(Section(keys.learned, "HSET", learned))
        return sections

    def _grown(self, index: int) -> Table:
        table = self.tables[index]
        room = len(table.tallies)
        if room < len(self.names):
            more = empty(self.pool.systems[index], max(room, len(self.names) - room))
            table = table._replace(
                tallies=np.concatenate((table.tallies, more.tallies)),
                skills=np.concatenate((table.skills, more.skills)),
            )
            self.tables[index] = table
        return table
