"""Columns to matches: a row has the players of its sides in one column each, with a score each, or by who won."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from standings.errors import Mistake
from standings.files.shapes import Cells, Common, Shape, number_of, text_of

Condition = tuple[str, str]
"""A column, and the value that it must have."""


class Columns(Shape):
    """Rows by the columns that are named.

    Parameters
    ----------
    common : Common
    sides : sequence of (str, str)
        The columns of each side's player and score.
    duel : (str, str), optional
        Instead of `sides`, the columns of winner and loser.
    tie : (str, str), optional
        A row of this column and value is a tie of the two.
    home : int, optional
        Which of `sides` is at home.
    neutral : (str, str), optional
        Nobody is at home in a row of this column and value.
    """

    def __init__(
        self,
        common: Common,
        *,
        sides: Sequence[tuple[str, str]] = (),
        duel: tuple[str, str] | None = None,
        tie: Condition | None = None,
        home: int | None = None,
        neutral: Condition | None = None,
    ) -> None:
        super().__init__(common)
        self._sides = sides
        self._duel = duel
        self._tie = tie
        self._home = home
        self._neutral = neutral

    def needed(self, header: Sequence[str]) -> Sequence[str]:
        """Columns without which no row can be read: all that are named."""
        conditions = [condition[0] for condition in (self._tie, self._neutral) if condition is not None]
        return [*(column for side in self._sides for column in side), *(self._duel or ()), *conditions]

    def match(self, cells: Cells) -> dict[str, Any]:
        """Turn a row into a match; see `Shape.match`."""
        if self._duel is not None:
            ranks = (1, 1) if _holds(self._tie, cells) else (1, 2)
            duel = zip(self._duel, ranks, strict=True)
            sides = [{"players": [text_of(cells, column)], "rank": rank} for column, rank in duel]
        else:
            sides = [
                {"players": [text_of(cells, player)], "score": number_of(cells, score)} for player, score in self._sides
            ]
        match = self._match(cells, sides)
        if self._home is not None and not _holds(self._neutral, cells):
            match["home"] = self._home
        return match


def value_of(option: str, text: str | None) -> Condition | None:
    """Read ``COLUMN=VALUE``.

    Raises
    ------
    Mistake
        It is not written so.
    """
    if text is None:
        return None
    column, equals, value = text.partition("=")
    if not (column and equals):
        raise Mistake(f"{option} {text}: given as COLUMN=VALUE")
    return column, value.strip()


def _holds(condition: Condition | None, cells: Cells) -> bool:
    if condition is None:
        return False
    column, value = condition
    # An empty cell is a value too.
    return (text_of(cells, column) if cells.get(column) not in (None, "") else "") == value
