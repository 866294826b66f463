"""The published matrix is that of the table, and the table's tests are there."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from tests.faults.page import PAGE, written
from tests.faults.scene import MEASURED
from tests.faults.table import MATRIX

ROOT = PAGE.parents[1]
ROWS = [row for rows in MATRIX.values() for row in rows]


def test_page_is_that_of_the_table() -> None:
    page = PAGE.read_text()
    assert page == written(page), "run python -m tests.faults.page"


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_every_row_was_measured() -> None:
    assert set(json.loads(MEASURED.read_text())) == {row.name for row in ROWS if row.within is not None}


@pytest.mark.parametrize("path", sorted({row.test.partition("::")[0] for row in ROWS}))
def test_the_tests_of_the_rows_are_there(path: str) -> None:
    module = import_module(path.removesuffix(".py").replace("/", "."))
    named = {row.test.partition("::")[2].partition("[")[0] for row in ROWS if row.test.startswith(f"{path}::")}
    assert {name for name in named if not hasattr(module, name)} == set()


def test_every_test_of_a_fault_has_a_row() -> None:
    for path in Path(__file__).parent.glob("*_*.py"):
        if path.name in ("test_page.py", "test_chaos.py", "long_hostile.py"):
            continue
        module = import_module(f"tests.faults.{path.stem}")
        there = {name for name in vars(module) if name.startswith("test_")}
        named = {row.test.partition("::")[2].partition("[")[0] for row in ROWS if f"/{path.name}::" in row.test}
        assert there == named
