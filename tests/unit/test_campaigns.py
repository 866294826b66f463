"""Campaigns: what they certify is wrong no more often than they say, and they end."""

import math
import re
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from service.campaigns import Campaign, create
from service.campaigns.certificate import Certificate
from service.campaigns.planner import matches_to_reach, matches_to_tell
from service.campaigns.relations import relations
from service.columns import Floats
from service.matchups.draw import draw
from service.matchups.field import Field, level
from service.problems import Problem

NAMES = tuple("abcdefghijkl")
GOALS: list[dict[str, Any]] = [
    {"goal": "full"},
    {"goal": "top_k", "k": 2},
    {"goal": "best"},
    {"goal": "place", "player": "b"},
]
by_goal = pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal["goal"])


def settle(count: int, **parameters: Any) -> Campaign:
    return create("settle", {"players": NAMES[:count], "tolerance": 0.2, "delta": 0.2, **parameters})


def field_of(wins: Floats) -> Field:
    """Rated by their share of wins."""
    location = (wins.sum(axis=1) + 1.0) / ((wins + wins.T).sum(axis=1) + 2.0)
    return replace(level(len(wins)), wins=wins, location=location)


def play(campaign: Campaign, skill: Floats, seed: int, side_count: int = 2, each: int = 5) -> Certificate:
    """Play to the end; whoever is chosen plays several times before the campaign looks again.

    Win chances are logistic in the skills' gap, whoever else plays.
    """
    rng = np.random.default_rng(seed)
    wins, matches = np.zeros((len(skill), len(skill))), 0
    while (certificate := campaign.certificate(field := field_of(wins), matches)) is None:
        law, taken = campaign.law(field, rng), list[int]()
        for _ in range(side_count):
            taken.append(int(rng.choice(len(skill), p=law.chances(taken))))
        shown = skill[taken] + rng.gumbel(size=(each, side_count))
        before = (shown[:, :, None] > shown[:, None, :]).sum(axis=0)
        wins[np.ix_(taken, taken)] += before * 3.0 / (side_count + 1)
        matches += each
    return certificate


def wrong(certificate: Certificate, chance: Floats) -> bool:
    """Whether it puts anybody before one who is ahead beyond the tolerance."""
    count = len(chance)
    behind = chance > 0.5 + certificate.tolerance
    players = [NAMES.index(name) for name in certificate.players]
    if certificate.goal in {"full", "place"}:
        return any(behind[later, one] for place, one in enumerate(players) for later in players[place:])
    return any(behind[other, one] for one in players for other in set(range(count)) - set(players))


@by_goal
@pytest.mark.parametrize("side_count", [2, 3])
def test_a_certificate_is_wrong_no_more_often_than_delta(goal: dict[str, Any], side_count: int) -> None:
    """Over a thousand campaigns altogether, between neighbours who are just beyond the tolerance."""
    skill = np.array([1.8, 0.9, 0.0])
    chance = 1.0 / (1.0 + np.exp(skill - skill[:, None]))
    assert chance[0, 1] > 0.7
    found = [play(settle(3, delta=0.05, **goal), skill, seed, side_count, each=2) for seed in range(125)]
    assert {one.stopped for one in found} <= {"certified", "cyclic"}
    errors = sum(one.stopped == "cyclic" or wrong(one, chance) for one in found)
    assert errors <= binom.ppf(0.99, len(found), 0.05)


@by_goal
def test_fewer_matches_do_where_the_gaps_are_wider(goal: dict[str, Any]) -> None:
    matches = [
        median(
            play(settle(4, tolerance=0.05, **goal), gap * np.arange(3, -1, -1.0), seed, each=10).matches
            for seed in range(7)
        )
        for gap in (0.4, 1.0, 3.0)
    ]
    assert matches[0] > 2 * matches[1] > 2 * matches[2]


@by_goal
def test_near_ties_end_by_the_tolerance(goal: dict[str, Any]) -> None:
    found = play(settle(4, tolerance=0.1, **goal), np.zeros(4), 1, each=20)
    assert found.stopped == "certified"
    # Each of the six pairs needs no more than the planner says of one, but for luck.
    assert found.matches < 6 * 2 * matches_to_tell(0.5, 0.2 / 6, 0.1)


def test_four_sides_certify_the_order() -> None:
    skill = 1.5 * np.arange(5, -1, -1.0)
    two, four = (play(settle(6, tolerance=0.05, delta=0.01), skill, 3, sides) for sides in (2, 4))
    assert two.players == four.players == NAMES[:6]
    assert four.matches < two.matches


def test_no_order_fits_a_circle() -> None:
    wins = np.array([[0.0, 50.0, 1.0], [1.0, 0.0, 50.0], [50.0, 1.0, 0.0]])
    for goal in GOALS[:3]:
        found = settle(3, **goal).certificate(field_of(wins), 153)
        assert found is not None
        assert found.stopped == "cyclic"


