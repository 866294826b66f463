"""TrueSkill against the library's published figures, the library itself, exact integration, and where it gives up."""

import csv
import math
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_ndtr, ndtr, ndtri

from service.columns import lay_out
from service.match import Match, Side
from service.problems import Problem
from service.rate import empty, rate
from service.ratings import Expected, create, unexpected
from service.ratings.trueskill import TrueSkill
from tests.property.scenes import bout, laid

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import trueskill as library

Rating = tuple[float, float]
NEW: Rating = (25.0, 25 / 3)


class Played(NamedTuple):
    skills: npt.NDArray[np.float64]
    expected: Expected


def play(
    sides: Sequence[Sequence[Rating]],
    ranks: Sequence[int],
    *,
    rest: float = 0.0,
    weight: float = 1.0,
    at_home: int | None = None,
    **given: Any,
) -> Played:
    """Everybody's rating and deviation after one match, and what was expected of it."""
    system = create("trueskill", given)
    skills = np.array([player for side in sides for player in side])
    names = iter(range(len(skills)))
    named = tuple(
        Side(tuple(str(next(names)) for _ in side), rank=rank) for side, rank in zip(sides, ranks, strict=True)
    )
    columns = lay_out([Match("1", "pool", 0, named, weight=weight, home=at_home)], range(len(skills)))
    expected = unexpected(columns)
    system.update(columns, np.full(len(skills), float(rest)), skills, system.opening(), expected)
    return Played(skills, expected)


def library_rates(sides: Sequence[Sequence[Rating]], ranks: Sequence[int], **given: float) -> npt.NDArray[np.float64]:
    """The library with exact tails in place of its own, which are good to 1e-7, and to its tightest."""
    exact = library.TrueSkill(
        backend=(
            lambda x, mu=0.0, sigma=1.0: float(ndtr((x - mu) / sigma)),
            lambda x, mu=0.0, sigma=1.0: math.exp(-(((x - mu) / sigma) ** 2) / 2) / math.sqrt(2 * math.pi),
            lambda p, mu=0.0, sigma=1.0: float(ndtri(p)),
        ),
        **given,
    )
    groups = [[library.Rating(*player) for player in side] for side in sides]
    return np.array([(one.mu, one.sigma) for side in exact.rate(groups, ranks, min_delta=1e-12) for one in side])


@pytest.mark.parametrize(
    ("sizes", "ranks", "figures"),
    [
        ((1, 1), (1, 2), ((29.396, 7.171), (20.604, 7.171))),
        ((1, 1), (1, 1), ((25.0, 6.458), (25.0, 6.458))),
        ((2, 2), (1, 2), ((28.108, 7.774), (21.892, 7.774))),
        ((2, 2), (1, 1), ((25.0, 7.455), (25.0, 7.455))),
        ((4, 4), (1, 2), ((27.198, 8.059), (22.802, 8.059))),
        ((1, 2), (1, 2), ((33.730, 7.317), (16.270, 7.317))),
        ((1, 2), (1, 1), ((31.660, 7.138), (18.340, 7.138))),
        ((1, 3), (1, 2), ((36.337, 7.527), (13.663, 7.527))),
        ((1, 7), (1, 2), ((40.582, 7.917), (9.418, 7.917))),
        ((1, 1, 1), (1, 2, 3), ((31.675, 6.656), (25.0, 6.208), (18.325, 6.656))),
        ((1,) * 4, range(1, 5), ((33.207, 6.348), (27.401, 5.787), (22.599, 5.787), (16.793, 6.348))),
        (
            (1,) * 5, range(1, 6),
            ((34.363, 6.136), (29.058, 5.536), (25.0, 5.420), (20.942, 5.536), (15.637, 6.136)),
        ),
        (
            (1,) * 8, range(1, 9),
            (
                (36.771, 5.749), (32.242, 5.133), (29.074, 4.943), (26.322, 4.874),
                (23.678, 4.874), (20.926, 4.943), (17.758, 5.133), (13.229, 5.749),
            ),
        ),
    ],
)  # fmt: skip
def test_published_figures(sizes: Sequence[int], ranks: Sequence[int], figures: Sequence[Rating]) -> None:
    """From the tests and pages of the library, and the Microsoft example of eight; every player of a side is alike."""
    skills = play([[NEW] * size for size in sizes], list(ranks)).skills
    starts = np.cumsum([0, *sizes[:-1]])
    assert skills == pytest.approx(np.repeat(np.array(figures), sizes, axis=0), abs=1e-3)
    assert (skills[starts] == skills[starts + np.array(sizes) - 1]).all()


