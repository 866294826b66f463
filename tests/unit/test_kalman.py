"""Kalman against numerical integration, plain root finding, finite differences, simulated truth and real matches."""

import csv
import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit, log_ndtr
from scipy.stats import norm

from service.columns import Floats, Integers, Matches, lay_out
from service.match import Match, Side
from service.problems import Problem
from service.rate import empty, rate
from service.ratings import Expected, RatingSystem, create, unexpected
from service.ratings.kalman import Kalman
from service.ratings.kalman_learn import (
    DRIFT,
    HEADCOUNT,
    HOME,
    MARGIN_SCALE,
    MARGIN_TAILS,
    MARGINS,
    MOST_TAILS,
    SPREAD,
    ZONE,
)
from service.ratings.kalman_sides import MOST_EXACT, learn_places
from service.score import Losses
from standings.files.rows import Rows
from standings.files.source import Source
from tests.property.scenes import bits

UNIT = 290.0
YEAR = 365.25


def named(sides: Sequence[Sequence[int]], places: Sequence[float], *, scored: bool = False, **more: Any) -> Match:
    """A match of players who are named by their rows, with places or points."""
    return Match(
        "1",
        "pool",
        0,
        tuple(
            Side(tuple(map(str, rows)), **({"score": float(place)} if scored else {"rank": int(place)}))
            for rows, place in zip(sides, places, strict=True)
        ),
        **more,
    )


def played(system: RatingSystem, matches: Sequence[Match], skills: Floats, pool: Floats, rest: float = 0.0) -> Expected:
    """What was expected of matches; skills and pool are moved by them."""
    rows = [int(name) for match in matches for side in match.sides for name in side.players]
    columns = lay_out(matches, rows)
    expected = unexpected(columns)
    system.update(columns, np.full(len(rows), rest), skills, pool, expected)
    return expected


def places_of(count: int, *, noise: float = 0.5) -> tuple[Floats, Floats, Floats]:
    """Newcomers of a spread of 1."""
    return np.zeros(count), np.ones(count), np.full(count, noise)


def told(
    mean: Floats, variance: Floats, noise: Floats, rank: Sequence[int] | Integers, zone: float
) -> tuple[Floats, Floats]:
    score, information = np.empty(len(mean)), np.empty(len(mean))
    learn_places(mean, variance, noise, np.asarray(rank), zone, score, information)
    return score, information


@pytest.mark.parametrize("ranks", [(1, 2), (2, 1), (1, 1)])
def test_outcomes_of_two_are_the_moments_of_their_posterior(ranks: tuple[int, int]) -> None:
    system = Kalman(home=0)
    pool = system.opening()
    skills = system.seeded(np.array([1650.0, 1420.0]), np.array([120.0, 200.0]), pool)
    gap, variance, zone = 230 / UNIT, (120**2 + 200**2) / UNIT**2, 0.2
    expected = played(system, [named([[0], [1]], ranks)], skills, pool)

    def chance(d: float) -> float:
        if ranks[0] == ranks[1]:
            return float(norm.cdf(zone - d) - norm.cdf(-zone - d))
        return float(norm.cdf(d - zone) if ranks[0] < ranks[1] else norm.cdf(-d - zone))

    moments = [
        quad(lambda d, power=power: d**power * chance(d) * norm.pdf(d, gap, math.sqrt(variance)), -12, 12)[0]
        for power in range(3)
    ]
    mean, square = moments[1] / moments[0], moments[2] / moments[0]
    score, information = (mean - gap) / variance, (variance - (square - mean**2)) / variance**2
    rating, deviation = system.view(skills, pool, np.zeros(2))
    opened = system.opening()
    # The spread as it stood: what was learned of it shows in the deviation.
    _, deviation = system.view(skills, opened, np.zeros(2))
    for place, (start, sd, sign) in enumerate([(1650, 120 / UNIT, 1), (1420, 200 / UNIT, -1)]):
        assert (rating[place] - start) / UNIT == pytest.approx(sign * sd**2 * score, rel=1e-8)
        assert (deviation[place] / UNIT) ** 2 == pytest.approx(sd**2 - sd**4 * information, rel=1e-7)
    if ranks[0] != ranks[1]:
        x = (expected.location[0] - expected.location[1]) / math.sqrt(expected.variance.sum())
        sign = 1 if ranks[0] < ranks[1] else -1
        # Home and headcount, still unsure, are no part of this match: one a side, nobody at home.
        assert norm.cdf(sign * x - expected.zone[0]) == pytest.approx(moments[0], rel=1e-8)


