"""K-wise Thurstone against the paper's update, a well-known library's same pairs, and simulated skills."""

import csv
import math
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from service.match import Side
from service.problems import Problem
from service.rate import empty, rate
from service.ratings import create, unexpected
from service.ratings.normal import above
from service.ratings.thurstone_k import ThurstoneK
from tests.property.scenes import bout, laid

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from openskill.models import ThurstoneMostellerFull

Rating = tuple[float, float]
NEW: Rating = (25.0, 25 / 3)
BETA = 25 / 6


def play(players: Sequence[Rating], ranks: Sequence[int], **given: Any) -> npt.NDArray[np.float64]:
    """Everybody's rating and deviation after one match."""
    more = {key: given.pop(key) for key in ("weight", "home") if key in given}
    system = create("thurstone_k", given)
    skills = np.array(players)
    columns = laid([bout([[row] for row in range(len(players))], ranks, 0, **more)])
    system.update(columns, np.zeros(len(players)), skills, system.opening(), unexpected(columns))
    return skills


def published(players: Sequence[Rating], ranks: Sequence[int]) -> tuple[list[float], list[float]]:
    """Each mean and the bracket that each variance is multiplied by, as the paper prints them."""
    means, brackets = [], []
    for i, (mean, deviation) in enumerate(players):
        move, bracket = 0.0, 1.0
        for q, (other, unsure) in enumerate(players):
            if q != i:
                c = math.sqrt(2 * BETA**2 + deviation**2 + unsure**2)
                sign = 1 if ranks[i] < ranks[q] else -1
                v, w = above(sign * (mean - other) / c)
                move += sign * v / c
                bracket -= deviation**2 / c**2 * w
        means.append(mean + deviation**2 * move)
        brackets.append(bracket)
    return means, brackets


def share(players: Sequence[Rating], i: int) -> float:
    """How often each pair of a player counts: the variance of a mean of results that correlate alike."""
    own = BETA**2 + players[i][1] ** 2
    parts = [own / (own + BETA**2 + unsure**2) for q, (_, unsure) in enumerate(players) if q != i]
    return 1 / (1 + (len(parts) - 1) * 2 / math.pi * math.asin(np.mean(parts)))


def test_the_paper_loses_its_variance_and_this_does_not() -> None:
    for count, figure in ((2, 0.7454), (3, 0.4907), (4, 0.2361), (5, -0.0186), (6, -0.2732)):
        means, brackets = published([NEW] * count, range(count))
        assert brackets == pytest.approx([figure] * count, abs=5e-5)
        found = play([NEW] * count, range(1, count + 1))
        # What the pairs say, three of so many players and one more times.
        assert found[:, 0] - 25 == pytest.approx((np.array(means) - 25) * 3 / (count + 1), rel=1e-12, abs=1e-12)
        kept = found[:, 1] ** 2 / NEW[1] ** 2
        assert kept == pytest.approx(1 - (1 - np.array(brackets)) * 3 / (count + 1), rel=1e-12)
        assert (kept > 0.3).all()
    means, brackets = published([NEW] * 4, range(4))
    assert means == pytest.approx([37.615663, 29.205221, 20.794779, 12.384337], abs=1e-6)
    assert NEW[1] * math.sqrt(brackets[0]) == pytest.approx(4.048802, abs=1e-6)


def test_two_players_are_as_published() -> None:
    assert play([NEW] * 2, [1, 2])[0] == pytest.approx([29.2052208700, 7.1944813488], rel=1e-11)
    draw = np.random.default_rng(4)
    for _ in range(100):
        players = [(float(draw.normal(25, 10)), float(draw.uniform(0.1, 12))) for _ in range(2)]
        means, brackets = published(players, [2, 1])
        found = play(players, [2, 1])
        assert found[:, 0] == pytest.approx(means, rel=1e-12)
        assert found[:, 1] == pytest.approx([d * math.sqrt(b) for (_, d), b in zip(players, brackets, strict=True)])