def test_further_published_figures() -> None:
    often = play([[NEW], [NEW]], [1, 2], draw_probability=0.5).skills
    assert often == pytest.approx(np.array([(30.267, 7.077), (19.733, 7.077)]), abs=1e-3)
    sixteen = play([[NEW]] * 16, range(1, 17)).skills
    assert sixteen[[0, 15]] == pytest.approx(np.array([(40.539, 5.276), (9.461, 5.276)]), abs=1e-3)
    upset = play([[NEW], [(50.0, 12.5)]], [1, 1]).skills
    assert upset == pytest.approx(np.array([(31.662, 7.137), (35.010, 7.910)]), abs=1e-3)


def made_up(draw: np.random.Generator, *, tied: bool) -> tuple[list[list[Rating]], list[int]]:
    """A match in the order of places, tied sides strongest first, as they are taken here."""
    count = int(draw.integers(2, 7))
    sides = [
        [(float(draw.normal(25, 8)), float(draw.uniform(0.5, 10))) for _ in range(draw.integers(1, 4))]
        for _ in range(count)
    ]
    ranks = (draw.integers(1, 4, count) if tied else draw.permutation(count) + 1).tolist()
    order = sorted(range(count), key=lambda side: (ranks[side], -sum(rating for rating, _ in sides[side])))
    return [sides[side] for side in order], [ranks[side] for side in order]


@pytest.mark.parametrize("tied", [False, True])
def test_library_agrees(tied: bool) -> None:
    draw = np.random.default_rng(21)
    for _ in range(60):
        sides, ranks = made_up(draw, tied=tied)
        given: dict[str, Any] = {"beta": float(draw.uniform(2, 8)), "tau": float(draw.choice([0.0, 0.3]))}
        given["draw_probability"] = float(draw.choice([0.02, 0.1, 0.4]))
        theirs = library_rates(sides, ranks, **given)
        assert play(sides, ranks, **given).skills == pytest.approx(theirs, rel=1e-8)


def test_library_as_it_comes_agrees_to_its_tolerance() -> None:
    draw, plain = np.random.default_rng(22), library.TrueSkill()
    for place in range(30):
        sides, ranks = made_up(draw, tied=place % 2 == 0)
        groups = [[library.Rating(*player) for player in side] for side in sides]
        theirs = np.array([(one.mu, one.sigma) for side in plain.rate(groups, ranks) for one in side])
        assert play(sides, ranks).skills == pytest.approx(theirs, abs=2e-4)


def test_listing_of_tied_sides_does_not_matter_here() -> None:
    """The library's answer depends on it by two hundredths of a point, and its published figures are one of two."""
    first = [(40.0, 4.0), (45.0, 3.0)]
    second = [(20.0, 7.0), (19.0, 6.0), (30.0, 9.0), (10.0, 4.0)]
    third = [(50.0, 5.0), (30.0, 2.0)]
    published = [
        (40.877, 3.840), (45.493, 2.934), (19.609, 6.396), (18.712, 5.625),
        (29.353, 7.673), (9.872, 3.891), (48.830, 4.590), (29.813, 1.976),
    ]  # fmt: skip
    listed, turned = library_rates([first, second, third], [1, 2, 2]), library_rates([first, third, second], [1, 2, 2])
    turned = turned[[0, 1, 4, 5, 6, 7, 2, 3]]
    assert listed == pytest.approx(np.array(published), abs=1e-3)
    assert np.abs(turned - listed).max() > 0.02
    one = play([first, second, third], [1, 2, 2]).skills
    other = play([first, third, second], [1, 2, 2]).skills
    assert one.tolist() == other[[0, 1, 4, 5, 6, 7, 2, 3]].tolist()
    # The third side is the stronger one (80 against 79), so it stands first.
    assert one == pytest.approx(turned, rel=1e-9)


