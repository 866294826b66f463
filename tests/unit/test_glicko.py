"""Glicko against its published example, the paper's formulas, and Gaussian conditioning."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from service.match import Match, Side
from service.problems import Problem
from service.ratings import create, unexpected
from service.ratings.glicko import Glicko
from tests.property.scenes import laid
from tests.unit.one_match import rows_after

PERIOD = 1 / Glicko().periods_per_day
Q = math.log(10) / 400
UNFLOORED: dict[str, Any] = {"least_deviation": 1.0}


class Player(NamedTuple):
    rating: float
    deviation: float


def after(
    sides: Sequence[Sequence[Player]],
    ranks: Sequence[int],
    *,
    rest: float = 0.0,
    weight: float = 1.0,
    at_home: int | None = None,
    **given: Any,
) -> list[Player]:
    """Everybody after one match, all of them having rested as long."""
    rows = rows_after(create("glicko", given), sides, ranks, rest=rest, weight=weight, at_home=at_home)
    return [Player(*row) for row in rows]


def g(deviation: float) -> float:
    return 1 / math.sqrt(1 + 3 * Q**2 * deviation**2 / math.pi**2)


def paper(mine: Player, games: Sequence[tuple[Player, float, float]], periods: float) -> Player:
    """Both steps as they are printed; a game is the other, the result and how often it counts."""

    def rested(player: Player) -> float:
        return min(math.sqrt(player.deviation**2 + 63.2**2 * periods), 350.0)

    slope = information = 0.0
    for other, result, times in games:
        there = g(rested(other))
        expected = 1 / (1 + 10 ** (-there * (mine.rating - other.rating) / 400))
        slope += times * there * (result - expected)
        information += times * Q**2 * there**2 * expected * (1 - expected)
    precision = 1 / rested(mine) ** 2 + information
    return Player(mine.rating + Q / precision * slope, math.sqrt(1 / precision))


def test_the_worked_example_of_the_paper() -> None:
    """One period of three games: a match of them all whose weight makes each pair count once."""
    field = [[Player(1500, 200)], [Player(1400, 30)], [Player(1550, 100)], [Player(1700, 300)]]
    found = after(field, [2, 3, 1, 1], weight=5 / 3, **UNFLOORED)[0]
    assert found == pytest.approx((1464.1064627569, 151.3989024480), rel=1e-12)


def test_duels_are_the_formulas_of_the_paper() -> None:
    draw = np.random.default_rng(5)
    for _ in range(300):
        one, other = (Player(float(draw.normal(1500, 400)), float(draw.uniform(30, 350))) for _ in range(2))
        result, weight = float(draw.choice([0.0, 0.5, 1.0])), float(draw.choice([1.0, 0.25, 2.0]))
        periods = float(draw.choice([0.0, 0.3, 1.0, 4.7]))
        ranks = [1 if result >= 0.5 else 2, 1 if result <= 0.5 else 2]
        found = after([[one], [other]], ranks, rest=periods * PERIOD, weight=weight, **UNFLOORED)
        assert found[0] == pytest.approx(paper(one, [(other, result, weight)], periods), rel=1e-12)
        assert found[1] == pytest.approx(paper(other, [(one, 1 - result, weight)], periods), rel=1e-12)


def test_pairs_of_a_free_for_all_count_three_over_k_and_one() -> None:
    field = [Player(1500 + 90.0 * place, 60 + 40.0 * place) for place in range(5)]
    ranks = [3, 1, 2, 2, 5]
    found = after([[player] for player in field], ranks, rest=0.5 * PERIOD)
    for i, mine in enumerate(field):
        games = [
            (other, 0.5 + 0.5 * ((ranks[i] < ranks[q]) - (ranks[i] > ranks[q])), 3 / 6)
            for q, other in enumerate(field)
            if q != i
        ]
        assert found[i] == pytest.approx(paper(mine, games, 0.5), rel=1e-12)


def test_a_team_learns_as_a_gaussian_about_its_mean() -> None:
    """Conditioning on one noisy look at the mean of the first team."""
    team = [Player(1700, 60), Player(1400, 200), Player(1500, 350)]
    rivals = [Player(1600, 80), Player(1500, 120)]
    found = after([team, rivals], [1, 2], **UNFLOORED)
    prior, seen = np.diag([player.deviation**2 for player in team]), np.full(3, 1 / 3)
    slope = Q * g(math.sqrt(sum(player.deviation**2 for player in rivals) / 4))
    chance = 1 / (1 + math.exp(-slope * (4600 / 3 - 1550)))
    noise = 1 / (slope**2 * chance * (1 - chance))
    gain = prior @ seen / (seen @ prior @ seen + noise)
    posterior = prior - np.outer(gain, seen @ prior)
    for row, (was, now) in enumerate(zip(team, found[:3], strict=True)):
        assert now.rating - was.rating == pytest.approx(gain[row] * noise * slope * (1 - chance), rel=1e-9)
        assert now.deviation == pytest.approx(math.sqrt(posterior[row, row]), rel=1e-9)


def test_rest_is_grown_when_read() -> None:
    """The paper's choice of c: after 30 periods of two months a deviation of 50 is a newcomer's again."""
    system = create("glicko")
    skills = np.array([[1500.0, 50.0]] * 4)
    rating, deviation = system.view(skills, system.opening(), np.array([0.0, PERIOD, 5 * 365.25, 1e6]))
    assert rating.tolist() == [1500.0] * 4
    assert deviation[:2] == pytest.approx([50.0, math.hypot(50, 63.2)], rel=1e-12)
    assert deviation[2:] == pytest.approx([350.0, 350.0], abs=0.5)


def test_home_is_points() -> None:
    host, guest = after([[Player(1500, 80)], [Player(1500, 80)]], [1, 1], at_home=0, home=65)
    lifted, other = after([[Player(1565, 80)], [Player(1500, 80)]], [1, 1])
    assert host.rating + 65 == pytest.approx(lifted.rating, rel=1e-12)
    assert (host.deviation, guest) == (lifted.deviation, other)


def test_predictions_are_the_expected_score_of_both_deviations() -> None:
    system = create("glicko", {"home": 40})
    skills, days = np.array([[1700.0, 90.0], [1500.0, 200.0], [1550.0, 120.0]]), np.array([3.0, 0.0, 40.0])
    columns = laid([Match("1", "pool", 0, (Side(("0", "1"), rank=1), Side(("2",), rank=2)), home=1)])
    seen, rested = unexpected(columns), system.view(skills, system.opening(), days)[1]
    system.update(columns, days, skills, system.opening(), seen)
    assert seen.location.tolist() == [1600.0, 1590.0]
    total = math.sqrt((rested[0] ** 2 + rested[1] ** 2) / 4 + rested[2] ** 2)
    chance = 1 / (1 + math.exp(-10 / math.sqrt(seen.variance.sum())))
    assert chance == pytest.approx(1 / (1 + 10 ** (-g(total) * 10 / 400)), rel=1e-12)


def test_no_match_goes_below_the_least_deviation_nor_above_what_was() -> None:
    for least, before, left in ((30.0, 31.0, 30.0), (75.0, 40.0, 40.0)):
        found = after([[Player(1500, before)], [Player(1500, 30)]], [1, 2], weight=100, least_deviation=least)[0]
        assert found.deviation == pytest.approx(left, rel=1e-12)


def test_upsets_are_finite_and_monotone() -> None:
    for gap in (25 * 350.0, 1e4, 1e6):
        moved = [after([[Player(gap, 350)], [Player(0, 350)]], ranks)[0].rating for ranks in ((1, 2), (1, 1), (2, 1))]
        assert all(map(math.isfinite, moved))
        assert moved[0] >= moved[1] > moved[2]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("c", [1, "34.6", 1000], [0, -1, 1001, "nan"]),
        ("start", [-1e6, 1e6], [-1.1e6, "-inf"]),
        ("deviation", [100, 1000], [99, 1001]),
        ("least_deviation", [1, 75], [0, 76]),
        ("periods_per_day", [0.001, 1000], [0, 1001]),
        ("home", [-1000, 1000], [-1001, 1001]),
    ],
)
def test_parameters(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(create("glicko", {name: value}), name) == float(value)
    for value in bad:
        with pytest.raises(Problem, match=name):
            create("glicko", {name: value})
