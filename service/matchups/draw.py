"""Draws matchups from a policy's law, and says how likely each was.

The floor mixes uniform matchups in: each set of sides keeps a chance, whatever the policy thinks of it, so that
another policy can be judged by what this one had played.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from service.columns import Floats
from service.matchups import Law, Policy
from service.matchups.field import Field

MOST_SIDES: Final = 16
"""Sides of a matchup, at most."""

MOST_SUMMED: Final = 4
"""Sides, at most, over whose orders the chance of a set is summed; they take up to 15 looks at a law."""


class Draw(NamedTuple):
    """One matchup, and how it came about.

    Attributes
    ----------
    players : tuple of int
        Candidates, in the order in which they were taken.
    propensity : float or None
        Chance of this set, in whichever order it is taken; None of more than `MOST_SUMMED` sides, unless the law is
        certain.
    built : float
        Chance of this set taken in this order.
    steps : tuple of float64[n]
        The policy's chances at each step, without the floor.
    score : float
        What speaks for it, in the policy's unit.
    """

    players: tuple[int, ...]
    propensity: float | None
    built: float
    steps: tuple[Floats, ...]
    score: float


def draw(policy: Policy, field: Field, side_count: int, floor: float, rng: np.random.Generator) -> Draw:
    """Draw one matchup.

    Parameters
    ----------
    policy : Policy
    field : Field
        At least ``side_count`` candidates.
    side_count : int
        2 to `MOST_SIDES`.
    floor : float
        Chance, 0 to 1, that sides are taken uniformly instead.
    rng : numpy.random.Generator

    Examples
    --------
    >>> from service.matchups import create
    >>> from service.matchups.field import level
    >>> found = draw(create("uniform"), level(4), 2, 0.1, np.random.default_rng(7))
    >>> round(found.propensity, 12), round(found.built, 12)
    (0.166666666667, 0.083333333333)
    """
    law = _Remembered(policy.law(field, rng))
    players = take(law, len(field), side_count, floor, rng)
    steps = tuple(law.chances(players[:taken]) for taken in range(side_count))
    built = math.prod(float(chances[player]) for chances, player in zip(steps, players, strict=True))
    return Draw(
        players,
        propensity_of(law, len(field), players, floor),
        mixed(built, floor, math.perm(len(field), side_count)),
        steps,
        law.score(players),
    )


def propensity_of(law: Law, candidates: int, players: Sequence[int], floor: float) -> float | None:
    """Chance of a set of candidates under a law and a floor, in whichever order they are taken.

    Returns
    -------
    float or None
        None of more than `MOST_SUMMED` players, unless the law is certain.
    """
    in_any_order = _summed(law, (), frozenset(players)) if len(players) <= MOST_SUMMED else _certain(law, players)
    return None if in_any_order is None else mixed(in_any_order, floor, math.comb(candidates, len(players)))


def mixed(chance: float, floor: float, outcomes: int) -> float:
    """A chance once the floor is mixed in, where the floor takes each of so many outcomes alike."""
    return (1.0 - floor) * chance + floor / outcomes


def take(law: Law, candidates: int, side_count: int, floor: float, rng: np.random.Generator) -> tuple[int, ...]:
    """Take the sides of a matchup one after the other, without an account of it: for simulations, which need none.

    Parameters as those of `draw`, with the number of candidates that the law is of.

    Examples
    --------
    >>> from service.matchups import create
    >>> from service.matchups.field import level
    >>> rng = np.random.default_rng(7)
    >>> take(create("uniform").law(level(4), rng), 4, 2, 0.1, rng)
    (3, 2)
    """
    if rng.random() < floor:
        return tuple(rng.choice(candidates, side_count, replace=False).tolist())
    players: list[int] = []
    for _ in range(side_count):
        sums = np.cumsum(law.chances(players))
        # Side "right" never takes one of chance 0; the last one's sum may fall short of 1 by rounding.
        players.append(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")))
    return tuple(players)


class _Remembered:
    """A law that is looked at once for each set of those taken, in the order taken."""

    def __init__(self, law: Law) -> None:
        self._law = law
        self._known: dict[tuple[int, ...], Floats] = {}
        self.score = law.score

    def chances(self, taken: Sequence[int]) -> Floats:
        key = tuple(taken)
        if key not in self._known:
            self._known[key] = self._law.chances(taken)
        return self._known[key]


def _summed(law: Law, taken: tuple[int, ...], rest: frozenset[int]) -> float:
    """Chance that those left are taken next, in whichever order."""
    if not rest:
        return 1.0
    chances = law.chances(taken)
    return math.fsum(
        float(chances[player]) * _summed(law, (*taken, player), rest - {player})
        for player in sorted(rest)
        if chances[player] > 0.0
    )


def _certain(law: Law, players: Sequence[int]) -> float | None:
    """Chance of a set where a law takes each side for sure; None where it does not."""
    taken: list[int] = []
    for _ in players:
        chances = law.chances(taken)
        taken.append(int(chances.argmax()))
        if chances[taken[-1]] < 1.0:
            return None
    return float(set(taken) == set(players))