def test_sides_that_are_alike_share_their_places() -> None:
    """Of three equal sides that tie the library takes the middle one for better known; all three were listed."""
    theirs = library_rates([[NEW]] * 3, [1, 1, 1])
    assert theirs[:, 1] == pytest.approx([5.698, 5.695, 5.698], abs=1e-3)
    ours = play([[NEW]] * 3, [1, 1, 1]).skills
    assert ours[:, 0].tolist() == [25.0] * 3
    assert len(set(ours[:, 1])) == 1
    information = (1 / theirs[:, 1] ** 2).mean()
    assert ours[0, 1] == pytest.approx(1 / math.sqrt(information), rel=1e-4)
    # Alike as sides, whatever their players: the side is what shares.
    pair = [(20.0, 3.0), (30.0, 4.0)]
    mixed = play([pair, pair[::-1], [(26.0, 5.0)]], [1, 1, 2]).skills
    assert mixed[:2].tolist() == mixed[[3, 2]].tolist()


def test_chain_against_integration() -> None:
    """Three performances in order by exact moments: expectation propagation is near, not equal, with three sides."""
    mean, spread = np.array([24.0, 27.0, 22.0]), np.array([3.0, 5.0, 4.0])
    margin = float(ndtri(0.55)) * math.sqrt(2) * 25 / 6
    noise = (25 / 6) ** 2
    draw = np.random.default_rng(3)
    skill = draw.normal(mean, spread, (500_000, 3))
    seen = draw.normal(skill, math.sqrt(noise))
    kept = skill[(seen[:, 0] > seen[:, 1] + margin) & (np.abs(seen[:, 1] - seen[:, 2]) < margin)]
    found = play([[(m, s)] for m, s in zip(mean, spread, strict=True)], [1, 2, 2], tau=0).skills
    assert found[:, 0] == pytest.approx(kept.mean(axis=0), abs=0.06)
    assert found[:, 1] == pytest.approx(kept.std(axis=0), abs=0.06)


@given(
    mine=st.floats(-50, 100), other=st.floats(-50, 100), known=st.floats(0.5, 50), less=st.floats(0.5, 50),
    draws=st.floats(0, 0.99), team=st.integers(1, 4),
)  # fmt: skip
@settings(deadline=None, max_examples=200)
def test_two_sides_are_the_closed_form(
    mine: float, other: float, known: float, less: float, draws: float, team: int
) -> None:
    """Win, tie and loss in this order never raise the rating; each is the paper's closed form."""
    sides = [[(mine, known)], [(other / team, less)] * team]
    n, beta = 1 + team, 25 / 6
    c = math.sqrt(known**2 + team * less**2 + n * beta**2)
    x, e = (mine - other / team * team) / c, float(ndtri((1 + draws) / 2)) * math.sqrt(n) * beta / c
    after = [play(sides, ranks, tau=0, draw_probability=draws).skills for ranks in ((1, 2), (1, 1), (2, 1))]
    for skills, sign in ((after[0], 1), (after[2], -1)):
        v = math.exp(-0.5 * (sign * x - e) ** 2 - 0.5 * math.log(2 * math.pi) - log_ndtr(sign * x - e))
        assert skills[0, 0] == pytest.approx(mine + sign * known**2 / c * v, rel=1e-9, abs=1e-9)
        assert skills[1, 0] == pytest.approx(other / team - sign * less**2 / c * v, rel=1e-9, abs=1e-9)
        if sign * x - e > -4:
            variance = known**2 * (1 - known**2 / c**2 * v * (v + sign * x - e))
            assert skills[0, 1] ** 2 == pytest.approx(variance, rel=1e-9)
    for row in after:
        assert (row[:, 1] <= np.array([known, *[less] * team]) * (1 + 1e-12)).all()
    leeway = 1e-9 * (1 + abs(mine))
    assert after[0][0, 0] >= after[1][0, 0] - leeway
    assert after[1][0, 0] >= after[2][0, 0] - leeway


def test_a_big_upset_is_finite() -> None:
    """Where the library divides 0 by 0; two players who are known to one point, 785 points apart."""
    with pytest.raises(FloatingPointError):
        library.rate_1vs1(library.Rating(1253.2, 1.32), library.Rating(2038.3, 1.14))
    skills = play([[(1253.2, 1.32)], [(2038.3, 1.14)]], [1, 2]).skills
    variances = np.array([1.32**2, 1.14**2]) + (25 / 300) ** 2
    spread = variances.sum() + 2 * (25 / 6) ** 2
    # The gap was at least the draw margin, and so far out hardly more.
    margin = float(ndtri(0.55)) * math.sqrt(2) * 25 / 6
    moves = variances / spread * (2038.3 - 1253.2 + margin)
    assert skills[:, 0] == pytest.approx([1253.2 + moves[0], 2038.3 - moves[1]], rel=1e-4)
    assert skills[:, 1] == pytest.approx(np.sqrt(variances * (1 - variances / spread)), rel=1e-3)


