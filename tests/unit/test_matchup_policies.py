"""What is special to each policy, and how one is chosen for a goal."""

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from service.columns import Floats
from service.matchups import Goal, Need, create, policies
from service.matchups.draw import draw
from service.matchups.field import Field, level
from service.matchups.goals import FOR_GOALS, policy_for
from service.matchups.particles import draw_particles
from service.matchups.posterior import unknown
from service.matchups.response_graph_ucb import open_pairs
from service.problems import Problem

PAGE = Path(__file__).resolve().parents[2] / "docs" / "matchups.md"


def law_field(rating: list[float], deviation: float = 1.0, **more: object) -> Field:
    """Candidates of these ratings, by default with pairs of which none has met."""
    count = len(rating)
    skill, spread = np.array(rating), np.full(count, deviation)
    field = replace(level(count), rating=skill, deviation=spread, location=skill, variance=spread**2 + 0.25)
    return replace(field, **{"wins": np.zeros((count, count)), **more})  # type: ignore[arg-type]  # by name, as it comes


def met(count: int, often: float) -> Floats:
    """Wins where each pair met so often, and was even."""
    return often / 2 * (1.0 - np.eye(count))


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def chances(name: str, field: Field, taken: tuple[int, ...] = (), **parameters: float) -> list[float]:
    return [round(chance, 12) for chance in create(name, parameters).law(field, rng()).chances(taken).tolist()]


def test_the_least_played_come_first() -> None:
    field = replace(level(4), matches=np.array([3.0, 1.0, 1.0, 2.0]))
    assert chances("least_played", field) == [0.0, 0.5, 0.5, 0.0]
    assert chances("least_played", field, (1, 2)) == [0.0, 0.0, 0.0, 1.0]
    assert create("least_played").law(field, rng()).score((1, 3)) == 0.25


def test_everybody_plays_equally_often_by_it() -> None:
    field, chance = level(7), rng()
    for _ in range(50):
        field = field.with_match(draw(create("least_played"), field, 3, 0.0, chance).players)
        assert np.ptp(field.matches) <= 1


def test_the_closest_are_those_whose_match_is_open() -> None:
    field = law_field([0.0, 0.1, 1.0, -3.0])
    open_, wide, hopeless = chances("closest", field, (0,))[1:]
    assert open_ > 0.9 > wide > hopeless
    # By their chances of winning, to the letter: a temperature further from even, e times less often.
    off = [abs(_normal(gap / math.sqrt(2 * 1.25)) - 0.5) for gap in (0.1, 1.0)]
    warm = chances("closest", field, (0,), temperature=0.5)
    assert math.isclose(warm[1] / warm[2], math.exp((off[1] - off[0]) / 0.5), rel_tol=1e-9)
    # Of three sides the worst pair counts: the one between the two is nearer to both than one beside them.
    beside = chances("closest", law_field([0.0, 1.0, 0.5, -0.1]), (0, 1))
    assert beside[2] > 0.99


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def test_greedy_is_greedy_but_for_epsilon() -> None:
    field = law_field([0.0, 2.0, 1.0, 2.0])
    assert chances("epsilon_greedy", field, epsilon=0.0) == [0.0, 0.5, 0.0, 0.5]
    assert chances("epsilon_greedy", field, (1,), epsilon=0.3) == pytest.approx([0.1, 0.0, 0.1, 0.8])


def test_ucb_seeks_the_nearest_rival_not_the_farthest() -> None:
    field = law_field([0.0, 0.2, 3.0], wins=met(3, 4.0), matches=np.array([2.0, 4.0, 4.0]))
    assert chances("ucb", field) == [1.0, 0.0, 0.0]
    assert chances("ucb", field, (0,)) == [0.0, 1.0, 0.0]


def test_ucb_seeks_whom_the_pivot_seldom_met_and_first_whom_it_never_met() -> None:
    wins = met(4, 400.0)
    wins[0, 2] = wins[2, 0] = 0.5
    assert chances("ucb", law_field([0.0, 0.0, 1.0, 0.1], wins=wins), (0,)) == [0.0, 0.0, 1.0, 0.0]
    assert chances("ucb", law_field([0.0, 0.0, 1.0, 0.1], wins=wins), (0,), alpha=0.0) == [0.0, 1.0, 0.0, 0.0]
    wins[0, 3] = wins[3, 0] = 0.0
    never = law_field([0.0, 0.0, 1.0, 5.0], wins=wins)
    assert chances("ucb", never, (0,)) == [0.0, 0.0, 0.0, 1.0]
    assert chances("ucb", never.with_match([0, 3]), (0,)) == [0.0, 0.0, 1.0, 0.0]


