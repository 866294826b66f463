"""Differences of systems: intervals that hold what they say, and the sums by blocks that they are drawn from."""

import numpy as np
import pytest

from service.columns import Floats, Integers
from standings.course import LEAST_YEARS, MOST_YEARS, PIECES, Course
from standings.differences import RESAMPLES, interval

DAY_MS = 86_400_000


@pytest.mark.parametrize("blocks", [5, 10, 50])
def test_the_interval_holds_the_true_difference_as_often_as_it_says(blocks: int) -> None:
    # Of one true mean, 0.004; each block has a level of its own, as years have, and a number of matches of its own.
    chance = np.random.default_rng(blocks)
    trials, inside, widths = 400, 0, []
    for _ in range(trials):
        counts = chance.integers(50, 200, blocks).astype(float)
        sums = counts * (0.004 + chance.normal(0, 0.01, blocks)) + chance.normal(0, 0.1, blocks) * np.sqrt(counts)
        found = interval(sums, counts)
        assert found is not None
        inside += found[0] <= 0.004 <= found[1]
        widths.append(found[1] - found[0])
    # It says 0.95. The plain percentile interval of five blocks holds it in 0.83.
    assert 0.9 <= inside / trials <= 0.98
    assert np.mean(widths) < 12 * 0.015 / np.sqrt(blocks)


def test_the_interval_of_many_blocks_is_that_of_the_mean() -> None:
    values = np.random.default_rng(3).normal(0.5, 1.0, 400)
    found = interval(values, np.ones(400))
    assert found is not None
    error = values.std(ddof=1) / 20
    assert found == pytest.approx(
        (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=5 / RESAMPLES**0.5 / 20
    )


def test_one_block_says_nothing_and_equal_ones_leave_no_doubt() -> None:
    assert interval(np.array([3.0]), np.array([10.0])) is None
    assert interval(np.full(8, 0.5), np.full(8, 2.0)) == pytest.approx((0.25, 0.25))


def test_intervals_are_the_same_again() -> None:
    values, counts = np.arange(20.0), np.arange(1.0, 21.0)
    assert interval(values, counts) == interval(values, counts)
    low, high = interval(values, counts) or (0, 0)
    assert interval(-values, counts) != (low, high)


def course_of(at: Integers, losses: Floats, pieces: int) -> Course:
    """A course of so many systems as losses has rows; it is told of the matches in shuffled pieces."""
    course = Course(len(losses))
    chance = np.random.default_rng(1)
    for places in np.array_split(np.arange(len(at)), pieces):
        mixed = chance.permutation(places)
        course.add(at[mixed], mixed, losses[:, :, mixed])
    return course


@pytest.mark.parametrize("count", [1, 99, 100, 101, 12_345])
def test_blocks_of_matches_are_even_and_hold_every_match(count: int) -> None:
    losses = np.random.default_rng(2).exponential(1.0, (3, 2, count))
    losses[:, 1, ::3] = np.nan
    blocks = course_of(np.zeros(count, np.int64), losses, min(count, 17)).blocks()
    length = 1 if count <= 2 * PIECES else int(blocks.start[1])
    assert blocks.by == "matches"
    assert count <= PIECES or PIECES < len(blocks.start) <= 2 * PIECES
    assert blocks.start.tolist() == list(range(0, count, length))
    for kind in range(2):
        scored = ~np.isnan(losses[0, kind])
        for row, start in enumerate(blocks.start):
            inside = scored & (np.arange(count) // length == start // length)
            assert blocks.counts[kind, row] == inside.sum()
            np.testing.assert_allclose(blocks.sums[kind, row], losses[:, kind, inside].sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("years", [LEAST_YEARS - 1, LEAST_YEARS, MOST_YEARS, MOST_YEARS + 1, MOST_YEARS + 9])
def test_calendar_years_are_blocks_where_there_are_some(years: int) -> None:
    of = np.random.default_rng(3).permutation(3 * years) % years - years // 2
    at = (of.astype("datetime64[Y]") + np.timedelta64(180, "D")).astype("datetime64[ms]").astype(np.int64)
    losses = np.random.default_rng(4).exponential(1.0, (2, 2, len(at)))
    blocks = course_of(at, losses, 5).blocks()
    if not LEAST_YEARS <= years <= MOST_YEARS:
        assert blocks.by == "matches"
        assert blocks.counts[0].sum() == 3 * years
        return
    assert blocks.by == "year"
    assert blocks.start.tolist() == sorted(set((1970 + of).tolist()))
    for row, year in enumerate(blocks.start):
        np.testing.assert_allclose(blocks.sums[:, row], losses[:, :, 1970 + of == year].sum(axis=2).T, rtol=1e-12)


def test_a_system_that_is_left_out_leaves_the_others_as_they_are() -> None:
    at, losses = np.arange(300) * 40 * DAY_MS, np.random.default_rng(5).exponential(1.0, (3, 2, 300))
    course, without = course_of(at, losses, 3), course_of(at, losses[[0, 2]], 3)
    course.leave_out(1)
    for one, other in zip(course.blocks(), without.blocks(), strict=True):
        assert np.array_equal(one, other)
