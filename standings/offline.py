"""Work on files, without Kafka and Redis: the ratings at a file's end, and how well systems predict on their way."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from service.columns import Floats
from service.rate import MATCHES
from service.ratings import RatingSystem
from service.score import BINS, BRIER, DECIDED, FIRST_BIN, LOG_LOSS, RIGHT, SCORE_COLUMNS, SCORED
from standings.files.source import Source
from standings.play import Played, play_file


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


def rate_file(source: Source, system: RatingSystem) -> Ratings:
    """Rate all matches of a file.

    Parameters
    ----------
    source : Source
        The file, and how its rows are to be read.
    system : RatingSystem

    Raises
    ------
    Mistake
        The file cannot be read, or has a bad row and the source is strict.
    """
    return ratings_of(play_file(source, [system]))


def evaluate_file(source: Source, systems: Sequence[RatingSystem]) -> Evaluations:
    """Predict, then update, through a file.

    A match that one of the systems does not take is left out for all, so that their figures compare.

    Parameters
    ----------
    source : Source
        The file, and how its rows are to be read.
    systems : sequence of RatingSystem

    Raises
    ------
    Mistake
        The file cannot be read, or has a bad row and the source is strict.
    """
    return evaluations_of(play_file(source, systems))


def ratings_of(played: Played) -> Ratings:
    """Read the ratings under the one system that was played."""
    (system,) = played.systems
    ladders = played.ladders
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
                brier=_mean(scores[BRIER], scores[SCORED]),
                accuracy=_mean(scores[RIGHT], scores[DECIDED]),
                calibration=_calibration(scores),
                matches_per_second=played.matches / seconds if seconds else None,
            )
        )
    return Evaluations(answers)


def _mean(total: float, count: float) -> float | None:
    return float(total / count) if count else None


def _calibration(scores: Floats) -> list[Bin]:
    bins = scores[FIRST_BIN:].reshape(BINS, 3).tolist()
    return [
        Bin(index / BINS, (index + 1) / BINS, weight, _mean(predicted, weight), _mean(seen, weight))
        for index, (weight, predicted, seen) in enumerate(bins)
    ]
