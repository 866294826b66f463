"""How many matches it takes, for ``standings plan``."""

from __future__ import annotations

import msgspec

from service.campaigns.planner import NEAREST, SUREST, matches_to_reach, matches_to_tell
from standings.errors import Mistake


class Plan(msgspec.Struct, frozen=True):
    """Matches of two that will do, however often one looks.

    Attributes
    ----------
    win_chance : float
    tolerance, delta : float
    to_tell : int or None
        Until it is clear who is stronger, or with a tolerance that the stronger one is not behind; None where that was
        not asked for.
    within : float or None
    to_reach : int or None
        Until the win chance is known to plus or minus `within`.
    """

    win_chance: float
    tolerance: float
    delta: float
    to_tell: int | None
    within: float | None
    to_reach: int | None


def plan(win_chance: float | None, within: float | None, delta: float, tolerance: float) -> Plan:
    """Say how many matches will do.

    Raises
    ------
    Mistake
        Naming the option.

    Examples
    --------
    >>> plan(0.6, None, 0.05, 0.0).to_tell, plan(None, 0.1, 0.05, 0.0).to_reach
    (279, 274)
    """
    if win_chance is None and within is None:
        raise Mistake(
            "name what is to be known: --win-chance 0.55 to tell two players apart, --within 0.1 to measure one"
        )
    if not SUREST <= delta < 1.0:
        raise Mistake(f"--delta {delta:g}: {SUREST:g} or more, below 1")
    chance = 0.5 if win_chance is None else win_chance
    if win_chance is not None and abs(chance - 0.5) + tolerance < NEAREST:
        raise Mistake(
            f"--win-chance {chance:g}: so even a pair is never told apart; name a --tolerance, {NEAREST:g} or more"
        )
    return Plan(
        win_chance=chance,
        tolerance=tolerance,
        delta=delta,
        to_tell=None if win_chance is None else matches_to_tell(chance, delta, tolerance),
        within=within,
        to_reach=None if within is None else matches_to_reach(within, chance, delta),
    )
