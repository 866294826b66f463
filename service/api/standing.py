"""From rows of a board to what is said of players: rating, deviation and rank at a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from service.api.answers import Standing
from service.columns import Floats
from service.pools import Pool
from service.ranks import percentiles, rank_intervals, shared_ranks
from service.rate import DAY_MS, LAST_AT, MATCHES
from service.ratings import RatingSystem
from service.store.board import Page

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def moment(at: float) -> datetime:
    """Read a stored time, milliseconds since 1970.

    Examples
    --------
    >>> moment(-1.0).isoformat()
    '1969-12-31T23:59:59.999000+00:00'
    """
    return _EPOCH + int(at) * _MILLISECOND


def standings(pool: Pool, system: RatingSystem, page: Page, as_of: datetime) -> list[Standing]:
    """Say where the players of a page stand.

    Parameters
    ----------
    pool : Pool
    system : RatingSystem
        The one whose board the page is of.
    page : Page
    as_of : datetime
        Deviations are grown to this moment.

    Returns
    -------
    list of Standing
        One for each row of the page.
    """

    def view(tallies: Floats, skills: Floats) -> tuple[Floats, Floats]:
        # A match may say that it was played a little after now; that is no rest of less than nothing.
        rest = np.maximum(0.0, (as_of - _EPOCH) / _MILLISECOND - tallies[:, LAST_AT]) / DAY_MS
        return system.view(skills, page.learned, rest)

    rating, deviation = view(page.tallies, page.skills)
    ranks = shared_ranks(page.values, page.first, page.above)
    compared = view(page.pool_rows.tallies, page.pool_rows.skills)
    low, high = rank_intervals(rating, deviation, ranks, page.total, *compared)
    matches = page.tallies[:, MATCHES].astype(np.int64)
    columns = (ranks, low, high, percentiles(ranks, page.total), rating, deviation, page.values, matches)
    return [
        Standing(
            rank=rank,
            rank_interval=(least, most),
            percentile=percentile,
            player=player,
            rating=mean,
            deviation=sd,
            value=value,
            matches=played,
            provisional=played < pool.provisional,
        )
        for player, rank, least, most, percentile, mean, sd, value, played in zip(
            page.players, *(column.tolist() for column in columns), strict=True
        )
    ]
