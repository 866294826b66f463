"""Simulations: the truth of an arena, trials under it by the service's own code, and what many of them come to."""

import json
from itertools import combinations, islice
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, kendalltau

from benchmarks.matchups import BEGIN, END, PAGE
from service.columns import lay_out
from service.match import Match, Side
from service.matchups import Goal, Law, Policy
from service.matchups import create as policy
from service.matchups.field import Field
from service.matchups.posterior import fit, unknown
from service.rate import empty, rate
from service.ratings import Shapes, create
from service.ratings.elo import Elo
from standings.arena import Arena, Truth
from standings.errors import Mistake
from standings.simulation import simulate, summed_up
from standings.targets import kendall_tau, target_of
from standings.trial import MATCH_MS, SWEEPS, Setting, attempt, play
from tests.conftest import Command

orders = st.integers(2, 12).flatmap(
    lambda players: st.tuples(
        st.lists(st.integers(0, 8), min_size=players, max_size=players), st.permutations(range(players))
    )
)


def setting(name: str = "uniform", *, sides: int = 2, at_once: int = 1, **arena: float) -> Setting:
    return Setting(
        arena=Arena(players=8, sides=sides, **arena), system=create("elo"), policy=policy(name), at_once=at_once
    )


@settings(deadline=None)  # On a busy machine a matrix takes its time.
@given(orders)
def test_the_order_is_judged_pair_by_pair(given: tuple[list[int], list[int]]) -> None:
    strength, skills = (np.array(one, dtype=float) for one in given)
    pairs = list(combinations(range(len(skills)), 2))
    agreed = [np.sign((strength[a] - strength[b]) * (skills[a] - skills[b])) for a, b in pairs]
    assert kendall_tau(strength, skills) == pytest.approx(np.mean(agreed))
    if len(set(strength)) == len(strength):
        assert kendall_tau(strength, skills) == pytest.approx(kendalltau(strength, skills).statistic)
    assert target_of("exact", len(skills)).reached(strength, skills) == (min(agreed) == 1.0)
    for first in range(1, len(skills)):
        true_first = {player for player in range(len(skills)) if skills[player] >= len(skills) - first}
        name = "best" if first == 1 else f"top_{first}"
        ahead = all(strength[a] > strength[b] for a in true_first for b in range(len(skills)) if b not in true_first)
        assert target_of(name, len(skills)).reached(strength, skills) == ahead


@pytest.mark.parametrize("goal", ["", "0", "1.1", "-1", "nan", "most", "top_0", "top_x", "top_50"])
def test_a_goal_that_is_none_is_named(goal: str) -> None:
    with pytest.raises(Mistake, match=f"^--goal {goal}: "):
        target_of(goal, 50)


def test_results_follow_from_the_skills() -> None:
    still, plays = Truth(Arena(players=6), 3), range(4000)
    assert all(
        still.play([0, 3, 5, 1]) == sorted([0, 3, 5, 1], key=lambda player: -still.skills[player]) for _ in range(50)
    )
    assert np.array_equal(still.skills, Truth(Arena(players=9, noise=1.0), 3).skills[:6])
    # Two players whose gap is known, seen through noise of two performances, and one result in four at random.
    noisy = Truth(Arena(players=2, noise=0.5, flip=0.25), 1)
    noisy.skills[:] = [0.5, 0.0]
    won = sum(noisy.play([0, 1])[0] == 0 for _ in plays)
    chance = 0.75 * 0.7602499389065233 + 0.25 * 0.5
    assert binomtest(won, len(plays), chance).pvalue > 0.01
    walking = Truth(Arena(players=1000, drift=0.1), 1)
    begun = walking.skills.copy()
    for _ in range(25):
        walking.play([0, 1])
    assert np.std(walking.skills - begun) == pytest.approx(0.5, rel=0.1)


