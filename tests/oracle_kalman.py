"""The oracle's kalman, written from its equations: one match at a time, lists of floats.

A strength, of a player or of a side, is six floats: mean and variance, then the derivatives of both in the logarithm of
the spread, then in that of the drift. What the pool has learned is a value and a variance each. Rows must have the
time of a newcomer's first match: the days of rest follow from them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tests.oracle_match import Match
from tests.oracle_normal import cdf, density, seen_above, seen_between
from tests.oracle_places import places
from tests.oracle_ratings import Scores

LAST_AT = 3
RATING = 4
KNOWN = 5
SENSITIVE = 6

UNIT = 290.0
DAY_MS = 86_400_000.0
YEAR = 365.25

SPREAD, DRIFT, ZONE, HOME, HEADCOUNT = 0, 2, 4, 6, 8
MARGINS, SCALE, TAILS = 10, 11, 12

OPENING = [
    math.log(232.0 / UNIT), 0.25, 2.0 * math.log(82.0 / UNIT), 0.25, math.log(58.0 / UNIT), 0.25,
    58.0 / UNIT, 0.25, 0.0, 0.25,
    0.0, 0.0, 3.0,
]  # fmt: skip


def new_row() -> list[float]:
    """Matches, won, tied, last_at, rating, what is known beyond the spread, and how both depend on spread and drift."""
    return [0.0, 0.0, 0.0, 0.0, 1500.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def seeded(rating: float, deviation: float, learned: list[float]) -> list[float]:
    """As sure as is said, whatever is learned of the spread later."""
    spread = math.exp(2.0 * learned[SPREAD])
    least_sure = min(deviation / UNIT, 5.0)
    variance = least_sure * least_sure
    if variance <= spread:
        return [rating, 1.0 / variance - 1.0 / spread, 0.0, 2.0 / spread, 0.0, 0.0]
    return [rating, spread - variance, 0.0, 2.0 * spread, 0.0, 0.0]


def view(row: list[float], learned: list[float], rest_days: float) -> tuple[float, float]:
    """Rating and deviation after rest: both go towards those of all."""
    strength, _ = _rested(row, learned, rest_days)
    return (1500.0 + UNIT * strength[0] if rest_days > 0.0 else row[RATING]), UNIT * math.sqrt(strength[1])


def rate(
    match: Match, rows: dict[str, list[float]], learned: list[float], scores: Scores, margin: float = 0.75
) -> None:
    """Predict, update and score one match."""
    spread = math.exp(2.0 * learned[SPREAD])
    before = {}
    for side in match.sides:
        for name in side:
            days = max(0.0, float(match.at) - rows[name][LAST_AT]) / DAY_MS
            before[name] = _rested(rows[name], learned, days)

    count = len(match.sides)
    mean_size = sum(map(len, match.sides)) / count
    sides, noise, at_home, more = [], [], [], []
    for i, side in enumerate(match.sides):
        strength = [_sum(column) for column in zip(*(before[name][0] for name in side), strict=True)]
        noise.append(0.5 * len(side))
        at_home.append(1.0 if i == match.home else 0.0)
        more.append(len(side) - mean_size)
        strength[0] += learned[HOME] * at_home[i] + learned[HEADCOUNT] * more[i]
        # The mean headcount is made of these sides themselves.
        strength[1] += learned[HOME + 1] * at_home[i] + learned[HEADCOUNT + 1] * (
            more[i] * more[i] * count / (count - 1.0)
        )
        sides.append(strength)

    location = [1500.0 + UNIT * strength[0] for strength in sides]
    variance = [UNIT * UNIT * (strength[1] + own) for strength, own in zip(sides, noise, strict=True)]
    zone = None
    skills = [0.0, 0.0, 0.0, 0.0]
    if count == 2:
        gap = [
            one - other if place % 2 == 0 else one + other
            for place, (one, other) in enumerate(zip(*sides, strict=True))
        ]
        between = noise[0] + noise[1]
        zone = math.exp(learned[ZONE]) * math.sqrt(between / (gap[1] + between))
        score, information = _two(match, gap, between, zone, learned, margin)
        _add_of_skills(skills, gap, score, information)
        first = _weighted(gap, between, score, information, match.weight)
        told = [first, [part if place % 2 else -part for place, part in enumerate(first)]]
        order, slopes, curves = [0, 1], [score, -score], [information, information]
    else:
        order = sorted(
            range(count),
            key=lambda i: (
                -sides[i][0], match.ranks[i], at_home[i], noise[i], *reversed(sides[i][1:]), more[i],
            ),
        )  # fmt: skip
        slopes, curves = places(
            [sides[i][0] for i in order],
            [sides[i][1] for i in order],
            [noise[i] for i in order],
            [match.ranks[i] for i in order],
            math.exp(learned[ZONE]),
        )
        told = [[] for _ in sides]
        for i, slope, curve in zip(order, slopes, curves, strict=True):
            told[i] = _weighted(sides[i], noise[i], slope, curve, match.weight)
            _add_of_skills(skills, sides[i], slope, curve)

    for side, one in zip(match.sides, told, strict=True):
        for name in side:
            rows[name][RATING:] = _moved(*before[name], spread, one)

    scores.add(match, location, variance, cdf, zone)
    home = known_home = headcount = known_headcount = 0.0
    for i, slope, curve in zip(order, slopes, curves, strict=True):
        home += slope * at_home[i]
        known_home += curve * at_home[i]
        headcount += slope * more[i]
        known_headcount += curve * more[i] * more[i]
    known_headcount *= count / (count - 1.0)
    weight = match.weight
    _step(learned, HOME, weight * home, weight * known_home, 1e-6, -5.0, 5.0)
    _step(learned, HEADCOUNT, weight * headcount, weight * known_headcount, 1e-6, -5.0, 5.0)
    _step(learned, SPREAD, weight * skills[0], weight * skills[1], 1e-5, math.log(0.05), math.log(5.0))
    _step(learned, DRIFT, weight * skills[2], weight * skills[3], 1e-5, math.log(1e-5), math.log(100.0))


def _rested(row: list[float], learned: list[float], days: float) -> tuple[list[float], float]:
    """Strength after days of rest, and what is known of it beyond the spread.

    A row says what is known; or, below 0, by how much the variance is more than that of all.
    """
    spread, drift = math.exp(2.0 * learned[SPREAD]), math.exp(learned[DRIFT])
    _, known, mean_s, known_s, mean_d, known_d = row[RATING:]
    if known >= 0.0:
        variance = spread / (1.0 + spread * known)
        # How much less than the spread it is, which a difference would say less exactly.
        less = spread * known * variance
        variance_s = variance * variance * (2.0 / spread - known_s)
        variance_d = -(variance * variance) * known_d
    else:
        variance, less = spread - known, known
        variance_s, variance_d = 2.0 * spread - known_s, -known_d
    mean = (row[RATING] - 1500.0) / UNIT
    decay = 0.5 * days / YEAR * drift / spread
    f = math.exp(-decay)
    slope, f2 = f * decay, f * f
    after = [
        f * mean,
        variance * f2 + spread * (1.0 - f2),
        f * mean_s + 2.0 * slope * mean,
        f2 * variance_s + 2.0 * spread * (1.0 - f2) - 4.0 * f * slope * less,
        f * mean_d - slope * mean,
        f2 * variance_d + 2.0 * f * slope * less,
    ]
    return after, f2 * less / (spread * after[1]) if known >= 0.0 else f2 * less


def _moved(strength: list[float], known: float, spread: float, told: list[float]) -> list[float]:
    """What a player's row holds after its side was told of."""
    mean, variance, *sensitive = strength
    score, information = told[:2]
    kept = 1.0 - variance * information
    after = variance * kept
    row = [1500.0 + UNIT * (mean + variance * score), known + information / kept]
    if known < 0.0:
        row[1] = 1.0 / after - 1.0 / spread if after < spread else spread - after
    sure = row[1] >= 0.0
    for at in (0, 2):
        of_mean, of_variance = sensitive[at : at + 2]
        row.append(of_mean + of_variance * score + variance * told[2 + at])
        moved = (1.0 - 2.0 * variance * information) * of_variance - variance * variance * told[3 + at]
        row.append(-1.0 / (after * after) * moved if sure else -moved)
    row[3] += 2.0 / spread if sure else 2.0 * spread
    # No zero has a sign.
    return row[:2] + [number + 0.0 for number in row[2:]]