def test_a_library_with_the_same_pairs_agrees() -> None:
    """Weng and Lin's Thurstone-Mosteller without margin, damping and drift; without a margin it has no ties."""
    library = ThurstoneMostellerFull(epsilon=0.0, tau=0.0, gamma=lambda *_: 1.0)
    draw = np.random.default_rng(5)
    for _ in range(40):
        count = int(draw.integers(2, 5))
        players = [(float(draw.normal(25, 6)), float(draw.uniform(0.5, 5))) for _ in range(count)]
        ranks = (draw.permutation(count) + 1).tolist()
        rated = library.rate([[library.rating(*player)] for player in players], ranks=ranks)
        theirs, before = np.array([(side[0].mu, side[0].sigma) for side in rated]), np.array(players)
        shares = np.array([share(players, i) for i in range(count)])
        found = play(players, ranks)
        assert found[:, 0] - before[:, 0] == pytest.approx(shares * (theirs[:, 0] - before[:, 0]), rel=1e-9)
        taken = 1 - theirs[:, 1] ** 2 / before[:, 1] ** 2
        assert 1 - found[:, 1] ** 2 / before[:, 1] ** 2 == pytest.approx(shares * taken, rel=1e-9)


@given(data=st.data(), beta=st.floats(0.1, 100), count=st.integers(2, 12))
@settings(deadline=None, max_examples=100)
def test_nobody_is_told_more_than_a_performance(data: st.DataObject, beta: float, count: int) -> None:
    players = data.draw(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(0.1, 100)), min_size=count, max_size=count))
    ranks = data.draw(st.lists(st.integers(1, count), min_size=count, max_size=count))
    before, after = np.array(players)[:, 1] ** -2.0, play(players, ranks, beta=beta)[:, 1] ** -2.0
    assert (after >= before * (1 - 1e-12)).all()
    # Rounding counts where a deviation is a thousand times beta.
    assert (after <= (before + beta**-2.0) * (1 + 1e-8)).all()


def test_a_tie_is_a_gap_of_nothing() -> None:
    """Gaussian conditioning on the difference of the two performances."""
    one, other = (30.0, 4.0), (22.0, 6.0)
    spread = 16 + 36 + 2 * BETA**2
    found = play([one, other], [1, 1])
    assert found[:, 0] == pytest.approx([30 - 16 / spread * 8, 22 + 36 / spread * 8], rel=1e-12)
    assert found[:, 1] ** 2 == pytest.approx([16 * (1 - 16 / spread), 36 * (1 - 36 / spread)], rel=1e-12)
    won, lost = play([one, other], [1, 2]), play([one, other], [2, 1])
    assert won[0, 0] > found[0, 0] > lost[0, 0]


def test_weight_and_home() -> None:
    players = [(25.0, 5.0), (28.0, 3.0), (20.0, 7.0)]
    before = np.array(players)
    once, twice = play(players, [3, 1, 2]), play(players, [3, 1, 2], weight=2.0)
    gained = once[:, 1] ** -2 - before[:, 1] ** -2
    assert twice[:, 1] ** -2 == pytest.approx(before[:, 1] ** -2 + 2 * gained, rel=1e-12)
    # Among equals the mean goes by the same; the precision of what was told, times where it says that the skill is.
    once, twice = play([NEW] * 2, [1, 2]), play([NEW] * 2, [1, 2], weight=2.0)
    assert (twice[:, 0] - 25) / twice[:, 1] ** 2 == pytest.approx(2 * (once[:, 0] - 25) / once[:, 1] ** 2, rel=1e-12)
    once = play(players, [3, 1, 2])
    host = play(players, [3, 1, 2], home=0)
    assert host.tolist() == once.tolist()
    system = ThurstoneK(home=2.0)
    columns = laid([bout([[0], [1], [2]], [3, 1, 2], 0, home=0)])
    skills, expected = before.copy(), unexpected(columns)
    system.update(columns, np.zeros(3), skills, system.opening(), expected)
    lifted = play([(27.0, 5.0), *players[1:]], [3, 1, 2])
    assert skills == pytest.approx(lifted - [[2, 0], [0, 0], [0, 0]], rel=1e-12)
    assert expected.location.tolist() == [27.0, 28.0, 20.0]
    assert expected.variance == pytest.approx(before[:, 1] ** 2 + BETA**2, rel=1e-12)
    assert np.isnan(expected.zone).all()


def test_upsets_are_finite_and_grow() -> None:
    moves = [play([(0.0, 2.0), (gap, 2.0), (gap, 1.0)], [1, 2, 3])[0] for gap in (0, 10, 155, 1e4, 1e6)]
    assert np.isfinite(moves).all()
    assert (np.diff([mean for mean, _ in moves]) > 0).all()
    assert all(0 < deviation < 2 for _, deviation in moves)
    field = play([(1e4 * place, 300.0) for place in range(40)], range(1, 41))
    assert np.isfinite(field).all()
    assert (field[:, 1] > 0).all()


