"""What the Weng-Lin systems share: parameters, how a match is met, what many opponents tell, how players learn.

Weng and Lin sum over the opponents of a match as if each were a match of its own, so that the variance collapses where
there are many. But all opponents look at one and the same performance. Of n equal looks that would each leave
``1 - h r`` of the variance r of a performance, together they leave ``1 - H r`` with ``H = n h / (1 + (n - 1) h r)``:
the precisions add up and the performance's own variance counts once. So whatever is summed over the opponents is
divided by ``1 + sum * r * (K - 2) / (K - 1)``. For two sides that is 1 and the paper's numbers stand; for any K it
keeps ``H < 1 / r``: nobody learns more than from a performance that was seen exactly.

For moves the sum is the information that was to be expected, whatever came: so a better place never costs.

References
----------
R. C. Weng, C.-J. Lin, A Bayesian approximation method for online ranking, JMLR 12, 2011.
V. Joshy, OpenSkill: a faster asymmetric multi-team, multiplayer rating system, JOSS 9, 2024 (names and scale).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, NamedTuple

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats, Integers, Matches
from service.ratings import Promise, RatingSystem, Shapes
from service.ratings.canonical import sorted_sum

RATING: Final = 0
VARIANCE: Final = 1

LEAST_TOLD: Final = 1e-12
"""Share of the variance that even a result that was certain takes away, so that no deviation stands still."""

OPENSKILL: Final[Mapping[str, float]] = {
    "mu": 25.0, "sigma": 25.0 / 3.0, "beta": 25.0 / 6.0, "tau": 25.0 / 300.0, "kappa": 1e-4, "drift": 1e-4,
}  # fmt: skip
"""The library's defaults. It knows no days; the least drift is 0.02 in a century."""


class Terms(NamedTuple):
    """A system's parameters as the loops take them.

    Attributes
    ----------
    noise, step, drift : float
        Squares of ``beta``, ``tau`` and ``drift``.
    most : float
        The variance that a newcomer brings into the first match, and the largest that there is.
    kappa, home, margin : float
        As in the systems.
    """

    noise: float
    step: float
    drift: float
    most: float
    kappa: float
    home: float
    margin: float


class WengLin(RatingSystem, frozen=True, kw_only=True):
    """What the systems have in common; it has no name and is none itself.

    Parameters
    ----------
    mu : float
        Rating of a newcomer.
    sigma : float
        Deviation of a newcomer.
    beta : float
        Deviation of one performance from the skill behind it.
    tau : float
        Deviation that every match adds before it is rated, so that ratings never freeze.
    drift : float
        Deviation that a day of rest adds; n days add the square root of n times as much.
    kappa : float
        The least share of its variance that a match leaves to a skill.
    home : float
        Points that the side at home is stronger by.
    margin : float
        What a pair pulls is multiplied by ``1 + margin * log(1 + |gap of scores|)``; 0 ignores scores.
    """

    # The largest match, its pairs or all on one place, takes a tenth of a second or two.
    shapes: ClassVar[Shapes] = Shapes(most_sides=5_000)
    promises: ClassVar[frozenset[Promise]] = frozenset(
        ("neutral_tie", "monotone_place", "monotone_margin", "rest_grows")
    )
    presets: ClassVar[Mapping[str, Mapping[str, float]]] = {"openskill": OPENSKILL}
    skill_columns: ClassVar[tuple[str, ...]] = ("rating", "variance")

    mu: Annotated[float, Meta(ge=-1e6, le=1e6)] = 25.0
    sigma: Annotated[float, Meta(ge=0.1, le=1e4)] = 25.0 / 3.0
    beta: Annotated[float, Meta(ge=0.1, le=1e4)] = 25.0 / 6.0
    tau: Annotated[float, Meta(ge=0, le=1e3)] = 25.0 / 300.0
    drift: Annotated[float, Meta(ge=1e-4, le=1e3)] = 0.05
    kappa: Annotated[float, Meta(ge=1e-9, le=0.5)] = 1e-4
    home: Annotated[float, Meta(ge=-10_000, le=10_000)] = 0.0
    margin: Annotated[float, Meta(ge=0, le=10)] = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match: rating and variance at the start."""
        return np.array([self.mu, self.sigma * self.sigma])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating; a deviation counts up to a newcomer's."""
        return np.column_stack((rating, np.minimum(deviation, self.sigma) ** 2))

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating, and the deviation grown by rest, but never past that of a newcomer's first match."""
        terms = self.terms()
        grown = np.minimum(skills[:, VARIANCE] + rest * terms.drift, terms.most)
        return skills[:, RATING].copy(), np.sqrt(grown)

    def terms(self) -> Terms:
        """Square what is only used squared."""
        step = float(self.tau * self.tau)
        return Terms(
            noise=float(self.beta * self.beta),
            step=step,
            drift=float(self.drift * self.drift),
            most=self.sigma * self.sigma + step,
            kappa=self.kappa,
            home=float(self.home),
            margin=float(self.margin),
        )


@numba.njit(cache=True)
def meet(
    match: int,
    matches: Matches,
    rest: Floats,
    skills: Floats,
    terms: Terms,
    rating: Floats,
    before: Floats,
    location: Floats,
    variance: Floats,
    spread: Floats,
) -> None:
    """Fill in what is known of a match before its result.

    Parameters
    ----------
    rating, before : float64[p]
        Each player's rating, and variance after the days of rest and the step of this match.
    location, variance : float64[s]
        Each side's performance.
    spread : float64[s]
        Of that variance, the players' part.
    """
    for side in range(matches.side_start[match], matches.side_start[match + 1]):
        low, high = matches.player_start[side], matches.player_start[side + 1]
        for slot in range(low, high):
            row = skills[matches.player[slot]]
            rating[slot] = row[RATING]
            before[slot] = min(row[VARIANCE] + rest[slot] * terms.drift + terms.step, terms.most)
        location[side] = sorted_sum(rating[low:high])
        spread[side] = sorted_sum(before[low:high])
        variance[side] = spread[side] + terms.noise
    if matches.home[match] >= 0:
        location[matches.side_start[match] + matches.home[match]] += terms.home


@numba.njit(cache=True)
def crowding(total: float, seen: float, sides: int) -> float:
    """What a sum over the opponents is to be divided by, see above, where each looks at a variance of ``seen``."""
    return 1.0 + total * seen * (sides - 2) / (sides - 1)


@numba.njit(cache=True)
def learn(
    skills: Floats, players: Integers, before: Floats, weight: float, pull: float, heard: float, told: float,
    kappa: float,
) -> None:  # fmt: skip
    """Move the players of a side and narrow their variances.

    A match of weight u holds u times the information that it would hold alone.

    Parameters
    ----------
    pull : float
        Where the side's location is pulled to, over the variance of who is pulled.
    heard : float
        Information that was to be expected of the match, as a share of a variance and over it.
    told : float
        What it turned out to hold, likewise.
    """
    for slot, player in enumerate(players):
        row, variance = skills[player], before[slot]
        share = variance * heard
        row[RATING] += weight * variance * pull / (1.0 - share + weight * share)
        share = max(variance * told, LEAST_TOLD)
        row[VARIANCE] = variance * max((1.0 - share) / (1.0 - share + weight * share), kappa)
