"""Calls once whatever is compiled when it is first called, so that the image holds it compiled.

A test names what is missing here.
"""

from __future__ import annotations

import numpy as np

from consumers.seen import SeenIds, entries_of
from service.columns import lay_out
from service.match import Match, Side
from service.ranks import rank_intervals
from service.rate import empty, rate
from service.ratings import create, systems

PLAYERS = 200
"""Enough for a match that is large to every rating system."""


def main() -> None:
    """Go through matches of every shape as every part would."""
    shapes = [
        (Side(("ann", "bob"), score=2.0), Side(("cid",), score=1.0), Side(("dan",), score=1.0)),
        (Side(("ann",), rank=1), Side(("bob",), rank=2)),
        (Side(("ann",), rank=1), Side(("bob",), rank=1)),
        tuple(Side((str(number),), rank=1 + number // 2) for number in range(PLAYERS)),
    ]
    matches = [Match(str(number), "warm", number, sides) for number, sides in enumerate(shapes)]
    SeenIds(1_000, {}).admit(entries_of(matches, range(len(matches))))
    for name in systems():
        system, table = create(name), empty(create(name), PLAYERS)
        for match in matches:
            if system.refusal(match.sides) is None:
                rate(system, lay_out([match], range(sum(len(side.players) for side in match.sides))), table)
        rating, deviation = system.view(table.skills, table.pool, np.zeros(PLAYERS))
        rank_intervals(rating, deviation, np.arange(1, PLAYERS + 1), PLAYERS, rating, deviation)


main()