def test_a_circle_among_the_others_is_none_of_a_newcomers_business() -> None:
    wins = np.zeros((4, 4))
    wins[:3, :3] = [[0.0, 50.0, 1.0], [1.0, 0.0, 50.0], [50.0, 1.0, 0.0]]
    wins[3, 2] = wins[1, 3] = 30.0
    found = settle(4, goal="place", player="d").certificate(field_of(wins), 1)
    assert found is not None
    assert (found.players, found.ranks[2]) == (("a", "b", "d", "c"), (3, 3))
    assert {(pair.first, pair.second) for pair in found.pairs} == {("b", "d"), ("d", "c")}


def test_a_newcomer_meets_the_middle_first() -> None:
    chances = settle(9, goal="place", player="i").law(level_with_wins(9), np.random.default_rng(1)).chances([8])
    assert set(np.flatnonzero(chances).tolist()) <= {3, 4}


def level_with_wins(count: int) -> Field:
    return replace(level(count), wins=np.zeros((count, count)))


def test_budget_and_cost_end_a_campaign_without_a_promise() -> None:
    field = level_with_wins(4)
    campaign = settle(4, budget=7, cost=0.001)
    assert campaign.certificate(field, 6) is None
    for found in (campaign.certificate(field, 7), settle(4, cost=2.0).certificate(field, 0)):
        assert found is not None
        assert found.stopped == ("budget" if found.matches else "cost")
        assert found.ranks == ((1, 4),) * 4
        assert not found.pairs


def test_matches_under_way_send_the_next_elsewhere() -> None:
    """And never to a pair of which nothing is lacking."""
    wins = np.zeros((4, 4))
    wins[0, 1:] = 40.0
    field, rng = field_of(wins), np.random.default_rng(1)
    campaign, seen = settle(4), set()
    for _ in range(12):
        players = draw(campaign, field, 2, 0.0, rng).players
        seen.add(frozenset(players))
        field = field.with_match(players)
    assert len(seen) > 1
    assert 0 not in frozenset().union(*seen)


