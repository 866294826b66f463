"""The losses of several systems on their way through a file, summed by blocks of it.

Blocks are calendar years where a file spans some, else consecutive matches. All that is kept are sums, so that the
room does not grow with the file.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np

from service.columns import Floats, Integers

LEAST_YEARS: Final = 5
MOST_YEARS: Final = 500
"""With fewer or more calendar years, blocks are consecutive matches."""

PIECES: Final = 50
"""Blocks of consecutive matches, at least, where there are so many matches; fewer than twice as many."""

TWO_WAY: Final = 0
THREE_WAY: Final = 1
KINDS: Final = 2


class Blocks(NamedTuple):
    """Losses summed by ``b`` blocks of matches.

    Attributes
    ----------
    by : {"year", "matches"}
        What a block is.
    start : int64[b]
        The year, or how many matches came before.
    counts : float64[2, b]
        Matches that were scored `TWO_WAY` and `THREE_WAY`.
    sums : float64[2, b, systems]
        Their losses.
    """

    by: Literal["year", "matches"]
    start: Integers
    counts: Floats
    sums: Floats


class Course:
    """Sums of losses by blocks, as matches are rated.

    Parameters
    ----------
    systems : int
        How many are compared.
    """

    def __init__(self, systems: int) -> None:
        self._year_row: dict[int, int] = {}
        # The last row is for years past the bound; then years are no blocks, and it is not read.
        self._years = np.zeros((KINDS, MOST_YEARS + 1, systems + 1))
        self._pieces = np.zeros((KINDS, 2 * PIECES, systems + 1))
        self._length = 1

    def add(self, at: Integers, places: Integers, losses: Floats) -> None:
        """Add matches.

        Parameters
        ----------
        at : int64[m]
            When each was played, epoch milliseconds.
        places : int64[m]
            How many matches of the file came before it.
        losses : float64[systems, 2, m]
            `service.score.Losses` of each system. What one could not score, none could.
        """
        while places.max() >= 2 * PIECES * self._length:
            self._halve()
        years, inverse = np.unique(at.astype("datetime64[ms]").astype("datetime64[Y]").astype(int), return_inverse=True)
        rows = np.array([self._row(year) for year in years.tolist()])[inverse]
        pieces = places // self._length
        for kind in range(KINDS):
            values = np.append(losses[:, kind].T, np.ones((len(at), 1)), axis=1)
            scored = ~np.isnan(values[:, 0])
            np.add.at(self._years[kind], rows[scored], values[scored])
            np.add.at(self._pieces[kind], pieces[scored], values[scored])

    def leave_out(self, index: int) -> None:
        """Forget a system."""
        self._years, self._pieces = np.delete(self._years, index, 2), np.delete(self._pieces, index, 2)

    def blocks(self) -> Blocks:
        """Give the blocks, in order, that hold a scored match."""
        if LEAST_YEARS <= len(self._year_row) <= MOST_YEARS:
            order = sorted(self._year_row)
            start = np.array(order) + 1970
            table = self._years[:, [self._year_row[year] for year in order]]
            by: Literal["year", "matches"] = "year"
        else:
            start = np.arange(2 * PIECES) * self._length
            table, by = self._pieces, "matches"
        used = table[:, :, -1].any(axis=0)
        return Blocks(by, start[used], table[:, used, -1], table[:, used, :-1])

    def _row(self, year: int) -> int:
        if len(self._year_row) > MOST_YEARS:
            return self._year_row.get(year, MOST_YEARS)
        return self._year_row.setdefault(year, len(self._year_row))

    def _halve(self) -> None:
        """Make one piece of every two."""
        joined = self._pieces.reshape(KINDS, PIECES, 2, -1).sum(axis=2)
        self._pieces = np.concatenate((joined, np.zeros_like(joined)), axis=1)
        self._length *= 2
