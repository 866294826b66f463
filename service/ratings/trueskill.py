"""TrueSkill: Gaussian skills, seen through the order in which the performances of sides came out.

A side performs with the sum of its players' skills, each with noise of its own. The sides stand in a chain by place;
of each two neighbours is seen that the upper performed better by more than the draw margin or, if they tied, that they
were no further apart. Expectation propagation turns that into what each side's performance is told from above and from
below, until nothing moves; with two sides that is the closed form of the paper, in one step.

How the tied sides of a match follow each other in the chain decides a little of the result, so they stand strongest
first, however they are listed. Sides that are alike in all that the chain sees cannot be put in any order: they share
what the places that they take up are told.

A match adds ``tau``, squared, to the variance of each skill before it tells anything of it, so that a result that
everybody expected can leave a deviation larger than it was: nothing is promised there. Days of rest add to it, too.

References
----------
R. Herbrich, T. Minka, T. Graepel, TrueSkill: a Bayesian skill rating system, NIPS 2006.
P. Dangauthier, R. Herbrich, T. Minka, T. Graepel, TrueSkill Through Time, NIPS 2007 (rest).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Annotated, ClassVar, Final

import numba
import numpy as np
from msgspec import Meta

from service.columns import Floats, Integers, Matches
from service.ratings import Expected, Promise, RatingSystem, Shapes
from service.ratings.canonical import sorted_sum, strongest_first
from service.ratings.link import Link
from service.ratings.normal import above, between

RATING: Final = 0
DEVIATION: Final = 1

NEARNESS: Final = 1e-10
"""The chain is at rest when no V and no W changes by more; V, which has no upper end, by so much of itself."""

ROUNDS: Final = 100
"""Passes down and up a chain at most. It takes some eight; only next to an interval too narrow for its digits all."""


class TrueSkill(RatingSystem, frozen=True, kw_only=True):
    """TrueSkill with teams, free-for-alls, draws, home advantage and days of rest.

    Parameters
    ----------
    mu : float
        Rating of a newcomer.
    sigma : float
        Deviation of a newcomer.
    beta : float
        Deviation of one player's performance about the skill.
    tau : float
        Deviation that a match adds to a skill, by squares.
    gamma : float
        Deviation that a day of rest adds to a skill, by squares.
    draw_probability : float
        How often two sides tie whose skills are equal and known; of two sides with n players altogether, performances
        within ``Phi^-1((1 + draw_probability) / 2) sqrt(n) beta`` of each other are a tie.
    home : float
        Points that the side at home is stronger by.

    Examples
    --------
    >>> TrueSkill(mu=1500.0, sigma=500.0).newcomer().tolist()
    [1500.0, 500.0]
    """

    name: ClassVar[str] = "trueskill"
    revision: ClassVar[int] = 1
    # The chain of the largest match takes a thirtieth of a second, and half a second where it needs all rounds.
    shapes: ClassVar[Shapes] = Shapes(most_sides=5_000)
    promises: ClassVar[frozenset[Promise]] = frozenset(("neutral_tie", "rest_grows"))
    link: ClassVar[Link] = "normal"
    # The library knows no rest; the least that there can be adds 0.06 to a deviation of 0 in a thousand years.
    presets: ClassVar[Mapping[str, Mapping[str, float]]] = {"trueskill": {"gamma": 1e-4}}
    skill_columns: ClassVar[tuple[str, ...]] = ("rating", "deviation")

    mu: Annotated[float, Meta(ge=-1e6, le=1e6)] = 25.0
    sigma: Annotated[float, Meta(ge=0.1, le=1e4)] = 25.0 / 3.0
    beta: Annotated[float, Meta(ge=0.1, le=1e4)] = 25.0 / 6.0
    tau: Annotated[float, Meta(ge=0, le=1000)] = 25.0 / 300.0
    gamma: Annotated[float, Meta(ge=1e-4, le=1000)] = 25.0 / 300.0
    draw_probability: Annotated[float, Meta(ge=0, le=0.99)] = 0.1
    home: Annotated[float, Meta(ge=-10_000, le=10_000)] = 0.0

    def newcomer(self) -> Floats:
        """Row of a player before the first match: rating and deviation at the start."""
        return np.array([self.mu, self.sigma])

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating: what is shown is what is kept."""
        return np.column_stack((rating, deviation))

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place; see `RatingSystem.update`."""
        margin = NormalDist().inv_cdf(0.5 + 0.5 * self.draw_probability) * self.beta
        _update(
            matches, rest, skills, expected.location, expected.variance, expected.zone,
            self.beta * self.beta, self.tau * self.tau, self.gamma * self.gamma, margin, self.home,
        )  # fmt: skip

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating, and the deviation grown by rest."""
        variance = skills[:, DEVIATION] * skills[:, DEVIATION]
        return skills[:, RATING].copy(), np.sqrt(variance + rest * (self.gamma * self.gamma))


@numba.njit(cache=True)
def _by_place(location: Floats, rank: Integers, rest: Floats) -> Integers:
    """Indices of sides from the first place down, tied ones strongest first, then by the rows of ``rest``."""
    order = strongest_first(location, rank, rest)
    return order[np.argsort(rank[order], kind="mergesort")]


