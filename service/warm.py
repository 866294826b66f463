"""Has what is compiled at its first call compiled at once, by matches of every shape.

Compiling a rating system takes seconds, on a busy machine a minute, in which an event loop turns not once. Where the
compiled code is kept, as in the image, it is read in a moment.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from service.columns import lay_out
from service.match import Match, Side
from service.rate import empty, rate
from service.ratings import RatingSystem

PLAYERS: Final = 200
"""Enough for a match that is large to every rating system."""

SHAPES: Final = (
    (Side(("ann", "bob"), score=2.0), Side(("cid",), score=1.0), Side(("dan",), score=1.0)),
    (Side(("ann",), rank=1), Side(("bob",), rank=2)),
    (Side(("ann",), rank=1), Side(("bob",), rank=1)),
    tuple(Side((str(number),), rank=1 + number // 2) for number in range(PLAYERS)),
)


def warm(system: RatingSystem) -> None:
    """Rate matches of every shape that a system takes, in a table that is thrown away."""
    table = empty(system, PLAYERS)
    for sides in SHAPES:
        if system.refusal(sides) is None:
            rows = range(sum(len(side.players) for side in sides))
            rate(system, lay_out([Match("warm", "warm", 0, sides)], rows), table)
    system.view(table.skills, table.pool, np.zeros(PLAYERS))
