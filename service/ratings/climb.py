"""A step up the likelihood of a result in one learned number, as long as what is known of it allows.

Recursive maximum likelihood: a number has a variance beside it. With every result a little is forgotten, so that a pool
that changes is followed; then the result's information narrows the variance, and the number moves by that variance
times the slope of the log-likelihood.

References
----------
L. Ljung, T. Soderstrom, Theory and Practice of Recursive Identification, 1983.
"""

from __future__ import annotations

from typing import Final

import numba

LONGEST_STEP: Final = 0.1
"""However unlikely a result is, a number that is learned moves no further by it."""


@numba.njit(cache=True)
def narrowed(variance: float, forgotten: float, information: float) -> float:
    """Variance of a number once a result has told of it.

    Parameters
    ----------
    variance : float
        As it was before.
    forgotten : float
        Added to it first.
    information : float
        That was to be expected of the result.

    Examples
    --------
    >>> narrowed(0.5, 0.0, 2.0)
    0.25
    """
    return 1.0 / (1.0 / (variance + forgotten) + information)


@numba.njit(cache=True)
def climbed(value: float, step: float, least: float, most: float) -> float:
    """Where a step brings a number that is kept between bounds.

    Parameters
    ----------
    value : float
    step : float
        The variance that is left times the slope of the log-likelihood; at most `LONGEST_STEP` of it count.
    least, most : float

    Examples
    --------
    >>> climbed(1.0, 3.0, 0.0, 1.05), climbed(1.0, -3.0, 0.0, 1.05)
    (1.05, 0.9)
    """
    return min(max(value + min(max(step, -LONGEST_STEP), LONGEST_STEP), least), most)