@pytest.mark.parametrize("name", ["settle", "knockout"])
def test_a_campaign_goes_on_after_a_restart_as_if_there_was_none(name: str) -> None:
    """It is its parameters and its counts."""
    campaign = create(name, {"players": NAMES[:5], "delta": 0.2, "budget": 40})
    again = msgspec.json.decode(msgspec.json.encode(campaign), type=type(campaign))
    assert again == campaign
    skill = np.arange(5.0)
    assert play(again, skill, 4) == play(campaign, skill, 4)
    found = play(campaign, skill, 4)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Certificate) == found


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 7), spread=st.sampled_from([0.05, 0.3, 1.0]))
def test_what_follows_is_true_where_what_it_follows_from_is(seed: int, count: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    skill = rng.normal(0.0, spread, count)
    chance = 1.0 / (1.0 + np.exp(skill - skill[:, None]))
    tolerance = 0.05
    known = np.triu(rng.random((count, count)) < 0.6, 1)
    # A million matches of those who met: what they settle is true, but for what is nearer than a thousandth.
    wins = np.where(known | known.T, 1e6 * chance, 0.0)
    found = relations(wins, np.zeros(count), 8.0, tolerance, np.zeros_like(known))
    assert (chance[found.ahead] > 0.5).all()
    assert (chance[found.not_behind] > 0.5 - tolerance).all()
    assert (found.not_behind | ~found.ahead).all()
    low, high = found.ranks()
    rank = 1 + (skill > skill[:, None]).sum(axis=1)
    assert ((low <= rank) & (rank <= high)).all()
    if (
        known.sum() == count * (count - 1) // 2
        and (found.not_behind | found.not_behind.T | np.eye(count, dtype=bool)).all()
    ):
        assert not found.lacking().any()


def test_whatever_is_lacking_can_be_played() -> None:
    """Also where one who is ahead is in a circle with others who are only not behind, as far as is known."""
    wins = np.zeros((4, 4))
    wins[3, 0], wins[0, 3] = 40.0, 4.0
    for better, worse in ((0, 1), (1, 2), (2, 3)):
        wins[better, worse], wins[worse, better] = 9.0, 5.0
    found = relations(wins, np.arange(4, 0, -1.0), 2.0, 0.2, np.zeros((4, 4), dtype=np.bool_))
    assert not found.cyclic()
    assert found.not_behind[[0, 1, 2], [1, 2, 3]].all()
    assert not found.not_behind[[1, 2, 3], [0, 1, 2]].any()
    assert found.lacking().any()
    assert not (found.lacking() & found.ahead.T).any()


@pytest.mark.parametrize("count", [5, 8])
def test_a_knockout_fails_no_more_often_than_its_bound(count: int) -> None:
    """At the least gap, the best against each of the others; against a larger one it may fail still less."""
    campaign = create("knockout", {"players": NAMES[:count], "delta": 0.3, "gap": 0.25})
    skill = np.where(np.arange(count) == count - 1, math.log(0.75 / 0.25), 0.0)
    found = [play(campaign, skill, seed, each=1) for seed in range(60)]
    failures = sum(one.players != (NAMES[count - 1],) for one in found)
    assert failures <= binom.ppf(0.99, len(found), 0.3)
    assert max(one.matches for one in found) <= campaign.repeats() * (count - 1)  # type: ignore[union-attr]  # a knockout
    assert {len(one.pairs) for one in found} == {count - 1}


def test_a_knockout_holds_however_many_more_results_come() -> None:
    """Whoever meets the best at the least gap, and whoever decides when one looks."""
    campaign = create("knockout", {"players": NAMES[:5], "delta": 0.3, "gap": 0.1})
    repeats = campaign.repeats()  # type: ignore[union-attr]  # a knockout
    won = (np.random.default_rng(5).random((500, 4, 8 * repeats)) < 0.6).cumsum(axis=2)
    lost = np.arange(1, 8 * repeats + 1) - won
    behind = (won <= lost)[:, :, repeats - 1 :].any(axis=(1, 2)).sum()
    assert behind <= binom.ppf(0.99, len(won), 0.3)
    # It is not for nothing: so many fail with a tenth of the matches.
    assert (won <= lost)[:, :, repeats // 10 :].any(axis=(1, 2)).mean() > 0.3


def test_a_knockout_hands_out_no_more_than_its_repeats() -> None:
    campaign = create("knockout", {"players": NAMES[:5], "delta": 0.3, "gap": 0.3})
    repeats = math.ceil(math.log(4 / 0.3) / (2 * 0.3**2))
    field, rng = level_with_wins(5), np.random.default_rng(2)
    met = np.zeros((5, 5))
    for _ in range(2 * repeats):
        players = draw(campaign, field, 2, 0.0, rng).players
        met[players] += 1
        field = field.with_match(players)
    met += met.T
    assert met[0, 1] == met[2, 3] == repeats
    # A lead that cannot be caught up is enough, and a tie goes to who is named first.
    wins = np.zeros((5, 5))
    wins[1, 0], wins[2, 3], wins[3, 2] = repeats // 2 + 1, repeats / 2, repeats / 2
    law = campaign.law(replace(level(5), wins=wins), rng)
    assert law.chances(()).tolist() == [0.0, 0.5, 0.5, 0.0, 0.0]


def test_the_planner_says_what_campaigns_take() -> None:
    campaign = create("settle", {"players": NAMES[:2], "tolerance": 0.02})
    for chance in (0.65, 0.8):
        skill = np.array([math.log(chance / (1.0 - chance)), 0.0])
        taken = median(play(campaign, skill, seed, each=2).matches for seed in range(25))
        assert 0.6 < taken / matches_to_tell(chance, 0.05, 0.02) < 1.5


def test_the_planner_refuses_what_never_ends() -> None:
    for chance, delta, tolerance in [(0.5, 0.05, 0.0), (1.1, 0.05, 0.0), (0.6, 0.0, 0.0), (0.6, 0.05, 0.3)]:
        with pytest.raises(ValueError, match=r"chance|delta"):
            matches_to_tell(chance, delta, tolerance)
    with pytest.raises(ValueError, match="half_width"):
        matches_to_reach(0.0)
    assert matches_to_tell(0.5, 1e-12, 0.001) <= matches_to_reach(0.001, 0.5, 1e-12) < 100_000_000


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"players": ["a"]}, "players"),
        ({"players": ["a", "b", "a"]}, "players"),
        ({"goal": "top_k"}, "k"),
        ({"k": 2}, "k"),
        ({"goal": "top_k", "k": 3}, "k"),
        ({"goal": "place"}, "player"),
        ({"goal": "place", "player": "z"}, "player"),
        ({"delta": 0.0}, "delta"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"budget": 0}, "budget"),
        ({"sides": 2}, "sides"),
    ],
)
def test_what_cannot_be_a_campaign_is_refused_by_name(parameters: dict[str, Any], field: str) -> None:
    with pytest.raises(Problem) as raised:
        create("settle", {"players": ["a", "b", "c"], **parameters})
    assert raised.value.type.slug == "invalid_parameter"
    assert raised.value.errors[0].field == field


def test_the_page_does_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "campaigns.md").read_text()
    planned, example = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(example, {})
    assert capsys.readouterr().out.startswith("certified ('ann',) ")
    names: dict[str, Any] = {}
    for line in planned.splitlines():
        if said := re.search(r"# ([\d,]+)", line):
            assert eval(line, names) == int(said[1].replace(",", ""))
        else:
            exec(line, names)