def test_a_margin_is_a_gaussian_look_at_the_gap() -> None:
    """Teams of two and three: conditioning of five skills at once, by linear algebra."""
    system = Kalman()
    pool = system.opening()
    pool[[HOME + 1, HEADCOUNT + 1]] = 1e-12
    pool[[HOME, HEADCOUNT, MARGINS, MARGIN_SCALE]] = [0.3, 0.4, 1e4, 4.0]
    sd = np.array([50.0, 210.0, 150.0, 90.0, 30.0])
    rating = np.array([1600.0, 1450.0, 1500.0, 1700.0, 1380.0])
    skills = system.seeded(rating, sd, pool)
    before = pool.copy()
    played(system, [named([[0, 1], [2, 3, 4]], [7, 2], scored=True, home=1)], skills, pool)
    look, prior = np.array([1.0, 1.0, -1.0, -1.0, -1.0]), np.diag((sd / UNIT) ** 2)
    expected = look @ (rating - 1500) / UNIT - 0.3 - 0.4
    seen = 5**0.75 / 2 * math.sqrt(2.5)
    gain = prior @ look / (look @ prior @ look + 2.5)
    found, deviation = system.view(skills, before, np.zeros(5))
    np.testing.assert_allclose((found - rating) / UNIT, gain * (seen - expected), rtol=1e-9)
    np.testing.assert_allclose((deviation / UNIT) ** 2, np.diag(prior - np.outer(gain, look @ prior)), rtol=1e-9)


def test_orders_are_the_most_likely_performance_of_each_side() -> None:
    """By a root finder on the formula as it is written, SciPy's normal tails, ties and all."""
    draw = np.random.default_rng(2)
    mean, variance, noise = draw.normal(0, 2, 7), draw.uniform(0.01, 2, 7), np.array([1, 1, 2, 1, 3, 1, 1]) / 2
    rank, zone, step = np.array([3, 1, 2, 2, 7, 3, 6]), 0.4, 1e-4
    score, information = told(mean, variance, noise, rank, zone)
    for i in range(7):

        def log_likelihood(x: float, i: int = i) -> float:
            total = 0.0
            for q in set(range(7)) - {i}:
                r, half = math.sqrt(variance[q] + noise[q]), zone * math.sqrt(noise[i] + noise[q])
                if rank[i] == rank[q]:
                    total += math.log(norm.cdf((x - mean[q] + half) / r) - norm.cdf((x - mean[q] - half) / r))
                else:
                    sign = 1 if rank[i] < rank[q] else -1
                    total += float(log_ndtr((sign * (x - mean[q]) - half) / r))
            return total

        whole = variance[i] + noise[i]

        def slope(x: float, i: int = i, whole: float = whole) -> float:
            rise = log_likelihood(x + step, i) - log_likelihood(x - step, i)
            return float(rise / (2 * step) - (x - mean[i]) / whole)

        best = brentq(slope, -4, 4, xtol=1e-12)
        bend = -(log_likelihood(best + step) - 2 * log_likelihood(best) + log_likelihood(best - step)) / step**2
        assert score[i] == pytest.approx((best - mean[i]) / whole, abs=1e-7)
        assert information[i] == pytest.approx(bend / (1 + bend * whole), rel=1e-5)
        assert information[i] < 1 / whole


