"""Going through matches without Kafka and Redis, as ingest goes through a log: in order, each id once.

It rates by the same `service.rate` as ingest, and a pool is a ladder of its own here as there. Two things that a log
knows are not known here: the pools' configuration (the system is chosen by hand) and when a record was made (so
no match is refused for lying in the future).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final

import numpy as np

from consumers.memory import names_of
from consumers.seen import DUPLICATE, NEW, SeenIds, entries_of
from service.columns import Floats, Integers, Matches, lay_out
from service.match import Match, Side
from service.pools import SEEN_WINDOW
from service.problems import Problem
from service.rate import empty, enlarged, rate, seed
from service.ratings import RatingSystem
from service.seed import Seed
from service.warm import warm
from standings.course import Course
from standings.files.report import BadRows, Progress
from standings.files.rows import Row, Rows
from standings.files.shuffle import shuffled
from standings.files.source import Source

_ROOM: Final = 64

Refuse = Callable[[int, Problem], None]
"""Takes note of a row that cannot be used, or ends it all."""

LeaveOut = Callable[[int, str], None]
"""Takes note of a line and of why a system is left out from there on."""


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


class Played:
    """What was gone through.

    Attributes
    ----------
    systems : list of RatingSystem
        Those that were played to the end.
    ladders : dict of str to Ladder
        The pools.
    matches, duplicates : int
        How many were rated, and left out for having been rated before.
    seconds : list of float
        How long each system's rating alone took.
    course : Course
        How well each system predicted on the way.
    """

    def __init__(self, systems: Sequence[RatingSystem]) -> None:
        self.systems = list(systems)
        self.ladders: dict[str, Ladder] = {}
        self.matches = 0
        self.duplicates = 0
        self.seconds = [0.0] * len(systems)
        self.course = Course(len(systems))

    def leave_out(self, index: int) -> None:
        """Forget a system and all that it rated."""
        del self.systems[index], self.seconds[index]
        for ladder in self.ladders.values():
            del ladder.tables[index]
        self.course.leave_out(index)


def play_file(
    source: Source, systems: Sequence[RatingSystem], *, fitting: bool = False, shuffle: int | None = None
) -> Played:
    """Go through a file; bad rows are named on standard error, and how far it is shown there on a terminal.

    Parameters
    ----------
    source : Source
        The file, and how its rows are to be read.
    systems : sequence of RatingSystem
    fitting : bool
        Whether a system that does not take a match is left out and named, instead of the match.
    shuffle : int, optional
        The seed of an order for its matches other than the file's.

    Raises
    ------
    Mistake
        The file cannot be read, or has a bad row and the source is strict.
    """
    with Rows(source) as rows:
        bad = BadRows(rows.name, source.strict)
        with Progress(rows) as progress:
            blocks = rows.blocks() if shuffle is None else shuffled(rows.blocks(), shuffle, rows.name)
            played = play(blocks, systems, bad.add, progress.show, bad.leave_out if fitting else None)
        bad.close()
        if played.duplicates:
            sys.stderr.write(f"{rows.name}: {played.duplicates:,} duplicates left out\n")
    return played


def play(
    blocks: Iterable[Sequence[Row]],
    systems: Sequence[RatingSystem],
    refuse: Refuse,
    show: Callable[[int], None] = lambda done: None,
    leave_out: LeaveOut | None = None,
) -> Played:
    """Go through rows.

    Parameters
    ----------
    blocks : iterable of sequences of Row
        How they are cut does not matter.
    systems : sequence of RatingSystem
        A match that one of them does not take is refused for all, so that their figures compare; see ``leave_out``.
    refuse : callable
        Gets the line and the problem of each row that cannot be used, in order within a block.
    show : callable
        Gets the matches done so far, after each block.
    leave_out : callable, optional
        With it, systems that do not take a match are left out, as long as another one takes it.
    """
    played = Played(systems)
    seen = SeenIds(SEEN_WINDOW, {})
    for system in systems:
        warm(system)
    offset = 0
    for block in blocks:
        _rate(played, _accepted(block, offset, played, seen, refuse, leave_out))
        offset += len(block)
        show(played.matches)
    return played


def _accepted(
    block: Sequence[Row],
    offset: int,
    played: Played,
    seen: SeenIds,
    refuse: Refuse,
    leave_out: LeaveOut | None,
) -> list[Match | Seed]:
    """Judge rows as ingest judges records, a row's number being its offset; answers what is rated."""
    candidates: list[tuple[int, int, Match | Seed]] = []
    problems: list[tuple[int, Problem]] = []
    for index, row in enumerate(block):
        if isinstance(row.found, Problem):
            problems.append((row.line, row.found))
        elif isinstance(row.found, Match) and (refusal := _refusal(played, row.line, row.found.sides, leave_out)):
            problems.append((row.line, Problem("shape_not_taken", f"sides: {refusal}")))
        else:
            candidates.append((row.line, offset + index, row.found))
    accepted = []
    entries = entries_of([found for _, _, found in candidates], [offset for _, offset, _ in candidates])
    outcomes = seen.admit(entries).tolist()
    for (line, _, found), outcome in zip(candidates, outcomes, strict=True):
        if outcome == NEW:
            accepted.append(found)
        elif outcome == DUPLICATE:
            played.duplicates += 1
        else:
            detail = f"id: {found.id!r} of pool {found.pool!r} had another content"
            problems.append((line, Problem("id_reused", detail)))
    for line, problem in sorted(problems, key=lambda found: found[0]):
        refuse(line, problem)
    return accepted