class Noting(Policy, frozen=True):
    """Uniform, and notes what it sees."""

    name: ClassVar[str] = "noting"
    goals: ClassVar[frozenset[Goal]] = frozenset({"cover"})
    unit: ClassVar[str] = "none"
    seen: ClassVar[list[tuple[int, float, float]]] = []

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        assert field.wins is not None
        self.seen.append((len(field.under_way), field.matches.sum(), field.wins.sum()))
        return policy("uniform").law(field, rng)


@pytest.mark.parametrize("sides", [2, 3])
@pytest.mark.parametrize("counted", [True, False])
def test_what_is_under_way_is_seen_and_what_is_over_is_counted(sides: int, counted: bool) -> None:
    Noting.seen.clear()
    arena = Arena(players=8, sides=sides)
    rounds = play(Setting(arena=arena, system=create("elo"), policy=Noting(), at_once=3, counted=counted), 5)
    assert [look.matches for look in islice(rounds, 2)] == [3, 6]
    pairs, share = sides * (sides - 1) // 2, 3 / (sides + 1)
    assert [(open_, matches) for open_, matches, _ in Noting.seen] == [
        (counted * pairs * open_, sides * (over + counted * open_)) for over in (0, 3) for open_ in range(3)
    ]
    assert [wins for _, _, wins in Noting.seen] == pytest.approx([0.0] * 3 + [3 * share * pairs] * 3)


def test_ratings_are_those_of_the_matches_that_were_played() -> None:
    looks, elo, table = list(islice(play(setting(sides=3), 2), 20)), create("elo"), empty(create("elo"), 8)
    matches: list[Match] = []
    rows: list[int] = []
    for number, look in enumerate(looks):
        (players,) = look.sets
        places = np.argsort(np.argsort(-look.skills[list(players)]))
        sides = tuple(Side((str(player),), rank=int(place) + 1) for player, place in zip(players, places, strict=True))
        matches.append(Match(str(number), "arena", number * MATCH_MS, sides))
        rows += players
    rate(elo, lay_out(matches, rows), table)
    assert looks[-1].strength == pytest.approx(table.skills[:, 0], rel=1e-12)


def test_a_policy_of_the_posterior_is_judged_by_its_order() -> None:
    wins, posterior = np.zeros((8, 8)), unknown(8)
    for look in islice(play(setting("information_gain", sides=3, at_once=2), 6), 9):
        for players in look.sets:
            order = sorted(players, key=lambda player: -look.skills[player])
            for ahead, behind in combinations(order, 2):
                wins[ahead, behind] += 0.75
        posterior = fit(wins, posterior, sweeps=SWEEPS)
        assert np.array_equal(look.strength, posterior.mean)
    uniform, gaining = (
        simulate([setting(name)], target_of("exact", 8), budget=400, seeds=5)[0].answer
        for name in ("uniform", "information_gain")
    )
    # The 15 bits of an order of 8 take as many duels at least.
    assert gaining.median is not None
    assert uniform.median is not None
    assert 12 < gaining.median < 20 < uniform.median


def test_a_trial_ends_when_the_goal_has_been_held() -> None:
    noisy, target = setting(noise=0.5), target_of("0.7", 8)
    looks = list(islice(play(noisy, 4), 200))
    met = [target.reached(look.strength, look.skills) for look in looks]
    for held in (1, 3, 9):
        first = next((place for place in range(200) if all(met[place : place + held])), 200)
        found = attempt(noisy, target, 200, 4, held=held)
        assert found.reached == first + 1
        assert not found.errors
        whole = attempt(noisy, target, 200, 4, held=held, whole=True)
        assert whole.reached == found.reached
        assert whole.errors == [(look.matches, (1 - kendall_tau(look.strength, look.skills)) / 2) for look in looks]
    assert attempt(noisy, target, next(place for place in range(200) if met[place]), 4).reached is None
    # A round that the budget does not hold is not played.
    assert attempt(setting(at_once=7), target, 20, 4, whole=True).errors[-1][0] == 14


