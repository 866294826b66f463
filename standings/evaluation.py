"""How well systems predict on their way through a file, and which of them are told apart by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from service.columns import Floats
from service.ratings import RatingSystem
from service.score import (
    BINS,
    BRIER,
    DECIDED,
    FIRST_BIN,
    LOG_LOSS,
    RIGHT,
    SCORE_COLUMNS,
    SCORED,
    THREE_WAY,
    TWO_SIDED,
)
from standings.course import Blocks
from standings.differences import interval
from standings.files.source import Source
from standings.play import Played, play_file


class Bin(msgspec.Struct, frozen=True):
    """Predictions between ``low`` and ``high``: how many, their mean, and the mean of what was seen."""

    low: float
    high: float
    weight: float
    predicted: float | None
    seen: float | None


class Evaluation(msgspec.Struct, frozen=True):
    """How well one system predicted; None where there was nothing to measure.

    ``scored`` counts the matches that had a prediction to score; ``accuracy`` is over those that were decided,
    ``three_way_log_loss`` over those of two sides.
    """

    system: str
    matches: int
    scored: int
    log_loss: float | None
    three_way_log_loss: float | None
    brier: float | None
    accuracy: float | None
    calibration: list[Bin]
    matches_per_second: float | None


class Difference(msgspec.Struct, frozen=True):
    """By how much a system's mean log-loss is above that of the best one, ``against``, on the same matches.

    ``low`` and ``high`` hold it with 95 % confidence; None where there is but one block. See `standings.differences`.
    """

    system: str
    against: str
    log_loss: float
    low: float | None
    high: float | None


class Resampled(msgspec.Struct, frozen=True):
    """What was resampled for the intervals: ``count`` blocks, each a calendar year or so many matches in a row."""

    by: Literal["year", "matches"]
    count: int


class Evaluations(msgspec.Struct, frozen=True):
    """What ``standings evaluate`` answers; differences where there are two systems or more."""

    systems: list[Evaluation]
    differences: list[Difference]
    three_way_differences: list[Difference]
    blocks: Resampled


def evaluate_file(
    source: Source, systems: Sequence[RatingSystem], *, fitting: bool = False, shuffle: int | None = None
) -> Evaluations:
    """Predict, then update, through a file.

    Parameters
    ----------
    source : Source
        The file, and how its rows are to be read.
    systems : sequence of RatingSystem
    fitting : bool
        Whether a system that does not take a match is left out. Else the match is, for all, so that figures compare.
    shuffle : int, optional
        The seed of an order for its matches other than the file's.

    Raises
    ------
    Mistake
        The file cannot be read, or has a bad row and the source is strict.
    """
    return evaluations_of(play_file(source, systems, fitting=fitting, shuffle=shuffle))


def evaluations_of(played: Played) -> Evaluations:
    """Sum up how every system predicted what was played."""
    answers = []
    for index, system in enumerate(played.systems):
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
                three_way_log_loss=_mean(scores[THREE_WAY], scores[TWO_SIDED]),
                brier=_mean(scores[BRIER], scores[SCORED]),
                accuracy=_mean(scores[RIGHT], scores[DECIDED]),
                calibration=_calibration(scores),
                matches_per_second=played.matches / seconds if seconds else None,
            )
        )
    names = [system.name for system in played.systems]
    blocks = played.course.blocks()
    two_way, three_way = (_differences(names, blocks, kind) for kind in range(len(blocks.sums)))
    return Evaluations(answers, two_way, three_way, Resampled(blocks.by, len(blocks.start)))


def _mean(total: float, count: float) -> float | None:
    return float(total / count) if count else None


def _calibration(scores: Floats) -> list[Bin]:
    bins = scores[FIRST_BIN:].reshape(BINS, 3).tolist()
    return [
        Bin(index / BINS, (index + 1) / BINS, weight, _mean(predicted, weight), _mean(seen, weight))
        for index, (weight, predicted, seen) in enumerate(bins)
    ]


def _differences(names: Sequence[str], blocks: Blocks, kind: int) -> list[Difference]:
    """Compare every system with the one that has the lowest mean."""
    scored = blocks.counts[kind] > 0
    sums, counts = blocks.sums[kind][scored], blocks.counts[kind][scored]
    if not len(counts):
        return []
    best = int(sums.sum(axis=0).argmin())
    found = []
    for index, name in enumerate(names):
        if index != best:
            apart = sums[:, index] - sums[:, best]
            low, high = interval(apart, counts) or (None, None)
            found.append(Difference(name, names[best], float(apart.sum() / counts.sum()), low, high))
    return found