def _two(
    match: Match, gap: list[float], noise: float, zone: float, learned: list[float], margin: float
) -> tuple[float, float]:
    """Slope and curvature, in the gap of their strengths, of what two sides ended in."""
    total = gap[1] + noise
    deviation = math.sqrt(total)
    x = gap[0] / deviation
    first, second = match.ranks
    won = float(first < second) - float(first > second)
    _learn_zone(learned, abs(x), zone, won if x >= 0.0 else -won, match.weight)
    if match.scores is not None and margin > 0.0:
        seen = won * abs(match.scores[0] - match.scores[1]) ** margin
        usable, scale = learned[MARGINS] >= 10.0 and learned[TAILS] <= 5.0, math.sqrt(learned[SCALE])
        _learn_margin(learned, seen, gap[0] / math.sqrt(noise), gap[1] / noise, match.weight)
        if usable:
            off = math.sqrt(noise) * seen / scale - gap[0]
            return _within(off, 4.0 * deviation) / total, 1.0 / total
    if won == 0.0:
        v, w = seen_between(-zone - x, zone - x)
        return v / deviation, w / total
    v, w = seen_above(won * x - zone)
    return won * v / deviation, w / total


def _learn_zone(learned: list[float], gap: float, zone: float, favourite: float, weight: float) -> None:
    loss = cdf(-gap - zone)
    chances = [max(one, 1e-15) for one in (cdf(gap - zone), cdf(zone - gap) - loss, loss)]
    slopes = [-zone * density(gap - zone), 0.0, -zone * density(gap + zone)]
    slopes[1] = -slopes[0] - slopes[2]
    came = 1 - int(favourite)
    information = 0.0
    for slope, chance in zip(slopes, chances, strict=True):
        information += slope * slope / chance
    score = slopes[came] / chances[came]
    _step(learned, ZONE, weight * score, weight * information, 1e-7, math.log(1e-4), math.log(5.0))


