"""Forecasts: the link, the chances of the first place, and nothing that is changed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import gumbel_r, multivariate_normal, norm

from service.columns import Floats, lay_out
from service.match import Match, Side
from service.predict import WIDEST, before_chances, first_chances, forecast, place_chances
from service.rate import DAY_MS, Table, empty, rate
from service.ratings import RatingSystem, create, systems, unexpected
from service.score import LOG_LOSS, THREE_WAY

AT = 1_795_000_000_000
EVEN_SCALE = 0.5


def played(sizes: list[int], places: list[int], at: int = AT, home: int | None = None) -> Match:
    names = iter(range(sum(sizes)))
    sides = (
        Side(tuple(f"p{next(names)}" for _ in range(size)), rank=place)
        for size, place in zip(sizes, places, strict=True)
    )
    return Match("1", "chess", at, tuple(sides), home=home)


def filled(system: RatingSystem, players: int, seed: int) -> Table:
    """A table after some random matches, days apart; the last player is a newcomer."""
    chance, table = np.random.default_rng(seed), empty(system, players)
    for day in range(8 * (players > 2)):
        ann, bob = chance.choice(players - 1, 2, replace=False).tolist()
        rate(system, lay_out([played([1, 1], [1, 2], AT + day * int(DAY_MS))], [ann, bob]), table)
    return table


@pytest.mark.parametrize("name", systems())
@settings(deadline=None)  # The first call compiles.
@given(
    sizes=st.lists(st.integers(1, 3), min_size=2, max_size=5),
    seed=st.integers(0, 1000),
    later=st.integers(-10, 2000),
    home=st.booleans(),
)
def test_it_is_what_the_rating_of_the_match_predicts(
    name: str, sizes: list[int], seed: int, later: int, home: bool
) -> None:
    system = create(name, {"home": 65})
    table = filled(system, sum(sizes), seed)
    before = [column.copy() for column in table]
    match = played(sizes, list(range(1, len(sizes) + 1)), AT + later * int(DAY_MS), 0 if home else None)

    found = forecast(system, match, table)
    assert all(np.array_equal(now, then) for now, then in zip(table, before, strict=True))
    again = forecast(system, played(sizes, [1] * len(sizes), AT + later * int(DAY_MS), 0 if home else None), table)
    assert np.array_equal(found.win, again.win)

    scored = Table(*(column.copy() for column in table))
    columns = lay_out([match], range(sum(sizes)))
    rate(system, columns, scored)
    expected = unexpected(columns)
    system.update(columns, np.zeros(sum(sizes)), table.skills.copy(), table.pool.copy(), expected)
    # A zone that was learned beside the system has no part in the two-way score.
    zone = 0.0 if np.isnan(expected.zone[0]) else found.zone
    chances = before_chances(found.location, found.variance, system.link, zone)
    pairs = chances[np.triu_indices(len(sizes), 1)]
    assert scored.scores[LOG_LOSS] - table.scores[LOG_LOSS] == pytest.approx(-np.log(pairs).mean(), rel=1e-9)
    assert found.win.sum() + (found.tie or 0.0) == pytest.approx(1.0, abs=1e-12)
    if len(sizes) == 2:
        assert scored.scores[THREE_WAY] - table.scores[THREE_WAY] == pytest.approx(-np.log(found.win[0]), rel=1e-9)


def test_rest_is_forgotten_trust() -> None:
    glicko = create("glicko2")
    table = filled(glicko, 4, 1)
    table.skills[0, 0] += 300.0
    soon, late = (
        forecast(glicko, played([1, 1], [1, 2], AT + days * int(DAY_MS)), _first(table, 2)) for days in (9, 999)
    )
    assert 0.5 < late.win[0] < soon.win[0]
    assert (late.variance > soon.variance).all()


def _first(table: Table, players: int) -> Table:
    return table._replace(tallies=table.tallies[:players], skills=table.skills[:players])


performances = st.integers(2, 8).flatmap(
    lambda sides: st.tuples(
        st.lists(st.floats(-20, 20), min_size=sides, max_size=sides),
        st.lists(st.floats(0.05, 20), min_size=sides, max_size=sides),
    )
)


@given(locations=st.lists(st.floats(-30, 30), min_size=2, max_size=40), scale=st.floats(1e-3, 1e6))
def test_logistic_performances_of_one_variance_are_those_of_plackett_and_luce(
    locations: list[float], scale: float
) -> None:
    location = np.array(locations)
    found = first_chances(location * scale, np.full(len(location), EVEN_SCALE * scale * scale), normal=False)
    assert found == pytest.approx(softmax(location), rel=1e-9, abs=1e-15)


@given(locations=st.lists(st.floats(-20, 20), min_size=2, max_size=2), variances=st.tuples(*[st.floats(0.05, 20)] * 2))
def test_two_normal_performances_compare_by_the_link(locations: list[float], variances: tuple[float, float]) -> None:
    location, variance = np.array(locations), np.array(variances)
    assert first_chances(location, variance, normal=True) == pytest.approx(
        before_chances(location, variance, "normal", 0.0)[[0, 1], [1, 0]], abs=1e-12
    )


def test_two_logistic_performances_nearly_do() -> None:
    for ratio in (1.0, 3.0, 10.0):
        variance = np.array([1.0, ratio])
        for gap in np.linspace(-8.0, 8.0, 65):
            location = np.array([gap * np.sqrt(1.0 + ratio), 0.0])
            off = abs(
                first_chances(location, variance, False)[0] - before_chances(location, variance, "logistic", 0.0)[0, 1]
            )
            assert off < (0.013 if gap == 0.0 else 0.05)
            assert ratio > 1.0 or off < 1e-14


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("normal", [False, True])
def test_unequal_variances_against_plain_integration(normal: bool, seed: int) -> None:
    chance = np.random.default_rng(seed)
    sides = 2 + seed
    location, variance = chance.normal(0.0, 3.0, sides), np.exp(chance.uniform(-3.0, 3.0, sides))
    found = first_chances(location, variance, normal)
    scale = np.sqrt(variance if normal else 2.0 * variance)
    law = norm(0.0, 1.0) if normal else gumbel_r(-gumbel_r.median(), 1.0)
    # Over a side's own quantiles, so that no narrow peak is missed.
    own = law.ppf((np.arange(100_000) + 0.5) / 100_000)
    for side in range(sides):
        performance = location[side] + scale[side] * own
        beaten = [law.cdf((performance - location[other]) / scale[other]) for other in range(sides) if other != side]
        assert found[side] == pytest.approx(np.prod(beaten, axis=0).mean(), abs=1e-5)


def test_three_normal_performances_against_the_bivariate_integral() -> None:
    location, variance = np.array([1.0, 0.2, -0.5]), np.array([0.3, 2.0, 1.0])
    for first in range(3):
        others = [side for side in range(3) if side != first]
        gaps = location[first] - location[others]
        cov = variance[first] + np.diag(variance[others])
        expected = multivariate_normal(np.zeros(2), cov).cdf(gaps)
        assert first_chances(location, variance, normal=True)[first] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("normal", [False, True])
@given(both=performances, data=st.data())
def test_order_and_unit_do_not_matter(normal: bool, both: tuple[list[float], list[float]], data: st.DataObject) -> None:
    location, variance = map(np.array, both)
    order = np.array(data.draw(st.permutations(range(len(location)))))
    found = first_chances(location, variance, normal)
    assert found[order] == pytest.approx(first_chances(location[order], variance[order], normal), abs=1e-13)
    assert found == pytest.approx(first_chances(7.0 + 1e3 * location, 1e6 * variance, normal), abs=1e-9)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    stronger = location.copy()
    stronger[0] += 1.0
    assert first_chances(stronger, variance, normal)[0] >= found[0] - 1e-12


@pytest.mark.parametrize("normal", [False, True])
def test_extremes_stay_finite(normal: bool) -> None:
    far = np.array([0.0, 1e9, -1e9])
    for variance in (np.ones(3), np.array([1e-12, 1.0, 1e12])):
        found = first_chances(far, variance, normal)
        assert np.isfinite(found).all()
        assert found.sum() == pytest.approx(1.0)
    sure: Floats = first_chances(np.array([1.0, 0.0]), np.array([1.0, 1e-9]), normal)
    taken = first_chances(np.array([1.0, 0.0]), np.array([1.0, 1.0 / WIDEST**2]), normal)
    assert sure.tolist() == taken.tolist()


@pytest.mark.parametrize("normal", [False, True])
@given(both=performances)
def test_places_are_a_doubly_stochastic_matrix_whose_first_column_is_known(
    normal: bool, both: tuple[list[float], list[float]]
) -> None:
    location, variance = map(np.array, both)
    found = place_chances(location, variance, normal)
    assert (found >= 0.0).all()
    assert found.sum(axis=0) == pytest.approx(1.0, abs=1e-6)
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
    assert found[:, 0] == pytest.approx(first_chances(location, variance, normal), abs=1e-6)
    if normal:
        # Upside down, the last are first.
        assert found[:, ::-1] == pytest.approx(place_chances(-location, variance, normal), abs=1e-6)


@pytest.mark.parametrize("normal", [False, True])
def test_places_against_many_performances(normal: bool) -> None:
    chance = np.random.default_rng(8)
    location, variance = np.array([1.0, 0.2, -0.5, 0.0]), np.array([0.3, 2.0, 1.0, 0.5])
    scale = np.sqrt(variance if normal else 2.0 * variance)
    noise = chance.normal(size=(200_000, 4)) if normal else gumbel_r(-gumbel_r.median()).rvs((200_000, 4), chance)
    places = np.argsort(np.argsort(-(location + scale * noise), axis=1), axis=1)
    drawn = np.array([np.bincount(places[:, side], minlength=4) for side in range(4)]) / len(places)
    assert place_chances(location, variance, normal) == pytest.approx(drawn, abs=0.005)
