"""Information gain: its scores by the formula, and what it makes of an arena."""

import math
from dataclasses import replace

import numpy as np
import pytest

from service.columns import Floats
from service.matchups import create
from service.matchups.draw import draw
from service.matchups.field import Field, level
from service.matchups.posterior import Posterior, fit, unknown
from tests.unit.test_posterior import played


def arena(players: int, matches: int, seed: int, noise: float = 0.5) -> Field:
    _, wins = played(players, 3, noise, matches, seed)
    return replace(level(players), wins=wins, posterior=fit(wins, unknown(players)))


def gain(posterior: Posterior, a: int, b: int) -> float:
    """Bits about who of two is ahead, times the share of skill in what will be seen."""
    c = posterior.covariance
    variance = c[a, a] + c[b, b] - 2.0 * c[a, b]
    ahead = 0.5 * math.erfc(-(posterior.mean[a] - posterior.mean[b]) / math.sqrt(2.0 * variance))
    bits = -sum(p * math.log2(p) for p in (ahead, 1.0 - ahead) if p > 0.0)
    return float(bits * variance / (variance + 2.0 * posterior.noise**2))


def chosen(field: Field, sides: int, **parameters: float) -> tuple[int, ...]:
    return draw(create("information_gain", parameters), field, sides, 0.0, np.random.default_rng(0)).players


@pytest.mark.parametrize("seed", range(4))
def test_takes_the_pair_of_which_a_result_tells_the_most(seed: int) -> None:
    field = arena(12, 40, seed)
    posterior = field.posterior
    assert posterior
    best = max(gain(posterior, a, b) for a in range(12) for b in range(a))
    found = draw(create("information_gain"), field, 2, 0.0, np.random.default_rng(0))
    assert gain(posterior, *found.players) == pytest.approx(best, abs=1e-6)
    assert found.score == pytest.approx(best, abs=1e-6)
    assert found.propensity == found.built == 1.0


def test_a_set_grows_by_whoever_tells_most_beside_those_taken() -> None:
    field = arena(12, 40, 9)
    posterior = field.posterior
    assert posterior
    first, second, third, fourth = chosen(field, 4)
    for taken, came in (((first, second), third), ((first, second, third), fourth)):
        worth = {}
        for player in set(range(12)) - set(taken):
            gains = [gain(posterior, player, other) for other in taken]
            worth[player] = min(gains) + 0.3 * np.mean(gains)
        assert worth[came] == pytest.approx(max(worth.values()), abs=1e-6)


def test_matches_under_way_are_not_asked_for_again() -> None:
    field = arena(10, 15, 3)
    seen: list[set[int]] = []
    for _ in range(5):
        pair = chosen(field, 2)
        assert not seen or set(pair) != seen[-1]
        seen.append(set(pair))
        field = field.with_match(pair)


def test_only_who_are_the_first_so_many() -> None:
    field = arena(20, 200, 5)
    posterior = field.posterior
    assert posterior
    ranks = np.empty(20, dtype=int)
    ranks[np.argsort(-posterior.mean)] = np.arange(20)
    for top in (1, 3, 10):
        # One of the two at least may stand on either side of the line.
        assert min(abs(ranks[player] - (top - 0.5)) for player in chosen(field, 2, top=top)) < 3.0
    assert chosen(field, 2, top=50) == chosen(field, 2)


def settled(sides: int, seed: int, uniform: bool) -> int:
    """Matches without noise until the order of 16 players is found."""
    rng = np.random.default_rng(seed)
    skills = rng.standard_normal(16)
    posterior, wins = unknown(16), np.zeros((16, 16))
    for match in range(1, 1_000):
        field = replace(level(16), wins=wins, posterior=posterior)
        who = rng.choice(16, sides, replace=False) if uniform else np.array(chosen(field, sides))
        order = who[np.argsort(-skills[who])]
        first, second = np.triu_indices(sides, 1)
        wins[order[first], order[second]] += 3.0 / (sides + 1)
        posterior = fit(wins, posterior, 8)
        if (np.argsort(posterior.mean) == np.argsort(skills)).all():
            return match
    raise AssertionError("never found")


@pytest.mark.parametrize(("sides", "bits"), [(2, 1.0), (4, math.log2(24.0))])
def test_finds_an_order_without_noise_in_hardly_more_than_its_bits(sides: int, bits: float) -> None:
    needed: Floats = np.array([settled(sides, seed, uniform=False) for seed in range(8)])
    limit = math.log2(math.factorial(16)) / bits
    assert np.median(needed) < 1.35 * limit
    assert np.median(needed) < 0.5 * np.median([settled(sides, seed, uniform=True) for seed in range(8)])
