"""Three-way scores, the zone that is learned of ties, and the pairs of matches that are too large for all of them."""

import math

import numpy as np
import pytest

from service.columns import NO_HOME, Floats, Matches
from service.ratings import Expected
from service.ratings.link import CODES, Link, outcome_chances
from service.score import (
    ALL_PAIRS,
    FIRST_ZONE,
    FIRST_ZONE_VARIANCE,
    LOG_LOSS,
    SCORED,
    STRIDES,
    THREE_WAY,
    TWO_SIDED,
    ZONE,
    ZONE_VARIANCE,
    Losses,
    score,
    unscored,
)


def of_sides(count: int, ranks: list[int] | np.ndarray) -> Matches:
    """Matches of so many sides each, by the ranks of all of them."""
    matches = len(ranks) // count
    return Matches(
        side_start=np.arange(0, len(ranks) + 1, count),
        player_start=np.arange(len(ranks) + 1),
        player=np.arange(len(ranks)),
        rank=np.array(ranks),
        score=np.full(len(ranks), np.nan),
        home=np.full(matches, NO_HOME),
        weight=np.ones(matches),
        at=np.zeros(matches, np.int64),
    )


def scored(
    matches: Matches, location: Floats, zone: float = math.nan, link: Link = "logistic", scores: Floats | None = None
) -> tuple[Floats, Losses]:
    sums = unscored() if scores is None else scores
    expected = Expected(np.asarray(location, float), np.full(len(location), 0.5), np.full(len(matches.at), zone))
    return sums, score(matches, expected, link, sums)


@pytest.mark.parametrize("link", CODES)
@pytest.mark.parametrize(("ranks", "came"), [([1, 2], 0), ([3, 3], 1), ([2, 1], 2)])
def test_three_way_by_a_zone_that_the_system_knows(link: Link, ranks: list[int], came: int) -> None:
    sums, losses = scored(of_sides(2, ranks), np.array([0.7, 0.0]), 0.4, link)
    chances = outcome_chances(CODES[link], 0.7, 0.4)
    assert losses.three_way.tolist() == pytest.approx([-math.log(chances[came])])
    assert (sums[TWO_SIDED], sums[THREE_WAY]) == (1, losses.three_way[0])
    # Two-way, by the same chances; and nothing is learned where the system knows.
    said, result = chances[0] + chances[1] / 2, 1 - came / 2
    assert losses.two_way[0] == pytest.approx(-result * math.log(said) - (1 - result) * math.log(1 - said))
    assert math.exp(sums[ZONE]) == pytest.approx(FIRST_ZONE)
    assert sums[ZONE_VARIANCE] == FIRST_ZONE_VARIANCE


@pytest.mark.parametrize("link", ["logistic", "normal"])
@pytest.mark.parametrize("zone", [0.01, 0.3, 1.2])
def test_the_zone_is_learned(link: Link, zone: float) -> None:
    chance, many = np.random.default_rng(3), 30_000
    gaps = chance.normal(0.0, 1.0, many)
    dice = chance.random(many)
    wins, ties, _ = np.array([outcome_chances(CODES[link], gap, zone) for gap in gaps]).T
    ranks = np.stack((np.where(dice < wins + ties, 1, 2), np.where(dice < wins, 2, 1)), axis=1).ravel()
    matches = of_sides(2, ranks)
    location = np.stack((gaps, np.zeros(many)), axis=1).ravel()
    sums, losses = scored(matches, location, link=link)
    learned, spread = math.exp(sums[ZONE]), math.sqrt(sums[ZONE_VARIANCE])
    assert abs(math.log(learned / zone)) < 4 * spread
    assert spread < 0.1
    # What it costs not to have known it from the first.
    _, known = scored(matches, location, zone, link)
    assert losses.three_way.mean() == pytest.approx(known.three_way.mean(), abs=0.002)
    two_way = scored(matches, location, 0.0, link)[1].two_way
    assert losses.two_way.tolist() == two_way.tolist()


def test_without_ties_the_zone_fades() -> None:
    ranks = [1, 2] * 5_000
    sums, losses = scored(of_sides(2, ranks), np.tile([1.0, 0.0], 5_000))
    assert math.exp(sums[ZONE]) < 0.03
    assert losses.three_way[-1] == pytest.approx(losses.two_way[-1], abs=0.02)


def test_more_sides_have_no_three_way_score() -> None:
    sums, losses = scored(of_sides(3, [1, 2, 3, 2, 2, 2]), np.arange(6.0))
    assert np.isnan(losses.three_way).all()
    assert np.isnan(losses.two_way).tolist() == [False, True]
    assert (sums[TWO_SIDED], sums[SCORED], sums[LOG_LOSS]) == (0, 1, losses.two_way[0])


@pytest.mark.parametrize("sides", [ALL_PAIRS + 1, 250, 1_000])
def test_large_matches_are_scored_by_a_fair_sample_of_pairs(sides: int) -> None:
    """Against all pairs; which of them are looked at depends on places and forecasts, not on how sides are listed."""
    chance = np.random.default_rng(sides)
    location = chance.normal(0.0, 1.0, sides)
    order = np.argsort(-(location + chance.logistic(0.0, 1.0, sides)))
    ranks = np.empty(sides, int)
    ranks[order] = np.arange(sides) // 3 + 1
    _, losses = scored(of_sides(sides, ranks), location)
    gaps = location[:, None] - location
    every = np.log1p(np.exp(-gaps))[ranks[:, None] < ranks]
    assert losses.two_way[0] == pytest.approx(every.mean(), abs=3 * every.std() / math.sqrt(sides))
    turned = chance.permutation(sides)
    _, again = scored(of_sides(sides, ranks[turned]), location[turned])
    assert again.two_way[0] == pytest.approx(losses.two_way[0], rel=1e-12)


def test_each_side_of_a_large_match_is_compared_alike() -> None:
    """One side is far off: the loss says in how many pairs it stands."""
    sides = ALL_PAIRS + 31
    for off, foreseen in ((0, True), (sides - 1, False)):
        location = np.zeros(sides)
        location[off] = 1e9
        _, losses = scored(of_sides(sides, np.arange(sides) + 1), location)
        others = math.log(2) * (sides * STRIDES - 2 * STRIDES)
        own = 0.0 if foreseen else -math.log(1e-15) * 2 * STRIDES
        assert losses.two_way[0] * sides * STRIDES == pytest.approx(others + own, rel=1e-5)
