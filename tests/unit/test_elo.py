"""Elo against its formula in plain Python, and its deviation against known skills."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from service.columns import NO_HOME, Floats, Matches, lay_out
from service.match import Match, Side
from service.problems import Problem
from service.rate import Table, empty, rate
from service.ratings import RatingSystem, create, unexpected

Sides = Sequence[Sequence[int]]


class Result(NamedTuple):
    sides: Sides
    ranks: Sequence[int]
    scores: Sequence[float] | None = None
    home: int | None = None
    weight: float = 1.0


def plain(results: Sequence[Result], players: int, **given: float) -> list[float]:
    """Elo as it is written down: all pairs of a match from the ratings before it."""
    p = {"k": 32.0, "scale": 400.0, "start": 1500.0, "home": 0.0, "margin": 0.0, "new_matches": 0.0} | given
    p = {"new_k": 40.0, "top_k": 10.0, "top_rating": math.inf} | p
    ratings = [p["start"]] * players
    peaks, played = list(ratings), [0] * players
    for result in results:
        strength = [math.fsum(ratings[row] for row in rows) / len(rows) for rows in result.sides]
        if result.home is not None:
            strength[result.home] += p["home"]
        count = len(result.sides)
        moves = [0.0] * count
        for i in range(count):
            for q in range(count):
                if i == q:
                    continue
                expected = 1 / (1 + 10 ** ((strength[q] - strength[i]) / p["scale"]))
                scored = 0.5 + 0.5 * ((result.ranks[i] < result.ranks[q]) - (result.ranks[i] > result.ranks[q]))
                step = result.weight * 3 / (count + 1)
                if result.scores is not None:
                    step *= 1 + p["margin"] * math.log(1 + abs(result.scores[i] - result.scores[q]))
                moves[i] += step * (scored - expected)
        for rows, move in zip(result.sides, moves, strict=True):
            for row in rows:
                top = p["top_k"] if peaks[row] >= p["top_rating"] else p["k"]
                ratings[row] += move * (p["new_k"] if played[row] < p["new_matches"] else top)
                peaks[row] = max(peaks[row], ratings[row])
                played[row] += 1
    return ratings


def match_of(result: Result) -> Match:
    sides = tuple(
        Side(tuple(map(str, rows)), rank=None if result.scores else rank, score=score)
        for rows, rank, score in zip(
            result.sides, result.ranks, result.scores or (None,) * len(result.ranks), strict=True
        )
    )
    return Match("1", "pool", 0, sides, home=result.home, weight=result.weight)


def rated(results: Sequence[Result], players: int, **given: float) -> Table:
    elo = create("elo", given)
    table = empty(elo, players)
    rows = [row for result in results for side in result.sides for row in side]
    rate(elo, lay_out([match_of(result) for result in results], rows), table)
    return table


def ratings(results: Sequence[Result], players: int, **given: float) -> list[float]:
    found: list[float] = rated(results, players, **given).skills[:, 0].tolist()
    return found


def random_results(seed: int, count: int, players: int, sizes: Sequence[Sequence[int]]) -> list[Result]:
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        shape = sizes[int(draw.integers(len(sizes)))]
        rows = np.split(draw.permutation(players)[: sum(shape)], np.cumsum(shape)[:-1])
        points = draw.integers(0, 4, size=len(shape)).tolist()
        ranks = [1 + sum(other > mine for other in points) for mine in points]
        home = int(draw.integers(len(shape))) if draw.random() < 0.5 else None
        weight = float(draw.choice([1.0, 0.25, 2.0]))
        scores = [float(point) for point in points] if draw.random() < 0.5 else None
        found.append(Result([list(map(int, side)) for side in rows], ranks, scores, home, weight))
    return found


def test_the_worked_example() -> None:
    """A 1613 who meets five others, K = 32: the example that Elo's own readers are given."""
    mine, others = 1613.0, [1609.0, 1477.0, 1388.0, 1586.0, 1720.0]
    expected = [1 / (1 + 10 ** ((other - mine) / 400)) for other in others]
    assert [round(chance, 3) for chance in expected] == [0.506, 0.686, 0.785, 0.539, 0.351]
    # Two newcomers, then the winner of the first against a third: 1516 expects .523.
    assert ratings([Result([[0], [1]], [1, 2])], 2) == [1516.0, 1484.0]
    assert ratings([Result([[0], [1]], [1, 2]), Result([[0], [2]], [2, 1])], 3) == pytest.approx(
        [1516 - 32 / (1 + 10 ** (-16 / 400)), 1484, 1500 + 32 / (1 + 10 ** (-16 / 400))], abs=1e-9
    )


