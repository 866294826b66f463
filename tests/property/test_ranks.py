"""Ranks, percentiles and rank intervals against their definitions, player by player."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ranks import SURE, percentiles, rank_intervals, shared_ranks

# Few different numbers, so that players share values and gaps meet their bound exactly.
values = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6)), min_size=1, max_size=30)
players = st.lists(
    st.tuples(
        st.one_of(st.integers(-3, 3).map(float), st.floats(-1e4, 1e4)),
        st.one_of(st.integers(0, 2).map(float), st.floats(0, 1e4)),
    ),
    min_size=1,
    max_size=25,
)


@given(values, st.data())
def test_rank_is_one_more_than_those_above(values: list[float], data: st.DataObject) -> None:
    values = sorted(values, reverse=True)
    start = data.draw(st.integers(0, len(values)))
    end = data.draw(st.integers(start, len(values)))
    above = sum(value > values[start] for value in values) if start < len(values) else 0
    ranks = shared_ranks(np.array(values[start:end]), start, above)
    assert ranks.tolist() == [1 + sum(other > value for other in values) for value in values[start:end]]


@given(values)
def test_percentile_is_the_share_not_above(values: list[float]) -> None:
    ranks = np.array([1 + sum(other > value for other in values) for value in values])
    shares = [100 * sum(other <= value for other in values) / len(values) for value in values]
    assert percentiles(ranks, len(values)).tolist() == shares
    assert max(shares) == 100


def oracle(of: tuple[float, float], everyone: list[tuple[float, float]]) -> tuple[int, int]:
    better = worse = 0
    for rating, deviation in everyone:
        surely = SURE * math.sqrt(deviation * deviation + of[1] * of[1])
        better += rating - of[0] > surely
        worse += of[0] - rating > surely
    return better, worse


@settings(deadline=None)  # the first call compiles
@given(players)
def test_intervals_of_all_players_are_exact(everyone: list[tuple[float, float]]) -> None:
    rating, deviation = np.array(everyone).T
    total = len(everyone)
    ranks = 1 + np.count_nonzero(rating > rating[:, None], axis=1)
    low, high = rank_intervals(rating, deviation, ranks, total, rating, deviation)
    for index, player in enumerate(everyone):
        better, worse = oracle(player, everyone)
        # Ordered by rating, an interval holds its rank without any help.
        assert (low[index], high[index]) == (1 + better, total - worse)
        assert low[index] <= ranks[index] <= high[index]


@settings(deadline=None)
@given(players, players, st.integers(1, 10**6), st.data())
def test_intervals_of_a_sample_are_scaled_and_hold_the_rank(
    asked: list[tuple[float, float]], drawn: list[tuple[float, float]], more: int, data: st.DataObject
) -> None:
    total = len(drawn) + more
    ranks = np.array([data.draw(st.integers(1, total)) for _ in asked])
    rating, deviation = np.array(asked).T
    low, high = rank_intervals(rating, deviation, ranks, total, *np.array(drawn).T)
    for index, player in enumerate(asked):
        better, worse = oracle(player, drawn)
        assert low[index] == min(ranks[index], 1 + better * total // len(drawn))
        assert high[index] == max(ranks[index], total - worse * total // len(drawn))
        assert 1 <= low[index] <= ranks[index] <= high[index] <= total


def test_who_else_is_asked_about_does_not_matter() -> None:
    random = np.random.default_rng(5)
    rating, deviation = random.normal(1500, 100, 3000), random.uniform(10, 50, 3000)
    ranks = 1 + np.count_nonzero(rating > rating[:, None], axis=1)
    low, high = rank_intervals(rating, deviation, ranks, 3000, rating, deviation)
    for index in (0, 87, 2999):
        alone = slice(index, index + 1)
        assert (low[alone], high[alone]) == rank_intervals(
            rating[alone], deviation[alone], ranks[alone], 3000, rating, deviation
        )
