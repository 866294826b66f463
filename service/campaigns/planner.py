"""How many matches it takes, before any is played."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from service.matchups.evidence import exceeds, interval

NEAREST: Final = 0.001
"""Gaps and widths that are planned for, at least."""

MOST: Final = 100_000_000
"""Matches that are planned for; more than the nearest gap takes at the smallest delta."""

SUREST: Final = 1e-12
"""Error that is planned for, at least."""


def matches_to_tell(chance: float, delta: float = 0.05, tolerance: float = 0.0) -> int:
    """Matches of two until it is clear who is stronger, if results come as the chance says.

    Parameters
    ----------
    chance : float
        Win chance of one of them, 0 to 1; a tie counts one half. One half needs a tolerance.
    delta : float
        Error, above 0 and below 1. A campaign over ``n`` players divides its own by ``n (n - 1) / 2``.
    tolerance : float
        How much below one half still counts as not behind, 0 to 0.25.

    Examples
    --------
    >>> matches_to_tell(0.6), matches_to_tell(0.75), matches_to_tell(0.5, tolerance=0.02)
    (279, 37, 9157)
    """
    _check(delta)
    stronger = max(chance, 1.0 - chance)
    threshold = 0.5 - tolerance
    if not 0.5 <= stronger <= 1.0 or not 0.0 <= tolerance <= 0.25 or stronger - threshold < NEAREST:
        raise ValueError(f"chance {chance!r} with tolerance {tolerance!r}: 0 to 1, and at least {NEAREST} apart")
    needed = -math.log(delta)
    return _first(lambda met: exceeds(stronger * met, (1.0 - stronger) * met, threshold, needed))


def matches_to_reach(half_width: float, chance: float = 0.5, delta: float = 0.05) -> int:
    """Matches of two until their win chance is known to plus or minus this much, whenever one looks.

    Parameters
    ----------
    half_width : float
        0.001 to 0.5.
    chance : float
        What the results are like, 0 to 1; one half takes the most.
    delta : float

    Examples
    --------
    >>> matches_to_reach(0.1), matches_to_reach(0.1, chance=0.9)
    (274, 100)
    """
    _check(delta)
    if not NEAREST <= half_width <= 0.5 or not 0.0 <= chance <= 1.0:
        raise ValueError(f"half_width {half_width!r}, chance {chance!r}: 0.001 to 0.5, and 0 to 1")
    needed = -math.log(delta)

    def narrow(met: int) -> bool:
        low, high = interval(chance * met, (1.0 - chance) * met, needed)
        return high - low <= 2.0 * half_width

    return _first(narrow)


def _first(enough: Callable[[int], bool]) -> int:
    """The first number of matches that is enough, as all greater ones are."""
    return bisect_left(range(MOST), True, key=enough)


def _check(delta: float) -> None:
    if not SUREST <= delta < 1.0:
        raise ValueError(f"delta {delta!r}: {SUREST} or more, below 1")
