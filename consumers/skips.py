"""Offsets that an operator decided to pass: never fetched where that can be helped, never decoded, always counted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumers.judge import Record


@dataclass(slots=True)
class Skipped:
    """Stands in place of a record that was passed.

    Attributes
    ----------
    offset : int
    timestamp : int
        When it was decided, epoch milliseconds.
    """

    offset: int
    timestamp: int
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


class Skips:
    """The decisions of one partition.

    Parameters
    ----------
    decided : mapping
        Offset to when it was decided, epoch milliseconds.

    Examples
    --------
    >>> skips = Skips({5: 0, 6: 0, 9: 0})
    >>> skips.following(3), skips.beyond(5), skips.beyond(7), skips.following(10)
    (5, 7, 7, None)
    """

    def __init__(self, decided: Mapping[int, int] | None = None) -> None:
        self._decided = decided or {}
        self._offsets = sorted(self._decided)

    def __len__(self) -> int:
        return len(self._offsets)

    def following(self, position: int) -> int | None:
        """First skipped offset that is not before a position."""
        at = bisect_left(self._offsets, position)
        return self._offsets[at] if at < len(self._offsets) else None

    def beyond(self, position: int) -> int:
        """First offset that is not before a position and not skipped."""
        while position in self._decided:
            position += 1
        return position

    def honoured(self, records: Sequence[Record], start: int, end: int) -> Sequence[Record]:
        """Records of the range ``[start, end)`` with a `Skipped` at every offset that is to be passed."""
        low, high = bisect_left(self._offsets, start), bisect_left(self._offsets, end)
        if low == high:
            return records
        passed: list[Record] = [Skipped(offset, self._decided[offset]) for offset in self._offsets[low:high]]
        kept = [record for record in records if record.offset not in self._decided]
        return sorted([*kept, *passed], key=lambda record: record.offset)