def test_twenty_thousand_duels() -> None:
    duels = random_results(1, 20_000, 300, [[1, 1]])
    assert sum(result.ranks[0] == result.ranks[1] for result in duels) > 4_000
    assert ratings(duels, 300, home=65) == pytest.approx(plain(duels, 300, home=65), abs=1e-9)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"k": 10, "start": 0},
        {"scale": 173.7178, "home": 40},
        {"margin": 0.7, "home": -30},
        {"k": 60, "scale": 200, "margin": 0.1},
        {"k": 24, "new_k": 48, "new_matches": 7, "top_k": 9, "top_rating": 1600},
    ],
)
@pytest.mark.parametrize(
    "sizes",
    [[[1, 1]], [[2, 2], [1, 3], [5, 5]], [[1] * 3, [1] * 4, [1] * 17], [[2, 1, 3], [4, 4, 4, 4]]],
    ids=["duels", "teams", "free-for-alls", "teams of many"],
)
def test_the_formula(given: dict[str, float], sizes: list[list[int]]) -> None:
    results = random_results(2, 400, 40, sizes)
    assert ratings(results, 40, **given) == pytest.approx(plain(results, 40, **given), abs=1e-9)


def test_a_team_plays_with_its_mean_and_moves_as_one() -> None:
    before = [Result([[0], [9]], [1, 2])] * 5
    uneven = ratings([*before, Result([[0, 1], [2]], [2, 1])], 10)
    alone = ratings(before, 10)
    assert uneven[0] - alone[0] == pytest.approx(uneven[1] - 1500, abs=1e-9)
    mean = (alone[0] + 1500) / 2
    assert uneven[2] - 1500 == pytest.approx(32 / (1 + 10 ** ((1500 - mean) / 400)), abs=1e-9)


def test_pairs_of_a_free_for_all_count_three_over_k_and_one() -> None:
    for count in (2, 3, 4, 8):
        found = ratings([Result([[row] for row in range(count)], range(1, count + 1))], count)
        best = 32 * 3 / (count + 1) * (count - 1) / 2
        assert found == pytest.approx([1500 + best * (1 - 2 * row / (count - 1)) for row in range(count)], abs=1e-9)


def test_home_is_points() -> None:
    (host, guest) = ratings([Result([[0], [1]], [1, 1], home=0)], 2, home=100)
    assert host == pytest.approx(1500 + 32 * (0.5 - 1 / (1 + 10 ** (-100 / 400))), abs=1e-9)
    assert ratings([Result([[1], [0]], [1, 1], home=1)], 2, home=100) == [host, guest]
    assert ratings([Result([[0], [1]], [1, 1])], 2, home=100) == [1500, 1500]


def test_margin_stretches_the_step() -> None:
    def gain(scores: list[float] | None, margin: float) -> float:
        return ratings([Result([[0], [1]], [1, 2], scores)], 2, margin=margin)[0] - 1500

    assert gain([5, 0], 0) == gain([1, 0], 0) == gain(None, 1) == 16
    assert gain([1, 0], 0.5) == pytest.approx(16 * (1 + 0.5 * math.log(2)), abs=1e-9)
    assert gain([1e15, -1e15], 10) == pytest.approx(16 * (1 + 10 * math.log(2e15)), abs=1e-9)
    assert ratings([Result([[0], [1]], [1, 1], [3, 3])], 2, margin=10) == [1500, 1500]


