"""Rating systems: every check is held against every system that is found, and against a toy that fails it.

A new system needs no test of its own to be held to these; a new promise needs its check and its fault.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, get_args

import msgspec
import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from service.columns import Floats, Matches
from service.match import Side
from service.ratings import Expected, Promise, RatingSystem, Shapes, create, systems
from service.ratings.belief import VARIANCE
from service.ratings.elo import Elo
from service.ratings.link import Link
from tests.property import rating_checks as checks
from tests.property.rating_checks import ALWAYS, FEATS, PROMISED, Check, Feat, digest
from tests.property.scenes import corners, tuned

ROOT = Path(__file__).resolve().parents[2]
QUICK = settings(
    deadline=None,
    max_examples=100,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def raise_first(matches: Matches, skills: Floats) -> None:
    skills[matches.player[0], 0] += 1.0


def raise_first_of_team(matches: Matches, skills: Floats) -> None:
    if matches.player_start[1] > 1:
        skills[matches.player[0], 0] += 1.0


def raise_by_row(matches: Matches, skills: Floats) -> None:
    skills[matches.player, 0] += matches.player


def raise_by_an_ulp(matches: Matches, skills: Floats) -> None:
    skills[matches.player[0], 0] *= 1 + 3e-16


def raise_all(matches: Matches, skills: Floats) -> None:
    skills[matches.player, 0] += 1e-3


def raise_tied(matches: Matches, skills: Floats) -> None:
    if len(set(matches.rank.tolist())) == 1:
        raise_all(matches, skills)


def centre(matches: Matches, skills: Floats) -> None:
    skills[:, 0] -= skills[:, 0].mean()


def widen(matches: Matches, skills: Floats) -> None:
    skills[matches.player, VARIANCE] *= 1.5


def overflow(matches: Matches, skills: Floats) -> None:
    if len(matches.at) > 1_000:
        skills[0, 0] = np.inf


def fail_when_large(matches: Matches, skills: Floats) -> None:
    if len(matches.rank) == Faulty.shapes.most_sides:
        skills[matches.player[0], VARIANCE] = np.nan


def differ_uncompiled(matches: Matches, skills: Floats) -> None:
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # set when Numba is imported
        raise_by_an_ulp(matches, skills)


AFTER: dict[str, Callable[[Matches, Floats], None]] = {
    "by row": raise_by_row,
    "first side": raise_first,
    "first of a team": raise_first_of_team,
    "once a batch": raise_by_an_ulp,
    "everybody": centre,
    "inflation": raise_all,
    "drawish": raise_tied,
    "unsettled": widen,
    "overflow": overflow,
    "crowded": fail_when_large,
    "compiled": differ_uncompiled,
}
BEFORE: dict[str, Callable[[Matches], Matches]] = {
    "upside down": lambda matches: matches._replace(rank=1 - matches.rank),
    "weightless": lambda matches: matches._replace(weight=np.ones(len(matches.weight))),
    "big wins cost": lambda matches: matches._replace(
        weight=matches.weight / (1 + np.nan_to_num(np.ptp(matches.score)))
    ),
}
FAULTS: dict[Check, str] = {
    checks.names_do_not_matter: "by row",
    checks.order_of_sides_does_not_matter: "first side",
    checks.order_within_a_side_does_not_matter: "first of a team",
    checks.batches_do_not_matter: "once a batch",
    checks.nobody_else_is_touched: "everybody",
    checks.predictions_come_first: "hindsight",
    checks.views_change_nothing: "exposed",
    checks.half_a_match_moves_less: "weightless",
    checks.state_survives_the_store: "hidden",
    checks.seeds_are_shown_as_given: "forgetful",
    checks.other_shapes_are_refused: "polite",
    checks.better_places_never_cost: "upside down",
    checks.better_margins_never_cost: "big wins cost",
    checks.matches_never_unsettle: "unsettled",
    checks.rest_unsettles: "restless",
    checks.moves_cancel: "inflation",
    checks.ties_of_equals_move_nobody: "drawish",
}
FEATS_FAULTS: dict[Feat, str] = {
    checks.million_wins_stay_finite: "overflow",
    checks.largest_matches_stay_finite: "crowded",
}


class Faulty(Elo, frozen=True, kw_only=True):
    """Elo with one fault, which promises everything."""

    name: ClassVar[str] = "faulty"
    promises: ClassVar[frozenset[Promise]] = frozenset(get_args(Promise))
    shapes: ClassVar[Shapes] = Shapes(most_sides=400)
    remembered: ClassVar[dict[int, float]] = {}
    fault: str

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        fault = self.fault
        if fault in BEFORE:
            matches = BEFORE[fault](matches)
        Elo().update(matches, rest, skills, pool, expected)
        if fault in AFTER:
            AFTER[fault](matches, skills)
        elif fault == "hindsight":
            expected.location[:] = skills[matches.player[matches.player_start[:-1]], 0]
        elif fault == "hidden":
            skills[matches.player[0], 0] += self.remembered.get(id(self), 0.0)
            self.remembered[id(self)] = 1.0

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        # The error of a rating is measured from the pool's level, which is not zero for long.
        return super().seeded(rating, deviation, self.opening() if self.fault == "forgetful" else pool)

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        rating, deviation = super().view(skills, pool, rest)
        return (skills[:, 0] if self.fault == "exposed" else rating), deviation

    def refusal(self, sides: Sequence[Side]) -> str | None:
        return None if self.fault == "polite" else super().refusal(sides)


def digests(spec: str) -> list[str]:
    """What thousands of matches come to under a system, or under the toy with a fault."""
    kinds = [Faulty(fault=spec)] if spec in AFTER else corners(systems()[spec])
    return [digest(system, 200 if place else 2_000) for place, system in enumerate(kinds)]


def digests_uncompiled(spec: str) -> list[str]:
    code = f"from tests.property.test_ratings import digests; print(*digests({spec!r}))"
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


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


@pytest.mark.parametrize("feat", FEATS, ids=label)
@pytest.mark.parametrize("kind", systems().values(), ids=label)
def test_system_can(feat: Feat, kind: type[RatingSystem]) -> None:
    for system in corners(kind):
        feat(system)


@pytest.mark.parametrize("name", systems())
def test_uncompiled_gives_the_same_bits(name: str) -> None:
    assert digests_uncompiled(name) == digests(name)


@pytest.mark.parametrize(("check", "fault"), FAULTS.items(), ids=label)
def test_check_finds_its_fault(check: Check, fault: str) -> None:
    @given(data=st.data())
    @settings(QUICK, database=None, phases=[Phase.generate], report_multiple_bugs=False, derandomize=True)
    def run(data: st.DataObject) -> None:
        check(Faulty(fault=fault), data)

    with pytest.raises(AssertionError):
        run()


@pytest.mark.parametrize(("feat", "fault"), FEATS_FAULTS.items(), ids=label)
def test_feat_finds_its_fault(feat: Feat, fault: str) -> None:
    with pytest.raises(AssertionError):
        feat(Faulty(fault=fault))


def test_uncompiled_that_differs_is_found() -> None:
    assert digests_uncompiled("compiled") != digests("compiled")


def test_every_check_has_its_fault() -> None:
    assert set(FAULTS) == {*ALWAYS, *PROMISED.values()}
    assert set(FEATS_FAULTS) == set(FEATS)
    assert set(PROMISED) == set(get_args(Promise))


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
