"""How far a partition is behind, and whether an open transaction is in its way."""

from __future__ import annotations

from typing import Final

from service.metrics import LAG, TRANSACTION_SECONDS

WAITING_S: Final = 5.0
"""A transaction that is in the way for longer is worth a word; ordinary ones end long before."""


class Lag:
    """Of one partition, as seen by its owner.

    A consumer of committed records is given none past the last stable offset, which is where the oldest open
    transaction begins. So lag is counted up to there, and what lies behind is told by the transaction's age.

    Parameters
    ----------
    partition : int
    """

    def __init__(self, partition: int) -> None:
        self._partition = str(partition)
        self._met: tuple[int, float] | None = None

    def look(self, applied: int, stable: int, end: int, now: float) -> bool:
        """Measure; answers whether a transaction has been in the way for more than `WAITING_S`.

        Parameters
        ----------
        applied, stable, end : int
            Position in Redis, last stable offset, end of the log.
        now : float
            Seconds of a monotonic clock.
        """
        LAG.labels(self._partition).set(max(0, stable - applied))
        if not applied == stable < end:
            self._met = None
        elif self._met is None or self._met[0] != stable:
            # Not the one that was met before: transactions that follow each other are in nobody's way.
            self._met = (stable, now)
        seconds = 0.0 if self._met is None else now - self._met[1]
        TRANSACTION_SECONDS.labels(self._partition).set(seconds)
        return seconds > WAITING_S

    def forget(self) -> None:
        """Show the partition no more."""
        LAG.remove(self._partition)
        TRANSACTION_SECONDS.remove(self._partition)
