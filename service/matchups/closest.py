"""Closest: matches whose outcome is open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from service.columns import Floats
from service.matchups import Goal, Law, Policy
from service.matchups.chances import boltzmann, greatest
from service.matchups.field import Field
from service.ratings.link import CODES, below


class Closest(Policy, frozen=True, kw_only=True):
    """Rivals whose win chances are near one half, for whoever has the fewest matches.

    Parameters
    ----------
    temperature : float
        A rival whose win chance is further from one half by this much is taken e times less often.
    """

    name: ClassVar[str] = "closest"
    goals: ClassVar[frozenset[Goal]] = frozenset({"even", "full", "top_k"})
    spreads: ClassVar[bool] = True
    unit: ClassVar[str] = "win chance of the weakest against the strongest"

    temperature: Annotated[float, Meta(ge=0.001, le=1)] = 0.02

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """First one with the fewest matches; then each by its most lopsided pair with those taken."""
        return _Open(field, self.temperature)


class _Open(NamedTuple):
    field: Field
    temperature: float

    def chances(self, taken: Sequence[int]) -> Floats:
        if not taken:
            return greatest(-self.field.matches, taken)
        return boltzmann(-self._lopsided(taken) / self.temperature, taken)

    def score(self, taken: Sequence[int]) -> float:
        return 0.5 - float(self._lopsided(taken)[list(taken)].max())

    def _lopsided(self, taken: Sequence[int]) -> Floats:
        field = self.field
        return _lopsided(field.location, field.variance, CODES[field.link], np.array(taken, dtype=np.int64))


@numba.njit(cache=True)
def _lopsided(location: Floats, variance: Floats, link: int, taken: npt.NDArray[np.int64]) -> Floats:
    """Of each, how far the chances of its most lopsided pair with those taken are from one half."""
    off = np.empty(len(location))
    for i in range(len(location)):
        widest = 0.0
        for one in taken:
            gap = location[i] - location[one]
            widest = max(widest, gap * gap / (variance[i] + variance[one]))
        # The link rises, so the widest gap is the most lopsided pair, and one look at the link will do.
        off[i] = below(link, math.sqrt(widest)) - 0.5
    return off
