"""Plackett-Luce: ties as the mean over all orders, margins, and a field too far apart for exponentials."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest

from tests.unit.test_weng_lin import BETA, BT, NEW, PL, Player, after, alone, flat

STEP = (25 / 300) ** 2


def slopes(worth: Sequence[float], places: Sequence[int]) -> tuple[list[float], list[float]]:
    """Slope and information of an order, the mean over all orders of those who share a place."""
    count = len(worth)
    groups = [[side for side in range(count) if places[side] == place] for place in sorted(set(places))]
    orders = [
        list(itertools.chain(*parts)) for parts in itertools.product(*map(list, map(itertools.permutations, groups)))
    ]
    move, told = [0.0] * count, [0.0] * count
    for order in orders:
        for stage, chosen in enumerate(order):
            left = order[stage:]
            total = math.fsum(worth[side] for side in left)
            for side in left:
                chance = worth[side] / total
                move[side] += ((side == chosen) - chance) / len(orders)
                told[side] += chance * (1 - chance) / len(orders)
    return move, told


def by_all_orders(players: Sequence[Player], places: Sequence[int]) -> list[float]:
    """Ratings and deviations of single players by the formula of the module as it is written down."""
    count = len(players)
    spread = [player.deviation**2 + STEP for player in players]
    total = sum(spread) + count * BETA**2
    c = math.sqrt(2 * total / count)
    best = max(player.rating for player in players)
    move, told = slopes([math.exp((player.rating - best) / c) for player in players], places)
    found = []
    for i, player in enumerate(players):
        own = spread[i] + BETA**2
        both = own + (total - own) / (count - 1)
        share = spread[i] * (count - 2) / (count - 1)
        of_equals = sum(1 - 1 / left for left in range(1, count + 1)) / count
        rating = player.rating + spread[i] / math.sqrt(both) * move[i] / (1 + of_equals / both * share)
        heard = math.sqrt(spread[i] / both) * told[i] / both
        least = min(heard / (1 + heard * share), 1 / own)
        found += [rating, math.sqrt(spread[i] * (1 - spread[i] * least))]
    return found


@pytest.mark.parametrize("places", [(1, 2, 3, 4, 5), (3, 1, 1, 4, 5), (1, 1, 2, 3, 3), (2, 2, 1, 1, 3)])
def test_orders_and_ties_of_two_are_exact(places: tuple[int, ...]) -> None:
    draw = np.random.default_rng(4)
    for _ in range(20):
        players = [Player(float(draw.normal(25, 9)), float(draw.uniform(1, 8.3))) for _ in places]
        assert flat(after(PL, alone(players), places)) == pytest.approx(by_all_orders(players, places), rel=1e-9)


@pytest.mark.parametrize("places", [(1, 1, 1, 2, 2), (1, 2, 2, 2, 2), (1, 1, 1, 1, 1), (2, 2, 2, 1, 3)])
def test_larger_ties_are_exact_between_equals_and_near_elsewhere(places: tuple[int, ...]) -> None:
    equals = [Player(25, 2.0 + side) for side in range(5)]
    assert flat(after(PL, alone(equals), places)) == pytest.approx(by_all_orders(equals, places), rel=1e-9)
    draw = np.random.default_rng(5)
    for _ in range(20):
        players = [Player(float(draw.normal(25, 8.3)), float(draw.uniform(1, 8.3))) for _ in places]
        found, exact = flat(after(PL, alone(players), places)), by_all_orders(players, places)
        assert found[1::2] == pytest.approx(exact[1::2], rel=0.02)
        for rating, other, player in zip(found[::2], exact[::2], players, strict=True):
            assert abs(rating - other) < 0.1 * player.deviation


def test_margins_of_two_are_those_of_bradley_and_terry() -> None:
    pair = alone([Player(30, 3), Player(22, 6)])
    for points in ((4, 1), (1, 4), (2, 2)):
        found = after(PL, pair, points, scored=True, margin=0.8, weight=2.0)
        assert flat(found) == pytest.approx(
            flat(after(BT, pair, points, scored=True, margin=0.8, weight=2.0)), rel=1e-9
        )


def test_a_field_too_wide_for_exponentials() -> None:
    """Each pair decides by itself, however far below the best it lies; the library overflows from 710 c on."""
    strong, weak = [Player(1e6, 1), Player(1e6, 1)], [Player(-1e6, 1), Player(-1e6, 1)]
    found = flat(after(PL, alone([*strong, *weak]), (1, 2, 3, 4)))
    assert all(map(math.isfinite, found))
    moved = [now - was.rating for now, was in zip(found[::2], [*strong, *weak], strict=True)]
    assert moved[0] == pytest.approx(moved[2], rel=1e-6)
    assert moved[1] == pytest.approx(moved[3], rel=1e-6)
    upset = flat(after(PL, alone([*weak, *strong]), (1, 2, 3, 4)))
    assert all(map(math.isfinite, upset))
    assert upset[0] > -1e6
    assert upset[6] < 1e6


def test_the_level_of_a_field_stays() -> None:
    """Of equals, those behind lose what those before gain, however they share places."""
    for places in (range(1, 301), [1, *[2] * 299], [*range(1, 151), *[151] * 150]):
        found = [side[0].rating for side in after(PL, alone([NEW] * 300), places)]
        assert math.fsum(found) == pytest.approx(300 * 25, rel=1e-12)


def test_the_last_of_thousands_is_not_flung_away() -> None:
    """Plackett-Luce takes the harmonic number of K off the last; what it tells of them is a performance's at most."""
    found = after(PL, alone([NEW] * 2_000), range(1, 2_001))
    assert 25 - 4 * NEW.deviation < found[-1][0].rating < 25 - NEW.deviation
    assert found[-1][0].deviation > BETA
