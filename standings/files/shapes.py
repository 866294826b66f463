"""Shapes: what turns the rows of a file into matches; what all shapes share."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.fields import moment, wrong
from service.problems import Problem
from standings.errors import Mistake

Cells = Mapping[str, Any]
"""A row: a column's or field's name to what stands there. In CSV all of it is text."""

Found = tuple[int, dict[str, Any] | Problem]
"""A match as it is written in JSON, or why there is none, with the number of its first line."""

TIMES: Final = {"at": 1, "date": 1, "end_time": 1000, "time": 1000, "timestamp": 1000, "tstamp": 1000}
"""Where presets look for the time of a match, and the milliseconds that a bare number counts there."""

LONGEST_NUMBER: Final = 18


@dataclass(frozen=True, slots=True)
class Common:
    """What the options say of every shape: the pool, where time and id are."""

    pool: str
    at: str | None
    id: str | None


class Shape:
    """Turns rows into matches, one row a match unless a shape says otherwise.

    Parameters
    ----------
    common : Common

    Attributes
    ----------
    untimed : bool
        Whether a row was met that has no time.
    """

    def __init__(self, common: Common) -> None:
        self.untimed = False
        self._pool = common.pool
        self._id = common.id
        self._when = common.at
        self._always = common.at is not None and _is_time(common.at)

    def needed(self, header: Sequence[str]) -> Sequence[str]:
        """Columns without which no row can be read."""
        raise NotImplementedError

    def match(self, cells: Cells) -> dict[str, Any]:
        """Turn a row into a match as it is written in JSON.

        Raises
        ------
        Problem
            ``invalid_match``, with the column named.
        """
        raise NotImplementedError

    def read(self, line: int, row: Cells | Problem) -> Iterator[Found]:
        """Take the next row, or what stands in its place; give the matches that are complete."""
        if isinstance(row, Problem):
            yield line, row
            return
        try:
            yield line, self.match(row)
        except Problem as problem:
            yield line, problem

    def end(self) -> Iterable[Found]:
        """Give what is complete now that there are no more rows."""
        return ()

    def check(self, name: str, header: Sequence[str]) -> None:
        """Refuse a header without the columns that are needed.

        Raises
        ------
        Mistake
            Names the column, the nearest that there is, and all of them.
        """
        count = Counter(header)
        named = [column for column in (self._id, None if self._always else self._when) if column is not None]
        for column in (*self.needed(header), *named):
            if count[column] > 1:
                raise Mistake(f"{name}: {count[column]} columns are called {column!r}: rename all but one")
            if not count[column]:
                near = difflib.get_close_matches(column, header, 1, 0.0)
                hint = f"; the nearest is {near[0]!r}" if near else ""
                raise Mistake(f"{name}: no column {column!r}{hint}; there are: {', '.join(header)}"[:1000])

    def _match(self, cells: Cells, sides: list[dict[str, Any]]) -> dict[str, Any]:
        """Put sides together with what every match has."""
        found = {"pool": self._pool, "at": self._time(cells), "sides": sides}
        return found if self._id is None else {"id": text_of(cells, self._id), **found}

    def _time(self, cells: Cells) -> int | str:
        if self._when is not None:
            return self._when if self._always else time_of(cells, self._when, 1)
        self.untimed = True
        return 0


class Preset(Shape):
    """A shape that knows its columns, and by which names a time goes."""

    def _time(self, cells: Cells) -> int | str:
        if self._when is None:
            for column, unit in TIMES.items():
                if column in cells:
                    return time_of(cells, column, unit)
        return super()._time(cells)


def text_of(cells: Cells, column: str) -> str:
    """Read a cell as text without blanks around it; a number and a truth as they are written.

    Raises
    ------
    Problem
        There is nothing, or something else.
    """
    value = cells.get(column)
    if isinstance(value, str):
        if text := value.strip():
            return text
        raise _wrong(column, "empty", "a value in every row")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    raise _wrong(column, "missing" if value is None else "neither text nor a number", "a value in every row")


def number_of(cells: Cells, column: str) -> float:
    """Read a cell as a number.

    Raises
    ------
    Problem
        It is none.
    """
    text = text_of(cells, column)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _wrong(column, f"{text[:64]!r} is no number", "digits, with a point for a fraction")
    return number


def whole_of(cells: Cells, column: str) -> int:
    """Read a cell as a whole number.

    Raises
    ------
    Problem
        It is none.
    """
    number = number_of(cells, column)
    if number != int(number):
        raise _wrong(column, f"{number} is no whole number", "1, 2, 3, ...")
    return int(number)


def time_of(cells: Cells, column: str, unit: int) -> int | str:
    """Read a cell as a time: bare numbers count ``unit`` milliseconds, the rest is checked with the match.

    Raises
    ------
    Problem
        There is nothing.
    """
    text = text_of(cells, column)
    digits = text.removeprefix("-").replace(".", "", 1)
    if digits.isascii() and digits.isdigit() and len(digits) <= LONGEST_NUMBER:
        return int(text) * unit if "." not in text else round(float(text) * unit)
    return text


def _wrong(column: str, problem: str, remedy: str) -> Problem:
    return wrong(f"column {column!r}", problem, remedy)


def _is_time(text: str) -> bool:
    """Whether a text is a time as a match may have it."""
    try:
        moment(text)
    except Problem:
        return False
    return True
