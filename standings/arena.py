"""A synthetic arena: players whose true skills are known, and matches between them as that truth would have them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np


class Arena(msgspec.Struct, frozen=True, kw_only=True):
    """What an arena is like; skills are standard normal, and everything else is in their unit.

    Parameters
    ----------
    players : int
    sides : int
        Of each match, one player each.
    noise : float
        Standard deviation of one performance about its skill; at 0 the better one is always before the worse one.
    flip : float
        Share of matches, 0 to 1, whose result is a random order instead.
    drift : float
        Standard deviation of the step that each skill takes with each match of the arena.
    """

    players: int = 50
    sides: int = 4
    noise: float = 0.0
    flip: float = 0.0
    drift: float = 0.0


class Truth:
    """The true skills of one arena, and the results that they lead to; the same for one seed, whoever plays whom.

    Parameters
    ----------
    arena : Arena
    seed : int

    Attributes
    ----------
    skills : float64[players]
        As they are now.

    Examples
    --------
    >>> truth = Truth(Arena(players=3), seed=1)
    >>> truth.skills.round(2).tolist()
    [0.35, 0.82, 0.33]
    >>> truth.play([2, 0, 1])
    [1, 0, 2]
    """

    def __init__(self, arena: Arena, seed: int) -> None:
        self._arena = arena
        self._rng = np.random.default_rng((seed, 1))
        self.skills = np.random.default_rng((seed, 0)).standard_normal(arena.players)

    def play(self, players: Sequence[int]) -> list[int]:
        """Play a match: its players from the first place to the last; never a tie."""
        arena, rng = self._arena, self._rng
        performance = self.skills[list(players)] + arena.noise * rng.standard_normal(len(players))
        order = rng.permutation(len(players)) if rng.random() < arena.flip else np.argsort(-performance)
        if arena.drift:
            self.skills += arena.drift * rng.standard_normal(arena.players)
        return [players[place] for place in order.tolist()]
