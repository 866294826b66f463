"""Rating systems at their limits: a million wins, the largest match, and the same bits without Numba."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.ratings import RatingSystem, systems
from tests.property.faulty import AFTER, Faulty
from tests.property.rating_checks import FEATS, Feat, digest
from tests.property.scenes import corners
from tests.property.test_ratings import label

ROOT = Path(__file__).resolve().parents[2]


def digests(spec: str) -> list[str]:
    """What thousands of matches come to under a system, or under the toy with a fault."""
    kinds = [Faulty(fault=spec)] if spec in AFTER else corners(systems()[spec])
    return [digest(system, 200 if place else 2_000) for place, system in enumerate(kinds)]


def digests_uncompiled(spec: str) -> list[str]:
    code = f"from tests.property.test_rating_bits import digests; print(*digests({spec!r}))"
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("feat", FEATS, ids=label)
@pytest.mark.parametrize("kind", systems().values(), ids=label)
def test_system_can(feat: Feat, kind: type[RatingSystem]) -> None:
    for place, system in enumerate(corners(kind)):
        # At its defaults the whole feat, at the bounds of its parameters a part of it.
        feat(system, 0.1 if place else 1.0)


@pytest.mark.parametrize("name", systems())
def test_uncompiled_gives_the_same_bits(name: str) -> None:
    assert digests_uncompiled(name) == digests(name)
