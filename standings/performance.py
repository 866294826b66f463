"""Offline: a rating in one step, from results against the players of a file as they stand at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Final

import msgspec
import numpy as np

from service.performance import MOST_RESULTS, SCORES, performance
from service.problems import Problem
from service.ratings import RatingSystem
from standings.errors import Mistake
from standings.files.cells import read_cells
from standings.files.lines import Lines
from standings.files.source import Source
from standings.play import Ladder, play_file

COLUMNS: Final = ("opponent", "result")


class Performed(msgspec.Struct, frozen=True):
    """What ``standings performance`` answers; None as in `service.performance.Performance`."""

    system: str
    results: int
    score: float
    rating: float | None
    deviation: float | None
    interval: tuple[float | None, float | None]


def performance_file(source: Source, results: str, system: RatingSystem) -> Performed:
    """Rate a file, then results against its players, who stay as they are.

    Parameters
    ----------
    source : Source
        The matches of one pool, and how their rows are to be read.
    results : str
        CSV with the columns ``opponent`` and ``result`` (won, tied, lost); ``-`` is standard input.
    system : RatingSystem

    Raises
    ------
    Mistake
        A file cannot be read, or a row of the results cannot be used: its line is named.
    """
    ladders = play_file(source, [system]).ladders
    if len(ladders) != 1:
        held = f"{len(ladders)} pools" if ladders else "no matches"
        raise Mistake(f"{source.file} holds {held}: a performance is in one pool, the file must hold that one alone")
    (ladder,) = ladders.values()
    rows, scores = zip(*_results(results, ladder), strict=True)
    (table,) = ladder.tables
    # As the ratings of `standings rate`: as they stand, without rest.
    found = performance(system, table.skills[list(rows)], table.pool, np.zeros(len(rows)), np.array(scores))
    return Performed(system.name, len(scores), float(sum(scores)), *found)


def _results(file: str, ladder: Ladder) -> list[tuple[int, float]]:
    """Read row of the opponent and score, result by result."""
    found: list[tuple[int, float]] = []
    with Lines(file) as lines:
        for where, opponent, result in _cells(lines):
            if opponent not in ladder.row_of:
                near = get_close_matches(opponent, ladder.row_of, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise Mistake(f"{where}: opponent: no match of {opponent!r}{hint}")
            if result not in SCORES:
                raise Mistake(f"{where}: result: {result!r} is none of: {', '.join(SCORES)}")
            found.append((ladder.row_of[opponent], SCORES[result]))
            if len(found) > MOST_RESULTS:
                raise Mistake(f"{where}: a performance is of at most {MOST_RESULTS:,} results")
    if not found:
        raise Mistake(f"{lines.name} holds no results: a header 'opponent,result', then a row for each")
    return found


def _cells(lines: Lines) -> Iterator[tuple[str, str, str]]:
    for block in read_cells(lines.name, _check, lines.blocks()):
        for line, cells in block:
            where = f"{lines.name}:{line}"
            if isinstance(cells, Problem):
                raise Mistake(f"{where}: {cells.detail}")
            opponent, result = (cells[column].strip() for column in COLUMNS)
            yield where, opponent, result


def _check(name: str, header: Sequence[str]) -> None:
    for column in COLUMNS:
        if column not in header:
            raise Mistake(f"{name}: no column {column!r}; the header is to be 'opponent,result'")
