"""Matches and pools made up for any rating system, and how they are played."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from service.columns import Floats, Matches, lay_out
from service.match import Match, Side
from service.rate import DAY_MS, LAST_AT, MATCHES, Table, empty, rate
from service.ratings import RatingSystem

PLAYERS = 16
LEEWAY = 1e-12
"""Relative, where sums are compared whose terms differ: of what is read, rating and deviation together."""


class Scene(NamedTuple):
    """A pool that has begun, and the time at which it goes on."""

    table: Table
    now: int


def bout(sides: Sequence[Sequence[int]], places: Sequence[int], at: int, *, scored: bool = False, **more: Any) -> Match:
    """A match of players who are named by their rows; with scores the place is turned into points."""
    return Match(
        "1",
        "pool",
        at,
        tuple(
            Side(tuple(map(str, rows)), **({"score": -float(place)} if scored else {"rank": int(place)}))
            for rows, place in zip(sides, places, strict=True)
        ),
        **more,
    )


def laid(matches: Sequence[Match]) -> Matches:
    return lay_out(matches, [int(name) for match in matches for side in match.sides for name in side.players])


def sides_of(match: Match) -> list[list[int]]:
    return [[int(name) for name in side.players] for side in match.sides]


def copied(table: Table) -> Table:
    return Table(*(array.copy() for array in table))


def played(system: RatingSystem, table: Table, matches: Sequence[Match]) -> Table:
    """The table after matches, rated as one batch; the one that is given stays as it is."""
    after = copied(table)
    rate(system, laid(matches), after)
    return after


def shown(system: RatingSystem, table: Table, at: int) -> tuple[Floats, Floats]:
    """Rating and deviation as they are read at a moment."""
    rest = np.where(table.tallies[:, MATCHES] > 0, np.maximum(0.0, at - table.tallies[:, LAST_AT]), 0.0) / DAY_MS
    return system.view(table.skills, table.pool, rest)


def leeway(rating: Floats, deviation: Floats) -> Floats:
    return LEEWAY * (np.abs(rating) + deviation)


def bits(*arrays: npt.NDArray[Any]) -> list[bytes]:
    return [array.tobytes() for array in arrays]


def bounded(kind: type[RatingSystem]) -> dict[str, tuple[float, float]]:
    """Lower and upper bound of every parameter that is a number; an open lower bound is moved a little inside."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    found = {}
    for field in info.fields:
        if isinstance(field.type, msgspec.inspect.FloatType | msgspec.inspect.IntType):
            low = field.type.gt if field.type.ge is None else field.type.ge
            high = field.type.lt if field.type.le is None else field.type.le
            assert low is not None, f"{field.name} has a lower bound"
            assert high is not None, f"{field.name} has an upper bound"
            found[field.name] = (low if field.type.ge is not None else low + (high - low) / 1e6, high)
    return found


def tuned(kind: type[RatingSystem]) -> st.SearchStrategy[RatingSystem]:
    """A system with its defaults, or with any parameters that it declares possible."""
    default, drawn = kind(), {}
    for name, (low, high) in bounded(kind).items():
        whole = isinstance(getattr(default, name), int)
        values: st.SearchStrategy[float] = st.integers(int(low), int(high)) if whole else st.floats(low, high)
        drawn[name] = st.just(getattr(default, name)) | values
    return st.just(default) | st.builds(kind, **drawn)


def corners(kind: type[RatingSystem]) -> list[RatingSystem]:
    """A system with its defaults, with all numbers at their lower and at their upper bounds."""
    bounds = bounded(kind).items()
    return [
        kind(),
        kind(**{name: low for name, (low, _) in bounds}),
        kind(**{name: high for name, (_, high) in bounds}),
    ]


def random_matches(system: RatingSystem, seed: int, count: int, players: int = PLAYERS) -> list[Match]:
    """Matches of every shape that a system takes; time mostly goes on, sometimes back."""
    draw, shapes, now = np.random.default_rng(seed), system.shapes, 0
    found = []
    for _ in range(count):
        most = min(shapes.most_sides, 6)
        sizes = draw.integers(1, min(shapes.most_players, 3), size=draw.integers(2, most + 1), endpoint=True)
        if draw.random() < 0.5:
            sizes = np.ones(len(sizes) if draw.random() < 0.5 else 2, int)
        rows = np.split(draw.permutation(players)[: sizes.sum()], np.cumsum(sizes)[:-1])
        tied = shapes.ties and draw.random() < 0.4
        places = (draw.integers(1, 3, size=len(sizes)) if tied else draw.permutation(len(sizes)) + 1).tolist()
        now += int(draw.choice([0, 1_000, 10**7, 10**9, -(10**8)]))
        weight = None if draw.random() < 0.7 else float(draw.uniform(0.1, 3))
        home = int(draw.integers(len(sizes))) if draw.random() < 0.3 else None
        scored = bool(draw.random() < 0.5)
        found.append(
            bout([list(map(int, side)) for side in rows], places, now, scored=scored, weight=weight, home=home)
        )
    return found


@st.composite
def scenes(draw: st.DrawFn, system: RatingSystem) -> Scene:
    matches = random_matches(system, draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 30)))
    table = empty(system, PLAYERS)
    if matches:
        table = played(system, table, matches)
    last = max((int(match.at) for match in matches), default=0)
    return Scene(table, last + draw(st.sampled_from([0, 1, 10**6, 10**9, 10**11])))


@st.composite
def bouts(
    draw: st.DrawFn, system: RatingSystem, now: int, *, single: bool = False, scored: bool | None = None
) -> Match:
    shapes = system.shapes
    count = draw(st.integers(2, min(shapes.most_sides, 5)))
    most = 1 if single else min(shapes.most_players, 3)
    sizes = draw(st.lists(st.integers(1, most), min_size=count, max_size=count))
    rows = draw(st.permutations(range(PLAYERS)))
    ends = list(itertools.accumulate(sizes))
    sides = [list(rows[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    tied = st.lists(st.integers(1, count), min_size=count, max_size=count)
    ordered = st.permutations(range(1, count + 1))
    places = draw(ordered | tied if shapes.ties else ordered)
    return bout(
        sides,
        places,
        now,
        scored=draw(st.booleans()) if scored is None else scored,
        weight=draw(st.none() | st.floats(0.1, 3)),
        home=draw(st.none() | st.integers(0, count - 1)),
    )