def test_weight_stretches_the_step() -> None:
    assert ratings([Result([[0], [1]], [1, 2], weight=0.25)], 2) == [1504, 1496]


def gains(given: dict[str, Any], opponent: float, results: Sequence[int]) -> list[float]:
    """What each match against somebody so rated was worth to a newcomer, in full steps: wins (1) and losses (2)."""
    elo = create("elo", given)
    table, found = empty(elo, 2), []
    for place in results:
        table.skills[1] = elo.seeded(np.array([opponent]), np.array([50.0]), table.pool)[0]
        before = table.skills[0, 0]
        rate(elo, lay_out([match_of(Result([[0], [1]], [place, 3 - place]))], [0, 1]), table)
        chance = 1 / (1 + 10 ** ((opponent - before) / 400))
        found.append(float(table.skills[0, 0] - before) / ((place == 1) - chance))
    return found


def test_steps_of_the_federation() -> None:
    """40 for thirty games, 20 below 2400, and 10 from then on, also below 2400 again."""
    wins, losses = 600, 200
    found = gains({"preset": "fide", "start": 2300}, 2500, [2] * 30 + [1] * wins + [2] * losses)
    assert found[:30] == pytest.approx([40] * 30, rel=1e-9)
    top = 30 + found[30:].index(next(step for step in found[30:] if step < 15))
    assert found[30:top] == pytest.approx([20] * (top - 30), rel=1e-9)
    assert 30 < top < 30 + wins
    assert found[top:] == pytest.approx([10] * (wins + losses + 30 - top), rel=1e-6)
    # Whoever was at the top while new is no more new after thirty games, and plays for 10 at once.
    assert gains({"preset": "fide", "start": 2400}, 2400, [2] * 31)[29:] == pytest.approx([40, 10], rel=1e-9)


def test_those_who_come_with_a_rating_are_not_new() -> None:
    elo = create("elo", {"preset": "fide"})
    table = empty(elo, 3)
    table.skills[:2] = elo.seeded(np.array([2000.0, 2450.0]), np.array([50.0, 50.0]), table.pool)
    for row, step in ((0, 20), (1, 10), (2, 40)):
        before = table.skills[row, 0]
        columns = lay_out([match_of(Result([[row], [9]], [1, 2]))], [row, 3])
        more = Table(*table)._replace(skills=np.vstack((table.skills, elo.newcomer())), tallies=np.zeros((4, 4)))
        more.skills[3, 0] = before
        rate(elo, columns, more)
        assert more.skills[row, 0] - before == pytest.approx(step / 2, rel=1e-9)


def test_predictions() -> None:
    elo = create("elo", {"home": 100})
    table = Table(*rated([Result([[0], [9]], [1, 2])], 10))
    columns = lay_out([match_of(Result([[0, 1], [2]], [1, 2], home=1))], [0, 1, 2])
    expected = unexpected(columns)
    elo.update(columns, np.zeros(3), table.skills, table.pool, expected)
    location, variance, zone = expected
    assert np.isnan(zone).all()
    assert location.tolist() == [1508, 1600]
    chance = 1 / (1 + math.exp((location[1] - location[0]) / math.sqrt(variance.sum())))
    assert chance == pytest.approx(1 / (1 + 10 ** (92 / 400)), rel=1e-12)


