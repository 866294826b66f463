"""What policies gain in small arenas, and what throws that away; `benchmarks/matchups.py` measures it in large ones."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import wilcoxon

from service.columns import Floats
from service.matchups import create, posterior
from service.ratings import create as create_system
from standings.arena import Arena
from standings.targets import kendall_tau
from standings.trial import Setting, play
from tests.unit.test_posterior import played

NOISE = 0.5


def setting(policy: str, players: int, **more: Any) -> Setting:
    arena = Arena(players=players, sides=2, noise=NOISE)
    return Setting(arena=arena, system=create_system("kalman"), policy=create(policy), **more)


def errors(setting: Setting, matches: int, seeds: int) -> Floats:
    """How far the order is from the true one after so many matches, of each seed."""
    found = []
    for seed in range(seeds):
        *_, last = islice(play(setting, seed), matches // setting.at_once)
        found.append(1.0 - kendall_tau(last.strength, last.skills))
    return np.array(found)


def larger(one: Floats, other: Floats) -> bool:
    """Whether one is larger on the same seeds than it would be by chance."""
    return bool(wilcoxon(one, other, alternative="greater").pvalue < 0.01)


@pytest.mark.parametrize("policy", ["thompson", "exp3"])
def test_regret_grows_slower_than_the_matches(policy: str) -> None:
    """Regret of a duel: how far below the best the two are, in chances to win against it; its slope, log by log."""
    slopes = []
    for seed in range(12):
        lost = [
            float(np.mean(ndtr((look.skills.max() - look.skills[list(look.sets[0])]) / (math.sqrt(2.0) * NOISE)) - 0.5))
            for look in islice(play(setting(policy, 8), seed), 800)
        ]
        regret, matches = np.cumsum(lost)[100::50], np.arange(101, 801, 50)
        slopes.append(np.polyfit(np.log(matches), np.log(regret), 1)[0])
    assert larger(np.ones(12), np.array(slopes))


def test_ignoring_leases_costs_more_than_the_policy_gains() -> None:
    """Twenty ask at once: who does not count what the others play is given the same pair as they."""
    by_chance, gaining, ignoring = (
        errors(setting("information_gain", 12, at_once=20, **more), 160, 20)
        for more in ({"floor": 1.0}, {}, {"counted": False})
    )
    assert larger(by_chance, gaining)
    assert larger(ignoring, by_chance)


def test_a_noise_far_too_large_costs_most_of_what_the_policy_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    gaining = errors(setting("information_gain", 12), 160, 24)
    by_chance = errors(setting("information_gain", 12, floor=1.0), 160, 24)
    fix_noise(monkeypatch, 10.0 * NOISE)
    misled = errors(setting("information_gain", 12), 160, 24)
    assert larger(misled, gaining)
    assert (misled - gaining).mean() > 0.5 * (by_chance - gaining).mean()


def test_a_noise_far_too_small_makes_it_far_too_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Differences outside of their 95 %. The order hardly suffers, but whoever stops once it is sure stops wrong."""
    assert np.mean([outside(seed) for seed in range(10)]) < 0.3
    fix_noise(monkeypatch, 0.1 * NOISE)
    assert np.mean([outside(seed) for seed in range(10)]) > 0.8


def fix_noise(monkeypatch: pytest.MonkeyPatch, noise: float) -> None:
    """Have every fit step to this noise, not to where its evidence leads."""
    monkeypatch.setattr(posterior, "_step", lambda log_noise, *_: math.log(noise) - log_noise)


def outside(seed: int) -> float:
    skills, wins = played(12, 2, NOISE, 300, seed)
    found = posterior.fit(wins, posterior.unknown(12))
    one, other = np.triu_indices(12, 1)
    spread = np.diag(found.covariance)[one] + np.diag(found.covariance)[other] - 2.0 * found.covariance[one, other]
    off = (found.mean[one] - found.mean[other]) - (skills[one] - skills[other])
    return float(np.mean(np.abs(off) > 1.96 * np.sqrt(spread)))