def test_ucb_measures_gaps_in_deviations_of_the_pair() -> None:
    """So its choice does not depend on the unit of the ratings."""
    wins = met(5, 3.0) + np.triu(np.arange(25.0).reshape(5, 5), 1) / 10
    field = law_field([0.0, 0.4, -0.9, 1.3, 0.2], 0.7, wins=wins)
    points = replace(field, rating=1500 + 290 * field.rating, deviation=290 * field.deviation)
    for pivot in range(5):
        assert chances("ucb", field, (pivot,)) == chances("ucb", points, (pivot,))


@pytest.mark.parametrize("name", ["thompson", "top_two"])
def test_the_better_and_the_less_sure_play_more(name: str) -> None:
    field = law_field([0.0, 1.0, -1.0, 0.0])
    field = replace(field, deviation=np.array([0.5, 0.5, 0.5, 3.0]))
    sure, better, worse, unsure = chances(name, field, particles=256)
    assert better > sure > worse
    assert unsure > sure


def test_thompson_is_as_often_the_best_as_particles_say() -> None:
    field = law_field([0.0, 0.5, 1.0, -0.5])
    particles = draw_particles(field, 256, rng())
    law = create("thompson", {"particles": 256}).law(field, rng())
    assert law.chances(()).tolist() == (np.bincount(particles.argmax(axis=1), minlength=4) / 256).tolist()
    rest = particles.copy()
    rest[:, 2] = -np.inf
    assert law.chances((2,)).tolist() == (np.bincount(rest.argmax(axis=1), minlength=4) / 256).tolist()
    assert law.score((2, 1)) == law.chances(())[[2, 1]].sum()


def test_particles_follow_the_joint_posterior() -> None:
    half = np.array([[0.8, 0.0, 0.0], [0.5, 0.4, 0.0], [0.0, -0.3, 0.2]])
    posterior = replace(unknown(3), mean=np.array([0.3, 0.0, -0.3]), settled=half @ half.T)
    particles = draw_particles(law_field([9.0, 9.0, 9.0], posterior=posterior), 40_000, rng())
    np.testing.assert_allclose(particles.mean(axis=0), posterior.mean, atol=0.02)
    np.testing.assert_allclose(np.cov(particles.T), posterior.covariance, atol=0.02)


def test_a_joint_posterior_that_rounding_left_without_an_inverse_is_drawn_from() -> None:
    flat = replace(unknown(40), settled=np.full((40, 40), 1.0 / 3.0))
    particles = draw_particles(law_field([0.0] * 40, posterior=flat), 16, rng())
    assert np.ptp(particles, axis=1).max() < 1e-3


def test_top_two_measures_as_the_paper_does() -> None:
    field = law_field([0.0, 0.5, 0.9, -0.5])
    best = np.array(chances("thompson", field, particles=256))
    for beta in (0.0, 0.5, 0.8):
        measured = [
            p * (beta + (1 - beta) * sum(q / (1 - q) for other, q in enumerate(best) if other != i))
            for i, p in enumerate(best)
        ]
        assert chances("top_two", field, particles=256, beta=beta) == pytest.approx(measured, rel=1e-9)
        rest = np.delete(measured, 2) / np.delete(measured, 2).sum()
        assert np.delete(chances("top_two", field, (2,), particles=256, beta=beta), 2) == pytest.approx(rest, rel=1e-9)


def test_top_two_finds_a_challenger_where_no_particle_has_one() -> None:
    field = law_field([9.0, 0.0, -9.0], deviation=0.0)
    assert chances("top_two", field, beta=0.25) == [0.25, 0.75, 0.0]
    assert chances("top_two", field, (0,)) == [0.0, 1.0, 0.0]
    assert chances("top_two", field, (0, 1)) == [0.0, 0.0, 1.0]


