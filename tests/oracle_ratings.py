"""The oracle's Elo and its prediction scores, written from the formulas: one match at a time, plain floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import combinations

from tests.oracle_match import Match

RATING = 4
BELIEF = 5
VARIANCE = 6
PLAYED = 7
PEAK = 8

OPENING = [0.0, 0.0]
"""What a pool has learned before its first match: how far off ratings are in the mean, and from how many matches."""


def new_row() -> list[float]:
    """Matches, won, tied, last_at, rating, mean and variance of the belief about a newcomer, matches and peak."""
    return [0.0, 0.0, 0.0, 0.0, 1500.0, 1500.0, 350.0 * 350.0, 0.0, 1500.0]


def seeded(rating: float, deviation: float, learned: list[float]) -> list[float]:
    """What is known of a player who comes with a rating: the belief is the rating, off by what the pool has learned."""
    return [rating, rating + learned[0], deviation * deviation, 0.0, rating]


def view(row: list[float], learned: list[float], rest_days: float) -> tuple[float, float]:
    """Rating and deviation, how far off it may be; no rest makes it less sure."""
    off = row[BELIEF] - row[RATING] - learned[0]
    return row[RATING], math.sqrt(row[VARIANCE] + off * off)


def _logistic(x: float) -> float:
    try:
        return 1.0 / (1.0 + math.exp(-x))
    except OverflowError:
        return 0.0


class Scores:
    """Sums over predictions: count, log-loss, Brier, decided, right; two-sided, three-way log-loss, what is known of
    the zone of ties; then ten bins of three.
    """

    def __init__(self, sums: list[float]) -> None:
        self.sums = sums

    def add(
        self,
        match: Match,
        location: list[float],
        variance: list[float],
        link: Callable[[float], float] = _logistic,
        zone: float | None = None,
    ) -> None:
        """Score what was expected; of two sides with the system's own zone of ties, or with the one learned here."""
        ranks = match.ranks
        two = len(ranks) == 2
        pairs: list[tuple[float, float]] = []
        if two:
            self._outcome(ranks, (location[0] - location[1]) / math.sqrt(variance[0] + variance[1]), link, zone)
        for i, q in _pairs(ranks, location, variance):
            if ranks[i] == ranks[q] and not two:
                continue
            gap = (location[i] - location[q]) / math.sqrt(variance[i] + variance[q])
            # With a zone a tie counts one half.
            chance = link(gap) if zone is None else 0.5 + 0.5 * (link(gap - zone) - link(-gap - zone))
            chance = min(max(chance, 1e-15), 1.0 - 1e-15)
            pairs.append((chance, 0.5 if ranks[i] == ranks[q] else float(ranks[i] < ranks[q])))
        if not pairs:
            return
        log_loss = brier = right = 0.0
        for chance, result in pairs:
            if result == 0.5:
                log_loss += -0.5 * math.log(chance) - 0.5 * math.log(1.0 - chance)
            else:
                log_loss -= math.log(chance if result > 0.5 else 1.0 - chance)
            brier += (chance - result) * (chance - result)
            if result != 0.5:
                right += 0.5 if chance == 0.5 else float((chance > 0.5) == (result > 0.5))
        count = float(len(pairs))
        self.sums[0] += 1.0
        self.sums[1] += log_loss / count
        self.sums[2] += brier / count
        if not two or ranks[0] != ranks[1]:
            self.sums[3] += 1.0
            self.sums[4] += right / count
        for chance, result in pairs:
            # Both sides of a pair, half each.
            self._bin(chance, result, 0.5 / count)
            self._bin(1.0 - chance, 1.0 - result, 0.5 / count)

    def _outcome(self, ranks: list[int], gap: float, link: Callable[[float], float], known: float | None) -> None:
        """Win, tie or loss; a zone of ties that is learned here takes a step up its likelihood."""
        zone = math.exp(self.sums[7]) if known is None else known
        win, loss = link(gap - zone), link(-gap - zone)
        bounded = [min(max(chance, 1e-15), 1.0 - 1e-15) for chance in (win, max(0.0, 1.0 - win - loss), loss)]
        came = 1 if ranks[0] == ranks[1] else 0 if ranks[0] < ranks[1] else 2
        self.sums[5] += 1.0
        self.sums[6] -= math.log(bounded[came])
        if known is not None:
            return
        # The logistic's, the only link here without a zone of its own.
        slopes = [-zone * (win * (1.0 - win)), 0.0, -zone * (loss * (1.0 - loss))]
        slopes[1] = -slopes[0] - slopes[2]
        information = 0.0
        for chance, slope in zip(bounded, slopes, strict=True):
            information += slope * slope / chance
        self.sums[8] = 1.0 / (1.0 / (self.sums[8] + 1e-7) + information)
        step = self.sums[8] * slopes[came] / bounded[came]
        self.sums[7] += min(max(step, -0.1), 0.1)
        self.sums[7] = min(max(self.sums[7], math.log(1e-4)), math.log(5.0))

    def _bin(self, chance: float, result: float, weight: float) -> None:
        place = 9 + 3 * min(9, int(chance * 10))
        self.sums[place] += weight
        self.sums[place + 1] += weight * chance
        self.sums[place + 2] += weight * result


