"""Going through matches without Kafka and Redis, as ingest goes through a log: in order, each id once.

It rates by the same `service.rate` as ingest, and a pool is a ladder of its own here as there. Two things that a log
knows are not known here: the pools' configuration (the system is chosen by hand) and when a record was made (so
no match is refused for lying in the future).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from consumers.memory import names_of
from consumers.seen import DUPLICATE, NEW, SeenIds, entries_of
from service.columns import lay_out
from service.match import Match, Side
from service.pools import SEEN_WINDOW
from service.problems import Problem
from service.rate import empty, enlarged, rate, seed
from service.ratings import RatingSystem
from service.seed import Seed
from standings.files.report import BadRows, Progress
from standings.files.rows import Row, Rows
from standings.files.source import Source

_ROOM: Final = 64

Refuse = Callable[[int, Problem], None]
"""Takes note of a row that cannot be used, or ends it all."""


class Ladder:
    """One pool in memory: its players, and a table for each system."""

    def __init__(self, systems: Sequence[RatingSystem]) -> None:
        self.row_of: dict[str, int] = {}
        self.tables = [empty(system, _ROOM) for system in systems]

    def rows(self, records: Sequence[Match | Seed]) -> list[int]:
        """Rows of all players, record by record; new ones for new names."""
        row_of = self.row_of
        return [row_of.setdefault(name, len(row_of)) for record in records for name in names_of(record)]

    def grow(self, systems: Sequence[RatingSystem]) -> None:
        """Make room for everybody who has a row."""
        pairs = zip(systems, self.tables, strict=True)
        self.tables = [enlarged(system, table, len(self.row_of)) for system, table in pairs]


@dataclass(slots=True)
class Played:
    """What was gone through: its pools, what was rated, how long the rating alone took."""

    systems: Sequence[RatingSystem]
    ladders: dict[str, Ladder] = field(default_factory=dict)
    matches: int = 0
    duplicates: int = 0
    seconds: list[float] = field(default_factory=list)


def play_file(source: Source, systems: Sequence[RatingSystem]) -> Played:
    """Go through a file; bad rows are named on standard error, and how far it is shown there on a terminal.

    Raises
    ------
    Mistake
        The file cannot be read, or has a bad row and the source is strict.
    """
    with Rows(source) as rows:
        bad = BadRows(rows.name, source.strict)
        with Progress(rows) as progress:
            played = play(rows.blocks(), systems, bad.add, progress.show)
        bad.close()
        if played.duplicates:
            sys.stderr.write(f"{rows.name}: {played.duplicates:,} duplicates left out\n")
    return played


def play(
    blocks: Iterable[Sequence[Row]],
    systems: Sequence[RatingSystem],
    refuse: Refuse,
    show: Callable[[int], None] = lambda done: None,
) -> Played:
    """Go through rows.

    Parameters
    ----------
    blocks : iterable of sequences of Row
        How they are cut does not matter.
    systems : sequence of RatingSystem
        A match that one of them does not take is refused for all, so that their figures compare.
    refuse : callable
        Gets the line and the problem of each row that cannot be used, in order within a block.
    show : callable
        Gets the matches done so far, after each block.
    """
    played = Played(systems, seconds=[0.0] * len(systems))
    seen = SeenIds(SEEN_WINDOW, {})
    for system in systems:
        _warm(system)
    offset = 0
    for block in blocks:
        _rate(played, _accepted(block, offset, played, seen, refuse))
        offset += len(block)
        show(played.matches)
    return played


def _accepted(
    block: Sequence[Row], offset: int, played: Played, seen: SeenIds, refuse: Refuse
) -> dict[str, list[Match | Seed]]:
    """Judge rows as ingest judges records, a row's number being its offset; answers what is rated by pool."""
    candidates: list[tuple[int, int, Match | Seed]] = []
    problems: list[tuple[int, Problem]] = []
    for index, row in enumerate(block):
        if isinstance(row.found, Problem):
            problems.append((row.line, row.found))
        elif isinstance(row.found, Match) and (refusal := _refusal(row.found.sides, played.systems)):
            problems.append((row.line, Problem("shape_not_taken", f"sides: {refusal}")))
        else:
            candidates.append((row.line, offset + index, row.found))
    by_pool: dict[str, list[Match | Seed]] = {}
    entries = entries_of([found for _, _, found in candidates], [offset for _, offset, _ in candidates])
    outcomes = seen.admit(entries).tolist()
    for (line, _, found), outcome in zip(candidates, outcomes, strict=True):
        if outcome == NEW:
            by_pool.setdefault(found.pool, []).append(found)
        elif outcome == DUPLICATE:
            played.duplicates += 1
        else:
            detail = f"id: {found.id!r} of pool {found.pool!r} had another content"
            problems.append((line, Problem("id_reused", detail)))
    for line, problem in sorted(problems, key=lambda found: found[0]):
        refuse(line, problem)
    return by_pool


def _refusal(sides: Sequence[Side], systems: Sequence[RatingSystem]) -> str | None:
    return next((refusal for system in systems if (refusal := system.refusal(sides))), None)


def _rate(played: Played, by_pool: dict[str, list[Match | Seed]]) -> None:
    for pool, records in by_pool.items():
        ladder = played.ladders.get(pool)
        if ladder is None:
            ladder = played.ladders[pool] = Ladder(played.systems)
        for _, piece in groupby(records, type):
            _rate_piece(played, ladder, list(piece))


def _rate_piece(played: Played, ladder: Ladder, piece: Sequence[Match | Seed]) -> None:
    """Rate records of one type."""
    matches = [record for record in piece if isinstance(record, Match)]
    rows = ladder.rows(piece)
    ladder.grow(played.systems)
    columns = lay_out(matches, rows) if matches else None
    for index, system in enumerate(played.systems):
        table = ladder.tables[index]
        begun = time.perf_counter()
        if columns is not None:
            rate(system, columns, table)
        start = 0
        for record in piece:
            if isinstance(record, Seed):
                seed(system, record, rows[start : start + len(record.players)], table)
                start += len(record.players)
        played.seconds[index] += time.perf_counter() - begun
    played.matches += len(matches)


def _warm(system: RatingSystem) -> None:
    """Compile before anything is timed."""
    match = Match("warm", "warm", 0, (Side(("a",), rank=1), Side(("b",), rank=2)))
    rate(system, lay_out([match], [0, 1]), empty(system, 2))