@settings(deadline=None)  # The first call of a distribution is slow.
@given(st.lists(st.none() | st.integers(1, 20), min_size=1, max_size=30))
def test_the_interval_holds_the_median_by_order_statistics(reached: list[int | None]) -> None:
    found, count = summed_up("uniform", "exact", reached), len(reached)
    ordered = sorted(np.inf if one is None else one for one in reached)
    ends = [np.inf if end is None else end for end in (found.low, found.median, found.high)]
    assert ends[1] == np.median(ordered)
    # The k-th least and the k-th most hold the median unless fewer than k fall on one side of it.
    sure = [rank for rank in range(1, count + 1) if 2 * binom.cdf(rank - 1, count, 0.5) <= 0.05]
    rank = max(sure, default=1)
    assert (ends[0], ends[2]) == (ordered[rank - 1], ordered[count - rank])


def test_all_policies_play_the_same_seeds() -> None:
    first, second = simulate([setting(), setting()], target_of("exact", 8), budget=500, seeds=3)
    assert first == second
    assert len(set(first.answer.matches)) > 1
    other = simulate([setting(sides=4)], target_of("exact", 8), budget=500, seeds=3)[0]
    assert other.answer.matches != first.answer.matches


def test_the_command_answers_in_the_shape_that_is_promised(command: Command) -> None:
    words = ("simulate", "--players", "6", "--sides", "3", "--goal", "0.6", "--seeds", "6", "--budget", "40")
    code, out, err = command(*words, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert list(answer) == ["policy", "goal", "matches", "median", "low", "high"]
    assert (answer["policy"], answer["goal"], len(answer["matches"])) == ("uniform", "0.6", 6)
    assert json.loads(command(*words, "--json", "--noise", "100", "--goal", "exact", "--budget", "2")[1]) == {
        "policy": "uniform", "goal": "exact", "matches": [None] * 6, "median": None, "low": None, "high": None,
    }  # fmt: skip
    code, out, _ = command(*words)
    assert code == 0
    assert "6 of 6" in out


def test_the_picture_shows_every_policy(command: Command, tmp_path: Path) -> None:
    picture = tmp_path / "a.svg"
    words = ("--players", "4", "--sides", "2", "--seeds", "2", "--budget", "9", "--at-once", "4")
    assert command("simulate", *words, "--policy", "uniform", "--plot", str(picture))[0] == 0
    text = picture.read_text()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    for word in ("uniform", "matches", "share of pairs in the wrong order"):
        assert f"<!-- {word}" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--policy", "nope"), "no policy 'nope'; there are: "),
        (("--system", "nope"), "no rating system 'nope'; there are: "),
        (("--policy-param", "k"), "--policy-param k: a parameter is given as NAME=VALUE"),
        (("--policy-param", "k=1"), "uniform has no such parameter"),
        (("--sides", "9", "--players", "8"), "--sides 9: there are 8 players"),
        (("--at-once", "9", "--budget", "8"), "--at-once 9: the budget is 8 matches"),
        (("--goal", "top_50"), "--goal top_50: of 50 players at most top_49"),
        (("--noise", "nan"), "'--noise'"),
        (("--plot", "a.gif"), "--plot a.gif: a picture is"),
        (("--policy", "uniform", "--policy", "other", "--json"), "--json: it answers for one --policy"),
    ],
)
def test_a_mistake_is_one_line(command: Command, words: tuple[str, ...], said: str) -> None:
    code, out, err = command("simulate", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


class Duels(Elo, frozen=True, kw_only=True):
    """Elo for two."""

    shapes: ClassVar[Shapes] = Shapes(most_sides=2)


def test_the_page_has_room_for_the_figures() -> None:
    _, begin, rest = PAGE.read_text().partition(BEGIN)
    assert begin == BEGIN
    assert rest.count(END) == 1


def test_a_system_is_held_to_its_shapes() -> None:
    with pytest.raises(Mistake, match=r"^--sides 3: elo takes at most 2 sides, not 3$"):
        Setting(arena=Arena(sides=3), system=Duels(), policy=policy("uniform"))
