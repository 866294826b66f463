"""The one step of predict, update and score: tallies and scores against plain Python."""

import itertools
import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from service.columns import Floats, Matches, lay_out
from service.match import Match, Side
from service.rate import DAY_MS, TALLY_COLUMNS, Table, empty, rate
from service.ratings import Expected, Promise, RatingSystem, Shapes, create
from service.ratings.link import Link
from service.score import (
    BINS,
    BRIER,
    DECIDED,
    FIRST_BIN,
    FIRST_ZONE,
    LEAST_CHANCE,
    LOG_LOSS,
    RIGHT,
    SCORE_COLUMNS,
    SCORED,
    ZONE,
)

DAY = 86_400_000


class Fixed(RatingSystem, frozen=True, kw_only=True):
    """Predicts by a player's row alone, notes the rest, moves nobody."""

    name: ClassVar[str] = "fixed"
    revision: ClassVar[int] = 1
    shapes: ClassVar[Shapes] = Shapes(most_sides=100)
    promises: ClassVar[frozenset[Promise]] = frozenset()
    link: ClassVar[Link] = "logistic"
    skill_columns: ClassVar[tuple[str, ...]] = ("location", "rest")

    def newcomer(self) -> Floats:
        return np.array([0.0, -1.0])

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        skills[matches.player, 1] = rest
        expected.location[:] = skills[matches.player[matches.player_start[:-1]], 0]
        expected.variance[:] = 0.5


class FixedNormal(Fixed, frozen=True, kw_only=True):
    """The same with the other link."""

    link: ClassVar[Link] = "normal"


def match(ranks: Sequence[int], at: int = 0, rows: Sequence[int] | None = None) -> Match:
    players = range(len(ranks)) if rows is None else rows
    return Match("1", "p", at, tuple(Side((str(row),), rank=rank) for row, rank in zip(players, ranks, strict=True)))


def rated(system: RatingSystem, matches: Sequence[Match], table: Table) -> Table:
    rows = [int(name) for match in matches for side in match.sides for name in side.players]
    rate(system, lay_out(matches, rows), table)
    return table


def forecast(locations: Sequence[float], system: RatingSystem | None = None) -> tuple[RatingSystem, Table]:
    """A table whose players play as strongly as is said."""
    system = system or Fixed()
    table = empty(system, len(locations))
    table.skills[:, 0] = locations
    return system, table


def scores(locations: Sequence[float], ranks: Sequence[int], system: RatingSystem | None = None) -> list[float]:
    system, table = forecast(locations, system)
    found: list[float] = rated(system, [match(ranks)], table).scores.tolist()
    return found


def test_an_empty_table() -> None:
    table = empty(create("elo"), 3)
    assert table.tallies.shape == (3, len(TALLY_COLUMNS))
    assert table.skills.tolist() == [create("elo").newcomer().tolist()] * 3
    assert (table.pool.tolist(), table.scores.shape) == ([0.0, 0.0], (SCORE_COLUMNS,))
    assert not table.tallies.any()
    assert math.exp(table.scores[ZONE]) == pytest.approx(FIRST_ZONE)
    assert not np.delete(table.scores, [ZONE, ZONE + 1]).any()


@pytest.mark.parametrize(
    ("ranks", "won", "tied"),
    [
        ([1, 2], [1, 0], [0, 0]),
        ([2, 1], [0, 1], [0, 0]),
        ([1, 1], [0, 0], [1, 1]),
        ([3, 3], [0, 0], [1, 1]),
        ([5, 9], [1, 0], [0, 0]),
        ([1, 2, 3], [1, 0, 0], [0, 0, 0]),
        ([2, 1, 1], [0, 0, 0], [0, 1, 1]),
        ([1, 2, 2], [1, 0, 0], [0, 0, 0]),
        ([4, 4, 4], [0, 0, 0], [1, 1, 1]),
        ([7, 3, 7, 3], [0, 0, 0, 0], [0, 1, 0, 1]),
    ],
)
def test_won_is_alone_in_first_place_and_tied_shares_it(ranks: list[int], won: list[int], tied: list[int]) -> None:
    system, table = forecast([0] * len(ranks))
    rated(system, [match(ranks)], table)
    assert table.tallies[:, 0].tolist() == [1] * len(ranks)
    assert table.tallies[:, 1].tolist() == won
    assert table.tallies[:, 2].tolist() == tied


