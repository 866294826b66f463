"""Thurstone, K-wise: the rating of K-Sort Arena, with a variance that stays positive however many compete.

Skills and performances are Gaussian, and an order of K performances is taken as its pairs. As published, their scores
and their information are summed in full: from five equal newcomers on, more is taken off a variance than there is. But
a player's K - 1 pairs share the player's performance and are not so many independent results. The outcomes of two of
them correlate by ``2/pi asin(r)``, where ``r`` is the part of the variance of a gap that is the player's own, so each
counts ``1 / (1 + (K - 2) 2/pi asin(r))`` times, with the mean of ``r`` over the others: among equals ``r`` is one half
and that is ``3 / (K + 1)``; a newcomer among well-known players is told less than that, and one of them among newcomers
more. All together never tell more of a skill than to have seen the performance itself would: with variances ``v``
before and ``v'`` after a match, ``1/v < 1/v' <= 1/v + 1/beta^2``. Two players are rated exactly as published.

The paper allows ties and leaves open what they tell. There is no draw margin, so a tie is a gap that was seen to be
nothing at all: the limit of TrueSkill's draw as its margin goes to 0.

Next to `weng_lin_tm`, which has the same pairs: no draw margin, and players in place of teams.

References
----------
Z. Li et al., K-Sort Arena: efficient and reliable benchmarking for generative models via K-wise human preferences,
arXiv 2408.14468, 2024.
W. F. Sheppard, On the application of the theory of error to cases of normal distribution and normal correlation,
Philosophical Transactions of the Royal Society A 192, 1899 (the correlation of signs).
L. L. Thurstone, A law of comparative judgment, Psychological Review 34, 1927.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Final

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats, Integers, Matches
from service.ratings import Expected, Promise, RatingSystem, Shapes
from service.ratings.canonical import strongest_first
from service.ratings.link import Link
from service.ratings.normal import above

RATING: Final = 0
DEVIATION: Final = 1

SIGNS: Final = 2.0 / math.pi
"""Times the arc sine of their correlation: the correlation of the signs of two normal variables."""


class ThurstoneK(RatingSystem, frozen=True, kw_only=True):
    """K-Sort Arena's K-wise update, for free-for-alls of single players with ties and home advantage.

    Parameters
    ----------
    mu : float
        Rating of a newcomer.
    sigma : float
        Deviation of a newcomer.
    beta : float
        Deviation of a performance about the skill.
    home : float
        Points that the side at home is stronger by.

    Examples
    --------
    >>> ThurstoneK(mu=0.0, sigma=1.0, beta=0.5).newcomer().tolist()
    [0.0, 1.0]
    """

    name: ClassVar[str] = "thurstone_k"
    revision: ClassVar[int] = 1
    # The pairs of the largest match take a twentieth of a second, and half a second where all are upsets.
    shapes: ClassVar[Shapes] = Shapes(most_sides=2_000, most_players=1)
    promises: ClassVar[frozenset[Promise]] = frozenset(("neutral_tie", "monotone_place", "deviation_shrinks"))
    link: ClassVar[Link] = "normal"
    skill_columns: ClassVar[tuple[str, ...]] = ("rating", "deviation")

    mu: Annotated[float, Meta(ge=-1e6, le=1e6)] = 25.0
    sigma: Annotated[float, Meta(ge=0.1, le=1e4)] = 25.0 / 3.0
    beta: Annotated[float, Meta(ge=0.1, le=1e4)] = 25.0 / 6.0
    home: Annotated[float, Meta(ge=-10_000, le=10_000)] = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match: rating and deviation at the start."""
        return np.array([self.mu, self.sigma])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating: what is shown is what is kept."""
        return np.column_stack((rating, deviation))

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`. The paper knows no rest."""
        _update(matches, skills, expected.location, expected.variance, self.beta * self.beta, self.home)

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating and deviation; rest changes neither."""
        return skills[:, RATING].copy(), skills[:, DEVIATION].copy()


@numba.njit(cache=True)
def _compare(
    location: Floats, spread: Floats, rank: Integers, score: Floats, information: Floats, common: Floats
) -> None:
    """Sum over all pairs what each performance, of mean ``location`` and variance ``spread``, is told by the others.

    ``common`` is the sum of the parts of the gaps' variances that are the player's own.
    """
    order = strongest_first(location, rank, spread.reshape((1, len(spread))))
    for above_it in range(len(order) - 1):
        i = order[above_it]
        for below_it in range(above_it + 1, len(order)):
            q = order[below_it]
            variance = spread[i] + spread[q]
            c = math.sqrt(variance)
            gap = (location[i] - location[q]) / c
            if rank[i] == rank[q]:
                v, w = -gap, 1.0
            elif rank[i] < rank[q]:
                v, w = above(gap)
            else:
                v, w = above(-gap)
                v = -v
            score[i] += v / c
            score[q] -= v / c
            information[i] += w / variance
            information[q] += w / variance
            common[i] += spread[i] / variance
            common[q] += spread[q] / variance


@numba.njit(cache=True)
def _update(matches: Matches, skills: Floats, location: Floats, variance: Floats, noise: float, home: float) -> None:
    widest = np.diff(matches.side_start).max()
    score, information, common = np.empty(widest), np.empty(widest), np.empty(widest)
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        sides = end - first
        for side in range(first, end):
            row = skills[matches.player[matches.player_start[side]]]
            location[side], variance[side] = row[RATING], row[DEVIATION] * row[DEVIATION] + noise
        if matches.home[match] >= 0:
            location[first + matches.home[match]] += home

        score[:sides], information[:sides], common[:sides] = 0.0, 0.0, 0.0
        _compare(
            location[first:end], variance[first:end], matches.rank[first:end],
            score[:sides], information[:sides], common[:sides],
        )  # fmt: skip
        weight = matches.weight[match]
        for i in range(sides):
            share = 1.0 / (1.0 + (sides - 2) * SIGNS * math.asin(common[i] / (sides - 1)))
            row = skills[matches.player[matches.player_start[first + i]]]
            before, spread = row[DEVIATION] * row[DEVIATION], variance[first + i]
            # A performance that was seen itself would tell 1 / spread.
            told = min(share * information[i], 1.0 / spread)
            # What a weight does to the mean goes by even matches: by what this one told, a win could cost.
            usual = share * SIGNS * common[i] / spread
            row[RATING] += before * weight * share * score[i] / (1.0 + (weight - 1.0) * before * usual)
            row[DEVIATION] = math.sqrt(before / (1.0 + weight * before * told / (1.0 - before * told)))