@pytest.mark.parametrize("rank", [[1, 2], [1, 1]])
def test_the_bigger_the_upset_the_bigger_the_move(rank: list[int]) -> None:
    gaps = [0.0, 10.0, 100.0, 174.5, 1e3, 1e4, 1e6]
    moves = [play([[(0.0, 2.0)], [(gap, 2.0)]], rank).skills[0] for gap in gaps]
    assert np.isfinite(moves).all()
    assert (np.diff([mean for mean, _ in moves]) > 0).all()
    assert all(0 < deviation < 2.01 for _, deviation in moves)


def test_a_chain_of_upsets_is_finite() -> None:
    for draws in (0.0, 0.1, 0.99):
        sides = [[(1e4 * place, 300.0 / (1 + place % 7))] for place in range(60)]
        skills = play(sides, range(1, 61), draw_probability=draws).skills
        assert np.isfinite(skills).all()
        assert (skills[:, 1] > 0).all()
        assert skills[0, 0] > 0


def test_win_tie_and_loss_are_what_is_expected() -> None:
    sides = [[(30.0, 2.0), (20.0, 5.0)], [(33.0, 4.0)]]
    ways = [play(sides, ranks, at_home=1, home=3).expected for ranks in ((1, 2), (1, 1))]
    location, variance, zone = ways[0]
    assert [column.tolist() for column in ways[1]] == [location.tolist(), variance.tolist(), zone.tolist()]
    assert location.tolist() == [50.0, 36.0]
    beta, tau = (25 / 6) ** 2, (25 / 300) ** 2
    assert variance == pytest.approx([29 + 2 * (beta + tau), 16 + beta + tau], rel=1e-12)
    margin = library.calc_draw_margin(0.1, 3, library.TrueSkill())
    assert zone[0] == pytest.approx(margin / math.sqrt(variance.sum()), rel=1e-6)
    assert math.isnan(play([[NEW]] * 3, [1, 2, 3]).expected.zone[0])
    # Skills that are equal and known tie as often as the parameter says.
    known = play([[(25.0, 1e-9)]] * 2, [1, 2], tau=0, draw_probability=0.3).expected.zone[0]
    assert 2 * ndtr(known) - 1 == pytest.approx(0.3, rel=1e-9)


def test_home_is_points() -> None:
    host = play([[(25.0, 3.0)], [(25.0, 4.0)]], [1, 2], at_home=0, home=2).skills
    lifted = play([[(27.0, 3.0)], [(25.0, 4.0)]], [1, 2]).skills
    assert host + np.array([(2, 0), (0, 0)]) == pytest.approx(lifted, rel=1e-12)


def test_weight_counts_what_a_player_is_told() -> None:
    """The same told twice over: precision and precision times mean of the match, doubled."""
    sides = [[(25.0, 5.0), (20.0, 3.0)], [(24.0, 6.0)], [(30.0, 2.0)]]
    before = np.array([player for side in sides for player in side])
    once, twice = (play(sides, [2, 1, 3], weight=weight, tau=0).skills for weight in (1, 2))
    gained = 1 / once[:, 1] ** 2 - 1 / before[:, 1] ** 2
    assert 1 / twice[:, 1] ** 2 == pytest.approx(1 / before[:, 1] ** 2 + 2 * gained, rel=1e-9)
    pulled = once[:, 0] / once[:, 1] ** 2 - before[:, 0] / before[:, 1] ** 2
    assert twice[:, 0] / twice[:, 1] ** 2 == pytest.approx(before[:, 0] / before[:, 1] ** 2 + 2 * pulled, rel=1e-9)


def test_rest_is_grown_when_read_and_when_played() -> None:
    system = create("trueskill", {"gamma": 0.1, "tau": 0})
    rating, deviation = system.view(np.array([[30.0, 2.0]] * 3), system.opening(), np.array([0.0, 300.0, 1e6]))
    assert rating.tolist() == [30.0] * 3
    assert deviation.tolist() == [2.0, math.sqrt(4 + 300 * (0.1 * 0.1)), math.sqrt(4 + 1e6 * (0.1 * 0.1))]
    rested = play([[(30.0, 2.0)], [(30.0, 2.0)]], [1, 2], rest=300, gamma=0.1, tau=0).skills
    wider = play([[(30.0, float(deviation[1]))], [(30.0, float(deviation[1]))]], [1, 2], gamma=0.1, tau=0).skills
    assert rested == pytest.approx(wider, rel=1e-12)
    kept = create("trueskill", {"preset": "trueskill"}).view(np.array([[30.0, 0.8]]), np.empty(0), np.array([3650.0]))
    assert kept[1][0] == pytest.approx(0.8, abs=3e-5)


