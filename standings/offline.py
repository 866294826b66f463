"""Work on files, without Kafka and Redis: the ratings at a file's end, and how well systems predict on their way.

A file is read as a log is: in order, each id once, and through the same `service.rate` as ingest. A pool is a
ladder of its own here as there. Two things a log knows are not in a file: the pools' configuration (the
system is chosen here) and when a record was made (so no match is refused for lying in the future).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from consumers.seen import DUPLICATE, NEW, SeenIds, entries_of
from service.columns import Floats, lay_out
from service.match import Match, Side
from service.pools import SEEN_WINDOW
from service.problems import Problem
from service.rate import (
    BINS,
    BRIER,
    DECIDED,
    FIRST_BIN,
    LOG_LOSS,
    MATCHES,
    RIGHT,
    SCORE_COLUMNS,
    SCORED,
    Table,
    empty,
    rate,
)
from service.ratings import RatingSystem
from standings.files import BadRows, Row, Rows

_ROOM: Final = 64


class Player(msgspec.Struct, frozen=True, kw_only=True):
    """A player's final rating; ``pool`` is given where the file holds several pools."""

    pool: str | UnsetType = UNSET
    player: str
    rating: float
    deviation: float
    matches: int


class Ratings(msgspec.Struct, frozen=True):
    """What ``standings rate`` answers: players by rating, best first, then by name; one pool after the other."""

    system: str
    players: list[Player]


class Bin(msgspec.Struct, frozen=True):
    """Predictions between ``low`` and ``high``: how many, their mean, and the mean of what was seen."""

    low: float
    high: float
    weight: float
    predicted: float | None
    seen: float | None


class Evaluation(msgspec.Struct, frozen=True):
    """How well one system predicted; None where there was nothing to measure.

    ``scored`` counts the matches that had a prediction to score; ``accuracy`` is over those that were decided.
    """

    system: str
    matches: int
    scored: int
    log_loss: float | None
    brier: float | None
    accuracy: float | None
    calibration: list[Bin]
    matches_per_second: float | None


class Evaluations(msgspec.Struct, frozen=True):
    """What ``standings evaluate`` answers."""

    systems: list[Evaluation]


class Ladder:
    """One pool in memory: its players, and a table for each system."""

    def __init__(self, systems: Sequence[RatingSystem]) -> None:
        self.row_of: dict[str, int] = {}
        self.tables = [empty(system, _ROOM) for system in systems]

    def rows(self, matches: Sequence[Match]) -> list[int]:
        """Rows of all players, match by match; new ones for new names."""
        row_of = self.row_of
        names = (name for match in matches for side in match.sides for name in side.players)
        return [row_of.setdefault(name, len(row_of)) for name in names]

    def grow(self, systems: Sequence[RatingSystem]) -> None:
        """Make room for everybody who has a row."""
        for index, system in enumerate(systems):
            table = self.tables[index]
            room = len(table.tallies)
            if room < len(self.row_of):
                more = empty(system, max(room, len(self.row_of) - room))
                tallies = np.concatenate((table.tallies, more.tallies))
                skills = np.concatenate((table.skills, more.skills))
                self.tables[index] = Table(tallies, skills, table.pool, table.scores)


@dataclass(slots=True)
class Played:
    """A file that was gone through: its pools, what was rated, how long the rating alone took."""

    systems: Sequence[RatingSystem]
    ladders: dict[str, Ladder] = field(default_factory=dict)
    matches: int = 0
    duplicates: int = 0
    seconds: list[float] = field(default_factory=list)


def rate_file(name: str, system: RatingSystem) -> Ratings:
    """Rate all matches of a file.

    Parameters
    ----------
    name : str
        Path of an NDJSON file; ``-`` is standard input.
    system : RatingSystem

    Raises
    ------
    Mistake
        The file cannot be read.
    """
    ladders = _play(name, [system]).ladders
    players: list[Player] = []
    for pool in sorted(ladders):
        ladder = ladders[pool]
        (table,) = ladder.tables
        rating, deviation = system.view(table.skills, table.pool, np.zeros(len(table.skills)))
        ladder_players = [
            Player(
                pool=pool if len(ladders) > 1 else UNSET,
                player=player,
                rating=float(rating[row]),
                deviation=float(deviation[row]),
                matches=int(table.tallies[row, MATCHES]),
            )
            for player, row in ladder.row_of.items()
        ]
        # Ratings of different pools do not compare, so each pool has its own order.
        players += sorted(ladder_players, key=lambda player: (-player.rating, player.player))
    return Ratings(system.name, players)


