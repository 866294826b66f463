"""Elo-MMR: ratings from contests of any size, in which no single result moves a player far and none is better lost.

A contest is looked at twice. First each side's performance is found, where its place among the others is most likely;
then that performance is one more term of what is known of the player. Performances scatter logistically, so a term
that lies far off pulls no harder than one that is near: a rating moves by a bounded amount, whatever happened. Results
fade: each contest, and each day, adds variance, by which old terms lose weight, in part to a Gaussian about the rating.

A team performs with the mean of its skills. To one of its n players that is a look at this mean: n times as far off,
n times as noisy, and blurred by what is not known of the others.

Where it differs from the paper, whose history of terms grows without end: a row keeps the newest `KEPT` of them. The
oldest gives its whole weight to the Gaussian, which is placed so that the rating stays where it is.

References
----------
A. Ebtekar, P. Liu, Elo-MMR: a rating system for massive multiplayer competitions, WWW 2021, arXiv 2101.00400.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Final

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats, Matches
from service.match import MOST_SIDES
from service.ratings import Expected, Promise, RatingSystem, Shapes
from service.ratings.canonical import sorted_sum
from service.ratings.crowd import performances
from service.ratings.link import LOGISTIC, Link, logistic

MU: Final = 0
VARIANCE: Final = 1
PLACE: Final = 2
WEIGHT: Final = 3
TERMS: Final = 4

KEPT: Final = 8
"""Terms of a player's history."""

STEEP: Final = math.pi / math.sqrt(3.0)
"""A logistic of deviation d has the scale ``d / STEEP``."""

LEAST_WEIGHT: Final = 1e-9
"""A contest of less weight has this one."""

ROUNDS: Final = 100
NEAREST: Final = 4e-16