@pytest.mark.parametrize(
    ("deviations", "error"),
    [
        ((1.0,) * 2, 0.79),
        ((1.0,) * 4, 0.62),
        ((1.0,) * 16, 0.44),
        ((1.0, *[0.2] * 7), 0.47),
        ((0.2, *[1.0] * 7), 0.95),
    ],
)
def test_deviation_says_what_the_page_states(deviations: Sequence[float], error: float) -> None:
    """The first player after one match, over and over: squared error over stated variance, and over that before."""
    matches, count, draw = 20_000, len(deviations), np.random.default_rng(9)
    system = ThurstoneK(mu=0.0, beta=math.sqrt(0.5))
    skill = draw.normal(0, deviations, (matches, count))
    order = np.argsort(-draw.normal(skill, math.sqrt(0.5)), axis=1)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(1, count + 1)[None, :], axis=1)
    one = laid([bout([[row] for row in range(count)], list(range(1, count + 1)), 0)])
    columns = one._replace(
        side_start=np.arange(0, matches * count + 1, count), player_start=np.arange(matches * count + 1),
        player=np.arange(matches * count), rank=rank.ravel(), score=np.full(matches * count, np.nan),
        home=np.repeat(one.home, matches), weight=np.ones(matches), at=np.zeros(matches, np.int64),
    )  # fmt: skip
    skills = np.column_stack((np.zeros(matches * count), np.tile(deviations, matches)))
    system.update(columns, np.zeros(matches * count), skills, system.opening(), unexpected(columns))
    squared = (skills[::count, 0] - skill[:, 0]) ** 2
    assert squared.mean() / deviations[0] ** 2 == pytest.approx(error, abs=0.02)
    assert squared.mean() / (skills[::count, 1] ** 2).mean() == pytest.approx(1.0, abs=0.03)


def test_log_loss_is_the_paper_s(data: Path) -> None:
    """Decided matches of two that were played by real people, in order, under the update as it is printed."""
    with (data / "halo2_head_to_head.csv").open() as file:
        rows = [row for row in islice(csv.DictReader(file), 2_500) if row["score_1"] != row["score_2"]]
    names: dict[str, int] = {}
    pairs = [[names.setdefault(row[key], len(names)) for key in ("player_1", "player_2")] for row in rows]
    won = [float(row["score_1"]) > float(row["score_2"]) for row in rows]
    matches = [
        bout([[one], [other]], [2 - first, 1 + first], 0) for (one, other), first in zip(pairs, won, strict=True)
    ]
    system = ThurstoneK()
    losses = rate(system, laid(matches), empty(system, len(names))).two_way
    known, total = [NEW] * len(names), 0.0
    for (one, other), first in zip(pairs, won, strict=True):
        players = [known[one], known[other]]
        c = math.sqrt(2 * BETA**2 + players[0][1] ** 2 + players[1][1] ** 2)
        gap = (players[0][0] - players[1][0]) / c
        total -= math.log(ndtr(gap if first else -gap))
        means, brackets = published(players, [1, 2] if first else [2, 1])
        known[one], known[other] = (
            (mean, player[1] * math.sqrt(bracket))
            for mean, player, bracket in zip(means, players, brackets, strict=True)
        )
    assert losses.mean() == pytest.approx(total / len(rows), rel=1e-9)
    assert losses.mean() < 0.65


def test_teams_are_refused() -> None:
    pair = [Side(("ann", "bob"), rank=1), Side(("cid",), rank=2)]
    assert create("thurstone_k").refusal(pair) == "thurstone_k takes at most 1 players a side"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("mu", [-1e6, "0", 1500], [-1.1e6, 1.1e6, "nan", "many", None]),
        ("sigma", [0.1, 1e4], [0, 1.1e4, "nan"]),
        ("beta", [0.1, 1e4], [0, 1.1e4, "nan"]),
        ("home", [-1e4, 1e4], [-1.1e4, 1.1e4, "nan"]),
    ],
)
def test_parameters(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(create("thurstone_k", {name: value}), name) == float(value)
    for value in bad:
        with pytest.raises(Problem) as caught:
            create("thurstone_k", {name: value})
        assert caught.value.type.slug == "invalid_parameter"
        assert name in caught.value.detail
