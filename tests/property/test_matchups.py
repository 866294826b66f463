"""Every policy, found by looking: its law is a law, knows no names, and draws what it says it draws."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from service.columns import Floats
from service.matchups import Law, Policy, create, policies
from service.matchups.chances import boltzmann
from service.matchups.draw import MOST_SIDES, draw
from service.matchups.field import Field, level
from service.matchups.posterior import Posterior, unknown
from service.ratings.link import Link

LINKS: list[Link] = ["logistic", "normal", "davidson"]
LEEWAY = 1e-9

by_name = pytest.mark.parametrize("name", policies())
# Few different numbers, so that candidates are equal; and the largest that ratings have.
numbers = st.sampled_from([0.0, 1.0, 1.5, -2.0, 1e4, -1e4])
spreads = st.sampled_from([0.0, 1e-9, 0.5, 1.0, 300.0])


@st.composite
def fields(draw: st.DrawFn, most: int = 20) -> Field:
    """Candidates as a pool that keeps pairs has them."""
    count = draw(st.integers(2, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        rating, deviation = (
            np.array(draw(st.lists(kind, min_size=count, max_size=count))) for kind in (numbers, spreads)
        )
    else:
        rating, deviation = rng.normal(0.0, 1.0, count), rng.uniform(0.0, 1.0, count)
    # The largest numbers of matches that a pool of these has seen may be far apart.
    met = np.triu(rng.integers(0, draw(st.sampled_from([1, 2, 40, 10**6])), (count, count)), 1)
    won = rng.binomial(met, draw(st.sampled_from([0.5, 0.9, 1.0])))
    wins = 0.6 * (won + (met - won).T)
    variance = deviation**2 + draw(st.sampled_from([0.5, 1e-6]))
    under_way = np.empty((0, 2), dtype=np.int32)
    matches = (met + met.T).sum(axis=1).astype(np.float64)
    half = rng.normal(0.0, 1.0, (count, count)) / count
    posterior = known(rng.normal(0.0, 1.0, count), half @ half.T + np.eye(count) / 9)
    field = Field(
        rating, deviation, rating, variance, draw(st.sampled_from(LINKS)), matches, under_way, wins, posterior
    )
    for _ in range(draw(st.integers(0, 3))):
        field = field.with_match(rng.choice(count, 2, replace=False).tolist())
    return field


def alike(skill: Floats, **more: Any) -> Field:
    """Candidates of these skills, of whom that is all that is known."""
    posterior = known(skill, np.eye(len(skill)))
    return replace(level(len(skill)), rating=skill, location=skill, posterior=posterior, **more)


def known(mean: Floats, covariance: Floats) -> Posterior:
    """A joint posterior of which it is of no account how it came about."""
    return replace(unknown(len(mean)), mean=mean, settled=covariance, noise=0.5)


def law_of(policy: Policy, field: Field) -> Law:
    return policy.law(field, np.random.default_rng(5))


def relabelled(field: Field, order: list[int]) -> Field:
    """The field with the candidate ``order[i]`` in place ``i``."""
    place = np.argsort(order).astype(np.int32)
    assert field.wins is not None
    assert field.posterior is not None
    return Field(
        field.rating[order],
        field.deviation[order],
        field.location[order],
        field.variance[order],
        field.link,
        field.matches[order],
        place[field.under_way],
        field.wins[np.ix_(order, order)],
        field.posterior.of(order),
    )


@by_name
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_each_step_is_a_law(name: str, data: st.DataObject) -> None:
    field = data.draw(fields())
    if data.draw(st.booleans()) and not policies()[name].needs:
        field = replace(field, wins=None, posterior=None)
    elif data.draw(st.booleans()) and "posterior" not in policies()[name].needs:
        field = replace(field, posterior=None)
    law = law_of(create(name), field)
    side_count = data.draw(st.integers(2, min(len(field), MOST_SIDES)))
    order = data.draw(st.permutations(range(len(field))))[:side_count]
    for taken in range(side_count):
        chances = law.chances(order[:taken])
        assert chances.shape == (len(field),)
        assert chances.dtype == np.float64
        assert (chances >= 0.0).all()
        assert not chances[order[:taken]].any()
        assert math.isclose(chances.sum(), 1.0, rel_tol=LEEWAY)
        # Asked again, in between or with another kind of sequence, it says the same.
        assert law.chances(tuple(order[:taken])).tobytes() == chances.tobytes()
    assert math.isfinite(law.score(order))
    again = law_of(create(name), field)
    assert again.chances(order[:1]).tobytes() == law.chances(order[:1]).tobytes()


@by_name
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_a_law_knows_no_names(name: str, data: st.DataObject) -> None:
    """Who stands where in the field does not matter. Particles are drawn in its order, so theirs are all alike here."""
    field = data.draw(fields(most=6))
    side_count = data.draw(st.integers(2, min(3, len(field))))
    order = data.draw(st.permutations(range(len(field))))
    other = relabelled(field, order)
    if "particles" in policies()[name].__struct_fields__:
        still = np.zeros(len(field))
        field, other = (replace(one, deviation=still, posterior=None) for one in (field, other))
    here, there = law_of(create(name), field), law_of(create(name), other)
    for players in itertools.combinations(range(len(field)), side_count):
        elsewhere = tuple(order[player] for player in players)
        assert math.isclose(chance_of(there, players), chance_of(here, elsewhere), rel_tol=1e-7, abs_tol=1e-9)
        assert math.isclose(there.score(players), here.score(elsewhere), rel_tol=1e-7, abs_tol=1e-9)


def chance_of(law: Law, players: Sequence[int]) -> float:
    """Chance of a set, summed over its orders."""
    known = _Remembered(law)
    orders = itertools.permutations(players)
    return float(sum(math.prod(known.chances(order[:i])[player] for i, player in enumerate(order)) for order in orders))


@by_name
@pytest.mark.parametrize(("count", "side_count", "floor"), [(4, 2, 0.0), (4, 3, 0.25), (5, 4, 0.1)])
def test_draws_are_as_likely_as_they_say(name: str, count: int, side_count: int, floor: float) -> None:
    """The policy is shown the same particles each time; then all that is left to chance is the draw."""
    rng = np.random.default_rng(11)
    wins = np.triu(rng.integers(0, 3, (count, count)), 1).astype(np.float64)
    matches = np.array([3.0, 2.0, 2.0, 2.0, 5.0])[:count]
    skill = np.array([0.3, 0.3, -0.2, 0.8, 0.0])[:count]
    field = alike(skill, matches=matches, wins=wins)
    fixed = _Fixed(known=_Remembered(law_of(create(name), field)))
    told, seen, draws = {}, Counter[tuple[int, ...]](), 1_500
    for _ in range(draws):
        found = draw(fixed, field, side_count, floor, rng)
        told[found.players] = found.built
        seen[found.players] += 1
        assert found.propensity is not None
        players = frozenset(found.players)
        orders = [told[order] for order in itertools.permutations(players) if order in told]
        assert sum(orders) <= found.propensity * (1 + LEEWAY)
    # Rare ones together, so that the statistic is as it should be.
    often = [order for order in told if told[order] * draws >= 5]
    expected = [told[order] * draws for order in often]
    observed: list[float] = [seen[order] for order in often]
    if draws - sum(expected) >= 1:
        expected.append(draws - sum(expected))
        observed.append(draws - sum(observed))
    statistic = sum((a - b) ** 2 / b for a, b in zip(observed, expected, strict=True))
    assert statistic <= chi2.isf(1e-6, max(1, len(expected) - 1))
    assert math.isclose(sum(observed), sum(expected), rel_tol=LEEWAY)


class _Fixed(Policy, frozen=True):
    known: Law

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        return self.known


class _Remembered:
    """A law that is worked out once for each question."""

    def __init__(self, law: Law) -> None:
        self._known = cache(law.chances)
        self.score = law.score

    def chances(self, taken: Sequence[int]) -> Floats:
        return self._known(tuple(taken))


@by_name
@settings(deadline=None, max_examples=10)
@given(field=fields(most=6), floor=st.sampled_from([0.0, 0.1, 1.0]), side_count=st.integers(2, 4))
def test_all_sets_together_are_certain(name: str, field: Field, floor: float, side_count: int) -> None:
    """By the law's chances over all orders; and what is said of a set that was drawn is the sum over its orders."""
    side_count = min(side_count, len(field))
    law = _Remembered(law_of(create(name), field))
    sets = {
        players: (1.0 - floor) * chance_of(law, players) + floor / math.comb(len(field), side_count)
        for players in itertools.combinations(range(len(field)), side_count)
    }
    assert math.isclose(sum(sets.values()), 1.0, rel_tol=LEEWAY)
    found = draw(_Fixed(known=law), field, side_count, floor, np.random.default_rng(3))
    assert found.propensity is not None
    assert math.isclose(found.propensity, sets[tuple(sorted(found.players))], rel_tol=LEEWAY)