class EloMMR(RatingSystem, frozen=True, kw_only=True):
    """Elo-MMR for contests of players or teams, with ties, weights and days of rest.

    Parameters
    ----------
    mu_noob : float
        Rating of a newcomer.
    sig_noob : float
        Deviation of a newcomer.
    weight_limit : float
        What one more contest weighs against all before it, once there are many.
    sig_limit : float
        Deviation of a player with many contests.
    drift_per_day : float
        Variance that a day of rest adds.
    home : float
        Points that the side at home is stronger by.

    Examples
    --------
    >>> EloMMR().newcomer()[:4].tolist()
    [1500.0, 122500.0, 1500.0, 8.163265306122448e-06]
    """

    name: ClassVar[str] = "elo_mmr"
    revision: ClassVar[int] = 1
    shapes: ClassVar[Shapes] = Shapes(most_sides=MOST_SIDES)
    promises: ClassVar[frozenset[Promise]] = frozenset(("neutral_tie", "monotone_place"))
    link: ClassVar[Link] = "logistic"
    skill_columns: ClassVar[tuple[str, ...]] = (
        "mu", "variance", "gaussian_mu", "gaussian_weight",
        *(f"{name}_{term}" for term in range(1, KEPT + 1) for name in ("performance", "weight", "deviation")),
    )  # fmt: skip

    mu_noob: Annotated[float, Meta(ge=-1e6, le=1e6)] = 1500.0
    sig_noob: Annotated[float, Meta(ge=100, le=1000)] = 350.0
    weight_limit: Annotated[float, Meta(gt=0, le=10)] = 0.2
    sig_limit: Annotated[float, Meta(ge=10, le=500)] = 80.0
    drift_per_day: Annotated[float, Meta(ge=0, le=10_000)] = 0.0
    home: Annotated[float, Meta(ge=-10_000, le=10_000)] = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match: the Gaussian alone."""
        row: Floats = self.seeded(np.array([self.mu_noob]), np.array([self.sig_noob]), np.empty(0))[0]
        return row

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating: without a history."""
        rows = np.zeros((len(rating), len(self.skill_columns)))
        rows[:, MU] = rows[:, PLACE] = rating
        rows[:, VARIANCE] = deviation * deviation
        rows[:, WEIGHT] = 1.0 / rows[:, VARIANCE]
        return rows

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`."""
        _update(
            matches, rest, skills, expected.location, expected.variance,
            self.weight_limit, self.sig_limit * self.sig_limit, self.drift_per_day, self.home,
        )  # fmt: skip

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating, and the deviation grown by rest."""
        return skills[:, MU].copy(), np.sqrt(skills[:, VARIANCE] + self.drift_per_day * rest)


@numba.njit(cache=True)
def _fade(row: Floats, variance: float) -> None:
    """Let the variance grow: all terms lose weight, in part to the Gaussian about the rating, which does not move."""
    left = row[VARIANCE] / variance
    given = 0.0
    for term in range(TERMS, len(row), 3):
        given += row[term + 1]
        row[term + 1] *= left * left
    stays = left * row[WEIGHT]
    comes = (1.0 - left) * (row[WEIGHT] + given)
    row[PLACE] = (stays * row[PLACE] + comes * row[MU]) / (stays + comes)
    row[WEIGHT] = left * (stays + comes)
    row[VARIANCE] = variance


@numba.njit(cache=True)
def _pull(row: Floats, term: int, x: float) -> tuple[float, float]:
    """What a term of the history pulls ``x`` down by, and how fast that grows."""
    steep = STEEP / row[term + 2]
    chance = logistic((x - row[term]) * steep)
    strength = row[term + 1] * row[term + 2] * STEEP
    return strength * (2.0 * chance - 1.0), 2.0 * strength * steep * chance * (1.0 - chance)


@numba.njit(cache=True)
def _push(row: Floats, performance: float, variance: float) -> None:
    """Add the newest term; the oldest goes into the Gaussian, by its weight and so that the rating stays."""
    oldest = len(row) - 3
    if row[oldest + 1] > 0.0:
        pull, _ = _pull(row, oldest, row[MU])
        pull += row[WEIGHT] * (row[MU] - row[PLACE])
        row[WEIGHT] += row[oldest + 1]
        row[PLACE] = row[MU] - pull / row[WEIGHT]
    for column in range(len(row) - 1, TERMS + 2, -1):
        row[column] = row[column - 3]
    row[TERMS], row[TERMS + 1], row[TERMS + 2] = performance, 1.0 / variance, math.sqrt(variance)


@numba.njit(cache=True)
def _settle(row: Floats) -> None:
    """Move the rating to where all terms balance."""
    low = high = row[PLACE]
    for term in range(TERMS, len(row), 3):
        if row[term + 1] > 0.0:
            low, high = min(low, row[term]), max(high, row[term])
    x, unit = row[MU], math.sqrt(row[VARIANCE])
    for _ in range(ROUNDS):
        pull, slope = row[WEIGHT] * (x - row[PLACE]), row[WEIGHT]
        for term in range(TERMS, len(row), 3):
            if row[term + 1] <= 0.0:
                break
            more, steeper = _pull(row, term, x)
            pull, slope = pull + more, slope + steeper
        if pull < 0.0:
            low = x
        else:
            high = x
        moved = x - pull / slope
        if not low <= moved <= high:
            moved = 0.5 * (low + high)
        step = abs(moved - x)
        x = moved
        if step <= NEAREST * (abs(x) + unit):
            break
    row[MU] = x


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
                _fade(row, row[VARIANCE] + weight * limit + drift_per_day * rest[slot])
                skill[slot], spread[slot] = row[MU], row[VARIANCE]
            size = float(high - low)
            total[side - first] = sorted_sum(spread[low:high])
            location[side] = sorted_sum(skill[low:high]) / size
            variance[side] = (total[side - first] / (size * size) + scatter) / (STEEP * STEEP)
            sway[side - first] = 1.0 / math.sqrt(variance[side])
        if matches.home[match] >= 0:
            location[first + matches.home[match]] += home
        performances(LOGISTIC, location[first:end], sway, matches.rank[first:end], performance)
        for side in range(first, end):
            low, high = matches.player_start[side], matches.player_start[side + 1]
            size = float(high - low)
            gap = performance[side - first] - location[side]
            for slot in range(low, high):
                # To one of a team the result is one on the mean of all, and the others stand between.
                noise = size * size * scatter + max(total[side - first] - spread[slot], 0.0)
                row = skills[matches.player[slot]]
                _push(row, row[MU] + size * gap, noise)
                row[VARIANCE] = 1.0 / (1.0 / row[VARIANCE] + 1.0 / noise)
                _settle(row)