def test_exp3_mixes_in_less_as_matches_are_played() -> None:
    rating = [1.0, 0.0, -1.0, 0.0]
    for pairs in (met(4, 100.0), None):
        late = [
            chances("exp3", law_field(rating, wins=pairs, matches=np.full(4, played)), mixing=1.0)
            for played in (0.0, 100.0, 10_000.0)
        ]
        assert late[0] == [0.25] * 4
        if pairs is None:
            assert late[0][0] < late[1][0] < late[2][0]
            assert late[0][2] > late[1][2] > late[2][2] > 0.0
        else:
            # By what happened, not by what the ratings say.
            assert late[1] == late[2] == [0.25] * 4


def test_exp3_is_what_it_says() -> None:
    wins = np.array([[0.0, 30.0, 10.0], [10.0, 0.0, 0.0], [10.0, 0.0, 0.0]])
    field = law_field([0.0, 0.0, 0.0], wins=wins, matches=np.array([60.0, 40.0, 20.0]))
    borda = [(30.5 / 41 + 10.5 / 21) / 2, (10.5 / 41 + 0.5) / 2, (10.5 / 21 + 0.5) / 2]
    eta = (math.log(3) / (60 * math.sqrt(3))) ** (2 / 3)
    gamma = 0.5 * math.sqrt(3 * eta)
    weights = np.exp(2.0 * eta * 60 * np.array(borda))
    expected = (1 - gamma) * weights / weights.sum() + gamma / 3
    assert chances("exp3", field, rate=2.0, mixing=0.5) == pytest.approx(expected.tolist(), rel=1e-9)
    assert create("exp3").law(field, rng()).score((0, 1)) == pytest.approx((borda[0] + borda[1]) / 2)


def test_exp3_by_ratings_is_nearly_the_mean_chance_against_everybody() -> None:
    skill = np.random.default_rng(8).normal(0.0, 1.0, 400)
    field = law_field(skill.tolist(), wins=None)
    law = create("exp3").law(field, rng())
    for one in (0, 1, 2):
        mean = np.mean([_normal((skill[one] - rival) / math.sqrt(2.5)) for rival in np.delete(skill, one)])
        assert law.score((one,)) == pytest.approx(mean, abs=0.01)


def test_a_pair_is_open_until_its_results_are_unlikely_between_equals() -> None:
    """The mixture's likelihood, worked out by fractions, decides; ties count one half of each."""
    for won, lost in itertools.product(range(13), repeat=2):
        evidence = 2.0 ** (won + lost) / ((won + lost + 1) * math.comb(won + lost, won))
        wins = np.array([[0.0, won], [lost, 0.0]])
        expected = evidence < 20.0
        assert open_pairs(wins, 0.05).tolist() == [[False, expected], [expected, False]]
    assert open_pairs(np.array([[0.0, 500.5], [500.5, 0.0]]), 0.05)[0, 1]


def test_equals_are_seldom_ever_resolved() -> None:
    """Looked at after each of 400 matches, of 4,000 pairs of equals, with ties: no more than delta."""
    results = np.random.default_rng(6).choice([0.0, 0.5, 1.0], (4_000, 400), p=[0.4, 0.2, 0.4])
    won = np.cumsum(results, axis=1)
    closed = 0
    for row in won:
        wins = np.zeros((2, 2))
        # Only where the gap is at its widest so far can a pair be resolved for the first time.
        gaps = np.abs(row - (np.arange(400) + 1) / 2)
        for match in np.flatnonzero(gaps > np.sqrt(np.arange(400) + 1)):
            wins[0, 1], wins[1, 0] = row[match], match + 1 - row[match]
            if not open_pairs(wins, 0.1)[0, 1]:
                closed += 1
                break
    assert 0 < closed / 4_000 < 0.1


def test_the_response_graph_plays_open_pairs_and_of_these_the_least_played() -> None:
    wins = np.zeros((4, 4))
    wins[0, 1], wins[0, 2], wins[0, 3] = 40.0, 40.0, 40.0
    wins[1, 2] = wins[2, 1] = 2.0
    field = law_field([0.0] * 4, wins=wins)
    assert chances("response_graph_ucb", field) == [0.0, 0.25, 0.25, 0.5]
    assert chances("response_graph_ucb", field, (3,)) == [0.0, 0.5, 0.5, 0.0]
    busy = field.with_match([3, 1])
    assert chances("response_graph_ucb", busy) == [0.0, 0.0, 0.5, 0.5]
    law = create("response_graph_ucb").law(field, rng())
    assert (law.score((1, 2, 3)), law.score((0, 1))) == (3.0, 0.0)
    # No pair with the first is open: then whoever has met it least.
    assert chances("response_graph_ucb", field.with_match([0, 1]), (0,)) == [0.0, 0.0, 0.5, 0.5]


