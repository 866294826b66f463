"""Rows: one reader of NDJSON and CSV, of the service's own matches and of other shapes, for every command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from service.match import Match, decode
from service.problems import Problem
from service.seed import Seed
from standings.files.cells import read_cells
from standings.files.ids import Ids
from standings.files.lines import TOO_LONG, Lines, too_long
from standings.files.shapes import Cells, Found, Shape
from standings.files.source import Source

_object_decoder = msgspec.json.Decoder(dict[str, Any])


class Row(NamedTuple):
    """One match of a file, or what stands in its place.

    Attributes
    ----------
    line : int
        Number of its first line, from 1.
    value : bytes
        The match as JSON; what stood there where it cannot be used.
    found : Match, Seed or Problem
        What it says, or why it cannot be used.
    """

    line: int
    value: bytes
    found: Match | Seed | Problem


class Rows:
    """The rows of a file.

    Parameters
    ----------
    source : Source
        The file, and how its rows are to be read.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    size : int or None
        Bytes of the file as it lies there; None for a pipe.

    Raises
    ------
    Mistake
        There is no such file, or it cannot be read; the options do not go together.
    """

    def __init__(self, source: Source) -> None:
        self._shape = source.shape()
        self._is_csv = source.is_csv
        self._lines = Lines(source.file)
        self._ids = Ids()
        self.name = self._lines.name
        self.size = self._lines.size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.__exit__(kind, error, trace)

    @property
    def position(self) -> int:
        """Bytes of the file that were taken so far; for files that have a size."""
        return self._lines.position

    def blocks(self) -> Iterator[list[Row]]:
        """Give the rows as they come: a list for every piece that was read, at once where the input is slow.

        Raises
        ------
        Mistake
            The file breaks off or cannot be read on; a column is missing.
        """
        return self._own() if self._shape is None else self._shaped(self._shape)

    def _own(self) -> Iterator[list[Row]]:
        line = 0
        for texts in self._lines.blocks():
            rows = []
            for text in texts:
                line += 1
                if text is TOO_LONG:
                    rows.append(Row(line, b"", too_long()))
                elif value := text.strip():
                    rows.append(row_of(line, value, self._ids))
            yield rows

    def _shaped(self, shape: Shape) -> Iterator[list[Row]]:
        told = False
        head, texts = _look_ahead(self._lines.blocks())
        is_objects = head.startswith(b"{") and not self._is_csv
        blocks = _objects(texts) if is_objects else read_cells(self.name, shape.check, texts)
        for block in blocks:
            yield [self._row(found) for line, cells in block for found in shape.read(line, cells)]
            if shape.untimed and not told:
                told = True
                sys.stderr.write(
                    f"{self.name}: its rows have no time: all count as played at 1970-01-01;"
                    " --at names a column, or one time for all\n"
                )
        yield [self._row(found) for found in shape.end()]

    def _row(self, found: Found) -> Row:
        line, match = found
        if isinstance(match, Problem):
            return Row(line, b"", match)
        value = msgspec.json.encode(match)
        return row_of(line, value if "id" in match else self._ids.add(value), self._ids)


def row_of(line: int, value: bytes, ids: Ids) -> Row:
    """Read one match; one without an id gets one from its content."""
    try:
        return Row(line, value, decode(value))
    except Problem as problem:
        if not any(error.field == "id" and error.problem == "missing" for error in problem.errors):
            return Row(line, value, problem)
    value = ids.add(value)
    try:
        return Row(line, value, decode(value))
    except Problem as problem:
        return Row(line, value, problem)


def _look_ahead(blocks: Iterator[list[bytes]]) -> tuple[bytes, Iterator[list[bytes]]]:
    """Give the first line, where any of the first lines is not blank, and all blocks."""
    first = next(filter(None, blocks), [])
    return next(filter(None, map(bytes.strip, first)), b""), chain([first], blocks)


def _objects(blocks: Iterator[list[bytes]]) -> Iterator[list[tuple[int, Cells | Problem]]]:
    line = 0
    for texts in blocks:
        rows: list[tuple[int, Cells | Problem]] = []
        for text in texts:
            line += 1
            if text is TOO_LONG:
                rows.append((line, too_long()))
            elif text.strip():
                rows.append((line, _object(text)))
        yield rows


def _object(text: bytes) -> Cells | Problem:
    try:
        # As text, so that bytes which are no UTF-8 are refused wherever they stand.
        return _object_decoder.decode(text.decode())
    except UnicodeDecodeError as error:
        return Problem("malformed", f"not UTF-8 at byte {error.start}")
    except (msgspec.DecodeError, RecursionError) as error:
        return Problem("malformed", str(error))
