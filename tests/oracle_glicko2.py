"""The oracle's Glicko-2, written from the paper's steps: one match at a time, plain floats, points for units.

Rows must stand as they were before the match is counted: the days of rest follow from them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import combinations

from tests.oracle_match import Match
from tests.oracle_ratings import Scores

MATCHES = 0
LAST_AT = 3
RATING = 4
DEVIATION = 5
VOLATILITY = 6

SCALE = 173.7178
BLUR = 3.0 / (math.pi * math.pi) / (SCALE * SCALE)
DAY_MS = 86_400_000.0
PERIODS_PER_DAY = 0.21436

OPENING: list[float] = []


def new_row() -> list[float]:
    """Matches, won, tied, last_at, rating, deviation, volatility of a newcomer."""
    return [0.0, 0.0, 0.0, 0.0, 1500.0, 350.0, 0.06]


def seeded(rating: float, deviation: float, learned: list[float]) -> list[float]:
    """As sure as is said, but never less than a newcomer."""
    return [rating, min(deviation, 350.0), 0.06]


def view(row: list[float], learned: list[float], rest_days: float) -> tuple[float, float]:
    """Rating, and deviation grown with rest."""
    return row[RATING], math.sqrt(_grown(row, rest_days * PERIODS_PER_DAY, 350.0 * 350.0))


def rate(
    match: Match,
    rows: dict[str, list[float]],
    learned: list[float],
    scores: Scores,
    tau: float = 0.5,
    deviation: float = 350.0,
    least_deviation: float = 45.0,
    most_volatility: float = 0.1,
    periods_per_day: float = PERIODS_PER_DAY,
    home: float = 0.0,
) -> None:
    """Predict, update and score one match; nothing is learned for the whole pool."""
    assert learned == []
    most = deviation * deviation
    periods: dict[str, float] = {}
    before: dict[str, float] = {}
    location: list[float] = []
    variance: list[float] = []
    slope: list[float] = []
    for side in match.sides:
        size = float(len(side))
        now = []
        for player in side:
            row = rows[player]
            rest = 0.0 if row[MATCHES] == 0.0 else max(0.0, float(match.at) - row[LAST_AT]) / DAY_MS
            periods[player] = rest * periods_per_day
            # The match's own period comes on top, with the volatility that the match leaves.
            before[player] = _grown(row, max(0.0, periods[player] - 1.0), most)
            now.append(_grown(row, periods[player], most))
        location.append(_sum(rows[player][RATING] for player in side) / size)
        variance.append(SCALE * SCALE * (0.5 + BLUR * _sum(now) / (size * size)))
        blur = BLUR * _sum(before[player] for player in side) / (size * size)
        slope.append(1.0 / SCALE / math.sqrt(1.0 + blur))
    if match.home is not None:
        location[match.home] += home

    sides = len(match.sides)
    share = 3.0 / (sides + 1.0)
    score, information = [0.0] * sides, [0.0] * sides
    strongest_first = sorted(range(sides), key=lambda side: (-location[side], match.ranks[side], slope[side]))
    for i, q in combinations(strongest_first, 2):
        result = 0.5 if match.ranks[i] == match.ranks[q] else float(match.ranks[i] < match.ranks[q])
        for here, there, seen in ((i, q, result), (q, i, 1.0 - result)):
            chance = _logistic(slope[there] * (location[here] - location[there]))
            score[here] += share * slope[there] * (seen - chance)
            information[here] += share * slope[there] * slope[there] * chance * (1.0 - chance)

    for i, side in enumerate(match.sides):
        size, spread = float(len(side)), _sum(before[player] for player in side)
        for player in side:
            row = rows[player]
            # In terms of one player's skill: an n-th of the slope, and teammates' errors as noise.
            part = size * size + (spread - before[player]) * match.weight * information[i]
            mine, told = size * match.weight * score[i] / part, match.weight * information[i] / part
            row[VOLATILITY] = _volatility(row[VOLATILITY], most_volatility, tau, before[player], mine, told)
            step = SCALE * row[VOLATILITY]
            drifted = min(before[player] + min(periods[player], 1.0) * (step * step), most)
            after = drifted / (1.0 + drifted * told)
            row[RATING] += after * mine
            row[DEVIATION] = math.sqrt(max(after, least_deviation * least_deviation))
    scores.add(match, location, variance)


def _grown(row: list[float], periods: float, most: float) -> float:
    step = SCALE * row[VOLATILITY]
    return min(row[DEVIATION] * row[DEVIATION] + periods * (step * step), most)


def _volatility(sigma: float, most: float, tau: float, variance: float, score: float, information: float) -> float:
    """The paper's step 5 for x = ln(new variance / old variance), times -tau squared, bounded by the cap."""
    drift = SCALE * sigma * (SCALE * sigma)
    half = 0.5 * tau * tau

    def f(x: float) -> float:
        grown = drift * math.exp(x)
        told = 1.0 / (1.0 + (variance + grown) * information)
        return x - half * grown * (score * told * (score * told) - information * told)

    b, f_b = 0.0, f(0.0)
    a = 2.0 * math.log(most / sigma) if f_b < 0.0 else -half
    f_a = f(a)
    if f_b < 0.0 and f_a <= 0.0:
        return most
    for _ in range(100):
        if abs(f_b) <= 1e-12:
            break
        c = b + (a - b) * (f_b / (f_b - f_a))
        f_c = f(c)
        if f_c * f_b <= 0.0:
            a, f_a = b, f_b
        else:
            f_a *= 0.5
        b, f_b = c, f_c
    return sigma * math.exp(0.5 * b)


def _sum(values: Iterable[float]) -> float:
    total = 0.0
    for value in sorted(values):
        total += value
    return total


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(min(-x, 700.0)))
