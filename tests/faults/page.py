"""Writes the crash matrix into the page of guarantees: ``python -m tests.faults.page``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.scene import MEASURED
from tests.faults.table import MATRIX, POINTS, Row

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guarantees.md"
BEGIN, END = "<!-- crash matrix: begin -->\n", "<!-- crash matrix: end -->\n"


def written(page: str) -> str:
    """Give the page with the matrix of the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"{PAGE.name} lacks the marks {BEGIN!r} and {END!r}"
    return before + BEGIN + matrix() + END + after


def matrix() -> str:
    """Give the matrix as Markdown."""
    measured: dict[str, float] = json.loads(MEASURED.read_text())
    lines = ["| point | what is true there |", "| --- | --- |"]
    lines += [f"| {point} | {said} |" for point, said in POINTS.items()]
    for name, rows in MATRIX.items():
        lines += [
            "",
            f"### {name}",
            "",
            "| fault | point | what happens | took (at most) | test |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [_line(row, measured.get(row.name)) for row in rows]
    return "\n".join(lines) + "\n"


def _line(row: Row, seconds: float | None) -> str:
    took = "" if row.within is None else f"{seconds} s ({row.within:g} s)"
    path, _, test = row.test.partition("::")
    return f"| {row.fault} | {row.point} | {row.then} | {took} | [`{test}`](../{path}) |"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
