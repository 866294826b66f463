"""Rating systems: every check is held against every system that is found.

A new system needs no test of its own to be held to these; a new promise needs its check, and its fault in `faulty`.
"""

from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.ratings import Promise, RatingSystem, create, systems
from service.ratings.link import Link
from tests.property.rating_checks import ALWAYS, PROMISED, Check
from tests.property.scenes import tuned

ROOT = Path(__file__).resolve().parents[2]
QUICK = settings(
    deadline=None,
    max_examples=40,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def label(value: object) -> str | None:
    name = getattr(value, "name", None) or getattr(value, "__name__", None)
    return name if isinstance(name, str) else None


KEPT = [(check, kind) for check in ALWAYS for kind in systems().values()]
KEPT += [
    (check, kind) for promise, check in PROMISED.items() for kind in systems().values() if promise in kind.promises
]


@pytest.mark.parametrize(("check", "kind"), KEPT, ids=label)
@given(data=st.data())
@QUICK
def test_system_keeps(check: Check, kind: type[RatingSystem], data: st.DataObject) -> None:
    check(data.draw(tuned(kind)), data)


def test_registry_holds_the_files_of_its_folder() -> None:
    folder = ROOT / "service" / "ratings"
    files = {path.stem for path in folder.glob("*.py")}
    assert {name for name, kind in systems().items() if kind.__module__ == f"service.ratings.{name}"} == set(systems())
    assert set(systems()) <= files
    assert "faulty" not in systems()
    assert list(systems()) == sorted(systems())


@pytest.mark.parametrize("kind", systems().values(), ids=label)
def test_declaration_is_whole(kind: type[RatingSystem]) -> None:
    system = create(kind.name)
    assert kind.revision >= 1
    assert kind.link in get_args(Link)
    assert all(create(kind.name, {"preset": preset}) != system for preset in kind.presets)
    assert kind.promises <= set(get_args(Promise))
    assert system.newcomer().shape == (len(kind.skill_columns),)
    assert system.opening().shape == (len(kind.pool_columns),)
    assert {system.newcomer().dtype, system.opening().dtype} == {np.dtype(np.float64)}
    assert system.newcomer() is not system.newcomer()
    # Parameters are text on the command line and in files, and part of the fingerprint.
    given_as_text = {name: str(getattr(system, name)) for name in kind.__struct_fields__}
    assert create(kind.name, given_as_text) == system
    assert msgspec.json.decode(msgspec.json.encode(system), type=kind) == system
