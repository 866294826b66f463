"""How matches are played under `kalman` in its tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.columns import Floats, lay_out
from service.match import Match, Side
from service.ratings import Expected, RatingSystem, unexpected

UNIT = 290.0
YEAR = 365.25


def named(sides: Sequence[Sequence[int]], places: Sequence[float], *, scored: bool = False, **more: Any) -> Match:
    """A match of players who are named by their rows, with places or points."""
    return Match(
        "1",
        "pool",
        0,
        tuple(
            Side(tuple(map(str, rows)), **({"score": float(place)} if scored else {"rank": int(place)}))
            for rows, place in zip(sides, places, strict=True)
        ),
        **more,
    )


def played(system: RatingSystem, matches: Sequence[Match], skills: Floats, pool: Floats, rest: float = 0.0) -> Expected:
    """What was expected of matches; skills and pool are moved by them."""
    rows = [int(name) for match in matches for side in match.sides for name in side.players]
    columns = lay_out(matches, rows)
    expected = unexpected(columns)
    system.update(columns, np.full(len(rows), rest), skills, pool, expected)
    return expected
