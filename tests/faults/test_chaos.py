"""A bounded run of chaos: faults at random under load, and the oracle at the end."""

from __future__ import annotations

from pathlib import Path

from tests import chaos

SECONDS, SEED = 20.0, 5


def test_chaos_ends_as_the_oracle_says(compiled: None, tmp_path: Path) -> None:
    told = chaos.run(SECONDS, SEED, tmp_path)
    print(told)  # noqa: T201  # for a reader of the test's output
    assert told.faults.total() >= 3
    assert told.matches > 500
    assert told.ended == 0