def test_a_match_may_unsettle_by_tau_at_most() -> None:
    """Which is why no shrinking is promised: the library is the same."""
    sides = [[(60.0, 1.0)], [(0.0, 1.0)]]
    ours, theirs = play(sides, [1, 2]).skills, library_rates(sides, [1, 2])
    assert ours[:, 1] == pytest.approx(theirs[:, 1], rel=1e-9)
    assert ours[:, 1] == pytest.approx([math.sqrt(1 + (25 / 300) ** 2)] * 2, rel=1e-9)


def test_a_better_place_may_cost_in_a_chain() -> None:
    """Which is why it is not promised: the library is the same. With two sides it never does."""
    first, other, last = [(20.0, 8.0)], [(20.0, 25.0)], [(30.0, 1.0)]
    given: dict[str, Any] = {"tau": 0.0, "draw_probability": 0.9}
    tied, parted = play([first, other, last], [1, 1, 2], **given), play([other, first, last], [1, 2, 3], **given)
    assert parted.skills[1, 0] > tied.skills[0, 0] + 2
    assert tied.skills == pytest.approx(library_rates([first, other, last], [1, 1, 2], **given), rel=1e-8)
    assert parted.skills == pytest.approx(library_rates([other, first, last], [1, 2, 3], **given), rel=1e-8)


def test_log_loss_is_the_library_s(data: Path) -> None:
    """Matches of two that were played by real people, in order."""
    with (data / "halo2_head_to_head.csv").open() as file:
        rows = list(islice(csv.DictReader(file), 1_500))
    names: dict[str, int] = {}
    pairs = [[names.setdefault(row[key], len(names)) for key in ("player_1", "player_2")] for row in rows]
    gaps = [float(row["score_1"]) - float(row["score_2"]) for row in rows]
    matches = [
        bout([[one], [other]], [1 + (gap < 0), 1 + (gap > 0)], 0) for (one, other), gap in zip(pairs, gaps, strict=True)
    ]
    system = TrueSkill()
    losses = rate(system, laid(matches), empty(system, len(names))).two_way
    known = [library.Rating() for _ in names]
    margin, total = library.calc_draw_margin(0.1, 2, library.TrueSkill()), 0.0
    for (one, other), gap in zip(pairs, gaps, strict=True):
        c = math.sqrt(2 * (25 / 6) ** 2 + known[one].sigma ** 2 + known[other].sigma ** 2)
        won, lost = (float(ndtr((way * (known[one].mu - known[other].mu) - margin) / c)) for way in (1, -1))
        chance, result = won + 0.5 * (1 - won - lost), 0.5 if gap == 0 else float(gap > 0)
        total -= result * math.log(chance) + (1 - result) * math.log(1 - chance)
        if gap < 0:
            known[other], known[one] = library.rate_1vs1(known[other], known[one])
        else:
            known[one], known[other] = library.rate_1vs1(known[one], known[other], drawn=gap == 0)
    assert losses.mean() == pytest.approx(total / len(rows), abs=5e-5)
    assert losses.mean() < 0.66


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("mu", [-1e6, "0", 1500], [-1.1e6, 1.1e6, "nan", "many", None]),
        ("sigma", [0.1, 1e4], [0, 1.1e4, "nan"]),
        ("beta", [0.1, 1e4], [0, 1.1e4, "nan"]),
        ("tau", [0, 1000], [-1, 1001, "nan"]),
        ("gamma", [1e-4, 1000], [0, 1001, "nan"]),
        ("draw_probability", [0, 0.99], [-0.1, 1, "nan"]),
        ("home", [-1e4, 1e4], [-1.1e4, 1.1e4, "nan"]),
    ],
)
def test_parameters(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(create("trueskill", {name: value}), name) == float(value)
    for value in bad:
        with pytest.raises(Problem) as caught:
            create("trueskill", {name: value})
        assert caught.value.type.slug == "invalid_parameter"
        assert name in caught.value.detail
