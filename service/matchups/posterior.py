"""Everything that a pool's results say of all skills at once: one normal distribution over all players."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from service.columns import Floats
from service.ratings.normal import cdf, density


@dataclass(frozen=True, slots=True)
class Posterior:
    """Joint normal posterior of ``n`` skills; a skill's prior is standard normal.

    Attributes
    ----------
    mean : float64[n]
    covariance : float64[n, n]
    noise : float
        Standard deviation of one performance about its skill.
    """

    mean: Floats
    covariance: Floats
    noise: float

    def with_match(self, players: npt.NDArray[np.int32]) -> Posterior:
        """The posterior that is to be expected once these have played: the means stay, what is unsure of them shrinks.

        Parameters
        ----------
        players : int32[k]
        """
        covariance = self.covariance.copy()
        _expect(covariance, self.mean, players, 2.0 * self.noise * self.noise)
        return Posterior(self.mean, covariance, self.noise)


@numba.njit(cache=True)
def _expect(covariance: Floats, mean: Floats, players: npt.NDArray[np.int32], twice: float) -> None:
    share = 3.0 / (len(players) + 1.0)
    for i in range(len(players)):
        for q in range(i):
            a, b = players[i], players[q]
            spread = covariance[a, a] + covariance[b, b] - 2.0 * covariance[a, b]
            total = spread + twice
            t = (mean[a] - mean[b]) / math.sqrt(total)
            odds = cdf(t) * cdf(-t)
            told = share * density(t) ** 2 / odds / total if odds > 0.0 else 0.0
            # By Sherman and Morrison, with the precision that brings the spread down by spread^2 * told.
            direction = covariance[:, a] - covariance[:, b]
            for row in range(len(mean)):
                for column in range(len(mean)):
                    covariance[row, column] -= told * direction[row] * direction[column]