def unscored() -> list[float]:
    """Scores before the first match."""
    return [0.0] * 7 + [math.log(0.2), 0.25] + [0.0] * 30


def _pairs(ranks: list[int], location: list[float], variance: list[float]) -> list[tuple[int, int]]:
    """Which sides are compared: all up to 100 of them, above that each with 50 at either hand."""
    count = len(ranks)
    if count <= 100:
        return [(i, i + stride) for stride in range(1, count) for i in range(count - stride)]
    order = sorted(range(count), key=lambda side: (ranks[side], location[side], variance[side]))
    strides = [1 + step * ((count - 1) // 2 - 1) // 49 for step in range(50)]
    return [(order[place], order[(place + stride) % count]) for stride in strides for place in range(count)]


def rate(
    match: Match,
    rows: dict[str, list[float]],
    learned: list[float],
    scores: Scores,
    k: float = 32.0,
    scale: float = 400.0,
    home: float = 0.0,
    margin: float = 0.0,
) -> None:
    """Predict, update and score one match."""
    slope = math.log(10.0) / scale
    location: list[float] = []
    belief: list[float] = []
    spread: list[float] = []
    for side in match.sides:
        team = [rows[player] for player in side]
        size = float(len(team))
        # A team plays with the mean of its players; the variance of a mean.
        location.append(_sum(row[RATING] for row in team) / size)
        belief.append(_sum(row[BELIEF] for row in team) / size)
        spread.append(_sum(row[VARIANCE] for row in team) / (size * size))
    if match.home is not None:
        location[match.home] += home
        belief[match.home] += home

    sides = len(match.sides)
    move, pull, told = ([0.0] * sides for _ in range(3))
    share = 3.0 / (sides + 1.0)
    strongest_first = sorted(
        range(sides), key=lambda side: (-location[side], match.ranks[side], belief[side], spread[side])
    )
    shift = 0.0
    for i in strongest_first:
        shift += belief[i] - location[i]
    learned[1] += 1.0
    learned[0] += (shift / sides - learned[0]) / min(learned[1], 1000.0)
    for i, q in combinations(strongest_first, 2):
        result = 0.5 if match.ranks[i] == match.ranks[q] else float(match.ranks[i] < match.ranks[q])
        factor = share
        if match.scores is not None and margin > 0.0:
            factor *= 1.0 + margin * math.log1p(abs(match.scores[i] - match.scores[q]))
        moved = factor * (result - _logistic(slope * (location[i] - location[q])))
        move[i] += moved
        move[q] -= moved
        for here, there, seen in ((i, q, result), (q, i, 1.0 - result)):
            # The other's uncertainty flattens what can be expected against it.
            flat = slope / math.sqrt(1.0 + math.pi / 8 * slope * slope * spread[there])
            chance = _logistic(flat * (belief[here] - belief[there]))
            pull[here] += share * flat * (seen - chance)
            told[here] += share * flat * flat * chance * (1.0 - chance)

    surest = 0.5 * k / slope
    for i, side in enumerate(match.sides):
        after = 1.0 / (1.0 / spread[i] + match.weight * told[i])
        for player in side:
            row = rows[player]
            row[RATING] += k * match.weight * move[i]
            row[PLAYED] += 1.0
            row[PEAK] = max(row[PEAK], row[RATING])
            part = row[VARIANCE] / len(side) / spread[i]
            row[BELIEF] += part * after * match.weight * pull[i]
            row[VARIANCE] = max(row[VARIANCE] - part * part * (spread[i] - after), min(row[VARIANCE], surest))
    scores.add(match, location, [0.5 / (slope * slope)] * sides)


def _sum(values: Iterable[float]) -> float:
    total = 0.0
    for value in sorted(values):
        total += value
    return total
