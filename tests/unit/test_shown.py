"""A bias towards a place in which sides are shown: how it is estimated, and what removing it is good for."""

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import binomtest

from service.columns import NO_HOME, Matches, lay_out
from service.match import Match, Side
from service.pool_file import parse_pools
from service.rate import empty, rate
from service.ratings import create
from service.shown import NONE_SHOWN, add_places, biases, is_shown
from tests.league import tie
from tests.suggesting import Shop
from tests.unit.test_scripts import FakeStore

SEEDS = 1_000
PLAYERS = 12
Skills = NDArray[np.float64]


def votes(seed: int, count: int, first: float) -> tuple[Matches, Skills]:
    """Duels of players drawn alone and shown in either order, of which equals win as often as is said where first."""
    rng = np.random.default_rng(seed)
    skills = rng.normal(size=PLAYERS)
    rows = rng.permuted(np.tile(np.arange(PLAYERS), (count, 1)), axis=1)[:, :2]
    # A side's performance varies by the root of one half, so that the gap of two varies by 1.
    wins = rng.random(count) < ndtr(skills[rows[:, 0]] - skills[rows[:, 1]] + ndtri(first))
    matches = Matches(
        side_start=np.arange(0, 2 * count + 1, 2), player_start=np.arange(2 * count + 1), player=rows.ravel(),
        rank=np.stack((2 - wins, 1 + wins), axis=1).ravel(), score=np.full(2 * count, np.nan),
        home=np.full(count, NO_HOME), weight=np.ones(count), at=np.arange(count),
    )  # fmt: skip
    return matches, skills


def test_the_interval_of_a_duel_is_wilsons() -> None:
    for matches, won in ((1, 0), (1, 1), (7, 3), (1_000, 600)):
        first, second = biases((matches, won, matches, matches - won, *NONE_SHOWN[4:]))
        wanted = binomtest(won, matches).proportion_ci(method="wilson")
        assert (first.low, first.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
        assert (second.low, second.high) == pytest.approx((1 - wanted.high, 1 - wanted.low), abs=1e-12)
    assert biases(NONE_SHOWN) == []


@pytest.mark.parametrize("sides", [2, 5])
def test_the_interval_holds_the_truth_as_often_as_it_says(sides: int) -> None:
    """Of performances alone, of which that of whoever is shown first is lifted; ties where they are near."""
    rng = np.random.default_rng(sides)
    lifted = np.zeros(sides)
    lifted[0] = 0.4
    seeds, played = 600, 80
    counts, trials = list(NONE_SHOWN), []
    for _ in range(seeds):
        one = list(NONE_SHOWN)
        for performed in np.round(rng.normal(size=(played, sides)) + lifted, 0).tolist():
            add_places(Match("1", "a", 0, tuple(Side((f"p{n}",), score=p) for n, p in enumerate(performed))), one)
        trials.append(one)
        counts = [total + more for total, more in zip(counts, one, strict=True)]
    # The truth from as many matches as all seeds have.
    truths = [bias.before for bias in biases(counts)]
    firsts = [biases(one)[0] for one in trials]
    held = sum(first.low <= truths[0] <= first.high for first in firsts)
    assert truths[0] > 0.6
    assert sum(truths) == pytest.approx(sides / 2)
    # Never seldomer than it says, but for chance.
    assert binomtest(held, seeds, 0.95, alternative="less").pvalue > 0.01


def test_what_tells_nothing_of_places_is_not_counted() -> None:
    sides = (Side(("ann",), rank=1), Side(("bob",), rank=2))
    many = tuple(Side((f"p{number}",), rank=1) for number in range(17))
    shown = [Match("1", "arena", 0, sides, matchup="m-7"), Match("2", "arena", 0, many[:16], matchup="m-7")]
    other = [
        Match("3", "arena", 0, sides),
        Match("4", "arena", 0, sides, home=1, matchup="m-7"),
        Match("5", "arena", 0, many, matchup="m-7"),
    ]
    assert list(map(is_shown, [*shown, *other])) == [True, True, False, False, False]
    rows = [0] * (2 + 16 + 2 + 2 + 17)
    assert lay_out([*shown, *other], rows).home.tolist() == [NO_HOME, NO_HOME, NO_HOME, 1, NO_HOME]
    assert lay_out([*shown, *other], rows, first_at_home=True).home.tolist() == [0, 0, NO_HOME, 1, NO_HOME]


def test_rating_a_bias_away_brings_ratings_nearer_to_the_truth() -> None:
    """Equals who are shown first win 6 of 10: a lift of a quarter of a match's noise, so little is to be won."""
    system = create("kalman")
    errors: list[list[float]] = []
    for seed in range(SEEDS):
        matches, skills = votes(seed, 400, 0.6)
        errors.append([])
        for home in (NO_HOME, 0):
            table = empty(system, PLAYERS)
            rate(system, matches._replace(home=np.full(400, home)), table)
            ratings, _ = system.view(table.skills, table.pool, np.zeros(PLAYERS))
            errors[-1].append(float(np.mean((_standard(ratings) - _standard(skills)) ** 2)))
    with_bias, without = np.array(errors).T
    nearer = int((without < with_bias).sum())
    assert binomtest(nearer, SEEDS, alternative="greater").pvalue < 1e-3


def test_the_prediction_of_a_matchup_reckons_with_the_place() -> None:
    """Of two of whom nothing is known, the one who is shown first, where that counts as at home."""
    wins = []
    for said in ("false", "true"):
        shop = Shop(FakeStore(), parse_pools(f"pools.arena = {{profile = 'arena', first_at_home = {said}}}", ""))

        async def run(shop: Shop = shop) -> None:
            await shop.owner.play([tie("arena", [["ann"], ["bob"]])])
            (lease,) = (await shop.suggest()).values()
            wins.append(lease.win)

        asyncio.run(run())
    plain, favoured = wins
    assert plain[0] == plain[1]
    assert favoured[0] > plain[0] > favoured[1]


def _standard(values: Skills) -> Skills:
    scaled: Skills = (values - values.mean()) / values.std()
    return scaled