@pytest.mark.parametrize("name", [name for name, kind in policies().items() if kind.spreads])
@pytest.mark.parametrize("side_count", [2, 3])
def test_those_under_way_are_spread(name: str, side_count: int) -> None:
    rng = np.random.default_rng(2)
    field = alike(np.zeros(6), wins=np.zeros((6, 6)))
    before = draw(create(name), field, side_count, 0.0, rng)
    after = field.with_match(before.players)
    again = [draw(create(name), after, side_count, 0.0, rng) for _ in range(50)]
    assert before.propensity is not None
    assert {frozenset(found.players) for found in again}.isdisjoint({frozenset(before.players)})


@by_name
def test_ten_thousand_candidates_are_not_too_many(name: str) -> None:
    """And what needs pairs takes the thousand for which they are kept. No n times n numbers without pairs."""
    kind = policies()[name]
    count = 1_000 if kind.needs else 10_000
    rng = np.random.default_rng(4)
    skill = rng.normal(0.0, 1.0, count)
    wins = rng.integers(0, 3, (count, count)).astype(np.float64) if kind.needs else None
    field = alike(skill, wins=wins) if kind.needs else replace(level(count), rating=skill, location=skill)
    found = draw(create(name), field, MOST_SIDES, 0.02, rng)
    assert len(set(found.players)) == MOST_SIDES
    assert 0.0 < found.built <= 1.0
    assert all(math.isclose(chances.sum(), 1.0, rel_tol=LEEWAY) for chances in found.steps)


@given(st.integers(2, 100_000), st.sampled_from([0.0, 1.0, 1e4]), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_weights_of_a_hundred_thousand_are_finite(count: int, scale: float, seed: int) -> None:
    logits = scale * np.random.default_rng(seed).normal(0.0, 1.0, count)
    chances = boltzmann(logits, [int(logits.argmax())])
    assert np.isfinite(chances).all()
    assert math.isclose(chances.sum(), 1.0, rel_tol=LEEWAY)
