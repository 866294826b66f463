"""The oracle's standard normal: what was seen of a gap moves its mean by ``v`` and narrows its variance by ``w``."""

from __future__ import annotations

import math

FAR = -4.0
FRACTIONS = 60
EXACT = 1e-5

ROOT_HALF = math.sqrt(0.5)
ROOT_2PI = math.sqrt(2.0 * math.pi)


def cdf(x: float) -> float:
    return 0.5 * math.erfc(-x * ROOT_HALF)


def density(x: float) -> float:
    return math.exp(-0.5 * x * x) / ROOT_2PI


def seen_above(x: float) -> tuple[float, float]:
    """Of a gap expected at ``x`` that was above 0."""
    if x > FAR:
        v = density(x) / cdf(x)
        return v, v * (v + x)
    further = _further(x)
    return further - x, (further - x) * further


def seen_between(low: float, high: float) -> tuple[float, float]:
    """Of a standard normal number that was between the two."""
    if high - low < EXACT:
        return 0.5 * (low + high), 1.0
    if low + high > 0.0:
        v, w = seen_between(-high, -low)
        return -v, w
    if high > FAR:
        mass = cdf(high) - cdf(low)
        v = (density(low) - density(high)) / mass
        w = v * v + (high * density(high) - low * density(low)) / mass
    else:
        # Everything over the density at the upper end.
        part = math.exp(0.5 * (high - low) * (high + low))
        mass = 1.0 / (_further(high) - high) - part / (_further(low) - low)
        v = (part - 1.0) / mass
        w = v * v + (high - low * part) / mass
    return min(max(v, low), high), min(max(w, 0.0), 1.0)


def _further(x: float) -> float:
    """How much farther out than ``x`` lies the mean of what is below it: Laplace's continued fraction."""
    fraction = 0.0
    for term in range(FRACTIONS, 0, -1):
        fraction = term / (fraction - x)
    return fraction
