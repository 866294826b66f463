"""Columns: the flat arrays say what the matches say, told again in plain Python."""

import math

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.columns import NO_HOME, Matches, lay_out
from service.match import Match, Side

QUICK = settings(deadline=None, max_examples=200, print_blob=True)

# Few different values, so that ties are common; -0.0 ties with 0.0.
scores = st.sampled_from([-1e15, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, 1.0000000000000002, 1e15]) | st.floats(
    -1e15, 1e15
)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Match], list[int]]:
    matches, rows = [], []
    for number in range(draw(st.integers(1, 6))):
        ranked = draw(st.booleans())
        sides = []
        for side in range(draw(st.integers(2, 7))):
            players = tuple(f"{number}/{side}/{place}" for place in range(draw(st.integers(1, 4))))
            rows += [draw(st.integers(0, 1 << 40)) for _ in players]
            place = {"rank": draw(st.integers(1, 4) | st.just(10**9))} if ranked else {"score": draw(scores)}
            sides.append(Side(players, **place))
        weight = draw(st.none() | st.floats(0, 1000, exclude_min=True))
        home = draw(st.none() | st.integers(0, len(sides) - 1))
        matches.append(
            Match(str(number), "p", draw(st.integers(-(2**60), 2**60)), tuple(sides), weight=weight, home=home)
        )
    return matches, rows


def places(sides: tuple[Side, ...]) -> list[int]:
    """Ranks as given, or from scores: 1 + how many sides have more."""
    found = []
    for side in sides:
        if side.rank is not None:
            found.append(side.rank)
        else:
            assert side.score is not None
            found.append(1 + sum(other.score > side.score for other in sides if other.score is not None))
    return found


def retold(columns: Matches) -> list[dict[str, object]]:
    """The matches that columns hold."""
    told = []
    for match in range(len(columns.at)):
        first, end = int(columns.side_start[match]), int(columns.side_start[match + 1])
        players = [
            columns.player[columns.player_start[side] : columns.player_start[side + 1]].tolist()
            for side in range(first, end)
        ]
        told.append(
            {
                "players": players,
                "rank": columns.rank[first:end].tolist(),
                "score": [None if math.isnan(score) else score for score in columns.score[first:end].tolist()],
                "home": int(columns.home[match]),
                "weight": float(columns.weight[match]),
                "at": int(columns.at[match]),
            }
        )
    return told


@given(batch=batches())
@QUICK
def test_columns_say_what_the_matches_say(batch: tuple[list[Match], list[int]]) -> None:
    matches, rows = batch
    columns = lay_out(matches, rows)
    remaining = iter(rows)
    assert retold(columns) == [
        {
            "players": [[next(remaining) for _ in side.players] for side in match.sides],
            "rank": places(match.sides),
            "score": [side.score for side in match.sides],
            "home": NO_HOME if match.home is None else match.home,
            "weight": 1.0 if match.weight is None else match.weight,
            "at": match.at,
        }
        for match in matches
    ]
    integers = (columns.side_start, columns.player_start, columns.player, columns.rank, columns.home, columns.at)
    assert {array.dtype for array in integers} == {np.dtype(np.int64)}
    assert {columns.score.dtype, columns.weight.dtype} == {np.dtype(np.float64)}
    assert columns.player_start[-1] == len(columns.player)
    assert columns.side_start[-1] == len(columns.rank)


@given(values=st.lists(scores, min_size=2, max_size=300))
@example([0.0, -0.0, 0.0])
@example([1.0] * 40)
@QUICK
def test_ranks_from_scores(values: list[float]) -> None:
    sides = tuple(Side((str(place),), score=score) for place, score in enumerate(values))
    columns = lay_out([Match("1", "p", 0, sides)], list(range(len(values))))
    assert columns.rank.tolist() == places(sides)


@given(batch=batches())
@QUICK
def test_a_batch_is_its_matches_one_by_one(batch: tuple[list[Match], list[int]]) -> None:
    matches, rows = batch
    whole, done = retold(lay_out(matches, rows)), 0
    for match, told in zip(matches, whole, strict=True):
        size = sum(len(side.players) for side in match.sides)
        assert retold(lay_out([match], rows[done : done + size])) == [told]
        done += size
