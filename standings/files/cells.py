"""CSV to rows of cells: the delimiter from the header, line numbers of a row's first line, each fault in words."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Self

from service.problems import Problem
from standings.errors import Mistake
from standings.files.lines import TOO_LONG, too_long
from standings.files.shapes import Cells

DELIMITERS: Final = ",;\t|"


def read_cells(
    name: str, check: Callable[[str, Sequence[str]], None], blocks: Iterator[list[bytes]]
) -> Iterator[list[tuple[int, Cells | Problem]]]:
    """Read CSV: a header, then rows.

    Parameters
    ----------
    name : str
        Of the file, for messages.
    check : callable
        Refuses a header.
    blocks : iterator of list of bytes
        The file's lines.

    Yields
    ------
    list of (int, Cells or Problem)
        The rows of each block that are not blank: number of the first line, and cells by column.

    Raises
    ------
    Mistake
        The header cannot be read or was refused.
    """
    lines = _Lines(blocks)
    header: list[str] = []
    for first in lines:
        if first.strip() or lines.fault is not None:
            try:
                reader = csv.reader([first], delimiter=_delimiter(first), strict=True)
                header = [column.strip() for column in next(reader)]
            except csv.Error as error:
                lines.fault = Problem("malformed", str(error))
            if lines.fault is not None:
                raise Mistake(f"{name}:{lines.line}: the header: {lines.fault.detail}")
            check(name, header)
            break
    else:
        return
    yield from _rows(lines, header, _delimiter(first))


def _rows(lines: _Lines, header: Sequence[str], delimiter: str) -> Iterator[list[tuple[int, Cells | Problem]]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    rows: list[tuple[int, Cells | Problem]] = []
    width = len(header)
    while True:
        # Before the next line is waited for, what is there is handed over.
        if not lines.left and rows:
            yield rows
            rows = []
        line = lines.line + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            reason = f"{error}; is a quote not closed? Nothing is read up to line {lines.line}"
            rows.append((line, lines.fault or Problem("malformed", reason)))
        else:
            if lines.fault is not None:
                rows.append((line, lines.fault))
            elif len(cells) == width:
                rows.append((line, dict(zip(header, cells, strict=True))))
            elif cells:
                rows.append((line, Problem("malformed", f"{len(cells)} cells where the header has {width}")))
        lines.fault = None
    if rows:
        yield rows


class _Lines:
    """Lines of text for `csv.reader`, which asks for as many as a row takes.

    Attributes
    ----------
    line : int
        Lines given so far.
    left : int
        Lines that can be given without waiting.
    fault : Problem or None
        Why a line since the last look could not be given as it is.
    """

    def __init__(self, blocks: Iterator[list[bytes]]) -> None:
        self.line = 0
        self.left = 0
        self.fault: Problem | None = None
        self._blocks = blocks
        self._block: Iterator[bytes] = iter(())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        while not self.left:
            block = next(self._blocks)
            self._block, self.left = iter(block), len(block)
        self.left -= 1
        self.line += 1
        line = next(self._block)
        if line is TOO_LONG:
            self.fault = too_long()
            return "\n"
        try:
            # Within quotes the line's end is part of the cell.
            return line.decode() + "\n"
        except UnicodeDecodeError as error:
            self.fault = Problem(
                "malformed",
                f"byte {error.start + 1} of line {self.line} (0x{line[error.start]:02x}) is not UTF-8:"
                " save the file as UTF-8, such as with iconv -f latin1 -t utf-8",
            )
            return line.decode(errors="replace") + "\n"


def _delimiter(header: str) -> str:
    """Find the delimiter by the header, where no free text misleads."""
    try:
        return csv.Sniffer().sniff(header, DELIMITERS).delimiter
    except csv.Error:
        # One column.
        return ","
