"""The replay of real votes, on made-up ones: it uses each vote once, and only those that there are."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import votes as module
from benchmarks.votes import BEGIN, END, EVERY, HELD, PAGE, POLICIES, Votes, choose, first_held, replay
from service.matchups import create
from service.matchups.field import level

PLAYERS = 6


def made_up(count: int) -> Votes:
    rng = np.random.default_rng(3)
    pairs = np.array([rng.permutation(PLAYERS)[:2] for _ in range(count)])
    won = np.where(rng.random(count) < 0.3, 0.5, pairs[:, 0] < pairs[:, 1])
    return Votes(pairs[:, 0], pairs[:, 1], won, np.arange(count))


@pytest.mark.parametrize("policy", POLICIES)
def test_all_votes_are_used_once_whoever_asks(policy: str) -> None:
    half, rng = made_up(4 * EVERY), np.random.default_rng(4)
    *_, logged = replay(half, PLAYERS, None, rng)
    *_, asked = replay(half, PLAYERS, create(policy), rng)
    assert np.array_equal(asked.wins, logged.wins)


def test_only_who_have_unused_votes_are_chosen() -> None:
    unused, rng = np.zeros((PLAYERS, PLAYERS), np.int64), np.random.default_rng(5)
    unused[1, 4] = unused[4, 1] = 1
    assert {frozenset(choose(create("uniform"), level(PLAYERS), unused, rng)) for _ in range(20)} == {frozenset((1, 4))}


def test_a_goal_counts_from_when_it_stands() -> None:
    assert first_held(np.array([0.9, 0.1, *[0.9] * HELD]), 0.8) == 3 * EVERY
    assert first_held(np.array([0.9] * (HELD - 1)), 0.8) is None


def test_the_page_has_room_for_the_figures() -> None:
    assert PAGE.read_text().count(BEGIN) == PAGE.read_text().count(END) == 1
    assert module.BUDGET % EVERY == 0
