"""The rating of Codeforces contests: half way towards the rating that would have made the place no surprise.

A player's seed is the place that is expected of the rating; what is aimed at is the geometric mean of seed and place,
and the rating goes half way to the one whose seed that is. Then all are moved alike: (a) so that the points of a
contest add up to minus one a player, against inflation; (b) so that the best, four times the root of all, gain nothing
together.

What the published code does otherwise, and why not here: it reckons in whole numbers, which makes a place worth nothing
or a point too much; it gives sides that tie the worst of their places, here they share the mean of them; and it looks
for the rating in a field to which one more player was added, so that even a place equal to the seed moved the rating.
Here everybody plays the whole field, oneself included, where half a win is expected and half a win is the result. A
team plays with the mean of its ratings, and each of its players moves by the team's step.

Codeforces says nothing of how far off a rating may be. A step of fixed size towards a noisy performance forgets a part
of the error and takes in a part of the noise, so the variance is carried along as that recursion has it:
``(1 - g / f)^2 variance + g^2 noise``, with the step's part ``g`` of the way to the performance (a quarter), the noise
that the places of a field of such ratings have, and ``f``, by which differences look smaller while the field's own
ratings are off. It is a rule of ours, right to first order.

References
----------
M. Mirzayanov, Codeforces rating system, 2015, and Open Codeforces rating system, 2017, codeforces.com/blog.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Final

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats, Integers, Matches
from service.match import MOST_SIDES
from service.ratings import Expected, Promise, RatingSystem, Shapes
from service.ratings.canonical import sorted_sum, strongest_first
from service.ratings.crowd import DIRECT, between, by_place, crossing, descend, fill, grid, pulls, reach, root
from service.ratings.link import LOGISTIC, Link

RATING: Final = 0
VARIANCE: Final = 1

ONESELF: Final = 0.5
BLUR: Final = math.pi / 8
"""A logistic seen through a normal error of variance v is nearly one that is flatter by sqrt(1 + BLUR v)."""

MOST_OFF: Final = -10.0
"""The most that (b) takes."""


class Codeforces(RatingSystem, frozen=True, kw_only=True):
    """Codeforces's contest rating, for players and teams, with ties and weights.

    Parameters
    ----------
    start : float
        Rating of a newcomer.
    scale : float
        Gap at which the better side is expected to score 10 of 11.
    deviation : float
        Deviation of a newcomer, and the most that anybody's can be.
    home : float
        Points that the side at home is stronger by.

    Examples
    --------
    >>> Codeforces().newcomer().tolist()
    [1500.0, 122500.0]
    """

    name: ClassVar[str] = "codeforces"
    revision: ClassVar[int] = 1
    shapes: ClassVar[Shapes] = Shapes(most_sides=MOST_SIDES)
    promises: ClassVar[frozenset[Promise]] = frozenset(("monotone_place",))
    link: ClassVar[Link] = "logistic"
    skill_columns: ClassVar[tuple[str, ...]] = ("rating", "variance")

    start: Annotated[float, Meta(ge=-1e6, le=1e6)] = 1500.0
    scale: Annotated[float, Meta(ge=100, le=1e6)] = 400.0
    deviation: Annotated[float, Meta(gt=0, le=1e6)] = 350.0
    home: Annotated[float, Meta(ge=-10_000, le=10_000)] = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match."""
        return np.array([self.start, self.deviation * self.deviation])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating."""
        return np.column_stack((rating, deviation * deviation))

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`. Rest changes nothing."""
        slope = math.log(10.0) / self.scale
        _update(
            matches, skills, expected.location, expected.variance, slope, self.deviation * self.deviation, self.home
        )

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating and deviation; there is no notion of rest."""
        return skills[:, RATING].copy(), np.sqrt(skills[:, VARIANCE])


@numba.njit(cache=True)
def _seeds(location: Floats, sway: Floats, seed: Floats, told: Floats) -> None:
    """The place that is expected of each side, and the sum of the variances of its results against all.

    Parameters
    ----------
    location : float64[n]
        From the highest.
    sway : float64[n]
        One over the scale, the same for all.
    seed, told : float64[n]
        Filled.
    """
    step, cell = grid(sway), np.empty((2, 4))
    cell[0, 0] = math.inf
    for side in range(len(location)):
        x = location[side]
        if len(location) <= DIRECT:
            value, slope, _ = pulls(LOGISTIC, x, 0, 0, location, sway)
        else:
            index = math.floor(x / step)
            if index != cell[0, 0]:
                for node in range(2):
                    fill(LOGISTIC, index + node, step, 0, 0, location, sway, cell[node])
            value, slope = between(x / step - index, step, cell)
            slope /= step
        seed[side] = ONESELF + value / sway[side]
        told[side] = -slope / (sway[side] * sway[side]) - 0.25


@numba.njit(cache=True)
def _aims(aim: Floats, location: Floats, sway: Floats, found: Floats) -> None:
    """Ratings whose seeds are ``aim``, float64[n]; it is lowest for the best."""
    low, high = reach(location, sway)
    step, cell = grid(sway), np.empty((2, 4))
    order = np.argsort(aim, kind="mergesort")
    for place in range(len(order)):
        side = order[place]
        level = (aim[side] - ONESELF) * sway[side]
        if len(location) <= DIRECT:
            found[side] = root(LOGISTIC, level, 0, 0, location, sway, low, high, location[side])
            continue
        if place == 0:
            for node in range(2):
                fill(LOGISTIC, math.ceil(high / step) + node, step, 0, 0, location, sway, cell[node])
        descend(LOGISTIC, level, step, low, 0, 0, location, sway, cell)
        found[side] = crossing(level, step, cell)


@numba.njit(cache=True)
def _places(rank: Integers, order: Integers, place: Floats) -> None:
    """The mean of the places that sides share; ``order`` has the best first."""
    first = 0
    while first < len(order):
        end = first + 1
        while end < len(order) and rank[order[end]] == rank[order[first]]:
            end += 1
        place[order[first:end]] = 0.5 * (first + 1 + end)
        first = end


@numba.njit(cache=True)
def _adjust(move: Floats) -> None:
    """Move all alike by (a) and (b); float64[n], the highest rated first."""
    sides = len(move)
    move -= sorted_sum(move) / sides + 1.0
    best = min(sides, 4 * round(math.sqrt(sides)))
    move += min(max(-sorted_sum(move[:best]) / best, MOST_OFF), 0.0)


@numba.njit(cache=True)
def _update(
    matches: Matches, skills: Floats, location: Floats, variance: Floats, slope: float, most: float, home: float
) -> None:
    widest = np.diff(matches.side_start).max()
    scratch, sways = np.empty((6, widest)), np.full(widest, slope)
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        sides = end - first
        spread = scratch[5, :sides]
        for side in range(first, end):
            team = skills[matches.player[matches.player_start[side] : matches.player_start[side + 1]]]
            location[side] = sorted_sum(team[:, RATING]) / len(team)
            spread[side - first] = sorted_sum(team[:, VARIANCE]) / (len(team) * len(team))
            variance[side] = 0.5 / (slope * slope)
        if matches.home[match] >= 0:
            location[first + matches.home[match]] += home

        field, seed, told = scratch[0, :sides], scratch[1, :sides], scratch[2, :sides]
        place, aimed, sway = scratch[3, :sides], scratch[4, :sides], sways[:sides]
        order = strongest_first(location[first:end], matches.rank[first:end], sway.reshape((1, sides)))
        for i in range(sides):
            field[i] = location[first + order[i]]
        rank = matches.rank[first:end][order]
        _places(rank, by_place(field, sway, rank), place)
        _seeds(field, sway, seed, told)
        for i in range(sides):
            seed[i] = math.sqrt(seed[i] * place[i])
        _aims(seed, field, sway, aimed)
        for i in range(sides):
            aimed[i] = 0.5 * (aimed[i] - field[i])
        _adjust(aimed)
        # Half way at weight 1, the whole way for a contest that outweighs all else.
        weight = matches.weight[match]
        share = 2.0 * weight / (1.0 + weight)
        part = 0.25 * share
        forgotten = part / math.sqrt(1.0 + BLUR * slope * slope * sorted_sum(spread) / sides)
        for i in range(sides):
            side = first + order[i]
            low, high = matches.player_start[side], matches.player_start[side + 1]
            noise = (sides + 1.0) / (3.0 * slope * slope * max(told[i], 1e-9))
            for player in matches.player[low:high]:
                row = skills[player]
                row[RATING] += share * aimed[i]
                # All of a team move by the error of their mean, of which one's own is a part.
                own = (1.0 - 2.0 * forgotten / (high - low)) * row[VARIANCE]
                shared = forgotten * forgotten * spread[order[i]] + part * part * noise
                row[VARIANCE] = min(own + shared, most)