def test_a_tabulated_order_is_the_same_root() -> None:
    """200 sides by the logistic form, each by a root finder of its own."""
    draw = np.random.default_rng(3)
    mean, variance = draw.normal(0, 1, 200), draw.uniform(0.02, 3, 200)
    noise, rank = draw.integers(1, 5, 200) / 2, draw.integers(1, 60, 200)
    mean[0], mean[1], rank[1] = 60.0, -60.0, 1
    score, information = told(mean, variance, noise, rank, 0.2)
    scale = np.sqrt(variance + noise) * math.sqrt(3) / math.pi
    for i in range(0, 200, 13):
        others = np.arange(200) != i
        beaten = ((rank > rank[i]) + 0.5 * (rank == rank[i]))[others] / scale[others]
        whole = variance[i] + noise[i]

        def slope(x: float, i: int = i, others: Any = others, beaten: Any = beaten, whole: float = whole) -> float:
            chance = expit((x - mean[others]) / scale[others])
            return float(beaten.sum() - (chance / scale[others]).sum() - (x - mean[i]) / whole)

        best = brentq(slope, -100, 100, xtol=1e-13)
        chance = expit((best - mean[others]) / scale[others])
        bend = (chance * (1 - chance) / scale[others] ** 2).sum()
        assert score[i] == pytest.approx((best - mean[i]) / whole, abs=2e-6)
        assert information[i] == pytest.approx(bend / (1 + bend * whole), rel=1e-3)


def test_the_tabulated_form_is_near_the_exact_one() -> None:
    draw = np.random.default_rng(4)
    count = MOST_EXACT
    mean, variance, noise = draw.normal(0, 1, count), draw.uniform(0.1, 1, count), np.full(count, 0.5)
    performance = mean + draw.normal(0, 1, count) * np.sqrt(variance + noise)
    rank = 1 + np.argsort(np.argsort(-performance))
    exact, sharp = told(mean, variance, noise, rank, 0.0)
    # One far below all others, who loses to them as foreseen, makes it one side too many for the exact form.
    far = (np.append(mean, -40.0), np.append(variance, 1.0), np.append(noise, 0.5), np.append(rank, count + 1))
    score, information = told(*far, 0.0)
    assert np.corrcoef(exact, score[:-1])[0, 1] > 0.99
    assert np.abs(exact - score[:-1]).max() < 0.15
    np.testing.assert_allclose(information[:-1], sharp, rtol=0.12)


def test_two_by_the_order_is_near_two_in_closed_form() -> None:
    score, information = told(*places_of(2), [1, 2], 0.0)
    # V and W of 0 over the deviation of the gap, sqrt(3), and its square.
    assert score[0] == pytest.approx(0.797885 / math.sqrt(3), rel=0.12)
    assert information[0] == pytest.approx(0.63662 / 3, rel=0.12)


@pytest.mark.parametrize(("count", "left"), [(2, 0.791), (4, 0.614), (8, 0.503), (16, 0.424)])
def test_orders_are_not_counted_too_often(count: int, left: float) -> None:
    """Skills of spread 1, one match: what is left of the variance, and whether that is what is stated."""
    draw, rounds = np.random.default_rng(count), 12_000 // count
    error = stated = 0.0
    for _ in range(rounds):
        skill = draw.normal(0, 1, count)
        performance = skill + draw.normal(0, math.sqrt(0.5), count)
        rank = 1 + np.argsort(np.argsort(-performance))
        score, information = told(*places_of(count), rank, 0.0)
        error += float(((score - skill) ** 2).sum())
        stated += float((1 - information).sum())
    assert error / (rounds * count) == pytest.approx(left, rel=0.05)
    assert 0.96 < error / stated < 1.06


def stepped(margins: Sequence[tuple[int, int, float, float]], log_spread: float, log_drift: float) -> Floats:
    """Rows after matches of two under a pool that is put back after each: who, whom, gap, days of rest."""
    system = Kalman(margin=1)
    opened = system.opening()
    opened[[SPREAD, DRIFT, MARGINS, MARGIN_SCALE]] = [log_spread, log_drift, 1e4, 1.0]
    skills = np.tile(system.newcomer(), (3, 1))
    for one, other, gap, rest in margins:
        played(system, [named([[one], [other]], [gap, 0], scored=True)], skills, opened.copy(), rest)
    return skills


