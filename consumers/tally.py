"""How many dead letters are too many: they are counted among the last records of a partition."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from consumers.judge import Record

RECENT: Final = 1_000
"""Records among which the share of dead letters is bounded."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many dead letters are taken for a producer that went wrong; None where there is no bound.

    Attributes
    ----------
    share : float, optional
        The most among the last `RECENT` records, as a share of `RECENT`: fewer records are filled up with good ones.
    run : int, optional
        The most in a row.
    """

    share: float | None = None
    run: int | None = None


class Tally:
    """Counts the dead letters among the last records of one partition, from where its owner began to read.

    Parameters
    ----------
    bounds : Bounds
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._recent: deque[bool] = deque([False] * RECENT, RECENT)
        self._dead = 0
        self._run = 0

    def count(self, records: Sequence[Record], dead: Collection[int]) -> str | None:
        """Count records in order of offset; the bounds hold after each, so that it does not matter how they are cut.

        Parameters
        ----------
        records : sequence of Record
        dead : collection of int
            Offsets of those that are dead letters.

        Returns
        -------
        str or None
            Which bound is passed and where, and what to do.
        """
        share, run = self._bounds.share, self._bounds.run
        if share is None and run is None:
            return None
        for record in records:
            died = record.offset in dead
            self._dead += died - self._recent[0]
            self._recent.append(died)
            self._run = self._run + 1 if died else 0
            passed = ""
            if run is not None and self._run > run:
                passed = f"more than {run:,} records in a row (STANDINGS_MOST_DEAD_RUN)"
            elif share is not None and self._dead > share * RECENT:
                passed = f"more than {share:g} of the last {RECENT:,} records (STANDINGS_MOST_DEAD_SHARE)"
            if passed:
                return (
                    f"dead_letters: {passed} cannot be used, the last of them at offset {record.offset}; its batch is"
                    " not applied. Fix the producer; to go on, restart ingest with a higher bound, or without"
                )
        return None
