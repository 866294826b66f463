"""Pools: how each is configured, and the fingerprint of what decides its ratings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np

from service.columns import Floats
from service.ratings import RatingSystem, create

RULES_REVISION: Final = 1
"""Raised by every change of what is accepted as a match or how records become columns."""

SEEN_WINDOW: Final = 1_000_000
"""Offsets for which the id of an accepted match is remembered."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Configuration in force for one pool.

    Attributes
    ----------
    name : str
        The pool.
    profile : str
        The built-in configuration that it follows.
    systems : tuple of RatingSystem
        The live one first, then the shadows.
    deviations : float
        The board is ordered by ``rating - deviations * deviation``.
    provisional : int
        A player with fewer matches is provisional.
    """

    name: str
    profile: str
    systems: tuple[RatingSystem, ...]
    deviations: float
    provisional: int

    @property
    def live(self) -> RatingSystem:
        """The system whose ratings are shown unless another is asked for."""
        return self.systems[0]

    @property
    def order(self) -> str:
        """What the board is ordered by, in words."""
        return "rating" if self.deviations == 0 else f"rating - {self.deviations:g} * deviation"

    def value(self, rating: Floats, deviation: Floats) -> Floats:
        """What the board is ordered by, from the stored deviation."""
        return rating - self.deviations * deviation if self.deviations else rating

    def standing(self, system: RatingSystem, skills: Floats, pool: Floats) -> tuple[Floats, Floats, Floats]:
        """Rating, deviation and board value of stored rows, without any rest."""
        rating, deviation = system.view(skills, pool, np.zeros(len(skills)))
        return rating, deviation, self.value(rating, deviation)

    def fingerprint(self, system: RatingSystem) -> str:
        """Digest of everything that decides a stored number of this pool under ``system``.

        Examples
        --------
        >>> pool = configured("chess")
        >>> pool.fingerprint(pool.live) == configured("go").fingerprint(pool.live)
        True
        """
        decides = [RULES_REVISION, SEEN_WINDOW, system.name, system.revision, system, self.deviations]
        return hashlib.blake2b(msgspec.json.encode(decides), digest_size=16).hexdigest()


@lru_cache(4096)
def configured(name: str) -> Pool:
    """The configuration of a pool; every pool follows the built-in ``ladder``."""
    return Pool(name=name, profile="ladder", systems=(create("elo"),), deviations=0.0, provisional=10)
