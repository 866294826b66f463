"""Weng-Lin with full pairs under Bradley and Terry's model: each side against each other one, by a logistic link.

A tie counts as half a win and half a loss, as in the paper; how the pairs of a larger match are added up is not the
paper's, see `service.ratings.weng_lin`.

References
----------
R. C. Weng, C.-J. Lin, A Bayesian approximation method for online ranking, JMLR 12, 2011, algorithm 1.
"""

from __future__ import annotations

from typing import ClassVar

from service.columns import Floats, Matches
from service.ratings import Expected
from service.ratings.link import LOGISTIC, Link
from service.ratings.weng_lin import WengLin
from service.ratings.weng_lin_pairs import rate_pairs


class WengLinBT(WengLin, frozen=True, kw_only=True):
    """Weng-Lin, Bradley-Terry full pairs: teams, free-for-alls, ties, home advantage, margins and days of rest.

    Its parameters are those of `WengLin`.

    Examples
    --------
    >>> WengLinBT(sigma=8.0).newcomer().tolist()
    [25.0, 64.0]
    """

    name: ClassVar[str] = "weng_lin_bt"
    revision: ClassVar[int] = 1
    link: ClassVar[Link] = "logistic"

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`."""
        rate_pairs(LOGISTIC, matches, rest, skills, self.terms(), 0.0, *expected)
