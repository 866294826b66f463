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


def main() -> None:
    """Go through one match as every part would."""
    match = Match(
        "1", "warm", 0, (Side(("ann", "bob"), score=2.0), Side(("cid",), score=1.0), Side(("dan",), score=1.0))
    )
    SeenIds(1_000, {}).admit(entries_of([match], [0]))
    columns = lay_out([match], range(4))
    for name in systems():
        system, table = create(name), empty(create(name), 4)
        rate(system, columns, table)
        rating, deviation = system.view(table.skills, table.pool, np.zeros(4))
        rank_intervals(rating, deviation, np.arange(1, 5), 4, rating, deviation)


main()
