"""Sums and orders that do not depend on how a match happens to list its sides and players.

Floating-point sums change in their last bits with the order of their terms. Whatever a system sums over
the players of a side or the sides of a match, it sums in the order that these give.
"""

from __future__ import annotations

import numba
import numpy as np

from service.columns import Floats, Integers


@numba.njit(cache=True)
def sorted_sum(values: Floats) -> float:
    """Sum from the smallest to the largest, one by one (NumPy's own sum pairs its terms)."""
    if len(values) == 1:
        # Sorting costs more than all else in a match of two.
        return float(values[0])
    total = 0.0
    for value in np.sort(values):
        total += value
    return total


@numba.njit(cache=True)
def strongest_first(location: Floats, rank: Integers, rest: Floats) -> Integers:
    """Indices of sides by location from the highest, then by rank, then by the rows of ``rest``.

    Parameters
    ----------
    location : float64[n]
    rank : int64[n]
    rest : float64[r, n]
        All else that tells sides apart: sides that are equal in everything are interchangeable, so that any
        order of them gives the same sums.
    """
    if len(location) == 2:
        swap = location[1] > location[0]
        return np.array([1, 0]) if swap else np.array([0, 1])
    order = np.argsort(rest[-1], kind="mergesort")
    for row in rest[:-1]:
        order = order[np.argsort(row[order], kind="mergesort")]
    order = order[np.argsort(rank[order], kind="mergesort")]
    return order[np.argsort(-location[order], kind="mergesort")]
