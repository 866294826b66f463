"""Exposure: nobody is suggested many times as often as somebody else. A filter before the field is made."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from service.columns import Integers


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
