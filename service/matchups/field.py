"""What a policy sees: the candidates for one matchup, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from service.columns import Floats
from service.ratings.link import Link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.matchups.posterior import Posterior

Indices = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Field:
    """``n`` candidates, each alone on a side, as the live rating system knows them.

    Attributes
    ----------
    rating, deviation : float64[n]
        Mean and standard deviation of the skill, grown to this moment, in the system's own unit.
    location, variance : float64[n]
        Predicted performance, such that ``(location[i] - location[q]) / sqrt(variance[i] + variance[q])`` under the
        link gives the chance that ``i`` is before ``q``.
    link : Link
        The live system's.
    matches : float64[n]
        Matches rated, and those under way.
    under_way : int32[m, 2]
        Pairs that meet in matches under way, one row each time; a match of K sides has K(K-1)/2.
    wins : float64[n, n] or None
        How often the one of the row was before the one of the column; a tie counts one half for each, a pair of a
        match of K sides 3/(K+1) of a win, since its K(K-1)/2 pairs tell no more than that. None where the pool keeps
        no pairs.
    posterior : Posterior or None
        What all results together say of all skills at once, matches under way included; None where pairs are None.
    """

    rating: Floats
    deviation: Floats
    location: Floats
    variance: Floats
    link: Link
    matches: Floats
    under_way: Indices
    wins: Floats | None = None
    posterior: Posterior | None = None

    def __len__(self) -> int:
        return len(self.rating)

    def among(self, candidates: Indices) -> Field:
        """The field of some of the candidates, in the order given; what others play counts for those whom they meet.

        Parameters
        ----------
        candidates : int32[k]
            Nobody twice.
        """
        place = np.full(len(self), -1, dtype=np.int32)
        place[candidates] = np.arange(len(candidates), dtype=np.int32)
        pairs = place[self.under_way]
        posterior = self.posterior and self.posterior.of(candidates.tolist())
        return replace(
            self,
            rating=self.rating[candidates],
            deviation=self.deviation[candidates],
            location=self.location[candidates],
            variance=self.variance[candidates],
            matches=self.matches[candidates],
            under_way=pairs[(pairs >= 0).all(axis=1)],
            wins=None if self.wins is None else self.wins[np.ix_(candidates, candidates)],
            posterior=posterior,
        )

    def with_match(self, players: Sequence[int]) -> Field:
        """The field once these play a match whose result is not known yet."""
        matches = self.matches.copy()
        matches[list(players)] += 1.0
        order = np.asarray(players, dtype=np.int32)
        under_way = np.concatenate((self.under_way, order[pairs_of(len(order))]))
        posterior = self.posterior and self.posterior.with_match(order)
        return replace(self, matches=matches, under_way=under_way, posterior=posterior)


@lru_cache(16)
def pairs_of(size: int) -> npt.NDArray[np.intp]:
    """Places of the pairs of so many players, int[size (size - 1) / 2, 2].

    Examples
    --------
    >>> pairs_of(3).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    return np.stack(np.triu_indices(size, 1), axis=1)


def level(count: int) -> Field:
    """A field of newcomers of whom nothing is known.

    Examples
    --------
    >>> len(level(3))
    3
    """
    zeros, ones = np.zeros(count), np.ones(count)
    return Field(zeros, ones, zeros, ones, "normal", zeros, np.empty((0, 2), dtype=np.int32))
