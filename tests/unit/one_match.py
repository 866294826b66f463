"""One match alone, as the tests of rating systems play it."""

from collections.abc import Sequence

import numpy as np

from service.columns import lay_out
from service.match import Match, Side
from service.ratings import RatingSystem, unexpected


def rows_after(
    system: RatingSystem,
    sides: Sequence[Sequence[Sequence[float]]],
    places: Sequence[float],
    *,
    scored: bool = False,
    rest: float = 0.0,
    weight: float = 1.0,
    at_home: int | None = None,
) -> list[list[float]]:
    """Everybody's row after a match, all of them having rested as long; with ``scored`` the places are points."""
    skills = np.array([row for side in sides for row in side], np.float64)
    names = iter(range(len(skills)))
    named = tuple(
        Side(tuple(str(next(names)) for _ in side), **({"score": place} if scored else {"rank": int(place)}))
        for side, place in zip(sides, places, strict=True)
    )
    columns = lay_out([Match("1", "pool", 0, named, weight=weight, home=at_home)], range(len(skills)))
    system.update(columns, np.full(len(skills), rest), skills, system.opening(), unexpected(columns))
    rows: list[list[float]] = skills.tolist()
    return rows
