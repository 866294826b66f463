"""A rating in one step: where one would have to stand for results against a field that stays as it is.

It is the rating whose expected score, by the link of the system, is the score that was made. Nothing is learned of the
field, no prior is used, nothing is changed. Where all was won or all was lost no rating is high or low enough: there is
none, only a bound. CodeElo's is the same for a place among many, ``1 + sum of chances = place``: a place m in a field
of n is a score of ``n - m + 1`` against it.

References
----------
S. Quan et al., CodeElo: benchmarking competition-level code generation of LLMs with human-comparable Elo ratings,
2025, arXiv 2501.01257.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import brentq

from service.columns import NO_HOME, Floats, Matches
from service.ratings import RatingSystem, unexpected
from service.ratings.link import CODES, expected_score, outcome_chances

SCORES: Final = {"won": 1.0, "tied": 0.5, "lost": 0.0}
"""What a result is worth."""

MOST_RESULTS: Final = 1_000

INTERVAL: Final = 1.959963984540054
"""Deviations to either side that an interval of 95 % reaches."""

UNLIKELY: Final = 0.05
"""A rating at which winning all had less than this chance lies outside the interval of one who did."""

SURE: Final = 1e-3
"""The deviation, in that of a newcomer, of the one who is rated: how strong somebody of a known rating is."""

NEAREST: Final = 1e-9
"""To so much of a newcomer's deviation a rating is found."""

DOUBLED: Final = 64
TOLD: Final = 1e-9
"""Scores that rise by less than this part from one newcomer's deviation to the next tell nothing of a rating."""


class Performance(NamedTuple):
    """What results against a field amount to.

    Attributes
    ----------
    rating, deviation : float or None
        In the system's own unit; None where all was won or all was lost, and where all of the field below was beaten,
        all above was not, and the two are so far apart that nothing is told of where between.
    interval : (float or None, float or None)
        95 % interval, open (None) above where all was won, below where all was lost.
    """

    rating: float | None
    deviation: float | None
    interval: tuple[float | None, float | None]


def performance(system: RatingSystem, skills: Floats, pool: Floats, rest: Floats, scores: Floats) -> Performance:
    """Rate results in one step, against opponents as they stand.

    Parameters
    ----------
    system : RatingSystem
    skills : float64[n, len(skill_columns)]
        Row of the opponent of each result, at least one; nobody's is changed.
    pool : float64[len(pool_columns)]
    rest : float64[n]
        Days since each opponent's last match.
    scores : float64[n]
        `SCORES` of the results.

    Examples
    --------
    >>> from service.ratings import create
    >>> elo = create("elo")
    >>> field = np.tile(elo.newcomer(), (4, 1))
    >>> found = performance(elo, field, elo.opening(), np.zeros(4), np.array([1.0, 1.0, 0.5, 0.0]))
    >>> round(found.rating, 1), round(found.deviation, 1)
    (1588.7, 179.4)
    >>> low, high = performance(elo, field, elo.opening(), np.zeros(4), np.ones(4)).interval
    >>> round(low, 1), high
    (1481.1, None)
    """
    field = _Field(system, skills, pool, rest)
    score, most = float(scores.sum()), len(scores)
    if score == most:
        bound = field.where(lambda rating: field.log_chance_of_all(rating, won=True) - math.log(UNLIKELY))
        return Performance(None, None, (bound, None))
    if score == 0.0:
        bound = field.where(lambda rating: math.log(UNLIKELY) - field.log_chance_of_all(rating, won=False))
        return Performance(None, None, (None, bound))
    rating = field.where(lambda rating: field.score(rating)[0] - score)
    # The root is as far off as the score is by chance, over how fast the expected score rises there.
    beside = 1e-4 * field.unit
    # Where a field is so far apart that any rating between would do, it is none.
    rise = (field.score(rating + beside)[0] - field.score(rating - beside)[0]) / (2.0 * beside)
    if rise * field.unit < TOLD * most:
        return Performance(None, None, (None, None))
    deviation = math.sqrt(field.score(rating)[1]) / rise
    reach = INTERVAL * deviation
    return Performance(rating, deviation, (rating - reach, rating + reach))


class _Field:
    """Opponents as they stand, and what somebody of any rating would have to expect of them."""

    def __init__(self, system: RatingSystem, skills: Floats, pool: Floats, rest: Floats) -> None:
        self._system, self._pool = system, pool
        _, deviation = system.view(system.newcomer()[None, :], system.opening(), np.zeros(1))
        self.unit = float(deviation[0])
        self._middle = float(np.median(system.view(skills, pool, rest)[0]))
        # Duel by duel: a system may learn of the whole pool from each.
        duels = [self._duel(self._middle, row, days) for row, days in zip(skills, rest.tolist(), strict=True)]
        self._location, self._spread, self._zone = (np.array(column) for column in zip(*duels, strict=True))
        # A rating moves the performance with it, in the unit of the link.
        moved, _, _ = self._duel(self._middle + self.unit, skills[0], float(rest[0]))
        self._steep = (moved - duels[0][0]) / self.unit

    def _duel(self, rating: float, opponent: Floats, days: float) -> tuple[float, float, float]:
        """Gap to an opponent, what it is measured in, and what makes ties."""
        system = self._system
        mine = system.seeded(np.array([rating]), np.array([SURE * self.unit]), self._pool)[0]
        columns = Matches(
            side_start=np.array([0, 2]), player_start=np.arange(3), player=np.arange(2), rank=np.array([1, 2]),
            score=np.full(2, np.nan), home=np.array([NO_HOME]), weight=np.ones(1), at=np.zeros(1, np.int64),
        )  # fmt: skip
        expected = unexpected(columns)
        system.update(columns, np.array([0.0, days]), np.stack((mine, opponent)), self._pool.copy(), expected)
        gap = float(expected.location[0] - expected.location[1])
        # Without a model of ties a tie is half a win to the link; see `service.score`.
        zone = 0.0 if math.isnan(expected.zone[0]) else float(expected.zone[0])
        return gap, math.sqrt(expected.variance.sum()), zone

    def _gaps(self, rating: float) -> list[float]:
        gaps: list[float] = ((self._location + self._steep * (rating - self._middle)) / self._spread).tolist()
        return gaps

    def score(self, rating: float) -> tuple[float, float]:
        """Expected score against all, and its variance."""
        link = CODES[self._system.link]
        score = variance = 0.0
        for gap, zone in zip(self._gaps(rating), self._zone.tolist(), strict=True):
            expected = expected_score(link, gap, zone)
            _, tie, _ = outcome_chances(link, gap, zone)
            score += expected
            variance += expected * (1.0 - expected) - 0.25 * tie
        return score, variance

    def log_chance_of_all(self, rating: float, *, won: bool) -> float:
        """Logarithm of the chance to win against all, or to lose."""
        link = CODES[self._system.link]
        chances = (
            outcome_chances(link, gap, zone)[0 if won else 2]
            for gap, zone in zip(self._gaps(rating), self._zone.tolist(), strict=True)
        )
        return sum(math.log(max(chance, 1e-300)) for chance in chances)

    def where(self, rises: Callable[[float], float]) -> float:
        """Where a function of the rating, which rises from below zero, passes it."""
        span = self.unit
        low, high = self._middle - span, self._middle + span
        for _ in range(DOUBLED):
            if rises(low) <= 0.0 <= rises(high):
                break
            low, high, span = low - span, high + span, 2.0 * span
        return float(brentq(rises, low, high, xtol=NEAREST * self.unit))