def test_rest_changes_nothing() -> None:
    elo, table = create("elo"), rated([Result([[0], [1]], [1, 2])], 2)
    fresh = elo.view(table.skills, table.pool, np.zeros(2))
    rested = elo.view(table.skills, table.pool, np.full(2, 1e5))
    assert [array.tolist() for array in fresh] == [array.tolist() for array in rested]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("k", [1e-9, "32", 1000], [0, -1, 1000.1, "nan", "inf", "", "many", None, True, [1]]),
        ("new_k", [1e-9, 1000], [0, 1001, "nan"]),
        ("new_matches", [0, "30", 10_000], [-1, 10_001, "nan"]),
        ("top_k", [1e-9, 1000], [0, 1001, "nan"]),
        ("top_rating", [-1e6, 2400, 1e12], [-1.1e6, "inf", "nan"]),
        ("scale", [1, 1e6], [0.999, 0, -400, 1.1e6, "nan"]),
        ("start", [-1e6, 0, 1e6], [-1.1e6, 1.1e6, "nan", "-inf"]),
        ("deviation", [1e-3, 1e6], [0, -350, 1.1e6, "nan"]),
        ("home", [-10_000, 10_000], [-10_001, 10_001, "nan"]),
        ("margin", [0, 10], [-0.1, 10.1, "nan"]),
    ],
)
def test_parameters(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(create("elo", {name: value}), name) == float(value)
    for value in bad:
        with pytest.raises(Problem) as caught:
            create("elo", {name: value})
        assert caught.value.type.slug == "invalid_parameter"
        assert [error.field for error in caught.value.errors] == [name]
        assert name in caught.value.detail


def test_unknown_names() -> None:
    with pytest.raises(Problem, match=r"elo has no such parameter") as caught:
        create("elo", {"tau": 0.5})
    assert (caught.value.type.slug, caught.value.errors[0].field) == ("invalid_parameter", "tau")
    assert (
        "k, new_k, new_matches, top_k, top_rating, scale, start, deviation, home, margin"
        in caught.value.errors[0].remedy
    )
    with pytest.raises(Problem, match=r"no rating system 'Elo'; there are: .*elo") as caught:
        create("Elo")
    assert caught.value.type.slug == "unknown_name"


def simulated(system: RatingSystem, truth: Floats, rounds: int, seed: int, sides: int = 2) -> Matches:
    """Rounds in which everybody plays once, in sides drawn anew; results as Elo's own model gives them."""
    draw = np.random.default_rng(seed)
    everybody = len(truth) // sides * sides
    player = np.concatenate([draw.permutation(len(truth))[:everybody] for _ in range(rounds)])
    count = len(player) // sides
    luck = draw.gumbel(0, 400 / math.log(10), (count, sides))
    rank = 1 + np.argsort(np.argsort(-(truth[player].reshape(count, sides) + luck), axis=1), axis=1)
    return Matches(
        side_start=np.arange(0, len(player) + 1, sides), player_start=np.arange(len(player) + 1), player=player,
        rank=rank.ravel(), score=np.full(len(player), np.nan), home=np.full(count, NO_HOME),
        weight=np.ones(count), at=np.arange(count),
    )  # fmt: skip


def honesty(rounds: int, sides: int = 2) -> tuple[float, float]:
    """Squared error over stated variance, both summed over 4,200 players; share of errors within 1.96 deviations."""
    elo = create("elo")
    truth = np.random.default_rng(7).normal(1500, 350, 4_200)
    table = empty(elo, len(truth))
    rate(elo, simulated(elo, truth, rounds, 8, sides), table)
    rating, deviation = elo.view(table.skills, table.pool, np.zeros(len(truth)))
    error = rating - truth
    return float((error**2).sum() / (deviation**2).sum()), float((np.abs(error) < 1.96 * deviation).mean())


@pytest.mark.parametrize(
    ("rounds", "low", "high", "within"),
    [(1, 0.95, 1.1, 0.93), (5, 0.95, 1.3, 0.93), (50, 0.8, 1.6, 0.93), (100, 0.8, 1.6, 0.94), (500, 0.7, 1.1, 0.95)],
)
def test_deviation_is_honest(rounds: int, low: float, high: float, within: float) -> None:
    ratio, covered = honesty(rounds)
    assert low < ratio < high
    assert covered > within


@pytest.mark.parametrize("sides", [3, 8, 20])
def test_deviation_of_free_for_alls_settles_on_the_safe_side(sides: int) -> None:
    ratio, covered = honesty(500, sides)
    assert 0.5 < ratio < 1.0
    assert covered > 0.97
