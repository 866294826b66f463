"""Weng-Lin with full pairs under Thurstone and Mosteller's model: each side against each other one, by a normal link.

Two sides tie when their performances are nearer than ``epsilon``, as in the paper; how the pairs of a larger match are
added up is not the paper's, see `service.ratings.weng_lin`.

References
----------
R. C. Weng, C.-J. Lin, A Bayesian approximation method for online ranking, JMLR 12, 2011, algorithm 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from service.columns import Floats, Matches
from service.ratings import Expected
from service.ratings.link import NORMAL, Link
from service.ratings.weng_lin import OPENSKILL, WengLin
from service.ratings.weng_lin_pairs import rate_pairs


class WengLinTM(WengLin, frozen=True, kw_only=True):
    """Weng-Lin, Thurstone-Mosteller full pairs: teams, free-for-alls, ties, home advantage, margins and days of rest.

    Parameters
    ----------
    epsilon : float
        Points by which the better performance must lead; within them two sides tie.

    The others are those of `WengLin`.

    Examples
    --------
    >>> WengLinTM(sigma=8.0).newcomer().tolist()
    [25.0, 64.0]
    """

    name: ClassVar[str] = "weng_lin_tm"
    revision: ClassVar[int] = 1
    link: ClassVar[Link] = "normal"
    presets: ClassVar[Mapping[str, Mapping[str, float]]] = {"openskill": {**OPENSKILL, "epsilon": 0.1}}

    epsilon: Annotated[float, Meta(gt=0, le=1e4)] = 0.1

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`."""
        rate_pairs(NORMAL, matches, rest, skills, self.terms(), float(self.epsilon), *expected)