def evaluate_file(name: str, systems: Sequence[RatingSystem]) -> Evaluations:
    """Predict, then update, through a file.

    A match that one of the systems does not take is left out for all, so that their figures compare.

    Parameters
    ----------
    name : str
        Path of an NDJSON file; ``-`` is standard input.
    systems : sequence of RatingSystem

    Raises
    ------
    Mistake
        The file cannot be read.
    """
    played = _play(name, systems)
    answers = []
    for index, system in enumerate(systems):
        scores = np.zeros(SCORE_COLUMNS)
        for ladder in played.ladders.values():
            scores += ladder.tables[index].scores
        seconds = played.seconds[index]
        answers.append(
            Evaluation(
                system=system.name,
                matches=played.matches,
                scored=int(scores[SCORED]),
                log_loss=_mean(scores[LOG_LOSS], scores[SCORED]),
                brier=_mean(scores[BRIER], scores[SCORED]),
                accuracy=_mean(scores[RIGHT], scores[DECIDED]),
                calibration=_calibration(scores),
                matches_per_second=played.matches / seconds if seconds else None,
            )
        )
    return Evaluations(answers)


def _play(name: str, systems: Sequence[RatingSystem]) -> Played:
    played = Played(systems, seconds=[0.0] * len(systems))
    seen = SeenIds(SEEN_WINDOW, {})
    with Rows(name) as rows:
        bad = BadRows(rows.name)
        for system in systems:
            _warm(system)
        offset = 0
        for block in rows.blocks():
            _rate(played, _accepted(block, offset, played, seen, bad))
            offset += len(block)
        bad.close()
        if played.duplicates:
            sys.stderr.write(f"{rows.name}: {played.duplicates:,} duplicates left out\n")
    return played


def _accepted(block: Sequence[Row], offset: int, played: Played, seen: SeenIds, bad: BadRows) -> dict[str, list[Match]]:
    """Judge rows as ingest judges records, a row's number being its offset; answers the matches by pool."""
    candidates: list[tuple[int, int, Match]] = []
    problems: list[tuple[int, Problem]] = []
    for index, row in enumerate(block):
        if isinstance(row.found, Problem):
            problems.append((row.line, row.found))
        elif refusal := _refusal(row.found.sides, played.systems):
            problems.append((row.line, Problem("shape_not_taken", f"sides: {refusal}")))
        else:
            candidates.append((row.line, offset + index, row.found))
    by_pool: dict[str, list[Match]] = {}
    entries = entries_of([match for _, _, match in candidates], [offset for _, offset, _ in candidates])
    outcomes = seen.admit(entries).tolist()
    for (line, _, match), outcome in zip(candidates, outcomes, strict=True):
        if outcome == NEW:
            by_pool.setdefault(match.pool, []).append(match)
        elif outcome == DUPLICATE:
            played.duplicates += 1
        else:
            detail = f"id: {match.id!r} of pool {match.pool!r} had another content"
            problems.append((line, Problem("id_reused", detail)))
    for line, problem in sorted(problems, key=lambda found: found[0]):
        bad.add(line, problem)
    return by_pool


def _refusal(sides: Sequence[Side], systems: Sequence[RatingSystem]) -> str | None:
    return next((refusal for system in systems if (refusal := system.refusal(sides))), None)


def _rate(played: Played, by_pool: dict[str, list[Match]]) -> None:
    for pool, matches in by_pool.items():
        ladder = played.ladders.get(pool)
        if ladder is None:
            ladder = played.ladders[pool] = Ladder(played.systems)
        columns = lay_out(matches, ladder.rows(matches))
        ladder.grow(played.systems)
        for index, system in enumerate(played.systems):
            begun = time.perf_counter()
            rate(system, columns, ladder.tables[index])
            played.seconds[index] += time.perf_counter() - begun
        played.matches += len(matches)


def _warm(system: RatingSystem) -> None:
    """Compile before anything is timed."""
    match = Match("warm", "warm", 0, (Side(("a",), rank=1), Side(("b",), rank=2)))
    rate(system, lay_out([match], [0, 1]), empty(system, 2))


def _mean(total: float, count: float) -> float | None:
    return float(total / count) if count else None


def _calibration(scores: Floats) -> list[Bin]:
    bins = scores[FIRST_BIN:].reshape(BINS, 3).tolist()
    return [
        Bin(index / BINS, (index + 1) / BINS, weight, _mean(predicted, weight), _mean(seen, weight))
        for index, (weight, predicted, seen) in enumerate(bins)
    ]
