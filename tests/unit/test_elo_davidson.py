"""Elo with ties as an outcome against Davidson's model in plain Python, and what it learns of ties."""

import csv
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.columns import NO_HOME, Floats, Integers, Matches, lay_out
from service.match import Match, Side
from service.problems import Problem
from service.rate import Table, empty, rate
from service.ratings import create, unexpected
from service.ratings.elo_davidson import LOG_NU, LOG_NU_VARIANCE
from service.ratings.link import DAVIDSON, outcome_chances
from tests.property.scenes import bout, laid, random_matches

SLOPE = math.log(10) / 400


def expected_score(gap: float, nu: float, scale: float = 400.0) -> float:
    """As Szczecinski and Djebbi print it, their kappa being 2 nu and their scale ours by 1 + nu."""
    up, down = 10 ** (gap * (1 + nu) / (2 * scale)), 10 ** (-gap * (1 + nu) / (2 * scale))
    return (up + nu) / (up + down + 2 * nu)


def plain(
    matches: Sequence[Match], players: int, k: float = 32.0, scale: float = 400.0, home: float = 0.0
) -> tuple[list[float], float]:
    """Ratings and nu after matches, all pairs of each from the state before it."""
    ratings, log_nu, known = [1500.0] * players, math.log(0.25), 1.0
    for match in matches:
        sides = [[int(name) for name in side.players] for side in match.sides]
        strength = [math.fsum(ratings[row] for row in rows) / len(rows) for rows in sides]
        if match.home is not None:
            strength[match.home] += home
        places = [-side.score if side.score is not None else float(side.rank or 0) for side in match.sides]
        weight = 1.0 if match.weight is None else match.weight
        nu, times, moves = math.exp(log_nu), 3 / (len(sides) + 1), [0.0] * len(sides)
        surprise = information = 0.0
        for i, q in itertools.combinations(range(len(sides)), 2):
            gap = strength[i] - strength[q]
            scored = 0.5 + 0.5 * ((places[i] < places[q]) - (places[i] > places[q]))
            moves[i] += times * (scored - expected_score(gap, nu, scale))
            moves[q] -= times * (scored - expected_score(gap, nu, scale))
            half = gap * (1 + nu) / (2 * scale)
            tie = 2 * nu / (10**half + 10**-half + 2 * nu)
            surprise += times * ((scored == 0.5) - tie)
            information += times * tie * (1 - tie)
        known = 1 / (1 / (known + 1e-6) + weight * information)
        log_nu += min(max(known * weight * surprise, -0.1), 0.1)
        for rows, move in zip(sides, moves, strict=True):
            for row in rows:
                ratings[row] += k * weight * move
    return ratings, math.exp(log_nu)


@pytest.mark.parametrize("given", [{}, {"k": 10.0, "scale": 200.0, "home": 60.0}])
def test_the_formula(given: dict[str, float]) -> None:
    system = create("elo_davidson", given)
    matches = random_matches(system, 5, 1_000, players=30)
    table = empty(system, 30)
    rate(system, laid(matches), table)
    ratings, nu = plain(matches, 30, **given)
    assert table.skills[:, 0].tolist() == pytest.approx(ratings, abs=1e-9)
    assert math.exp(table.pool[LOG_NU]) == pytest.approx(nu, rel=1e-12)


def after(rows: Floats, ranks: Sequence[int], nu: float, *, weight: float = 1.0, known: float = 1.0) -> tuple[Any, Any]:
    """Rows of two players and of the pool after one match."""
    system = create("elo_davidson")
    skills, pool = rows.copy(), np.array([0.0, 0.0, math.log(nu), known])
    columns = laid([bout([[0], [1]], ranks, 0, weight=weight)])
    system.update(columns, np.zeros(2), skills, pool, unexpected(columns))
    return skills, pool


def pair(gap: float) -> Floats:
    return np.array([[1500.0 + gap, 1500.0 + gap, 1e4], [1500.0, 1500.0, 1e4]])


def test_most_likely_strengths_stay() -> None:
    """A tournament played from its own maximum of Davidson's likelihood: nothing moves on the whole."""
    won = np.array([[0, 5, 3, 7], [2, 0, 6, 4], [4, 1, 0, 5], [1, 3, 2, 0]])
    tied = np.array([[0, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2], [0, 1, 2, 0]])
    strength, nu = np.array([1.9107838901, 1.2691714303, 0.9236073490, 0.4464581566]), 0.2273685294
    rating, moved, surprise = np.log(strength) / SLOPE / (1 + nu), np.zeros(4), 0.0
    for i, q in itertools.combinations(range(4), 2):
        rows = np.array([[rating[i], rating[i], 1e4], [rating[q], rating[q], 1e4]])
        for ranks, count in (((1, 2), won[i, q]), ((2, 1), won[q, i]), ((1, 1), tied[i, q])):
            if count:
                skills, pool = after(rows, ranks, nu, weight=float(count), known=1e-3)
                moved[[i, q]] += skills[:, 0] - rating[[i, q]]
                surprise += (pool[LOG_NU] - math.log(nu)) / pool[LOG_NU_VARIANCE]
    assert np.abs(moved).max() < 1e-6
    assert abs(surprise) < 1e-6


def test_elo_is_the_special_case() -> None:
    """Without ties, and with draws that are half a win and half a loss."""
    for gap in (-700.0, -10.0, 0.0, 300.0):
        for ranks, scored in (((1, 2), 1.0), ((2, 1), 0.0), ((1, 1), 0.5)):
            moves = [after(pair(gap), ranks, nu)[0][0, 0] - 1500.0 - gap for nu in (1e-4, 1.0)]
            elo = 32 * (scored - 1 / (1 + 10 ** (-gap / 400)))
            assert moves[0] == pytest.approx(elo, abs=0.01)
            assert moves[1] == pytest.approx(elo, abs=1e-9)