def _refusal(played: Played, line: int, sides: Sequence[Side], leave_out: LeaveOut | None) -> str | None:
    """Say why a match of these sides is not rated, if it is not; leave out who does not take it, if that is wanted."""
    refusals = [(index, why) for index, system in enumerate(played.systems) if (why := system.refusal(sides))]
    if leave_out is None or len(refusals) == len(played.systems):
        return refusals[0][1] if refusals else None
    for index, why in reversed(refusals):
        leave_out(line, f"{played.systems[index].name} is left out: {why}")
        played.leave_out(index)
    return None


def _rate(played: Played, records: Sequence[Match | Seed]) -> None:
    by_pool: dict[str, list[tuple[int, Match | Seed]]] = {}
    place = played.matches
    for record in records:
        by_pool.setdefault(record.pool, []).append((place, record))
        place += isinstance(record, Match)
    rated: list[tuple[Integers, list[int], Floats]] = []
    for pool, placed in by_pool.items():
        ladder = played.ladders.get(pool)
        if ladder is None:
            ladder = played.ladders[pool] = Ladder(played.systems)
        for _, group in groupby(placed, lambda one: type(one[1])):
            piece = list(group)
            rows = ladder.rows([record for _, record in piece])
            ladder.grow(played.systems)
            if matches := [record for _, record in piece if isinstance(record, Match)]:
                columns = lay_out(matches, rows)
                rated.append((columns.at, [place for place, _ in piece], _rate_matches(played, ladder, columns)))
            else:
                _seed(played, ladder, [record for _, record in piece if isinstance(record, Seed)], rows)
    if rated:
        at, places, losses = zip(*rated, strict=True)
        played.course.add(np.concatenate(at), np.concatenate(places), np.concatenate(losses, axis=2))
    played.matches = place


def _rate_matches(played: Played, ladder: Ladder, matches: Matches) -> Floats:
    """Rate matches of one pool under every system; answers the losses, float64[systems, 2, m]."""
    losses = []
    for index, (system, table) in enumerate(zip(played.systems, ladder.tables, strict=True)):
        begun = time.perf_counter()
        losses.append(rate(system, matches, table))
        played.seconds[index] += time.perf_counter() - begun
    return np.array(losses)


def _seed(played: Played, ladder: Ladder, seeds: Sequence[Seed], rows: Sequence[int]) -> None:
    start = 0
    for record in seeds:
        end = start + len(record.players)
        for system, table in zip(played.systems, ladder.tables, strict=True):
            seed(system, record, rows[start:end], table)
        start = end
