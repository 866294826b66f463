"""What `kalman` learns for a whole pool, against finite differences and simulated truth."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from service.columns import Floats, Matches
from service.rate import empty
from service.ratings import unexpected
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
from tests.unit.kalman_played import UNIT, YEAR, named, played


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