def test_everybody_of_a_side_is_counted() -> None:
    system, table = forecast([0] * 5)
    sides = (Side(("0", "1", "2"), score=3), Side(("3",), score=-1))
    rated(system, [Match("1", "p", 7, sides)] * 2, table)
    assert table.tallies.tolist() == [[2, 2, 0, 7]] * 3 + [[2, 0, 0, 7], [0, 0, 0, 0]]


def test_rest_is_days_since_the_last_match_and_never_negative() -> None:
    system, table = forecast([0, 0, 0])
    seen = []
    for at, rows in [(-DAY, (0, 1)), (DAY // 2, (0, 2)), (0, (0, 1)), (2 * DAY, (0, 1)), (2 * DAY, (0, 1))]:
        rated(system, [match([1, 2], at, rows)], table)
        seen.append((table.skills[list(rows), 1].tolist(), table.tallies[list(rows), 3].tolist()))
    assert seen == [
        ([0, 0], [-DAY, -DAY]),
        ([1.5, 0], [DAY // 2, DAY // 2]),
        # Earlier than the last of 0: no rest, and the last stays the last.
        ([0, 1], [DAY // 2, 0]),
        ([1.5, 2], [2 * DAY, 2 * DAY]),
        ([0, 0], [2 * DAY, 2 * DAY]),
    ]
    assert DAY_MS == DAY


def test_a_first_match_before_1970_is_a_first_match() -> None:
    system, table = forecast([0, 0])
    rated(system, [match([1, 2], -5 * DAY)], table)
    assert table.tallies[:, 3].tolist() == [-5 * DAY] * 2
    assert table.skills[:, 1].tolist() == [0, 0]


def chance(gap: float, system: RatingSystem) -> float:
    if system.link == "normal":
        return 0.5 * math.erfc(-gap / math.sqrt(2))
    return 1 / (1 + math.exp(-gap))


@pytest.mark.parametrize("system", [Fixed(), FixedNormal()], ids=["logistic", "normal"])
@pytest.mark.parametrize("ranks", [[1, 2], [2, 1], [1, 1]])
@pytest.mark.parametrize("gap", [0.0, 0.3, -2.0, 5.0])
def test_two_sides(system: RatingSystem, ranks: list[int], gap: float) -> None:
    found = scores([gap, 0], ranks, system)
    p = chance(gap, system)
    result = 0.5 + 0.5 * (ranks[1] - ranks[0])
    assert found[SCORED] == 1
    assert found[LOG_LOSS] == pytest.approx(-(result * math.log(p) + (1 - result) * math.log(1 - p)), rel=1e-9)
    assert found[BRIER] == pytest.approx((p - result) ** 2, rel=1e-12)
    assert found[DECIDED] == (ranks[0] != ranks[1])
    foreseen = 0.5 if gap == 0 else float((gap > 0) == (result > 0.5))
    assert found[RIGHT] == (foreseen if ranks[0] != ranks[1] else 0)


def test_certain_and_wrong_is_bad_but_finite() -> None:
    for gap in (40.0, 1e3, 1e9):
        right, wrong = scores([gap, 0], [1, 2]), scores([gap, 0], [2, 1])
        assert wrong[LOG_LOSS] == pytest.approx(-math.log(LEAST_CHANCE), rel=0.01)
        assert 0 <= right[LOG_LOSS] < 1e-14
        assert (right[RIGHT], wrong[RIGHT]) == (1, 0)
        assert wrong[FIRST_BIN : FIRST_BIN + 3] == pytest.approx([0.5, 0, 0.5], abs=1e-14)
        assert wrong[-3:] == pytest.approx([0.5, 0.5, 0], abs=1e-14)


@pytest.mark.parametrize("ranks", [[1, 2, 3], [3, 1, 2, 4], [1, 1, 2], [2, 2, 1, 1, 3]])
def test_free_for_alls_are_the_mean_over_untied_pairs(ranks: list[int]) -> None:
    locations = [0.7, -0.2, 1.9, 0.0, -3.0][: len(ranks)]
    pairs = [(i, q) for i, q in itertools.permutations(range(len(ranks)), 2) if ranks[i] < ranks[q]]
    chances = [chance(locations[i] - locations[q], Fixed()) for i, q in pairs]
    found = scores(locations, ranks)
    assert (found[SCORED], found[DECIDED]) == (1, 1)
    assert found[LOG_LOSS] == pytest.approx(math.fsum(-math.log(p) for p in chances) / len(pairs), rel=1e-9)
    assert found[BRIER] == pytest.approx(math.fsum((1 - p) ** 2 for p in chances) / len(pairs), rel=1e-9)
    assert found[RIGHT] == pytest.approx(sum(p > 0.5 for p in chances) / len(pairs), rel=1e-12)


def test_a_free_for_all_without_order_says_nothing() -> None:
    assert scores([3.0, 1.0, 0.0], [1, 1, 1]) == empty(Fixed(), 1).scores.tolist()
    # Two who tie say something: each should have scored one half.
    assert scores([3.0, 1.0], [1, 1])[SCORED] == 1


def bins(found: Sequence[float]) -> list[list[float]]:
    return [list(found[FIRST_BIN + 3 * place : FIRST_BIN + 3 * place + 3]) for place in range(BINS)]


@pytest.mark.parametrize(
    ("p", "first"), [(0.5, 5), (0.55, 5), (0.61, 6), (0.99, 9), (0.05, 0), (0.1000001, 1), (0.4999, 4)]
)
def test_a_prediction_counts_half_for_each_side_in_its_tenth(p: float, first: int) -> None:
    found = bins(scores([math.log(p / (1 - p)), 0], [1, 2]))
    expected = [[0.0] * 3 for _ in range(BINS)]
    for place, chance_, result in ((first, p, 1.0), (int((1 - p) * BINS), 1 - p, 0.0)):
        for column, value in enumerate((0.5, 0.5 * chance_, 0.5 * result)):
            expected[place][column] += value
    assert list(itertools.chain(*found)) == pytest.approx(list(itertools.chain(*expected)), rel=1e-9)


def test_bins_of_a_match_weigh_one_altogether() -> None:
    for ranks in ([1, 2], [1, 1], [1, 2, 2], [4, 3, 2, 1]):
        found = np.array(bins(scores([0.4, 0.1, -0.8, 2.0][: len(ranks)], ranks)))
        assert found[:, 0].sum() == pytest.approx(1, rel=1e-12)
        assert found[:, 1].sum() == pytest.approx(0.5, rel=1e-12)
        assert found[:, 2].sum() == pytest.approx(0.5, rel=1e-12)


def test_scores_add_up_and_predict_before_they_update() -> None:
    """Elo's second match of the same two is predicted from the first: log-loss by hand."""
    elo, table = create("elo"), empty(create("elo"), 2)
    rated(elo, [match([1, 2]), match([1, 2])], table)
    second = 1 / (1 + 10 ** (-32 / 400))
    assert table.scores[LOG_LOSS] == pytest.approx(math.log(2) - math.log(second), rel=1e-9)
    assert (table.scores[SCORED], table.scores[DECIDED]) == (2, 2)
    # A first match is a coin toss, which is half right.
    assert table.scores[RIGHT] == 1.5


def test_forecasts_that_are_right_on_average_are_calibrated() -> None:
    draw = np.random.default_rng(5)
    locations = draw.normal(0, 1.5, 200)
    system, table = forecast(locations.tolist())
    matches = []
    for _ in range(20_000):
        one, other = draw.choice(200, 2, replace=False).tolist()
        wins = draw.random() < chance(locations[one] - locations[other], system)
        matches.append(match([1, 2] if wins else [2, 1], 0, [one, other]))
    rated(system, matches, table)
    weight, said, seen = np.array(bins(table.scores.tolist())).T
    assert weight.sum() == pytest.approx(20_000)
    assert np.abs(said / weight - seen / weight).max() < 0.03