def test_predictions_are_the_model() -> None:
    system = create("elo_davidson", {"home": 40})
    skills, pool = pair(360.0), np.array([0.0, 0.0, math.log(0.4), 0.1])
    columns = lay_out([Match("1", "pool", 0, (Side(("0",), rank=1), Side(("1",), rank=1)), home=0)], [0, 1])
    seen = unexpected(columns)
    system.update(columns, np.zeros(2), skills, pool, seen)
    gap = (seen.location[0] - seen.location[1]) / math.sqrt(seen.variance.sum())
    win, tie, loss = outcome_chances(DAVIDSON, gap, seen.zone[0])
    assert seen.zone[0] == pytest.approx(0.4, rel=1e-12)
    # 400 points were ten wins to a loss without ties.
    assert win / loss == pytest.approx(10**1.4, rel=1e-12)
    assert tie / math.sqrt(win * loss) == pytest.approx(0.8, rel=1e-12)


def simulated(truth: Floats, rounds: int, nu: float, seed: int) -> Matches:
    """Rounds in which everybody plays once; results as Davidson's model gives them."""
    draw = np.random.default_rng(seed)
    player: Integers = np.concatenate([draw.permutation(len(truth)) for _ in range(rounds)])
    gap = SLOPE * (1 + nu) * (truth[player[::2]] - truth[player[1::2]])
    up, down = np.exp(gap / 2), np.exp(-gap / 2)
    luck = draw.random(len(gap)) * (up + down + 2 * nu)
    rank = np.stack((1 + (luck > up + 2 * nu), 1 + (luck < up)), axis=1).astype(np.int64)
    return Matches(
        side_start=np.arange(0, len(player) + 1, 2), player_start=np.arange(len(player) + 1), player=player,
        rank=rank.ravel(), score=np.full(len(player), np.nan), home=np.full(len(gap), NO_HOME),
        weight=np.ones(len(gap)), at=np.arange(len(gap)),
    )  # fmt: skip


@pytest.mark.parametrize("nu", [0.05, 0.4, 2.0])
def test_nu_is_learned_and_the_deviation_honest(nu: float) -> None:
    system, truth = create("elo_davidson", {"k": 16}), np.random.default_rng(7).normal(1500, 150, 200)
    table = empty(system, len(truth))
    rate(system, simulated(truth, 300, nu, 8), table)
    assert math.exp(table.pool[LOG_NU]) == pytest.approx(nu, rel=0.12)
    rating, deviation = system.view(table.skills, table.pool, np.zeros(len(truth)))
    error = rating - truth
    assert 0.8 < (error**2).sum() / (deviation**2).sum() < 1.5
    assert (np.abs(error) < 1.96 * deviation).mean() > 0.85


def test_nu_stays_within_its_bounds() -> None:
    for ranks, bound in (((1, 2), 1e-4), ((1, 1), 100.0)):
        skills, pool = after(pair(0.0), ranks, bound, weight=100.0, known=100.0)
        assert math.exp(pool[LOG_NU]) == pytest.approx(bound, rel=1e-12)
        assert np.isfinite(skills).all()


def test_upsets_are_finite_and_monotone() -> None:
    for gap in (1e4, 1e5, 1e6):
        moved = [after(pair(gap), ranks, 0.3)[0] - pair(gap) for ranks in ((1, 2), (1, 1), (2, 1))]
        assert all(np.isfinite(rows).all() for rows in moved)
        assert [rows[0, 0] for rows in moved] == pytest.approx([0, -16, -32], abs=1e-3)


def football(data: Path, count: int) -> tuple[Matches, int]:
    """The last so many matches between national teams."""
    with (data / "football_international.csv").open(newline="") as lines:
        played = [row for row in csv.DictReader(lines) if row["home_score"].isdigit() and row["away_score"].isdigit()]
    rows: dict[str, int] = {}
    matches = []
    for game in played[-count:]:
        names = [rows.setdefault(game[column], len(rows)) for column in ("home_team", "away_team")]
        home = None if game["neutral"] == "TRUE" else 0
        places = [-int(game["home_score"]), -int(game["away_score"])]
        matches.append(bout([[name] for name in names], [1 + (mine > min(places)) for mine in places], 0, home=home))
    return laid(matches), len(rows)


def test_football_is_predicted_better_than_by_elo(data: Path) -> None:
    matches, teams = football(data, 12_000)
    loss: dict[str, Table] = {}
    for name in ("elo", "elo_davidson"):
        system = create(name, {"home": 65.0})
        loss[name] = empty(system, teams)
        rate(system, matches, loss[name])
    three_way = {name: table.scores[6] / table.scores[5] for name, table in loss.items()}
    assert three_way["elo_davidson"] < three_way["elo"] - 0.0015
    assert 0.2 < math.exp(loss["elo_davidson"].pool[LOG_NU]) < 0.7


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("k", [1e-9, 1000], [0, 1000.1, "nan"]),
        ("scale", [1, 1e6], [0.999, 1.1e6]),
        ("start", [-1e6, 1e6], [-1.1e6, "inf"]),
        ("deviation", [1e-3, 1e6], [0, 1.1e6]),
        ("home", [-10_000, 10_000], [-10_001, 10_001]),
    ],
)
def test_parameters(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(create("elo_davidson", {name: value}), name) == float(value)
    for value in bad:
        with pytest.raises(Problem, match=name):
            create("elo_davidson", {name: value})
