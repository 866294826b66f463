"""Codeforces's contest rating: its steps written plainly, the library that was ported, and an honest deviation."""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.optimize import brentq

from service.columns import Floats, lay_out
from service.match import Match, Side
from service.rate import empty, rate
from service.ratings import create
from service.ratings.codeforces import RATING

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import elo_mmr_py

SLOPE = math.log(10) / 400


def match(ranks: Sequence[int], **more: float) -> Match:
    sides = tuple(Side((str(row),), rank=rank) for row, rank in enumerate(ranks))
    return Match("1", "pool", 0, sides, **more)  # type: ignore[arg-type]  # weight alone is given


def after(ratings: Floats, ranks: Sequence[int], **more: float) -> tuple[Floats, Floats]:
    system = create("codeforces")
    table = empty(system, len(ratings))
    table.skills[:, RATING] = ratings
    rate(system, lay_out([match(ranks, **more)], range(len(ranks))), table)
    return system.view(table.skills, table.pool, np.zeros(len(ratings)))


def plain(ratings: Floats, ranks: Sequence[int]) -> tuple[Floats, Floats]:
    """Half of the way to the rating whose seed is aimed at, before and after (a) and (b); all sides one by one."""
    sides, rank = len(ratings), np.array(ranks)

    def seed(rating: float) -> float:
        return 0.5 + float((1 / (1 + 10 ** ((rating - ratings) / 400))).sum())

    halves = np.empty(sides)
    for i, rating in enumerate(ratings):
        place = (rank < rank[i]).sum() + ((rank == rank[i]).sum() + 1) / 2
        aim = math.sqrt(seed(float(rating)) * place)
        halves[i] = (brentq(lambda r, aim=aim: seed(r) - aim, -2e4, 2e4, xtol=1e-11) - rating) / 2
    moves = halves - halves.sum() / sides - 1
    best = np.argsort(-ratings, kind="stable")[: min(sides, 4 * round(math.sqrt(sides)))]
    return halves, moves + min(max(-moves[best].sum() / len(best), -10.0), 0.0)


def contest(sides: int) -> tuple[Floats, list[int]]:
    draw = np.random.default_rng(sides)
    place = draw.integers(0, max(2, sides // 3), sides)
    return draw.normal(1500, 300, sides), (1 + (place[:, None] > place).sum(axis=1)).tolist()


@pytest.mark.parametrize("sides", [2, 3, 40, 64, 65, 400])
def test_the_steps_one_by_one(sides: int) -> None:
    ratings, ranks = contest(sides)
    moved = after(ratings, ranks)[0] - ratings
    assert moved == pytest.approx(plain(ratings, ranks)[1], abs=1e-6)


def test_published_figures_before_the_adjustments() -> None:
    """The library takes half of the way as it is; Codeforces moves all by (a) and (b) as well."""
    halves, moves = plain(np.full(4, 1500.0), [1, 2, 2, 4])
    assert 1500 + halves == pytest.approx([1586.266395, 1500, 1500, 1440.222526], abs=1e-6)
    assert moves.sum() == pytest.approx(-4)
    assert after(np.full(4, 1500.0), [1, 2, 2, 4])[0] == pytest.approx(1500 + moves, rel=1e-12)


def test_contests_are_those_of_the_library_but_for_the_adjustments() -> None:
    draw = np.random.default_rng(2)
    theirs = elo_mmr_py.Rater("cfsys")
    for number in range(4):
        before = {name: one.mu for name, one in theirs.ratings.items()}
        ratings = np.array([before.get(str(row), 1500.0) for row in range(50)])
        ranks = 1 + draw.permutation(50)
        order = np.argsort(ranks)
        theirs.add(
            elo_mmr_py.Contest([(str(row), place, place) for place, row in enumerate(order)], time_seconds=number)
        )
        halves = plain(ratings, ranks.tolist())[0]
        assert [theirs.ratings[str(row)].mu for row in range(50)] == pytest.approx(ratings + halves, abs=1e-6)


def test_points_of_a_contest() -> None:
    """(a) alone in small contests; in large ones (b) lets the best gain nothing together."""
    ratings, ranks = contest(12)
    assert (after(ratings, ranks)[0] - ratings).sum() == pytest.approx(-12)
    ratings = np.sort(contest(400)[0])[::-1]
    moved = after(ratings, list(range(1, 401)))[0] - ratings
    assert -4400.001 <= moved.sum() <= -400
    ties = after(np.full(30, 1500.0), [1] * 30)[0]
    assert ties == pytest.approx([1499.0] * 30)


def test_a_team_plays_with_its_mean_and_moves_as_one() -> None:
    system, ratings = create("codeforces"), np.array([1700.0, 1400.0, 1500.0])
    table = empty(system, 3)
    table.skills[:, RATING] = ratings
    one = Match("1", "pool", 0, (Side(("0", "1"), rank=2), Side(("2",), rank=1)))
    rate(system, lay_out([one], range(3)), table)
    moves = plain(np.array([1550.0, 1500.0]), [2, 1])[1]
    assert table.skills[:, RATING] - ratings == pytest.approx([moves[0], moves[0], moves[1]], abs=1e-9)


def test_weights_go_part_of_the_way() -> None:
    ratings, ranks = contest(10)
    whole = after(ratings, ranks)[0] - ratings
    for weight, share in ((0.5, 2 / 3), (1.0, 1.0), (3.0, 1.5)):
        assert after(ratings, ranks, weight=weight)[0] - ratings == pytest.approx(share * whole, rel=1e-9)


def test_deviation_says_how_far_off_ratings_are() -> None:
    """Skills that hold still, performances that scatter as the link has it: 200 players in contests of 100."""
    draw, system, players = np.random.default_rng(9), create("codeforces"), 200
    truth = draw.normal(1500, 350, players)
    table, ratios = empty(system, players), []
    for number in range(1, 41):
        taking = draw.permutation(players)[:100]
        shown = truth[taking] + draw.gumbel(0, 1 / SLOPE, 100)
        ranks = 1 + np.argsort(np.argsort(-shown))
        sides = tuple(Side((str(row),), rank=int(rank)) for row, rank in zip(taking, ranks, strict=True))
        rate(system, lay_out([Match("1", "pool", 0, sides)], taking.tolist()), table)
        rating, deviation = system.view(table.skills, table.pool, np.zeros(players))
        # Contests take points away, from all alike; only gaps mean anything.
        error = rating - rating.mean() - truth + truth.mean()
        if number in (2, 10, 40):
            ratios.append(float((error**2).sum() / (deviation**2).sum()))
    assert [0.6 < ratio < 1.7 for ratio in ratios] == [True] * 3, ratios
