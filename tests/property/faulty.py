"""A toy rating system that fails each of the checks, and its faults by name."""

from collections.abc import Callable, Sequence
from typing import ClassVar, get_args

import numba
import numpy as np

from service.columns import Floats, Matches
from service.match import Side
from service.ratings import Expected, Promise, Shapes
from service.ratings.belief import VARIANCE
from service.ratings.elo import Elo
from tests.property import rating_checks as checks
from tests.property.rating_checks import Check, Feat


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
