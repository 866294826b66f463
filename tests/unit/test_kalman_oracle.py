"""Kalman and the oracle's, which shares no code with it: the same bits of matches, seeds and what is shown."""

import random
from typing import Any

import msgspec
import numpy as np
import pytest

from service.match import Match, Side
from service.rate import empty, rate, seed
from service.ratings import create
from service.seed import Seed, SeededPlayer
from tests import oracle_kalman, oracle_match
from tests.oracle_ratings import Scores, unscored
from tests.property.scenes import bits, laid

DAY_MS = 86_400_000


def made(draw: random.Random, number: int, players: int, counts: list[int], kinds: tuple[str, ...]) -> Match:
    """Teams, free-for-alls, ties, margins, weights, home, and rests of a moment to years."""
    sides = draw.choice(counts)
    most = 4 if 4 * sides <= players and draw.random() < 0.4 else 1
    rows = draw.sample(range(players), players)
    scored = draw.choice(kinds) == "scored"
    laid_out = []
    for _ in range(sides):
        names = tuple(str(rows.pop()) for _ in range(draw.randint(1, most)))
        points = draw.choice([0.0, -0.0, 1.0, 3.0, draw.gauss(0, 2), draw.gauss(0, 2) ** 5])
        laid_out.append(Side(names, score=points) if scored else Side(names, rank=draw.randint(1, sides)))
    more: dict[str, Any] = {}
    if draw.random() < 0.3:
        more["weight"] = draw.choice([0.5, 3.0, 1000.0, 1e-7, draw.random()])
    if draw.random() < 0.3:
        more["home"] = draw.randrange(sides)
    at = number * DAY_MS + draw.choice([0, -3 * DAY_MS, draw.randrange(1000 * DAY_MS)])
    return Match(str(number), "pool", at, tuple(laid_out), **more)


@pytest.mark.parametrize(
    ("count", "players", "counts", "kinds"),
    [
        (1_500, 60, [2, 2, 2, 2, 2, 2, 3, 6, 12], ("ranked", "scored")),
        (1_000, 1_000, [2], ("scored",)),
        (12, 400, [32, 33, 100, 101, 400], ("ranked", "scored")),
        (1, 5_000, [5_000], ("ranked",)),
    ],
)
def test_the_oracle_has_the_same_bits(count: int, players: int, counts: list[int], kinds: tuple[str, ...]) -> None:
    system, draw = create("kalman"), random.Random(11)
    table = empty(system, players)
    learned, sums = list(oracle_kalman.OPENING), unscored()
    rows = {str(row): oracle_kalman.new_row() for row in range(players)}
    for number in range(count):
        at = number * DAY_MS
        if draw.random() < 0.05:
            row, rating, deviation = (
                draw.randrange(players),
                draw.gauss(1500, 900),
                draw.choice([20.0, 231.0, 900.0, 1e9]),
            )
            seed(system, Seed("seed", "1", "pool", at, "kalman", (SeededPlayer("x", rating, deviation),)), [row], table)
            rows[str(row)][4:] = oracle_kalman.seeded(rating, deviation, learned)
            rows[str(row)][3] = max(rows[str(row)][3], at) if rows[str(row)][0] or rows[str(row)][3] else at
        match = made(draw, number, players, counts, kinds)
        rate(system, laid([match]), table)
        read = oracle_match.read(msgspec.json.encode(match))
        assert isinstance(read, oracle_match.Match)
        playing = [rows[name] for side in read.sides for name in side]
        for one in playing:
            one[3] = float(read.at) if one[0] == one[3] == 0.0 else one[3]
            one[0] += 1.0
        oracle_kalman.rate(read, rows, learned, Scores(sums))
        for one in playing:
            one[3] = max(one[3], float(read.at))
        assert bits(table.pool) == bits(np.array(learned)), f"pool after match {number}"
    assert bits(table.skills) == bits(np.array([row[4:] for row in rows.values()]))
    assert bits(table.tallies[:, [0, 3]]) == bits(np.array([[row[0], row[3]] for row in rows.values()]))
    assert bits(table.scores) == bits(np.array(sums))
    for days in (0.0, 1e-3, 700.0):
        shown = [oracle_kalman.view(row, learned, days) for row in rows.values()]
        assert bits(*system.view(table.skills, table.pool, np.full(players, days))) == bits(*np.array(shown).T)