def test_what_learns_the_spread_is_the_derivative_of_the_filter() -> None:
    """All six derivatives of three players, through margins and rest, against finite differences."""
    draw, start, step = np.random.default_rng(9), (math.log(0.7), math.log(0.3)), 1e-5
    pairs = [draw.choice(3, 2, replace=False).tolist() for _ in range(12)]
    margins = [(*pair, float(draw.normal()), float(draw.choice([0, 30, 700]))) for pair in pairs]
    found = stepped(margins, *start)
    for by, change in ((2, (step, 0.0)), (4, (0.0, step))):
        up, down = (stepped(margins, *np.add(start, np.multiply(sign, change))) for sign in (1, -1))
        slope = (up - down)[:, :2] / (2 * step)
        np.testing.assert_allclose(found[:, by], slope[:, 0] / UNIT, rtol=1e-4, atol=1e-8)
        np.testing.assert_allclose(found[:, by + 1], slope[:, 1], rtol=1e-4, atol=1e-8)


def simulated(spread: float, drift: float, count: int, zone: float) -> tuple[Floats, float]:
    """What is learned of a pool of 200; squared error over stated variance in the second half."""
    system, players, draw = Kalman(), 200, np.random.default_rng(1)
    skill, last = draw.normal(0, spread, players), np.zeros(players)
    rate_of = drift / (2 * spread**2)
    pair = draw.integers(0, players, (count, 2))
    pair[:, 1] = (pair[:, 0] + 1 + pair[:, 1] % (players - 1)) % players
    day = np.arange(count) * (60 * YEAR / count)
    result, truth = np.empty(count), np.empty((count, 2))
    for match, (two, now) in enumerate(zip(pair, day, strict=True)):
        stays = np.exp(-(now - last[two]) / YEAR * rate_of)
        skill[two] = stays * skill[two] + spread * np.sqrt(1 - stays**2) * draw.normal(size=2)
        last[two], truth[match] = now, skill[two]
        gap = skill[two[0]] - skill[two[1]] + draw.normal()
        result[match] = 0 if abs(gap) < zone else np.sign(gap)
    columns = Matches(
        np.arange(0, 2 * count + 1, 2), np.arange(2 * count + 1), pair.ravel(),
        np.stack((1 + (result < 0), 1 + (result > 0)), axis=1).ravel(), np.full(2 * count, np.nan),
        np.full(count, -1), np.ones(count), (day * 86_400_000).astype(np.int64),
    )  # fmt: skip
    table, half, expected = empty(system, players), count // 2, unexpected(columns)
    rest, seen = np.zeros(2 * count), np.zeros(players)
    for slot, player in enumerate(pair.ravel()):
        rest[slot], seen[player] = day[slot // 2] - (seen[player] or day[slot // 2]), day[slot // 2]
    system.update(columns, rest, table.skills, table.pool, expected)
    mean = (expected.location.reshape(-1, 2) - 1500) / UNIT
    variance = expected.variance.reshape(-1, 2) / UNIT**2 - 0.5
    ratio = ((mean - truth)[half:] ** 2).sum() / variance[half:].sum()
    return table.pool, float(ratio)


@pytest.mark.parametrize(("spread", "drift"), [(0.3, 0.02), (1.0, 0.2)])
def test_spread_drift_and_zone_are_learned(spread: float, drift: float) -> None:
    pool, ratio = simulated(spread, drift, 25_000, 0.3)
    assert math.exp(pool[SPREAD]) == pytest.approx(spread, rel=0.2)
    assert math.exp(pool[DRIFT]) == pytest.approx(drift, rel=0.6)
    assert math.exp(pool[ZONE]) == pytest.approx(0.3, rel=0.1)
    assert 0.85 < ratio < 1.1


def test_margins_of_two_kinds_are_noticed() -> None:
    """Captures in one match, frags in the next; of one kind they are used on."""
    draw, system = np.random.default_rng(6), Kalman()
    for factor, few in ((1.0, True), (60.0, False)):
        skills, pool = np.tile(system.newcomer(), (40, 1)), system.opening()
        truth = draw.normal(0, 1, 40)
        matches = []
        for _ in range(1_500):
            one, other = draw.choice(40, 2, replace=False).tolist()
            gap = 2 * float(truth[one] - truth[other] + draw.normal())
            matches.append(named([[one], [other]], [gap * (factor if draw.random() < 0.2 else 1.0), 0], scored=True))
        played(system, matches, skills, pool)
        assert (pool[MARGIN_TAILS] <= MOST_TAILS) == few


def test_the_first_margins_only_set_their_scale() -> None:
    """A 0-0 first, then nine: rated as outcomes, whatever they are; the next one is a margin."""
    gaps = [0, 3, -1, 2, 0, 7, 1, -2, 1, 1, 4, 2]
    matches = [named([[2 * i], [2 * i + 1]], [gap, 0], scored=True) for i, gap in enumerate(gaps)]
    last = named([[0], [3]], [9, 1], scored=True)
    found = []
    for system in (Kalman(), Kalman(margin=0)):
        skills, pool = np.tile(system.newcomer(), (24, 1)), system.opening()
        played(system, matches, skills, pool)
        found.append((skills.copy(), pool.copy()))
        played(system, [last], skills, pool)
        found.append((skills, pool))
    (by_margin, scaled), (moved, _), (by_outcome, unscaled), (other, _) = found
    assert by_margin.tolist() == by_outcome.tolist()
    assert (scaled[MARGINS], unscaled[MARGINS]) == (10.0, 0.0)
    assert 0.5 < math.sqrt(scaled[MARGIN_SCALE]) < 3.0
    assert moved[0, 0] != other[0, 0]


def test_home_and_headcount_are_learned() -> None:
    draw, system, count = np.random.default_rng(8), Kalman(), 4_000
    matches = []
    for _ in range(count):
        sizes = draw.integers(1, 4, 2)
        rows = np.split(draw.choice(30, sizes.sum(), replace=False), [sizes[0]])
        gap = 0.5 + 0.7 * (sizes[0] - sizes[1]) + draw.normal() * math.sqrt(sizes.sum() / 2)
        matches.append(named([side.tolist() for side in rows], [1 + (gap < 0), 1 + (gap > 0)], home=0))
    skills, pool = np.tile(system.newcomer(), (30, 1)), system.opening()
    played(system, matches, skills, pool)
    assert pool[HOME] == pytest.approx(0.5, abs=0.1)
    assert pool[HEADCOUNT] == pytest.approx(0.7, abs=0.1)


def test_a_match_narrows_deviations_and_a_tie_of_equals_moves_nobody() -> None:
    """By the spread and drift as they stood before; three sides or two, points or places."""
    system, draw = Kalman(), np.random.default_rng(5)
    pool = system.opening()
    skills = system.seeded(draw.normal(1500, 200, 8), draw.uniform(20, 232, 8), pool)
    for sides in ([[0], [1]], [[2, 3], [4]], [[0], [5, 6], [1, 2], [7]]):
        for scored, weight in ((True, 1.0), (False, 0.2), (False, 1000.0)):
            now, learned = skills.copy(), pool.copy()
            played(system, [named(sides, range(1, len(sides) + 1), scored=scored, weight=weight)], now, learned)
            rows = [row for side in sides for row in side]
            before, after = (system.view(those, pool, np.zeros(8))[1] for those in (skills, now))
            assert (after[rows] < before[rows]).all()
            # A performance seen for sure would tell no more of its side.
            for side in sides:
                squares = (before[side] ** 2).sum(), (after[side] ** 2).sum()
                assert weight > 1 or 1 / squares[1] <= 1 / squares[0] + 1 / (UNIT**2 * len(side) / 2)
        twins, learned = skills.copy(), pool.copy()
        twins[:] = twins[0]
        even = [side[:1] for side in sides]
        played(system, [named(even, [1] * len(even))], twins, learned)
        np.testing.assert_allclose(twins[:, 0], skills[0, 0], rtol=1e-12)


@pytest.mark.parametrize("gap", [0.0, 25 * UNIT, 1e4, 1e6])
@pytest.mark.parametrize("others", [1, 2, 40])
def test_upsets_are_finite_and_in_order(gap: float, others: int) -> None:
    """However far the weaker side is behind: loss < tie < win, with deviations that shrink."""
    system = Kalman()
    ratings = []
    for place in (1, 2, 3):
        pool = system.opening()
        count = others + 1
        skills = system.seeded(np.array([1500.0 - gap, *[1500.0] * others]), np.full(count, 60.0), pool)
        played(system, [named([[row] for row in range(count)], [place, *[2] * others])], skills, pool)
        assert np.isfinite(skills).all()
        assert np.isfinite(pool).all()
        ratings.append(skills[0, 0])
    assert ratings[0] > ratings[1] > ratings[2] or (gap and ratings[0] > ratings[1] >= ratings[2] - 1e-9 * gap)


def test_wild_margins_stay_finite() -> None:
    draw, system = np.random.default_rng(10), Kalman(margin=1)
    skills, pool = np.tile(system.newcomer(), (10, 1)), system.opening()
    gaps = [*(1e6 * draw.standard_cauchy(2_000)).clip(-1e15, 1e15).tolist(), *[0.0] * 2_000, 5e-324, 2e15]
    matches = [
        named([[one], [other]], [gap / 2, -gap / 2], scored=True)
        for gap in gaps
        for one, other in [draw.choice(10, 2, replace=False).tolist()]
    ]
    played(system, matches, skills, pool)
    assert np.isfinite(skills).all()
    assert np.isfinite(pool).all()


def test_zeros_have_one_sign() -> None:
    """Long rests leave derivatives of 0, whose sign must not tell which side was listed first."""
    system, draw = Kalman(drift=2900, spread=15), np.random.default_rng(12)
    ways = [(np.tile(system.newcomer(), (6, 1)), system.opening()) for _ in range(2)]
    for _ in range(200):
        pair, first, rest = (
            draw.choice(6, 2, replace=False).tolist(),
            int(draw.integers(2)),
            float(draw.choice([0, 4e4])),
        )
        for turn, (skills, pool) in zip((1, -1), ways, strict=True):
            sides = [[row] for row in pair][::turn]
            played(system, [named(sides, [1 + first, 2 - first][::turn])], skills, pool, rest)
    assert bits(*ways[0]) == bits(*ways[1])
    assert (ways[0][0] == 0).any()


def test_rest_relaxes_towards_all() -> None:
    system = Kalman()
    pool = system.opening()
    skills = system.seeded(np.array([1900.0] * 3), np.array([30.0] * 3), pool)
    rating, deviation = system.view(skills, pool, np.array([0.0, YEAR, 1e6]))
    stays = math.exp(-((82 / UNIT) ** 2) / (2 * 0.8**2))
    assert rating.tolist() == pytest.approx([1900.0, 1500 + 400 * stays, 1500.0])
    assert deviation.tolist() == pytest.approx([30.0, math.sqrt(232**2 + (30**2 - 232**2) * stays**2), 232.0])
    # A newcomer is at rest already, and follows the pool's spread.
    pool[SPREAD] = math.log(0.5)
    assert system.view(system.newcomer()[None, :], pool, np.array([500.0]))[1][0] == pytest.approx(145.0)


def test_seeds_less_sure_than_the_spread() -> None:
    """The pool has learned that skills lie close: who comes as less sure is shown so, and learns from there."""
    system = Kalman()
    pool = system.opening()
    pool[SPREAD] = math.log(0.4)
    skills = system.seeded(np.array([1600.0, 1500.0]), np.array([200.0, 60.0]), pool)
    assert system.view(skills, pool, np.zeros(2))[1].tolist() == pytest.approx([200.0, 60.0])
    seen = [200.0]
    for _ in range(40):
        played(system, [named([[0], [1]], [1, 1])], skills, pool)
        pool[SPREAD] = math.log(0.4)
        seen.append(float(system.view(skills, pool, np.zeros(2))[1][0]))
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < 0.4 * UNIT
    assert skills[0, 1] > 0


FILES: dict[str, dict[str, Any]] = {
    "football_international.csv": {
        "side": ("home_team:home_score", "away_team:away_score"), "at": "date", "home": 0, "neutral": "neutral=TRUE",
    },
    "nfl_games.csv": {
        "side": ("team1:score1", "team2:score2"), "at": "date", "home": 0, "neutral": "neutral=1", "pool": "nfl",
    },
    "halo2_head_to_head.csv": {
        "side": ("player_1:score_1", "player_2:score_2"), "at": "end_time", "id": "id", "pool": "halo",
    },
    "halo2_large_team.ndjson": {"preset": "teams"},
    "codeforces_contests.ndjson.gz": {"preset": "contests"},
    "llm_votes.csv": {"preset": "votes", "at": "2023-10-01"},
}  # fmt: skip


def predicted(data: Path, name: str, *, shuffled: bool = False, most: int | None = None) -> tuple[Losses, Matches]:
    """How well the defaults predict a file, match by match before each result."""
    options = {"pool": "pool", **FILES[name]}
    with Rows(Source(file=str(data / name), strict=True, **options)) as rows:
        found = islice((row.found for block in rows.blocks() for row in block), most)
        matches = [match for match in found if isinstance(match, Match)]
    if shuffled:
        matches = [matches[place] for place in np.random.default_rng(1).permutation(len(matches))]
    rows_of: dict[str, int] = {}
    players = [
        rows_of.setdefault(name, len(rows_of)) for match in matches for side in match.sides for name in side.players
    ]
    columns, system = lay_out(matches, players), create("kalman")
    return rate(system, columns, empty(system, len(rows_of))), columns


def test_football_is_predicted(data: Path) -> None:
    """From 1990 on; Elo with a home advantage has .9148, base rates 1.0493."""
    losses, columns = predicted(data, "football_international.csv")
    late = columns.at >= 631_152_000_000
    assert late.sum() == 32_402
    assert losses.three_way[late].mean() < 0.8755


def test_american_football_is_predicted(data: Path) -> None:
    """The seasons 1990 to 2020; the forecasts published beside the results have .62776 and a Brier score of .21867."""
    losses, columns = predicted(data, "nfl_games.csv")
    with (data / "nfl_games.csv").open(newline="", encoding="utf-8") as file:
        late = np.array([1990 <= int(row["season"]) <= 2020 for row in csv.DictReader(file)])
    assert late.sum() == 8_031
    assert losses.two_way[late].mean() < 0.6252
    # What chance the loss was of, and so how far from the result: of a tie it is -log(chance (1 - chance)) / 2.
    tied = columns.rank[::2] == columns.rank[1::2]
    square = np.where(tied, 0.25 - np.exp(-2 * losses.two_way), (1 - np.exp(-losses.two_way)) ** 2)
    assert square[late].mean() < 0.2175


def test_halo_and_votes_are_predicted(data: Path) -> None:
    duels, _ = predicted(data, "halo2_head_to_head.csv")
    assert duels.three_way[3_014:].mean() < 0.6995
    # Captures and frags; by scores alone .680.
    teams, _ = predicted(data, "halo2_large_team.ndjson")
    assert teams.two_way[486:].mean() < 0.6617
    votes, _ = predicted(data, "llm_votes.csv", shuffled=True)
    assert votes.three_way[4_465:].mean() < 1.0155


def test_contests_are_predicted(data: Path) -> None:
    """The second half of the first 60, .5692; that of all 200 has .5717."""
    contests, _ = predicted(data, "codeforces_contests.ndjson.gz", most=60)
    assert contests.two_way[30:].mean() < 0.57


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("spread", [15, "232", 1450], [14, 1451, "nan", "wide", None]),
        ("drift", [1, 2900], [0, 2901, "nan"]),
        ("zone", [0.03, 1450], [0, 1451, "nan"]),
        ("home", [-1000, 0, 1000], [-1001, 1001, "nan"]),
        ("margin", [0, 1], [-0.1, 1.1, "nan"]),
    ],
)
def test_parameters(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(create("kalman", {name: value}), name) == float(value)
    for value in bad:
        with pytest.raises(Problem) as caught:
            create("kalman", {name: value})
        assert caught.value.type.slug == "invalid_parameter"
        assert name in caught.value.detail
