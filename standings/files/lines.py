"""The lines of a file as bytes, unpacked on the way, in pieces of bounded size."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from service.match import RECORD_BYTES
from service.problems import Problem
from standings.errors import Mistake

BLOCK_BYTES: Final = 1 << 18
"""Bytes that are read at once."""

TOO_LONG: Final = b"<too long>"
"""Stands, as this very object, for a line of more than `RECORD_BYTES`, which is not kept."""


class Lines:
    """The lines of a file.

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
            self._raw = open(0 if name == "-" else name, "rb", buffering=0, closefd=name != "-")  # noqa: SIM115  # as said
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

    def blocks(self) -> Iterator[list[bytes]]:
        r"""Give the lines as they come, without their ``\n``: a list for every piece that was read.

        Raises
        ------
        Mistake
            The file breaks off, cannot be read on, or is in UTF-16.
        """
        rest = b""
        first = True
        too_long = False
        while block := self._read():
            *whole, rest = (rest + block).split(b"\n")
            if too_long and whole:
                whole[0], too_long = TOO_LONG, False
            if len(rest) > RECORD_BYTES:
                rest, too_long = b"", True
            if first and whole:
                whole[0], first = self._marked(whole[0]), False
            yield whole
        if too_long:
            yield [TOO_LONG]
        elif rest:
            yield [self._marked(rest) if first else rest]

    def _marked(self, line: bytes) -> bytes:
        """Take the mark off that some programs write before a file's text."""
        if line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise Mistake(f"{self.name} is in UTF-16: save it as UTF-8")
        return line.removeprefix(BOM_UTF8)

    def _read(self) -> bytes:
        try:
            block = self._unpacked.read1(BLOCK_BYTES) if self._unpacked else self._raw.read(BLOCK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise self._unreadable(error) from None
        return block or b""

    def _unreadable(self, error: Exception) -> Mistake:
        reason = error.strerror if isinstance(error, OSError) else None
        return Mistake(f"cannot read {self.name}: {reason or error}")


def too_long() -> Problem:
    """Build the problem of a line that was not kept."""
    return Problem("record_too_large", f"more than {RECORD_BYTES} bytes")
