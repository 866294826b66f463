"""What laws are made of: chances of those who are left."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

from service.columns import Floats
from service.matchups.field import Field

Left = npt.NDArray[np.bool_]


def left(count: int, taken: Sequence[int]) -> Left:
    """Which of so many candidates are not taken yet.

    Examples
    --------
    >>> left(3, [1]).tolist()
    [True, False, True]
    """
    found = np.ones(count, dtype=np.bool_)
    if taken:
        found[list(taken)] = False
    return found


def even(count: int, taken: Sequence[int]) -> Floats:
    """Chances by which each of those left is taken alike.

    Examples
    --------
    >>> even(3, [1]).tolist()
    [0.5, 0.0, 0.5]
    """
    return left(count, taken) / (count - len(taken))


def greatest(scores: Floats, taken: Sequence[int]) -> Floats:
    """Chances by which one of the greatest score is taken, among those left; equals alike.

    Parameters
    ----------
    scores : float64[n]
    taken : sequence of int

    Examples
    --------
    >>> greatest(np.array([1.0, 3.0, 3.0, 9.0]), [3]).tolist()
    [0.0, 0.5, 0.5, 0.0]
    """
    return _greatest(scores, left(len(scores), taken))


def boltzmann(logits: Floats, taken: Sequence[int]) -> Floats:
    """Chances in proportion to the exponentials of logits, among those left, however far apart these are.

    Parameters
    ----------
    logits : float64[n]
        Finite.
    taken : sequence of int

    Examples
    --------
    >>> boltzmann(np.array([1e4, -1e4, -1e4]), [0]).tolist()
    [0.0, 0.5, 0.5]
    """
    return _boltzmann(logits, left(len(logits), taken))


def of_the_rest(chances: Floats, taken: Sequence[int]) -> Floats:
    """Chances once some are out: those of the others, in proportion.

    Parameters
    ----------
    chances : float64[n]
        Not all of those left may be 0.
    taken : sequence of int

    Examples
    --------
    >>> of_the_rest(np.array([0.5, 0.25, 0.25]), [0]).tolist()
    [0.0, 0.5, 0.5]
    """
    rest = chances * left(len(chances), taken)
    rest /= rest.sum()
    return rest


@numba.njit(cache=True)
def _greatest(scores: Floats, free: Left) -> Floats:
    best, equals = -math.inf, 0
    for i in range(len(scores)):
        if free[i] and scores[i] >= best:
            equals = equals + 1 if scores[i] == best else 1
            best = scores[i]
    chances = np.zeros(len(scores))
    for i in range(len(scores)):
        if free[i] and scores[i] == best:
            chances[i] = 1.0 / equals
    return chances


@numba.njit(cache=True)
def _boltzmann(logits: Floats, free: Left) -> Floats:
    best = -math.inf
    for i in range(len(logits)):
        if free[i]:
            best = max(best, logits[i])
    chances, total = np.zeros(len(logits)), 0.0
    for i in range(len(logits)):
        if free[i]:
            chances[i] = math.exp(logits[i] - best)
            total += chances[i]
    for i in range(len(logits)):
        chances[i] /= total
    return chances


def meetings(field: Field, one: int) -> Floats:
    """How often ``one`` met each, as pairs count, matches under way included.

    Parameters
    ----------
    field : Field
        With pairs.
    one : int

    Returns
    -------
    float64[n]

    Examples
    --------
    >>> from dataclasses import replace
    >>> from service.matchups.field import level
    >>> field = replace(level(3), wins=np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    >>> meetings(field.with_match([0, 2]), 0).tolist()
    [0.0, 3.0, 1.0]
    """
    assert field.wins is not None
    first, second = field.under_way.T
    rivals = np.concatenate((second[first == one], first[second == one]))
    found: Floats = field.wins[one] + field.wins[:, one] + np.bincount(rivals, minlength=len(field))
    return found
