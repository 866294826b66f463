"""What a simulation is to reach: how near the current order is to the true one."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from service.columns import Floats
from standings.errors import Mistake

REMEDY: Final = "exact, best, top_K such as top_5, or a Kendall tau above 0 and up to 1 such as 0.95"

_top = re.compile(r"top_([1-9][0-9]{0,3})")


class Target(NamedTuple):
    """A goal in a synthetic arena.

    Attributes
    ----------
    name : str
        As the user gave it.
    tau : float
        Kendall tau between the current order and the true one; of no account where ``first`` is given.
    first : int or None
        So many true best are to be the current best, in whichever order.
    """

    name: str
    tau: float
    first: int | None

    def reached(self, strength: Floats, skills: Floats) -> bool:
        """Whether the order by strength will do.

        Parameters
        ----------
        strength, skills : float64[n]
            What the current order is by, and the true skills; who ties is not before the other.
        """
        if self.first is None:
            return kendall_tau(strength, skills) >= self.tau - 1e-12
        best_first = strength[np.argsort(-skills)]
        return bool(best_first[: self.first].min() > best_first[self.first :].max())


def target_of(goal: str, players: int) -> Target:
    """Read a goal.

    Parameters
    ----------
    goal : str
        ``exact``, ``best``, ``top_K`` or a Kendall tau.
    players : int
        In the arena.

    Raises
    ------
    Mistake

    Examples
    --------
    >>> target_of("exact", 50)
    Target(name='exact', tau=1.0, first=None)
    >>> target_of("best", 50).first, target_of("top_5", 50).first
    (1, 5)
    """
    if goal == "exact":
        return Target(goal, 1.0, None)
    if goal == "best":
        return Target(goal, 1.0, 1)
    if (top := _top.fullmatch(goal)) is not None:
        first = int(top[1])
        if first >= players:
            raise Mistake(f"--goal {goal}: of {players} players at most top_{players - 1}")
        return Target(goal, 1.0, first)
    try:
        tau = float(goal)
    except ValueError:
        raise Mistake(f"--goal {goal}: {REMEDY}") from None
    if not 0.0 < tau <= 1.0:
        raise Mistake(f"--goal {goal}: {REMEDY}")
    return Target(goal, tau, None)


def kendall_tau(strength: Floats, skills: Floats) -> float:
    """Kendall's tau between two orders: pairs in the same order less those in the other, over all; a tie is neither.

    Parameters
    ----------
    strength, skills : float64[n]
        At least two.

    Examples
    --------
    >>> round(kendall_tau(np.array([3.0, 1.0, 2.0]), np.array([9.0, 8.0, 7.0])), 3)
    0.333
    """
    above, truly = strength[:, None] > strength, skills[:, None] > skills
    alike = np.count_nonzero(above & truly) - np.count_nonzero(above & truly.T)
    return float(alike) / (len(skills) * (len(skills) - 1) / 2.0)
