"""Sums over the players of a side, in an order that does not depend on how the side lists them."""

from __future__ import annotations

import numba
import numpy as np

from service.columns import Floats, Integers
from service.ratings.canonical import sorted_sum


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def column_total(skills: Floats, column: int, player: Integers, low: int, high: int) -> float:
    """Sum of one column of the rows of those in the slots from ``low`` to ``high``."""
    if high - low == 1:
        return float(skills[player[low], column])
    values = np.empty(high - low)
    for slot in range(low, high):
        values[slot - low] = skills[player[slot], column]
    return sorted_sum(values)


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def total(values: Floats, low: int, high: int) -> float:
    """Sum of what is kept by slot, from ``low`` to ``high``."""
    # Without a slice, which costs more than all else in a match of two.
    return float(values[low]) if high - low == 1 else sorted_sum(values[low:high])
