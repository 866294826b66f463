"""NDJSON files to matches: one match a line, bad rows by line number, bounded memory whatever the file holds."""

from __future__ import annotations

import gzip
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from types import TracebackType
from typing import Final, NamedTuple, Self

from service.match import RECORD_BYTES, Match, decode
from service.problems import Problem
from standings.errors import Mistake

BLOCK_BYTES: Final = 1 << 18
"""Bytes that are read at once."""

NAMED: Final = 10
"""Bad rows that are named one by one; the rest are counted."""

SHOWN: Final = 300
"""Characters of a reason that are shown; a reason may quote what it found."""


class Row(NamedTuple):
    """One line that is not blank.

    Attributes
    ----------
    line : int
        Its number, from 1.
    value : bytes
        What stands there; empty where it was too long to be kept.
    found : Match or Problem
        What it says, or why it cannot be used.
    """

    line: int
    value: bytes
    found: Match | Problem


class Rows:
    """The rows of an NDJSON file.

    Parameters
    ----------
    name : str
        Path of the file, unpacked on the way where it ends in ``.gz``; ``-`` is standard input.

    Attributes
    ----------
    size : int or None
        Bytes of the file as it lies there; None for a pipe.

    Raises
    ------
    Mistake
        There is no such file, or it cannot be read.
    """

    def __init__(self, name: str) -> None:
        self.name = "standard input" if name == "-" else name
        try:
            # Unbuffered, so that a pipe hands over what it has and `position` is what was really taken.
            # `__exit__` closes it.
            self._raw = open(0 if name == "-" else name, "rb", buffering=0, closefd=name != "-")  # noqa: SIM115
            status = os.fstat(self._raw.fileno())
        except OSError as error:
            raise self._unreadable(error) from None
        self._unpacked = gzip.GzipFile(fileobj=self._raw) if name.endswith(".gz") else None
        self.size = status.st_size if stat.S_ISREG(status.st_mode) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.close()

    @property
    def position(self) -> int:
        """Bytes of the file that were taken so far; for files that have a size."""
        return self._raw.tell()

    def blocks(self) -> Iterator[list[Row]]:
        """Give the rows as they come: a list for every piece that was read, at once where the input is slow.

        Raises
        ------
        Mistake
            The file breaks off or cannot be read on.
        """
        line = 0
        rest = b""
        too_long = False
        while block := self._read():
            *whole, rest = (rest + block).split(b"\n")
            rows = []
            for text in whole:
                line += 1
                if too_long or text.strip():
                    rows.append(_row(line, text, too_long))
                too_long = False
            if len(rest) > RECORD_BYTES:
                rest, too_long = b"", True
            yield rows
        if too_long or rest.strip():
            yield [_row(line + 1, rest, too_long)]

    def _read(self) -> bytes:
        try:
            block = self._unpacked.read1(BLOCK_BYTES) if self._unpacked else self._raw.read(BLOCK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise self._unreadable(error) from None
        return block or b""

    def _unreadable(self, error: Exception) -> Mistake:
        reason = error.strerror if isinstance(error, OSError) else None
        return Mistake(f"cannot read {self.name}: {reason or error}")


class BadRows:
    """Names bad rows on standard error, the first `NAMED` of them, and counts them all.

    Parameters
    ----------
    name : str
        The file, for the messages.

    Attributes
    ----------
    count : int
        Bad rows so far.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.count = 0

    def add(self, line: int, problem: Problem) -> None:
        """Note a row that cannot be used."""
        self.count += 1
        if self.count <= NAMED:
            text = f"{self._name}:{line}: {problem.type.slug}: {problem.detail}"[:SHOWN]
            # What is quoted from the file must not steer the terminal.
            shown = "".join(character if character.isprintable() else "?" for character in text)
            sys.stderr.write(f"{shown}\n")

    def close(self) -> None:
        """Say how many there were beyond those that were named."""
        if self.count > NAMED:
            sys.stderr.write(f"{self._name}: {self.count - NAMED:,} more bad rows\n")


def _row(line: int, text: bytes, too_long: bool) -> Row:
    if too_long:
        return Row(line, b"", Problem("record_too_large", f"more than {RECORD_BYTES} bytes"))
    value = text.strip()
    try:
        return Row(line, value, decode(value))
    except Problem as problem:
        return Row(line, value, problem)
