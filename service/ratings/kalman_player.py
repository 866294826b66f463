"""A player's row under `kalman`: how it is read after rest, and how a result moves it.

It says what is known of a skill beyond the spread of all, ``1/variance - 1/spread``, so that a newcomer's row is
nothing at all, and what the pool learns of the spread reaches a player when it is next read or rated. Beside mean and
variance it has their derivatives in the logarithms of spread and drift, carried along as the filter goes: by them the
pool learns both.

References
----------
G. E. Uhlenbeck, L. S. Ornstein, On the theory of the Brownian motion, Physical Review 36, 1930.
N. K. Gupta, R. K. Mehra, Computational aspects of maximum likelihood estimation and reduction in sensitivity function
calculations, IEEE Transactions on Automatic Control 19, 1974.
"""

from __future__ import annotations

import math
from typing import Final

import numba

from service.columns import Floats

START: Final = 1500.0
UNIT: Final = 290.0
"""Points to one deviation of the difference of two players' performances: what all is reckoned in."""

YEAR: Final = 365.25

RATING: Final = 0
KNOWN: Final = 1
MEAN_BY_SPREAD: Final = 2
KNOWN_BY_SPREAD: Final = 3
MEAN_BY_DRIFT: Final = 4
KNOWN_BY_DRIFT: Final = 5
"""A player's row. What is known is below 0 of a seed less sure than the spread: then it is the variance above that."""

MEAN: Final = 0
VARIANCE: Final = 1
BY_SPREAD: Final = 2
BY_DRIFT: Final = 4
"""A state, of a player or of a side: mean, variance, then the derivatives of both by either."""

SCORE: Final = 0
INFORMATION: Final = 1
"""What a result tells of a side: slope and curvature of its log-likelihood, then their derivatives as in a state."""


@numba.njit(cache=True)
def rested(row: Floats, spread: float, drift: float, rest: float, state: Floats) -> float:
    """State of a player after rest.

    Parameters
    ----------
    row : float64[6]
    spread, drift : float
        Variance of all skills, and what a year adds to one.
    rest : float
        Days.
    state : float64[6]
        Filled.

    Returns
    -------
    float
        What is known beyond the spread, as the row would say it.
    """
    known, by_spread, by_drift = row[KNOWN], row[KNOWN_BY_SPREAD], row[KNOWN_BY_DRIFT]
    if known >= 0.0:
        variance = spread / (1.0 + spread * known)
        lack = spread * known * variance
        square = variance * variance
        by_spread, by_drift = square * (2.0 / spread - by_spread), -square * by_drift
    else:
        variance, lack = spread - known, known
        by_spread, by_drift = 2.0 * spread - by_spread, -by_drift
    mean = (row[RATING] - START) / UNIT
    rate = 0.5 * rest / YEAR * drift / spread
    stays = math.exp(-rate)
    bend, square = stays * rate, stays * stays
    state[MEAN] = stays * mean
    state[VARIANCE] = variance * square + spread * (1.0 - square)
    state[BY_SPREAD] = stays * row[MEAN_BY_SPREAD] + 2.0 * bend * mean
    state[BY_SPREAD + 1] = square * by_spread + 2.0 * spread * (1.0 - square) - 4.0 * stays * bend * lack
    state[BY_DRIFT] = stays * row[MEAN_BY_DRIFT] - bend * mean
    state[BY_DRIFT + 1] = square * by_drift + 2.0 * stays * bend * lack
    return float(square * lack / (spread * state[VARIANCE]) if known >= 0.0 else square * lack)


@numba.njit(cache=True)
def learn(row: Floats, state: Floats, known: float, spread: float, told: Floats) -> None:
    """Move a player by what was told of its side.

    Parameters
    ----------
    row : float64[6]
        Stored anew.
    state, known : float64[6], float
        By `rested`.
    spread : float
    told : float64[6]
    """
    variance = state[VARIANCE]
    narrowed = 1.0 - variance * told[INFORMATION]
    after = variance * narrowed
    row[RATING] = START + UNIT * (state[MEAN] + variance * told[SCORE])
    row[KNOWN] = known + told[INFORMATION] / narrowed
    if known < 0.0:
        row[KNOWN] = 1.0 / after - 1.0 / spread if after < spread else spread - after
    factor, prior = (-1.0 / (after * after), 2.0 / spread) if row[KNOWN] >= 0.0 else (-1.0, 2.0 * spread)
    slope = 1.0 - 2.0 * variance * told[INFORMATION]
    for by in (BY_SPREAD, BY_DRIFT):
        row[by] = state[by] + state[by + 1] * told[SCORE] + variance * told[by]
        row[by + 1] = factor * (slope * state[by + 1] - variance * variance * told[by + 1])
    row[KNOWN_BY_SPREAD] += prior
    # Which of two sides is listed first may turn the sign of a zero.
    row[MEAN_BY_SPREAD:] += 0.0
