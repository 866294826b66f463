"""The joint posterior: against numerical integration, against itself, and against the truth of made-up arenas."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr

from service.columns import Floats
from service.matchups.posterior import fit, unknown


def integrated(wins: Floats, noise: float) -> tuple[Floats, Floats]:
    """Mean and covariance of three skills, summed over a grid."""
    axis = np.linspace(-5.0, 5.0, 161)
    skills = np.stack(np.meshgrid(axis, axis, axis, indexing="ij")).reshape(3, -1)
    log = -0.5 * (skills * skills).sum(axis=0)
    for a, b in np.argwhere(wins):
        log += wins[a, b] * log_ndtr((skills[a] - skills[b]) / np.sqrt(2.0) / noise)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = skills @ weight
    off = skills - mean[:, None]
    return mean, (off * weight) @ off.T


def played(players: int, sides: int, noise: float, matches: int, seed: int) -> tuple[Floats, Floats]:
    """True skills, and the wins of matches between any of them."""
    rng = np.random.default_rng(seed)
    skills = rng.standard_normal(players)
    wins = np.zeros((players, players))
    for _ in range(matches):
        who = rng.choice(players, sides, replace=False)
        order = who[np.argsort(-(skills[who] + noise * rng.standard_normal(sides)))]
        first, second = np.triu_indices(sides, 1)
        wins[order[first], order[second]] += 3.0 / (sides + 1)
    return skills, wins


def test_one_result_is_exact() -> None:
    wins = np.array([[0.0, 1.0], [0.0, 0.0]])
    found = fit(wins, unknown(2))
    # A difference of variance 2, seen through the noise to be above 0.
    total = 2.0 + 2.0 * found.noise**2
    assert found.mean[0] - found.mean[1] == pytest.approx(2.0 * np.sqrt(2.0 / np.pi / total), rel=1e-3)
    spread = found.covariance[0, 0] + found.covariance[1, 1] - 2.0 * found.covariance[0, 1]
    assert spread == pytest.approx(2.0 - 4.0 / total * 2.0 / np.pi, rel=1e-3)
    assert found.mean.sum() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "wins",
    [
        [[0, 3, 0], [1, 0, 2], [0, 2, 0]],
        [[0, 1.2, 1.2], [0.6, 0, 1.2], [0.6, 0.6, 0]],
        [[0, 8, 5], [4, 0, 6], [5, 3, 0]],
    ],
)
def test_near_the_integral(wins: list[list[float]]) -> None:
    found = fit(np.array(wins, dtype=float), unknown(3))
    mean, covariance = integrated(np.array(wins, dtype=float), found.noise)
    assert found.mean == pytest.approx(mean, abs=0.03)
    assert found.covariance == pytest.approx(covariance, abs=0.05)


def test_comes_to_the_same_from_wherever_it_starts() -> None:
    _, wins = played(12, 2, 0.5, 120, 3)
    at_once = fit(wins, unknown(12))
    half = fit(np.floor(wins / 2.0), unknown(12))
    again = fit(wins, half)
    assert again.mean == pytest.approx(at_once.mean, abs=2e-3)
    assert again.covariance == pytest.approx(at_once.covariance, abs=2e-3)
    assert again.noise == pytest.approx(at_once.noise, rel=1e-2)
    assert fit(wins, at_once, 1).mean == pytest.approx(at_once.mean, abs=2e-3)


def test_players_may_stand_in_any_order() -> None:
    _, wins = played(9, 3, 0.3, 60, 5)
    order = np.random.default_rng(1).permutation(9)
    straight, turned = fit(wins, unknown(9)), fit(wins[np.ix_(order, order)], unknown(9))
    assert turned.mean == pytest.approx(straight.mean[order], abs=1e-9)
    assert turned.covariance == pytest.approx(straight.covariance[np.ix_(order, order)], abs=1e-9)


@pytest.mark.parametrize("sides", [2, 4])
@pytest.mark.parametrize("noise", [0.25, 0.5, 1.0])
def test_learns_the_noise_and_knows_how_sure_it_is(sides: int, noise: float) -> None:
    ratios = []
    for seed in range(4):
        skills, wins = played(30, sides, noise, 900 if sides == 4 else 2_700, seed)
        found = fit(wins, unknown(30))
        assert found.noise == pytest.approx(noise, rel=0.35)
        # Results tell nothing of all skills together, and little of the unit.
        middle = np.eye(30) - 1.0 / 30.0
        off = middle @ (skills * found.noise / noise - found.mean)
        ratios.append(np.mean(off**2 / np.diag(middle @ found.covariance @ middle)))
    assert 0.5 < np.mean(ratios) < 1.7


def test_without_contradiction_there_is_hardly_any_noise() -> None:
    skills, wins = played(20, 4, 0.0, 80, 2)
    found = fit(wins, unknown(20))
    assert found.noise < 0.02
    assert np.corrcoef(found.mean, skills)[0, 1] > 0.95


def test_extremes_are_finite() -> None:
    always = np.zeros((3, 3))
    always[0, 1] = always[1, 2] = 1e6
    against = always + always.T
    for wins in (always, against, always + 1e-9 * against):
        found = fit(wins, unknown(3))
        assert np.isfinite(found.mean).all()
        assert (np.diag(found.covariance) > 0.0).all()
        assert np.linalg.eigvalsh(found.covariance).min() > 0.0


def test_new_results_are_taken_in_by_their_pairs_alone() -> None:
    _, wins = played(15, 2, 0.5, 300, 8)
    before = fit(wins, unknown(15))
    order = np.argsort(before.mean)
    for lower, upper in ((order[2], order[3]), (order[9], order[10])):
        wins[lower, upper] += 2.0
    quick = before.with_results(wins)
    assert before.with_results(before.wins).mean == pytest.approx(before.mean, abs=1e-12)
    whole = fit(wins, before)
    # The noise stays as it is, and with it the unit.
    scale = before.noise / whole.noise
    moved = np.abs(scale * whole.mean - before.mean).max()
    assert np.abs(quick.mean - scale * whole.mean).max() < 0.3 * moved
    assert (quick.mean > before.mean)[order[[2, 9]]].all()
    assert (quick.mean < before.mean)[order[[3, 10]]].all()


def test_a_match_under_way_shrinks_what_its_result_will_on_average() -> None:
    _, wins = played(6, 2, 0.5, 12, 4)
    a, b = next((a, b) for a in range(6) for b in range(a) if not wins[a, b] and not wins[b, a])
    before = fit(wins, unknown(6))
    pair = np.array([a, b], dtype=np.int32)

    def spread(covariance: Floats) -> float:
        return float(covariance[a, a] + covariance[b, b] - 2.0 * covariance[a, b])

    after = []
    for first, second in ((a, b), (b, a)):
        result = wins.copy()
        result[first, second] += 1.0
        after.append(spread(before.with_results(result).covariance))
    gap = (before.mean[a] - before.mean[b]) / np.sqrt(spread(before.covariance) + 2.0 * before.noise**2)
    expected = ndtr(gap) * after[0] + ndtr(-gap) * after[1]
    under_way = before.with_match(pair)
    assert spread(under_way.covariance) == pytest.approx(expected, rel=1e-9)
    assert (under_way.mean == before.mean).all()
    assert spread(under_way.covariance) < spread(before.covariance)


def test_some_of_the_players_and_newcomers() -> None:
    _, wins = played(8, 2, 0.5, 80, 6)
    whole = fit(wins, unknown(8))
    some = whole.of([5, -1, 2])
    assert some.mean.tolist() == [whole.mean[5], 0.0, whole.mean[2]]
    assert some.covariance[0, 2] == whole.covariance[5, 2]
    assert some.covariance[1].tolist() == [0.0, 1.0, 0.0]
    # As if the newcomer had been there from the start.
    again = whole.of([*range(8), -1])
    wider = np.zeros((9, 9))
    wider[:8, :8] = wins
    assert fit(wider, again, 1).mean[:8] == pytest.approx(whole.mean, abs=1e-3)


def test_every_result_moves_it_the_right_way() -> None:
    wins = np.zeros((4, 4))
    wins[0, 1] = wins[1, 2] = wins[2, 3] = 1.0
    means = []
    for more in range(4):
        wins[3, 0] = float(more)
        means.append(fit(wins, unknown(4)).mean[3])
    assert all(below < above for below, above in pairwise(means))
