"""From rows of a board to what is said of players: rating, deviation and rank at a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from service.api.answers import RatedPlayer, Standing
from service.columns import Floats
from service.pools import Pool
from service.ranks import SURE, percentiles, rank_intervals
from service.rate import DAY_MS, LAST_AT, MATCHES, TIED, WON
from service.ratings import RatingSystem
from service.store.board import Page
from service.store.rows import Totals

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


def last_match(totals: Totals) -> datetime | None:
    """When the last match of a pool was played; None where it was only seeded."""
    return moment(totals.last_match_at) if totals.matches else None


def grown(
    system: RatingSystem, learned: Floats, tallies: Floats, skills: Floats, as_of: datetime
) -> tuple[Floats, Floats]:
    """Rating and deviation of rows at a moment.

    Parameters
    ----------
    system : RatingSystem
    learned : float64[len(pool_columns)]
        The pool's row.
    tallies : float64[n, 4]
    skills : float64[n, w]
    as_of : datetime
    """
    # A match may say that it was played a little after now; that is no rest of less than nothing.
    rest = np.maximum(0.0, (as_of - _EPOCH) / _MILLISECOND - tallies[:, LAST_AT]) / DAY_MS
    return system.view(skills, learned, rest)


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
    rating, deviation = grown(system, page.learned, page.tallies, page.skills, as_of)
    ranks = page.ranks
    compared = grown(system, page.learned, page.pool_rows.tallies, page.pool_rows.skills, as_of)
    low, high = rank_intervals(rating, deviation, ranks, page.total, *compared)
    played = page.tallies[:, MATCHES]
    provisional = pool.provisional.holds(played, deviation)
    places, figures = (ranks, low, high, percentiles(ranks, page.total)), (rating, deviation, page.values)
    columns = (*places, *figures, played.astype(np.int64), provisional)
    # Displays of dicts: a page of a thousand is built in half the time that calls of the type take.
    return [
        {
            "rank": rank,
            "rank_interval": (least, most),
            "percentile": percentile,
            "player": player,
            "rating": mean,
            "deviation": sd,
            "value": value,
            "matches": matches,
            "provisional": new,
        }
        for player, rank, least, most, percentile, mean, sd, value, matches, new in zip(
            page.players, *(column.tolist() for column in columns), strict=True
        )
    ]


def rated_players(pool: Pool, system: RatingSystem, page: Page, as_of: datetime) -> list[RatedPlayer]:
    """Say all that is known of the players of a page; parameters as `standings`."""
    found = []
    for standing, tallies in zip(standings(pool, system, page, as_of), page.tallies.tolist(), strict=True):
        half = SURE * standing["deviation"]
        won, tied = int(tallies[WON]), int(tallies[TIED])
        found.append(
            RatedPlayer(
                **standing,
                interval=(standing["rating"] - half, standing["rating"] + half),
                won=won,
                tied=tied,
                lost=standing["matches"] - won - tied,
                last_match_at=moment(tallies[LAST_AT]) if standing["matches"] else None,
            )
        )
    return found
