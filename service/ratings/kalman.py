"""Kalman: skills as Gaussian processes, and everything else about a pool learned from its results.

A skill wanders and is drawn back to the mean of all skills (Ornstein-Uhlenbeck); a result is seen through normal
performances, with a zone of gaps that end in a tie. Every result moves means and variances by the slope and the
curvature of its log-likelihood: see `kalman_match` for one of two sides and `kalman_sides` for the order of more.

How widely skills are spread, how fast they drift, how wide the zone is, what home and headcount are worth and how
large margins are is learned on the way, pool by pool: see `kalman_learn`. What is kept of a player is in
`kalman_player`.

References
----------
G. E. Uhlenbeck, L. S. Ornstein, On the theory of the Brownian motion, Physical Review 36, 1930.
R. E. Kalman, A new approach to linear filtering and prediction problems, Journal of Basic Engineering 82, 1960.
R. Herbrich, T. Minka, T. Graepel, TrueSkill: a Bayesian skill rating system, NIPS 2006.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats, Matches
from service.ratings import Expected, Promise, RatingSystem, Shapes
from service.ratings.kalman_learn import DRIFT, FIRST_VARIANCE, MOST_SPREAD, NORMAL_TAILS, SPREAD
from service.ratings.kalman_match import update
from service.ratings.kalman_player import KNOWN, KNOWN_BY_SPREAD, MEAN, RATING, START, UNIT, VARIANCE, rested
from service.ratings.link import Link


class Kalman(RatingSystem, frozen=True, kw_only=True):
    """Kalman with ties, teams, free-for-alls, margins, home side, headcounts and rest.

    All but ``margin`` are where learning starts, in points of rating.

    Parameters
    ----------
    spread : float
        Deviation of the skills of all: a newcomer's.
    drift : float
        Deviation of a skill's change in a year, were it not drawn back to the mean.
    zone : float
        Half the width of the gaps of two players' performances that end in a tie.
    home : float
        What the side at home is stronger by.
    margin : float
        A gap of scores counts as its power: 0.75 or so; 0 ignores scores.

    Examples
    --------
    >>> Kalman().newcomer().tolist()
    [1500.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    name: ClassVar[str] = "kalman"
    revision: ClassVar[int] = 2
    shapes: ClassVar[Shapes] = Shapes(most_sides=20_000)
    # A neutral tie moves nobody who plays, and narrows their deviations. But what it teaches of spread and drift shows
    # at once in how others are read who have rested, so that neither can be promised of all that is shown.
    promises: ClassVar[frozenset[Promise]] = frozenset(("monotone_place", "monotone_margin", "rest_grows"))
    link: ClassVar[Link] = "normal"
    skill_columns: ClassVar[tuple[str, ...]] = (
        "rating", "known", "mean_by_spread", "known_by_spread", "mean_by_drift", "known_by_drift",
    )  # fmt: skip
    pool_columns: ClassVar[tuple[str, ...]] = (
        "log_spread", "log_spread_variance", "log_drift", "log_drift_variance", "log_zone", "log_zone_variance",
        "home", "home_variance", "headcount", "headcount_variance", "margins", "margin_scale", "margin_tails",
    )  # fmt: skip

    spread: Annotated[float, Meta(ge=15, le=1450)] = 232.0
    drift: Annotated[float, Meta(ge=1, le=2900)] = 82.0
    zone: Annotated[float, Meta(ge=0.03, le=1450)] = 58.0
    home: Annotated[float, Meta(ge=-1000, le=1000)] = 58.0
    margin: Annotated[float, Meta(ge=0, le=1)] = 0.75

    def newcomer(self) -> Floats:
        """Row of a player before the first match: nothing is known beyond the spread of all."""
        return np.array([START, 0.0, 0.0, 0.0, 0.0, 0.0])

    def opening(self) -> Floats:
        """Row of a pool before the first match: the starts, and how unsure they are."""
        starts = (
            math.log(self.spread / UNIT), 2.0 * math.log(self.drift / UNIT), math.log(self.zone / UNIT),
            self.home / UNIT, 0.0,
        )  # fmt: skip
        return np.array([number for start in starts for number in (start, FIRST_VARIANCE)] + [0.0, 0.0, NORMAL_TAILS])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating; what they were given does not change with the spread.

        Nobody is less sure than the widest spread: beyond it, what a match of great weight leaves is lost in rounding.
        """
        skills, spread = np.zeros((len(rating), len(self.skill_columns))), math.exp(2.0 * pool[SPREAD])
        variance = np.minimum(deviation / UNIT, MOST_SPREAD) ** 2
        skills[:, RATING] = rating
        skills[:, KNOWN] = np.where(variance <= spread, 1.0 / variance - 1.0 / spread, spread - variance)
        skills[:, KNOWN_BY_SPREAD] = np.where(variance <= spread, 2.0 / spread, 2.0 * spread)
        return skills

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`."""
        update(matches, rest, skills, pool, expected.location, expected.variance, expected.zone, self.margin)

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating and deviation, both relaxed towards those of all by rest."""
        return _views(skills, pool, rest)


@numba.njit(cache=True)
def _views(skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
    spread, drift = math.exp(2.0 * pool[SPREAD]), math.exp(pool[DRIFT])
    rating, deviation, state = np.empty(len(skills)), np.empty(len(skills)), np.empty(6)
    for index in range(len(skills)):
        rested(skills[index], spread, drift, rest[index], state)
        deviation[index] = UNIT * math.sqrt(state[VARIANCE])
        # Without rest it is shown to the last bit.
        rating[index] = START + UNIT * state[MEAN] if rest[index] > 0.0 else skills[index, RATING]
    return rating, deviation