@numba.njit(cache=True)
def _follow(
    location: Floats, spread: Floats, margin: Floats, tied: Integers, told: Floats, pull: Floats, seen: Floats
) -> None:
    """Expectation propagation along the chain of neighbours.

    Parameters
    ----------
    location, spread : float64[s]
        Mean and variance of each side's performance before the match, from the first place down.
    margin : float64[s], tied : int64[s]
        Draw margin of each side and the next, and whether they tied; the last ones are of no account.
    told, pull : float64[2, s]
        Filled with what each side's performance is told from above and from below: information, and information
        times how far off its mean the performance is said to be.
    seen : float64[2, s]
        Room for V and W of each pair.
    """
    pairs = len(location) - 1
    told[:], pull[:], seen[:] = 0.0, 0.0, 0.0
    for _ in range(ROUNDS):
        change = 0.0
        for step in range(2 * pairs - 1):
            i = step if step < pairs else 2 * pairs - 2 - step
            q = i + 1
            # Both performances as they are known without this pair.
            part = 1.0 + spread[i] * told[0, i]
            upper, lift = spread[i] / part, spread[i] * pull[0, i] / part
            part = 1.0 + spread[q] * told[1, q]
            lower, drop = spread[q] / part, spread[q] * pull[1, q] / part
            c = math.sqrt(upper + lower)
            gap, zone = ((location[i] - location[q]) + (lift - drop)) / c, margin[i] / c
            v, w = between(-zone - gap, zone - gap) if tied[i] else above(gap - zone)
            change = max(change, abs(v - seen[0, i]) / (1.0 + abs(v)), abs(w - seen[1, i]))
            seen[0, i], seen[1, i] = v, w
            left = lower + upper * (1.0 - w)
            told[1, i], pull[1, i] = w / left, (v * c + w * lift) / left
            left = upper + lower * (1.0 - w)
            told[0, q], pull[0, q] = w / left, (w * drop - v * c) / left
        if pairs == 1 or change <= NEARNESS:
            break


@numba.njit(cache=True)
def _share(location: Floats, spread: Floats, size: Floats, tied: Integers, told: Floats, pull: Floats) -> None:
    """Add up what each side is told from both hands, in the first rows; tied sides that are alike share it."""
    told[0] += told[1]
    pull[0] += pull[1]
    first = 0
    for i in range(len(location)):
        last = i + 1 == len(location) or not tied[i]
        if last or location[i] != location[i + 1] or spread[i] != spread[i + 1] or size[i] != size[i + 1]:
            if i > first:
                information = score = 0.0
                for q in range(first, i + 1):
                    information += told[0, q]
                    score += pull[0, q]
                told[0, first : i + 1] = information / (i + 1 - first)
                pull[0, first : i + 1] = score / (i + 1 - first)
            first = i + 1


@numba.njit(cache=True)
def _update(
    matches: Matches,
    rest: Floats,
    skills: Floats,
    location: Floats,
    variance: Floats,
    zone: Floats,
    noise: float,
    step: float,
    daily: float,
    margin: float,
    home: float,
) -> None:
    # Of each side by place: location, variance, players, draw margin to the next; what it is told, and where it stands.
    widest = np.diff(matches.side_start).max()
    scratch, told, pull = np.empty((6, widest)), np.empty((2, widest)), np.empty((2, widest))
    tied = np.empty(widest, np.int64)
    # Of each player: rating, and variance at the match.
    rating, now = np.empty(len(rest)), np.empty(len(rest))
    for match in range(len(matches.at)):
        first, end = matches.side_start[match], matches.side_start[match + 1]
        sides = end - first
        for side in range(first, end):
            low, high = matches.player_start[side], matches.player_start[side + 1]
            for slot in range(low, high):
                row = skills[matches.player[slot]]
                rating[slot] = row[RATING]
                now[slot] = row[DEVIATION] * row[DEVIATION] + step + rest[slot] * daily
            location[side] = sorted_sum(rating[low:high])
            variance[side] = sorted_sum(now[low:high]) + noise * (high - low)
            scratch[0, side - first], scratch[1, side - first] = variance[side], high - low
        if matches.home[match] >= 0:
            location[first + matches.home[match]] += home

        rank = matches.rank[first:end]
        order = _by_place(location[first:end], rank, scratch[:2, :sides])
        mean, spread, size, apart = scratch[0], scratch[1], scratch[2], scratch[3]
        for place in range(sides):
            side = order[place]
            mean[place], spread[place] = location[first + side], variance[first + side]
            size[place] = matches.player_start[first + side + 1] - matches.player_start[first + side]
        for place in range(sides - 1):
            tied[place] = rank[order[place]] == rank[order[place + 1]]
            apart[place] = margin * math.sqrt(size[place] + size[place + 1])
        if sides == 2:
            zone[match] = apart[0] / math.sqrt(spread[0] + spread[1])
        seen = scratch[4:, :sides]
        _follow(mean[:sides], spread[:sides], apart, tied, told[:, :sides], pull[:, :sides], seen)
        _share(mean[:sides], spread[:sides], size, tied, told[:, :sides], pull[:, :sides])

        weight = matches.weight[match]
        for place in range(sides):
            side = first + order[place]
            for slot in range(matches.player_start[side], matches.player_start[side + 1]):
                # The noise of all and the skills of the others stand between the player and the performance.
                part = 1.0 + told[0, place] * (variance[side] - now[slot])
                after = now[slot] / (1.0 + now[slot] * weight * told[0, place] / part)
                row = skills[matches.player[slot]]
                row[RATING] += after * weight * pull[0, place] / part
                row[DEVIATION] = math.sqrt(after)
