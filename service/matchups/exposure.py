"""Exposure: nobody is suggested many times as often as somebody else. A filter before the field is made.

Beside how often a player was shown stands where: the *lean* adds up 1 for each time in the first place, -1 for each in
the last and what lies evenly between for those between, so that it is 0 for whoever was shown everywhere alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from service.columns import Floats, Integers


class Balance(NamedTuple):
    """How evenly players were suggested.

    Attributes
    ----------
    least, most : int
        How often those were who were least and most.
    ratio : float
        The most by the least, counted as `shown_in_turn` does.
    imbalance : float
        0 where everybody was as often in the first as in the last place, 1 where each was always in the same one of
        them. An order that is drawn alone gives about 1 over the root of how often each was shown.
    """

    least: int
    most: int
    ratio: float
    imbalance: float


def shown_in_turn(shown: Integers, ratio: float, side_count: int) -> npt.NDArray[np.bool_]:
    """Who may be suggested next without being shown more than so many times as often as the least shown.

    Parameters
    ----------
    shown : int64[n]
        How often each candidate was suggested; at least ``side_count`` of them.
    ratio : float
        At least 1. Until everybody was shown once, counted as if everybody was.
    side_count : int
        So many at least are left; those who are shown least, where the ratio alone would leave fewer.

    Examples
    --------
    >>> shown_in_turn(np.array([1, 1, 2, 3]), 2.0, 2).tolist()
    [True, True, False, False]
    >>> shown_in_turn(np.array([1, 2, 2, 3]), 1.0, 2).tolist()
    [True, True, True, False]
    """
    least = max(1, int(shown.min()))
    needed = np.partition(shown, side_count - 1)[side_count - 1]
    within: npt.NDArray[np.bool_] = (shown + 1 <= ratio * least) | (shown <= needed)
    return within


def leans(side_count: int) -> Floats:
    """What each place of a matchup adds to the lean of who is shown there, float64[side_count].

    Examples
    --------
    >>> leans(2).tolist(), leans(5).tolist()
    ([1.0, -1.0], [1.0, 0.5, 0.0, -0.5, -1.0])
    """
    return np.linspace(1.0, -1.0, side_count)


def balance_of(shown: Integers, lean: Floats) -> Balance:
    """Say how evenly players were suggested.

    Parameters
    ----------
    shown : int64[n]
        At least one.
    lean : float64[n]

    Examples
    --------
    >>> balance_of(np.array([4, 6]), np.array([2.0, -3.0]))
    Balance(least=4, most=6, ratio=1.5, imbalance=0.5)
    """
    least, most = int(shown.min()), int(shown.max())
    total = max(1, int(shown.sum()))
    return Balance(least, most, max(1, most) / max(1, least), float(np.abs(lean).sum() / total))
