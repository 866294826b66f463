"""How much better one system predicted than another, and how sure that is: a paired bootstrap over blocks.

Both systems saw the same matches, so what is resampled is the difference of their losses; whole blocks of it, since
matches near each other in time are not independent.

References
----------
H. R. Kuensch, The jackknife and the bootstrap for general stationary observations, Annals of Statistics 17, 1989.
T. C. Hesterberg, What teachers should know about the bootstrap, The American Statistician 69, 2015.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.stats import norm, t

from service.columns import Floats

RESAMPLES: Final = 2_000
CONFIDENCE: Final = 0.95

_SEED: Final = 20_261_121


def interval(sums: Floats, counts: Floats) -> tuple[float, float] | None:
    """Give the interval of a mean that is known by blocks.

    It is the expanded percentile interval of the resampled means: the plain one of few blocks is too narrow.

    Parameters
    ----------
    sums : float64[b]
        Of each block: the sum over its matches, such as of differences of losses.
    counts : float64[b]
        How many matches it has; at least one.

    Returns
    -------
    (float, float) or None
        Low and high end of 95 %; None for fewer than two blocks, which say nothing of how they differ.

    Examples
    --------
    >>> low, high = interval(np.array([1.0, 2.0, 3.0, 2.0, 1.5, 2.5, 2.0, 1.0]), np.full(8, 2.0))
    >>> round(low, 2), round(high, 2)
    (0.69, 1.22)
    """
    blocks = len(sums)
    if blocks < 2:
        return None
    drawn = _draws(blocks)
    means = (drawn @ sums) / (drawn @ counts)
    # The spread of resampled means lacks both the last degree of freedom and the heavier tails of a few blocks.
    tail = float(norm.cdf(math.sqrt(blocks / (blocks - 1)) * t.ppf((1.0 - CONFIDENCE) / 2.0, blocks - 1)))
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


@lru_cache(maxsize=2)
def _draws(blocks: int) -> Floats:
    """How often each resample has each block, float64[RESAMPLES, blocks]; the same for all that is compared."""
    chances = np.full(blocks, 1.0 / blocks)
    return np.random.default_rng(_SEED).multinomial(blocks, chances, RESAMPLES).astype(np.float64)
