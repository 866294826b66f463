"""The candidates for a matchup as a policy sees them, from the rows of the live rating system.

What a system expects of a player's next match is noted by an update of copied rows, as in `service.predict`; here of
all candidates at once, paired off as they stand. Pure: arrays in, arrays out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np

from service.columns import NO_HOME, Floats, Matches
from service.matchups.field import Field, pairs_of
from service.matchups.posterior import Posterior
from service.rate import MATCHES, Table, rested
from service.ratings import RatingSystem, unexpected


def field_of(
    system: RatingSystem,
    table: Table,
    at: float,
    *,
    under_way: Sequence[Sequence[int]] = (),
    wins: Floats | None = None,
    posterior: Posterior | None = None,
) -> Field:
    """Lay out candidates as a policy sees them; nothing is changed.

    Parameters
    ----------
    system : RatingSystem
        The live one.
    table : Table
        Rows of the ``n`` candidates, one each, and the pool's; its scores are of no account.
    at : float
        The moment, epoch milliseconds.
    under_way : sequence of sequence of int
        Of each match whose result is not known yet: its players, as rows of the table.
    wins : float64[n, n], optional
        As `Field.wins`.
    posterior : Posterior, optional
        As `Field.posterior`, the matches under way included.

    Examples
    --------
    >>> from service.rate import empty
    >>> from service.ratings import create
    >>> elo = create("elo")
    >>> field = field_of(elo, empty(elo, 3), 0.0, under_way=[(0, 2)])
    >>> field.location.tolist(), field.matches.tolist(), field.under_way.tolist()
    ([1500.0, 1500.0, 1500.0], [1.0, 0.0, 1.0], [[0, 2]])
    """
    rest = rested(table.tallies, at)
    rating, deviation = system.view(table.skills, table.pool, rest)
    location, variance = _performances(system, table, rest)
    matches = table.tallies[:, MATCHES].copy()
    pairs = [np.empty((0, 2), dtype=np.int32)]
    # Several of one size at once: of thousands under way, one by one takes longer than all else.
    for size, several in groupby(under_way, key=len):
        orders = np.array(list(several), dtype=np.int32)
        np.add.at(matches, orders, 1.0)
        pairs.append(orders[:, pairs_of(size)].reshape(-1, 2))
    return Field(
        rating,
        deviation,
        location,
        variance,
        system.link,
        matches,
        np.concatenate(pairs),
        wins=wins,
        posterior=posterior,
    )


def _performances(system: RatingSystem, table: Table, rest: Floats) -> tuple[Floats, Floats]:
    """Location and variance of each one's performance alone on a side, against anybody."""
    count = len(rest)
    # What a pool learns from one match would be in the next one's prediction; of no weight, it teaches nothing.
    # Without a pool's row nothing is learned, and the weight may be a part of what is expected (Elo-MMR).
    matches = _paired_off(count, 0.0 if system.pool_columns else 1.0)
    expected = unexpected(matches)
    skills = np.vstack((table.skills, system.newcomer()))
    system.update(matches, np.append(rest, 0.0), skills, table.pool.copy(), expected)
    return expected.location[:count], expected.variance[:count]


@lru_cache(maxsize=16)
def _paired_off(count: int, weight: float) -> Matches:
    """Matches in which each row meets a neighbour, an odd one out the row behind the last."""
    sides = count + count % 2
    return Matches(
        side_start=np.arange(0, sides + 1, 2),
        player_start=np.arange(sides + 1),
        player=np.arange(sides),
        rank=np.arange(sides) % 2 + 1,
        score=np.full(sides, np.nan),
        home=np.full(sides // 2, NO_HOME),
        weight=np.full(sides // 2, weight),
        at=np.zeros(sides // 2, np.int64),
    )