def test_the_response_graph_resolves_a_cycle_and_is_done() -> None:
    """Each beats the next for sure: no order fits, and every pair is settled all the same."""
    policy, chance = create("response_graph_ucb"), rng()
    field = law_field([0.0] * 3)
    for _ in range(3 * 8):
        assert field.wins is not None
        assert policy.law(field, chance).score((0, 1, 2)) > 0.0
        first, second = draw(policy, field, 2, 0.0, chance).players
        assert open_pairs(field.wins, 0.05)[first, second]
        winner, loser = (first, second) if (second - first) % 3 == 1 else (second, first)
        wins = field.wins.copy()
        wins[winner, loser] += 1.0
        field = replace(field, wins=wins)
    assert policy.law(field, chance).score((0, 1, 2)) == 0.0
    assert draw(policy, field, 2, 0.0, chance).propensity == pytest.approx(1 / 3)


def test_every_goal_has_a_policy_with_and_without_pairs() -> None:
    assert set(FOR_GOALS) == set(get_args(Goal))
    for goal, names in FOR_GOALS.items():
        assert all(goal in policies()[name].goals for name in names)
        assert not policies()[names[-1]].needs
        assert policy_for(goal).name == names[-1]
        assert policy_for(goal, pairs=True).name == names[0]
    assert policy_for() == policy_for("full")


def test_what_cannot_work_is_refused_by_name() -> None:
    assert policy_for("best", "thompson", {"particles": 8}) == create("thompson", {"particles": 8})
    assert policy_for("full", "ucb", pairs=True) == create("ucb")
    refused: list[tuple[dict[str, object], str, str, str]] = [
        ({"name": "no such"}, "unknown_name", "", "least_played"),
        ({"name": "thompson", "parameters": {"particles": 0}}, "invalid_parameter", "particles", "particles"),
        ({"name": "uniform", "parameters": {"temperature": 1}}, "invalid_parameter", "temperature", "temperature"),
        ({"goal": "best", "name": "closest"}, "invalid_parameter", "policy", "goal best"),
        ({"parameters": {"particles": 8}}, "invalid_parameter", "parameters", "no policy"),
        ({"name": "ucb"}, "pairs_not_kept", "policy", "ucb needs"),
    ]
    for asked, slug, field, said in refused:
        with pytest.raises(Problem) as met_problem:
            policy_for(**asked)  # type: ignore[arg-type]  # as requests come
        problem = met_problem.value
        assert (problem.type.slug, said in problem.detail) == (slug, True)
        assert [error.field for error in problem.errors] == ([field] if field else [])
    with pytest.raises(Problem) as without:
        policy_for("full", "response_graph_ucb")
    assert without.value.errors[0].remedy == "one of: closest"


@pytest.mark.parametrize("name", policies())
def test_the_page_says_of_each_what_it_is_for_and_what_can_be_set(name: str) -> None:
    _, heading, section = PAGE.read_text(encoding="utf-8").partition(f"\n### {name}\n")
    assert heading
    said = re.findall(r"^\| `(\w+)` \| (\S+) \|", re.split(r"\n##+ ", section)[0], re.MULTILINE)
    assert said == [(field, f"{getattr(create(name), field):g}") for field in policies()[name].__struct_fields__]
    by_goal = dict(re.findall(r"^\| `(\w+)` (\|.*)", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {goal for goal in get_args(Goal) if f"`{name}`" in by_goal[goal]} == policies()[name].goals


@pytest.mark.parametrize("name", policies())
def test_each_says_what_it_is(name: str) -> None:
    kind = policies()[name]
    assert (kind.name, kind.__module__) == (name, f"service.matchups.{name}")
    assert kind.goals
    assert kind.goals <= set(get_args(Goal))
    assert kind.needs <= set(get_args(Need))
    assert create(name, {field: str(getattr(create(name), field)) for field in kind.__struct_fields__}) == create(name)