def _learn_margin(learned: list[float], seen: float, gap: float, variance: float, weight: float) -> None:
    if learned[MARGINS] >= 10.0:
        scale = math.sqrt(learned[SCALE])
        off = _within((seen - scale * gap) / math.sqrt(1.0 + variance), 4.0 * scale)
        square = off * off
        fourth = square * square / (learned[SCALE] * learned[SCALE])
        learned[TAILS] += (fourth - learned[TAILS]) * weight / (min(learned[MARGINS], 5000.0) + 100.0)
    elif seen == 0.0:
        return
    else:
        square = seen * seen / (1.0 + variance + gap * gap)
    learned[MARGINS] += weight
    learned[SCALE] += (square - learned[SCALE]) * weight / min(learned[MARGINS], 5000.0)
    learned[SCALE] = min(max(learned[SCALE], 1e-24), 1e24)


def _weighted(strength: list[float], noise: float, score: float, information: float, weight: float) -> list[float]:
    """Slope and curvature of a match of a weight, then their derivatives; never more than seeing the strength tells."""
    factor = weight / (1.0 + max(weight - 1.0, 0.0) * strength[1] / (strength[1] + noise))
    score, information = factor * score, factor * information
    told = [score, information]
    for of_mean, of_variance in (strength[2:4], strength[4:6]):
        told.append(-information * (of_mean + score * of_variance))
        told.append(-information * information * of_variance)
    return told


def _add_of_skills(sums: list[float], strength: list[float], score: float, information: float) -> None:
    """Slope and information in the logarithm of the spread, then in that of the drift."""
    for at in (0, 2):
        of_mean, of_variance = strength[2 + at : 4 + at]
        sums[at] += score * of_mean + 0.5 * (score * score - information) * of_variance
        sums[at + 1] += information * (of_mean * of_mean + 0.5 * information * of_variance * of_variance)


def _step(
    learned: list[float], at: int, score: float, information: float, forgotten: float, least: float, most: float
) -> None:
    variance = 1.0 / (1.0 / (learned[at + 1] + forgotten) + information)
    learned[at] = min(max(learned[at] + _within(variance * score, 0.1), least), most)
    learned[at + 1] = variance


def _within(x: float, most: float) -> float:
    return min(max(x, -most), most)


def _sum(values: Iterable[float]) -> float:
    smallest_first: Sequence[float] = sorted(values)
    total = smallest_first[0]
    for value in smallest_first[1:]:
        total += value
    return total
