"""What reading a file says on standard error: bad rows by line number, and how far it is."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, Self

from service.problems import Problem
from standings.errors import Mistake
from standings.files.rows import Rows

NAMED: Final = 10
"""Bad rows that are named one by one; the rest are counted."""

SHOWN: Final = 300
"""Characters of a reason that are shown; a reason may quote what it found."""


class BadRows:
    """Names bad rows on standard error, the first `NAMED` of them, and counts them all.

    Parameters
    ----------
    name : str
        The file, for the messages.
    strict : bool
        Whether the first one ends it all.

    Attributes
    ----------
    count : int
        Bad rows so far.
    """

    def __init__(self, name: str, strict: bool = False) -> None:
        self._name = name
        self._strict = strict
        self.count = 0

    def add(self, line: int, problem: Problem) -> None:
        """Note a row that cannot be used.

        Raises
        ------
        Mistake
            It names the row, and bad rows are not put up with.
        """
        self.count += 1
        if self.count > NAMED:
            return
        remedies = (error.remedy for error in problem.errors)
        reason = "; ".join([f"{self._name}:{line}: {problem.type.slug}: {problem.detail}", *remedies])
        # What is quoted from the file must not steer the terminal.
        shown = "".join(character if character.isprintable() else "?" for character in reason[:SHOWN])
        if self._strict:
            raise Mistake(shown)
        sys.stderr.write(f"{shown}\n")

    def leave_out(self, line: int, why: str) -> None:
        """Note that a system does not take a row that others take; that is no fault of the row."""
        sys.stderr.write(f"{self._name}:{line}: {why}\n")

    def close(self) -> None:
        """Say how many there were beyond those that were named."""
        if self.count > NAMED:
            sys.stderr.write(f"{self._name}: {self.count - NAMED:,} more bad rows\n")


class Progress:
    """A bar on the terminal with the rate and the time that is left; nothing where standard error is no terminal.

    Parameters
    ----------
    rows : Rows
        What is gone through; without an end in sight where they come from a pipe.
    """

    def __init__(self, rows: Rows) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        console = Console(stderr=True)
        self._rows = rows
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]:,.0f} matches/s"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bars.add_task(rows.name, total=rows.size, rate=0.0)
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, done: int) -> None:
        """Show the matches done so far."""
        rate = done / max(0.001, time.monotonic() - self._begun)
        position = None if self._rows.size is None else self._rows.position
        self._bars.update(self._task, completed=position, rate=rate)
