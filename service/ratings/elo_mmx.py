"""Elo-MMX, the all Gaussian variant of Elo-MMR: a rating and a variance, and performances that scatter normally.

It costs a fifth of the row and predicts about as well; what it gives up is that a single result moves a rating only so
far. A side still does best by doing its best: a better place never ends lower.

References
----------
A. Ebtekar, P. Liu, Elo-MMR: a rating system for massive multiplayer competitions, WWW 2021, arXiv 2101.00400.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numba
import numpy as np

from service.columns import Floats, Matches
from service.ratings import Expected
from service.ratings.canonical import sorted_sum
from service.ratings.crowd import performances
from service.ratings.elo_mmr import LEAST_WEIGHT, MU, VARIANCE, EloMMR
from service.ratings.link import NORMAL, Link


class EloMMX(EloMMR, frozen=True, kw_only=True):
    """Elo-MMX for contests of players or teams, with ties, weights and days of rest.

    Its parameters are those of `EloMMR`.

    Examples
    --------
    >>> EloMMX().newcomer().tolist()
    [1500.0, 122500.0]
    """

    name: ClassVar[str] = "elo_mmx"
    revision: ClassVar[int] = 1
    link: ClassVar[Link] = "normal"
    skill_columns: ClassVar[tuple[str, ...]] = ("mu", "variance")

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating."""
        return np.column_stack((rating, deviation * deviation))

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`."""
        _update(
            matches, rest, skills, expected.location, expected.variance,
            self.weight_limit, self.sig_limit * self.sig_limit, self.drift_per_day, self.home,
        )  # fmt: skip


@numba.njit(cache=True)
def _update(
    matches: Matches,
    rest: Floats,
    skills: Floats,
    location: Floats,
    variance: Floats,
    weight_limit: float,
    limit: float,
    drift_per_day: float,
    home: float,
) -> None:
    scratch = np.empty((3, np.diff(matches.side_start).max()))
    skill, spread = np.empty(len(rest)), np.empty(len(rest))
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        sway, performance, total = scratch[0, : end - first], scratch[1, : end - first], scratch[2, : end - first]
        weight = max(weight_limit * matches.weight[match], LEAST_WEIGHT)
        scatter = limit + (limit + drift_per_day) / weight
        for side in range(first, end):
            low, high = matches.player_start[side], matches.player_start[side + 1]
            for slot in range(low, high):
                row = skills[matches.player[slot]]
                row[VARIANCE] += weight * limit + drift_per_day * rest[slot]
                skill[slot], spread[slot] = row[MU], row[VARIANCE]
            size = float(high - low)
            total[side - first] = sorted_sum(spread[low:high])
            location[side] = sorted_sum(skill[low:high]) / size
            variance[side] = total[side - first] / (size * size) + scatter
            sway[side - first] = 1.0 / math.sqrt(variance[side])
        if matches.home[match] >= 0:
            location[first + matches.home[match]] += home
        performances(NORMAL, location[first:end], sway, matches.rank[first:end], performance)
        for side in range(first, end):
            low, high = matches.player_start[side], matches.player_start[side + 1]
            size = float(high - low)
            gap = performance[side - first] - location[side]
            for slot in range(low, high):
                # To one of a team the result is one on the mean of all, and the others stand between.
                noise = size * size * scatter + max(total[side - first] - spread[slot], 0.0)
                row = skills[matches.player[slot]]
                share = row[VARIANCE] / (row[VARIANCE] + noise)
                row[MU] += share * size * gap
                row[VARIANCE] *= 1.0 - share
