"""A match of K sides taken as its pairs, each counted ``3 / (K + 1)`` times.

The K(K - 1)/2 pairs of a match share its K performances, so they hold less than K(K - 1)/2 independent results. Two
sides are one pair that counts once. All pairs are taken from the state before the match.

What is called for every pair takes and gives numbers alone: to hand an array to compiled code counts a reference to it,
twice, which costs more than the arithmetic.
"""

from __future__ import annotations

import math

import numba

from service.columns import Floats, Integers
from service.ratings.canonical import strongest_first
from service.ratings.link import logistic


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def share(sides: int) -> float:
    """How often each pair of a match of so many sides counts.

    Examples
    --------
    >>> share(2), share(5)
    (1.0, 0.5)
    """
    return 3.0 / (sides + 1.0)


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def outcome(rank: int, other: int) -> float:
    """Score of a pair: 1 before the other, 0 behind it, one half at its place."""
    return 0.5 if rank == other else 1.0 if rank < other else 0.0


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def first_of_two(location: float, other: float) -> int:
    """Index of the side whose gap is taken as positive; where there is none, both are treated alike."""
    return 1 if other > location else 0


@numba.njit(cache=True)
def arrange(location: Floats, rank: Integers, first: int, sides: int, rest: Floats, order: Integers) -> None:
    """Put the order in which the pairs of a match of more than two are taken into the head of ``order``.

    Parameters
    ----------
    location : float64[s]
    rank : int64[s]
        Of all matches; those of this one begin at ``first``.
    rest : float64[r, widest]
        All else that tells its sides apart; its rows begin with this match's first side. See `strongest_first`.
    order : int64[widest]
    """
    end = first + sides
    order[:sides] = strongest_first(location[first:end], rank[first:end], rest[:, :sides])


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def flattened(slope: float, blur: float) -> float:
    """Slope of the expected score against a side whose strength is known with a variance, in the link's own measure."""
    return slope / math.sqrt(1.0 + blur)


@numba.njit(cache=True, forceinline=True, error_model="numpy")
def seen(times: float, sway: float, gap: float, result: float) -> tuple[float, float]:
    """What a side learns of its mean from a pair; it sees the other through the other's deviation.

    Parameters
    ----------
    times : float
        How often the pair counts.
    sway : float
        Slope of the expected score against the other, see `flattened`.
    gap : float
        By how much it was thought to be stronger.
    result : float
        Its score.

    Returns
    -------
    score, information : float
        First derivative of the likelihood, and minus the expected second.
    """
    chance = logistic(sway * gap)
    return times * sway * (result - chance), times * sway * sway * chance * (1.0 - chance)
