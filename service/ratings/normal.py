"""The standard normal distribution where it is observed through a result: stable however far out in its tails.

A performance gap ``x``, in units of its own deviation, was seen to be above 0 (a win) or to lie in an interval (a tie).
What that moves the mean by, and by how much it narrows the variance, are the functions V and W of the TrueSkill and
Weng-Lin papers. Written out they divide 0 by 0 from some 38 deviations on; here the left tail is a continued fraction.

References
----------
R. Herbrich, T. Minka, T. Graepel, TrueSkill: a Bayesian skill rating system, NIPS 2006.
J. F. Hart et al., Computer Approximations, 1968 (Laplace's continued fraction of the tail).
"""

from __future__ import annotations

import math
from typing import Final

import numba

TAIL: Final = -4.0
"""Below it the continued fraction is exact to the last bits with `TERMS` of its terms."""

TERMS: Final = 60
NARROWEST: Final = 1e-5
"""An interval that is narrower is a gap that was seen exactly."""

_ROOT_HALF: Final = math.sqrt(0.5)
_ROOT_2PI: Final = math.sqrt(2.0 * math.pi)


@numba.njit(cache=True)
def cdf(x: float) -> float:
    """Chance of a standard normal below ``x``.

    Examples
    --------
    >>> round(cdf(-1.0), 12)
    0.158655253931
    """
    return 0.5 * math.erfc(-x * _ROOT_HALF)


@numba.njit(cache=True)
def density(x: float) -> float:
    """Density of the standard normal at ``x``."""
    return math.exp(-0.5 * x * x) / _ROOT_2PI


@numba.njit(cache=True)
def beyond(x: float) -> float:
    """``density(x) / cdf(x) + x`` for an ``x`` below `TAIL`: how far the mean of what lies below is beyond ``x``."""
    left = 0.0
    for term in range(TERMS, 0, -1):
        left = term / (left - x)
    return left


@numba.njit(cache=True)
def above(x: float) -> tuple[float, float]:
    """V and W of a gap that was expected at ``x`` and was seen to be above 0.

    Returns
    -------
    v : float
        ``density(x) / cdf(x)``: how far the mean moves up; never negative.
    w : float
        ``v * (v + x)``: the share of the variance that is gone; between 0 and 1.

    Examples
    --------
    >>> [round(value, 6) for value in above(0.0)], [round(value, 6) for value in above(-1000.0)]
    ([0.797885, 0.63662], [1000.001, 0.999999])
    """
    if x > TAIL:
        v = density(x) / cdf(x)
        return v, v * (v + x)
    more = beyond(x)
    return more - x, (more - x) * more


@numba.njit(cache=True)
def between(low: float, high: float) -> tuple[float, float]:
    """V and W of a standard normal that was seen to lie in an interval.

    Of a gap expected at ``x`` that was seen within ``e`` of 0 the interval is ``(-e - x, e - x)``.

    Returns
    -------
    v : float
        The mean of what lies in the interval.
    w : float
        1 less the variance of what lies in it; between 0 and 1.

    Examples
    --------
    >>> [round(value, 6) for value in between(-1.0, 1.0)], [round(value, 6) for value in between(30.0, 31.0)]
    ([0.0, 0.708875], [30.03326, 0.998896])
    """
    if high - low < NARROWEST:
        return 0.5 * (low + high), 1.0
    # By symmetry the end that is nearer to the middle is the upper one.
    turned = low + high > 0.0
    if turned:
        low, high = -high, -low
    if high > TAIL:
        at_low, at_high, mass = density(low), density(high), cdf(high) - cdf(low)
        v = (at_low - at_high) / mass
        w = v * v + (high * at_high - low * at_low) / mass
    else:
        # All by the density at the upper end, which may be too small to be a number.
        fall = math.exp(0.5 * (high - low) * (high + low))
        mass = 1.0 / (beyond(high) - high) - fall / (beyond(low) - low)
        v = (fall - 1.0) / mass
        w = v * v + (high - low * fall) / mass
    v = min(max(v, low), high)
    return (-v if turned else v), min(max(w, 0.0), 1.0)
