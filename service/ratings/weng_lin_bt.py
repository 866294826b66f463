"""Weng-Lin with full pairs under Bradley and Terry's model: each side against each other one, by a logistic link.

A tie counts as half a win and half a loss, as in the paper; how the pairs of a larger match are added up is not the
paper's, see `service.ratings.weng_lin`.

References
----------
R. C. Weng, C.-J. Lin, A Bayesian approximation method for online ranking, JMLR 12, 2011, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from service.columns import Floats, Matches
from service.ratings import Expected, Promise, RatingSystem, Shapes
from service.ratings.link import LOGISTIC, Link
from service.ratings.weng_lin import (
    OPENSKILL,
    RATING,
    Beta,
    Drift,
    Home,
    Kappa,
    Margin,
    Mu,
    Sigma,
    Tau,
    Terms,
    deviations,
    rate_pairs,
    terms_of,
)


class WengLinBT(RatingSystem, frozen=True, kw_only=True):
    """Weng-Lin, Bradley-Terry full pairs: teams, free-for-alls, ties, home advantage, margins and days of rest.

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

    Examples
    --------
    >>> WengLinBT(sigma=8.0).newcomer().tolist()
    [25.0, 64.0]
    """

    name: ClassVar[str] = "weng_lin_bt"
    revision: ClassVar[int] = 1
    # The pairs of the largest match take about a tenth of a second, as in Elo.
    shapes: ClassVar[Shapes] = Shapes(most_sides=5_000)
    promises: ClassVar[frozenset[Promise]] = frozenset(
        ("neutral_tie", "monotone_place", "monotone_margin", "rest_grows")
    )
    link: ClassVar[Link] = "logistic"
    presets: ClassVar[Mapping[str, Mapping[str, float]]] = {"openskill": OPENSKILL}
    skill_columns: ClassVar[tuple[str, ...]] = ("rating", "variance")

    mu: Mu = 25.0
    sigma: Sigma = 25.0 / 3.0
    beta: Beta = 25.0 / 6.0
    tau: Tau = 25.0 / 300.0
    drift: Drift = 0.05
    kappa: Kappa = 1e-4
    home: Home = 0.0
    margin: Margin = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match: rating and variance at the start."""
        return np.array([self.mu, self.sigma * self.sigma])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating; a deviation counts up to a newcomer's."""
        return np.column_stack((rating, np.minimum(deviation, self.sigma) ** 2))

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`."""
        rate_pairs(LOGISTIC, matches, rest, skills, self._terms(), 0.0, *expected)

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating, and the deviation grown by rest."""
        return skills[:, RATING].copy(), deviations(skills, rest, self._terms())

    def _terms(self) -> Terms:
        return terms_of(
            sigma=self.sigma, beta=self.beta, tau=self.tau, drift=self.drift, kappa=self.kappa, home=self.home,
            margin=self.margin,
        )  # fmt: skip
