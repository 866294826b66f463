"""What laws are made of: chances of those who are left, and who would be before whom."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from scipy.special import softmax

from service.columns import Floats
from service.matchups.field import Field
from service.ratings.link import CODES, below


def even(count: int, taken: Sequence[int]) -> Floats:
    """Chances by which each of those left is taken alike.

    Parameters
    ----------
    count : int
        Candidates, those taken included.
    taken : sequence of int
        They have no chance.

    Examples
    --------
    >>> even(3, [1]).tolist()
    [0.5, 0.0, 0.5]
    """
    chances = np.full(count, 1.0 / (count - len(taken)))
    chances[list(taken)] = 0.0
    return chances


def greatest(scores: Floats, taken: Sequence[int]) -> Floats:
    """Chances by which one of the greatest score is taken; equals alike.

    Parameters
    ----------
    scores : float64[n]
    taken : sequence of int
        They have no chance, whatever their score.

    Examples
    --------
    >>> greatest(np.array([1.0, 3.0, 3.0, 9.0]), [3]).tolist()
    [0.0, 0.5, 0.5, 0.0]
    """
    left = np.ones(len(scores), dtype=np.bool_)
    left[list(taken)] = False
    chosen = left & (scores == scores[left].max())
    chances: Floats = chosen / chosen.sum()
    return chances


def boltzmann(logits: Floats, taken: Sequence[int]) -> Floats:
    """Chances in proportion to the exponentials of logits, however far apart these are.

    Parameters
    ----------
    logits : float64[n]
        Finite.
    taken : sequence of int
        They have no chance.

    Examples
    --------
    >>> boltzmann(np.array([1e4, -1e4, -1e4]), [0]).tolist()
    [0.0, 0.5, 0.5]
    """
    left = np.ones(len(logits), dtype=np.bool_)
    left[list(taken)] = False
    chances = np.zeros(len(logits))
    chances[left] = softmax(logits[left])
    return chances


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
    rest = chances.copy()
    rest[list(taken)] = 0.0
    rest /= rest.sum()
    return rest


def before(field: Field, one: int) -> Floats:
    """Chance of each to be before ``one``, were there no ties; one half for ``one`` itself.

    Returns
    -------
    float64[n]
    """
    return _before(field.location, field.variance, one, CODES[field.link])


@numba.njit(cache=True)
def _before(location: Floats, variance: Floats, one: int, link: int) -> Floats:
    chances = np.empty(len(location))
    for i in range(len(location)):
        chances[i] = below(link, (location[i] - location[one]) / np.sqrt(variance[i] + variance[one]))
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
    first, second = field.under_way[:, 0], field.under_way[:, 1]
    rivals = np.concatenate((second[first == one], first[second == one]))
    found: Floats = field.wins[one] + field.wins[:, one] + np.bincount(rivals, minlength=len(field))
    return found
