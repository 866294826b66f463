"""Glicko-2 against published figures, the paper's own steps, Gaussian conditioning and the oracle's second opinion."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from service.match import Match, Side
from service.problems import Problem
from service.rate import empty, rate
from service.ratings import create, unexpected
from service.ratings.glickman import blurred_by
from service.ratings.glicko2 import SCALE, Glicko2
from tests import oracle_glicko2, oracle_match
from tests.oracle_ratings import Scores, unscored
from tests.property.scenes import bits, laid, random_matches
from tests.unit.one_match import rows_after

PERIOD = 1 / Glicko2().periods_per_day
MOST_VOLATILITY = 0.3
UNFLOORED: dict[str, Any] = {"least_deviation": 1.0}


class Player(NamedTuple):
    rating: float
    deviation: float
    volatility: float = 0.06


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
    rows = rows_after(create("glicko2", given), sides, ranks, rest=rest, weight=weight, at_home=at_home)
    return [Player(*row) for row in rows]


def after_period(player: Player, beaten_by: Sequence[Player], beat: Sequence[Player], **given: Any) -> Player:
    """One period of many games: a match of them all whose weight makes each pair count once."""
    others = [*beaten_by, *beat]
    ranks = [2, *[1] * len(beaten_by), *[3] * len(beat)]
    weight = (len(others) + 2) / 3
    return after([[one] for one in (player, *others)], ranks, weight=weight, rest=PERIOD, **given)[0]


def paper(
    mine: Player, games: Sequence[tuple[Player, float, float]], periods: float, tau: float, *, mistaken: bool = False
) -> Player:
    """Steps 2 to 8 as they are printed, the root by halving; of the periods up to one is the last.

    A game is the other, the result and how often it counts. Mistaken is to take the rating for the deviation in step
    5, as glicko2 2.1.0 of the Python package index does.
    """

    def drifted(player: Player) -> tuple[float, float]:
        earlier = max(0.0, periods - 1)
        phi = math.hypot(player.deviation / SCALE, player.volatility * math.sqrt(earlier))
        return (player.rating - 1500) / SCALE, phi

    mu, phi = drifted(mine)
    information = slope = 0.0
    for other, result, weight in games:
        mu_j, phi_j = drifted(other)
        g = 1 / math.sqrt(1 + 3 * phi_j**2 / math.pi**2)
        expected = 1 / (1 + math.exp(-g * (mu - mu_j)))
        information += weight * g * g * expected * (1 - expected)
        slope += weight * g * (result - expected)
    v = 1 / information
    delta = v * slope
    a = math.log(mine.volatility**2)
    known = mu if mistaken else phi

    def f(x: float) -> float:
        e = math.exp(x)
        return e * (delta**2 - known**2 - v - e) / (2 * (known**2 + v + e) ** 2) - (x - a) / tau**2

    # There may be further roots, all of them above the cap.
    low, high = a - 30 * tau, math.log(MOST_VOLATILITY**2)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) > 0 else (low, middle)
    volatility = math.exp(low / 2)
    star = math.sqrt(phi**2 + min(periods, 1) * volatility**2)
    new = 1 / math.sqrt(1 / star**2 + 1 / v)
    return Player(1500 + SCALE * (mu + new**2 * slope), SCALE * new, volatility)


def test_the_worked_example_of_the_paper() -> None:
    """Glickman prints 1464.06, 151.52, 0.05999, from rounded steps."""
    found = after_period(
        Player(1500, 200), [Player(1550, 100), Player(1700, 300)], [Player(1400, 30)], tau=0.5, **UNFLOORED
    )
    assert found == pytest.approx((1464.0506705393, 151.5165241239, 0.0599959842865), rel=1e-8)


def test_far_from_1500() -> None:
    """Where a well-known library is wrong; the example of the paper, at 1500, cannot tell."""
    mine, games = Player(2500, 50), [(Player(1500, 50), 0.0, 1.0)] * 6
    found = after_period(mine, [Player(1500, 50)] * 6, [], tau=0.5, **UNFLOORED)
    assert found == pytest.approx(paper(mine, games, 1.0, 0.5), rel=1e-9)
    assert [round(found.rating, 3), round(found.deviation, 3)] == [2411.407, 51.048]
    assert found.volatility == pytest.approx(0.060478, abs=5e-7)
    library = paper(mine, games, 1.0, 0.5, mistaken=True)
    assert library == pytest.approx((2411.445, 51.037, 0.060173), rel=1e-5)
    moved = after_period(Player(1000, 50), [Player(0, 50)] * 6, [], tau=0.5, **UNFLOORED)
    assert moved == pytest.approx((found.rating - 1500, found.deviation, found.volatility), rel=1e-12)


NEW, UNKNOWN = Player(1500, 350), Player(1500, 500, 0.09)
A, B = Player(1400, 79), Player(1550, 110, 0.065)
C, D = Player(1200, 60, 0.053), Player(1850, 200, 0.062)


@pytest.mark.parametrize(
    ("first", "second", "ranks", "expected", "within"),
    [
        (NEW, NEW, (1, 2), (1662.21, 290.2305, 0.0599993, 1337.79, 290.2305, 0.0599993), 0.01),
        (NEW, NEW, (1, 1), (1500, 290.2305, 0.0599977, 1500, 290.2305, 0.0599977), 0.01),
        (A, B, (1, 2), (1422.63, 77.4956, 0.06, 1506.32, 105.8706, 0.065), 0.01),
        (A, B, (2, 1), (1389.99, 77.4956, 0.06, 1568.90, 105.8706, 0.065), 0.01),
        (A, B, (1, 1), (1406.31, 77.4956, 0.06, 1537.61, 105.8706, 0.065), 0.01),
        (C, D, (1, 2), (1216.73, 59.9006, 0.053013, 1635.99, 196.9873, 0.062028), 0.01),
        (C, D, (2, 1), (1199.29, 59.9006, 0.052999, 1855.42, 196.9873, 0.061999), 0.01),
        (C, D, (1, 1), (1208.01, 59.9006, 0.053, 1745.71, 196.9873, 0.062), 0.01),
        (UNKNOWN, UNKNOWN, (1, 2), (1741, 396, 0.0899983, 1258, 396, 0.0899983), 1),
    ],
)
def test_games_of_a_big_server(
    first: Player, second: Player, ranks: tuple[int, int], expected: Sequence[float], within: float
) -> None:
    """Figures of scalachess, tau .75, no days between."""
    found = [number for row in after([[first], [second]], ranks, preset="lichess") for number in row]
    for number, figure, close in zip(found, expected, [within, within, 1e-5] * 2, strict=True):
        assert number == pytest.approx(figure, abs=close)


@pytest.mark.parametrize("tau", [0.3, 0.5, 1.2])
def test_duels_are_the_steps_of_the_paper(tau: float) -> None:
    draw = np.random.default_rng(5)
    for _ in range(300):
        one, other = (
            Player(float(draw.normal(1500, 400)), float(draw.uniform(30, 350)), float(draw.uniform(0.02, 0.09)))
            for _ in range(2)
        )
        result, weight = float(draw.choice([0.0, 0.5, 1.0])), float(draw.choice([1.0, 0.25, 2.0]))
        periods = float(draw.choice([0.0, 0.3, 1.0, 4.7]))
        ranks = [1 if result >= 0.5 else 2, 1 if result <= 0.5 else 2]
        given: dict[str, Any] = {
            "tau": tau,
            "deviation": 1000,
            "least_deviation": 1,
            "most_volatility": MOST_VOLATILITY,
        }
        found = after([[one], [other]], ranks, rest=periods * PERIOD, weight=weight, **given)
        assert found[0] == pytest.approx(paper(one, [(other, result, weight)], periods, tau), rel=1e-9)
        assert found[1] == pytest.approx(paper(other, [(one, 1 - result, weight)], periods, tau), rel=1e-9)


def test_pairs_of_a_free_for_all_count_three_over_k_and_one() -> None:
    field = [Player(1500 + 90.0 * place, 60 + 40.0 * place, 0.05 + 0.01 * place) for place in range(5)]
    ranks = [3, 1, 2, 2, 5]
    found = after([[player] for player in field], ranks, rest=0.5 * PERIOD)
    for i, mine in enumerate(field):
        games = [
            (other, 0.5 + 0.5 * ((ranks[i] < ranks[q]) - (ranks[i] > ranks[q])), 3 / 6)
            for q, other in enumerate(field)
            if q != i
        ]
        assert found[i] == pytest.approx(paper(mine, games, 0.5, 0.5), rel=1e-9)


def test_a_team_learns_as_a_gaussian_about_its_mean() -> None:
    """Two teams without days between: conditioning on one noisy look at the mean of the first."""
    team = [Player(1700, 60), Player(1400, 200), Player(1500, 350)]
    rivals = [Player(1600, 80), Player(1500, 120)]
    found = after([team, rivals], [1, 2], **UNFLOORED)
    prior = np.diag([player.deviation**2 for player in team])
    look = np.full(3, 1 / 3)
    slope = 1 / SCALE / math.sqrt(1 + blurred_by(SCALE) * sum(player.deviation**2 for player in rivals) / 4)
    chance = 1 / (1 + math.exp(-slope * (4600 / 3 - 1550)))
    noise = 1 / (slope**2 * chance * (1 - chance))
    gain = prior @ look / (look @ prior @ look + noise)
    posterior = prior - np.outer(gain, look @ prior)
    for row, (was, now) in enumerate(zip(team, found[:3], strict=True)):
        assert now.rating - was.rating == pytest.approx(gain[row] * noise * slope * (1 - chance), rel=1e-9)
        assert now.deviation == pytest.approx(math.sqrt(posterior[row, row]), rel=1e-9)


def test_weight_two_is_two_games_of_one_period() -> None:
    mine, other = Player(1620, 110), Player(1540, 70)
    twice = after_period(mine, [other, other], [])
    assert after([[mine], [other]], [2, 1], rest=PERIOD, weight=2)[0] == pytest.approx(twice, rel=1e-12)


def test_home_is_points() -> None:
    host, guest = after([[Player(1500, 80)], [Player(1500, 80)]], [1, 1], at_home=0, home=65)
    lifted, other = after([[Player(1565, 80)], [Player(1500, 80)]], [1, 1])
    assert host.rating + 65 == pytest.approx(lifted.rating, rel=1e-12)
    assert (*host[1:], guest) == (*lifted[1:], other)


def test_rest_is_grown_when_read_and_when_played() -> None:
    system = create("glicko2")
    skills = np.array([[1500.0, 60.0, 0.06]] * 4)
    rating, deviation = system.view(skills, system.opening(), np.array([0.0, 1.0, 365.0, 1e6]))
    assert rating.tolist() == [1500.0] * 4
    assert deviation[0] == 60.0
    # What the period is for: about 110 after a year.
    assert deviation[1] == pytest.approx(math.sqrt(3600 + 0.21436 * (0.06 * SCALE) ** 2), rel=1e-12)
    assert round(float(deviation[2])) == 110
    assert deviation[3] == 350.0
    # However the periods are cut, a match that tells nothing leaves what is read.
    for rest in (0.0, 0.4, 0.999, 1.0, 1.001, 7.3):
        read = system.view(skills[:1], system.opening(), np.array([rest * PERIOD]))[1][0]
        played = after([[Player(1500, 60)], [Player(1500, 60)]], [1, 1], rest=rest * PERIOD, weight=1e-9, tau=0)[0]
        assert played.deviation == pytest.approx(read, rel=1e-9)


def test_lichess_begins_and_rests_as_it_says() -> None:
    system = create("glicko2", {"preset": "lichess"})
    assert system.newcomer().tolist() == [1500.0, 500.0, 0.09]
    # A typical deviation of 60 is 110, which is provisional, after a year; none exceeds a newcomer's.
    skills = np.array([[1500.0, 60.0, 0.06]] * 2)
    deviation = system.view(skills, system.opening(), np.array([365.0, 1e6]))[1]
    assert [round(number) for number in deviation.tolist()] == [110, 500]
    floored = after([[Player(1500, 45, 0.09)], [Player(1500, 45, 0.09)]], [1, 2], preset="lichess")
    assert [player.deviation for player in floored] == [45.0, 45.0]
    # White is 11.78 points stronger.
    white, black = after([[Player(1500, 60)], [Player(1500, 60)]], [1, 1], at_home=0, preset="lichess")
    assert white.rating < 1500 < black.rating


def test_predictions_are_the_expected_score_of_both_deviations() -> None:
    system = create("glicko2", {"home": 40})
    skills = np.array([[1700.0, 90.0, 0.06], [1500.0, 200.0, 0.05], [1550.0, 120.0, 0.08]])
    match = Match("1", "pool", 0, (Side(("0", "1"), rank=1), Side(("2",), rank=2)), home=1)
    days, columns = np.array([3.0, 0.0, 40.0]), laid([match])
    seen = unexpected(columns)
    phi = system.view(skills, system.opening(), days)[1] / SCALE
    system.update(columns, days, skills, system.opening(), seen)
    assert seen.location.tolist() == [1600.0, 1590.0]
    g = 1 / math.sqrt(1 + 3 * ((phi[0] ** 2 + phi[1] ** 2) / 4 + phi[2] ** 2) / math.pi**2)
    expected = 1 / (1 + math.exp(-g * 10 / SCALE))
    assert 1 / (1 + math.exp(-10 / math.sqrt(seen.variance.sum()))) == pytest.approx(expected, rel=1e-12)


def test_volatility_follows_surprise() -> None:
    steady, shaken = (after([[Player(1500, 60)], [Player(1500 + gap, 60)]], [2, 1])[0] for gap in (0, -900))
    assert steady.volatility < 0.06 < shaken.volatility
    for gap in (0, -900):
        assert after([[Player(1500, 60)], [Player(1500 + gap, 60)]], [2, 1], tau=0)[0].volatility == 0.06
    capped = after([[Player(1500, 60)], [Player(-9e5, 60)]], [2, 1], weight=1000)[0]
    assert capped.volatility == 0.1
    assert all(map(math.isfinite, capped))


def test_a_deviation_rises_by_no_more_than_its_volatility() -> None:
    """The exception that the paper means: a surprise that tells nothing of where the skill is now."""
    draw, rose = np.random.default_rng(3), 0
    for _ in range(500):
        mine = Player(1500, float(draw.uniform(45, 350)), float(draw.uniform(0.02, 0.1)))
        rival = Player(float(draw.normal(1500, 2500)), float(draw.uniform(45, 350)))
        days = float(draw.choice([0.0, 1.0, 4.0, 40.0]))
        periods = days / PERIOD
        was = create("glicko2").view(np.array([mine]), np.empty(0), np.array([days]))[1][0]
        now = after([[mine], [rival]], [2, 1], rest=days, weight=float(draw.choice([1, 1000])))[0]
        gained = min(periods, 1) * max(0.0, now.volatility**2 - mine.volatility**2) * SCALE**2
        assert now.deviation <= math.sqrt(was**2 + gained) * (1 + 1e-12)
        rose += now.deviation > was
    assert 0 < rose < 250


def test_no_match_goes_below_the_least_deviation() -> None:
    system, table = create("glicko2"), empty(create("glicko2"), 2)
    duel = (Side(("0",), rank=1), Side(("1",), rank=1))
    rate(system, laid([Match(str(i), "pool", 0, duel) for i in range(500)]), table)
    assert table.skills[:, 1].tolist() == [45.0, 45.0]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {
            "tau": 1.2, "deviation": 150.0, "least_deviation": 70.0, "volatility": 0.1, "most_volatility": 0.11,
            "periods_per_day": 3.0, "start": -20.0, "home": 80.0,
        },
    ],
)  # fmt: skip
def test_the_oracle_has_the_same_bits(given: dict[str, float]) -> None:
    system = create("glicko2", given)
    matches = random_matches(system, 11, 5_000, players=40)
    table = empty(system, 40)
    rate(system, laid(matches), table)

    given = dict(given)
    fresh = oracle_glicko2.new_row()
    fresh[4:] = [given.pop("start", fresh[4]), given.get("deviation", fresh[5]), given.pop("volatility", fresh[6])]
    rows = {str(row): list(fresh) for row in range(40)}
    sums = unscored()
    for match in matches:
        read = oracle_match.read(msgspec.json.encode(match))
        assert isinstance(read, oracle_match.Match)
        oracle_glicko2.rate(read, rows, [], Scores(sums), **given)
        for name in (name for side in read.sides for name in side):
            rows[name][3] = max(read.at, rows[name][3]) if rows[name][0] else read.at
            rows[name][0] += 1.0
    assert bits(table.skills) == bits(np.array([rows[str(row)][4:] for row in range(40)]))
    assert table.tallies[:, [0, 3]].tolist() == [[rows[str(row)][0], rows[str(row)][3]] for row in range(40)]
    assert table.scores.tolist() == sums


def honesty(rounds: int) -> tuple[float, float]:
    """Squared error over stated variance; share of errors within 1.96 deviations: 2,000 skills that hold still."""
    system, players, draw = create("glicko2"), 2_000, np.random.default_rng(7)
    truth = draw.normal(1500, 350, players)
    table = empty(system, players)
    for _ in range(rounds):
        pairs = draw.permutation(players).reshape(-1, 2)
        won = draw.random(len(pairs)) < 1 / (1 + np.exp((truth[pairs[:, 1]] - truth[pairs[:, 0]]) / SCALE))
        duels = [
            Match("1", "pool", 0, (Side((str(one),), rank=2 - first), Side((str(other),), rank=1 + first)))
            for (one, other), first in zip(pairs.tolist(), won.tolist(), strict=True)
        ]
        rate(system, laid(duels), table)
    rating, deviation = system.view(table.skills, table.pool, np.zeros(players))
    error = rating - truth
    return float((error**2).sum() / (deviation**2).sum()), float((np.abs(error) < 1.96 * deviation).mean())


@pytest.mark.parametrize(
    ("rounds", "low", "high", "within"), [(1, 0.9, 1.1, 0.93), (5, 1.0, 1.4, 0.9), (40, 1.3, 1.7, 0.87)]
)
def test_deviation_says_what_the_page_states(rounds: int, low: float, high: float, within: float) -> None:
    ratio, covered = honesty(rounds)
    assert low < ratio < high
    assert covered > within


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("tau", [0, "0.5", 2], [-0.1, 2.1, "nan", "many", None]),
        ("start", [-1e6, 0, 1e6], [-1.1e6, 1.1e6, "nan", "-inf"]),
        ("deviation", [100, 1000], [99, 1001, "nan"]),
        ("least_deviation", [1, 75], [0, 76, "nan"]),
        ("volatility", [0.001, 0.1], [0, 0.101, "nan"]),
        ("most_volatility", [0.1, 0.3], [0.09, 0.31, "nan"]),
        ("periods_per_day", [0.001, 1000], [0, -1, 1001, "nan"]),
        ("home", [-1000, 1000], [-1001, 1001, "nan"]),
    ],
)
def test_parameters(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(create("glicko2", {name: value}), name) == float(value)
    for value in bad:
        with pytest.raises(Problem) as caught:
            create("glicko2", {name: value})
        assert caught.value.type.slug == "invalid_parameter"
        assert name in caught.value.detail
