"""One trial: a policy at play in a synthetic arena, until the current order is near enough to the true one.

Everything but the truth is the service's own: the rating system, the candidates as a policy sees them, the policy and
how it is drawn from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
import numpy as np

from service.candidates import field_of
from service.columns import NO_HOME, Floats, Matches
from service.match import Side
from service.matchups import Policy
from service.matchups.draw import take
from service.matchups.field import Field
from service.matchups.posterior import fit, unknown
from service.rate import empty, rate
from service.ratings import RatingSystem
from standings.arena import Arena, Truth
from standings.errors import Mistake
from standings.targets import Target, kendall_tau

MATCH_MS: Final = 60_000
"""A match a minute: what rating systems are told of time."""

SWEEPS: Final = 4
"""Of the posterior's fit after each round, at least."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated.

    Parameters
    ----------
    arena : Arena
    system : RatingSystem
    policy : Policy
    floor : float
        Chance of a match, 0 to 1, to be a uniform one instead.
    at_once : int
        Matches of a round: their matchups are taken before the first of their results comes in.
    counted : bool
        Whether the policy is told of the matches under way.

    Raises
    ------
    Mistake
        The system does not take matches of so many sides.
    """

    arena: Arena
    system: RatingSystem
    policy: Policy
    floor: float = 0.0
    at_once: int = 1
    counted: bool = True

    def __post_init__(self) -> None:
        sides = [Side((str(place),), rank=place) for place in range(1, self.arena.sides + 1)]
        if (refusal := self.system.refusal(sides)) is not None:
            raise Mistake(f"--sides {self.arena.sides}: {refusal}")


class Look(NamedTuple):
    """What stands after a round.

    Attributes
    ----------
    matches : int
        Played so far.
    sets : tuple of tuple of int
        Who played in each match of the round, in the order in which they were taken.
    strength : float64[players]
        What the current order is by: the mean of the joint posterior where the policy needs it, else the rating.
    skills : float64[players]
        True ones; good until the next look.
    """

    matches: int
    sets: tuple[tuple[int, ...], ...]
    strength: Floats
    skills: Floats


def play(setting: Setting, seed: int) -> Iterator[Look]:
    """Play on without end, a round each time.

    Parameters
    ----------
    setting : Setting
    seed : int
        Settings that differ in policy or rating system alone have the same skills for one seed.

    Examples
    --------
    >>> from service.matchups import create as policy
    >>> from service.ratings import create
    >>> setting = Setting(arena=Arena(players=5, sides=2), system=create("elo"), policy=policy("uniform"))
    >>> look = next(play(setting, seed=1))
    >>> look.matches, sorted(look.strength.tolist())
    (1, [1484.0, 1500.0, 1500.0, 1500.0, 1516.0])
    """
    arena, system = setting.arena, setting.system
    truth, rng = Truth(arena, seed), np.random.default_rng((seed, 2))
    table, wins = empty(system, arena.players), np.zeros((arena.players, arena.players))
    before, after = np.triu_indices(arena.sides, 1)
    share = 3.0 / (arena.sides + 1.0)
    posterior = unknown(arena.players) if "posterior" in setting.policy.needs else None
    match, matches, field = _match(arena.sides), 0, field_of(system, table, 0.0, wins=wins, posterior=posterior)
    while True:
        sets = tuple(_taken(setting, field, rng))
        for players in sets:
            order = np.array(truth.play(players))
            rate(system, match._replace(player=order, at=np.array([matches * MATCH_MS])), table)
            wins[order[before], order[after]] += share
            matches += 1
        # It goes on from the last fit: a few sweeps keep it near where many would bring it.
        posterior = posterior and fit(wins, posterior, sweeps=max(SWEEPS, setting.at_once))
        field = field_of(system, table, matches * MATCH_MS, wins=wins, posterior=posterior)
        yield Look(matches, sets, posterior.mean if posterior else field.rating, truth.skills)


def _taken(setting: Setting, field: Field, rng: np.random.Generator) -> Iterator[tuple[int, ...]]:
    arena, policy = setting.arena, setting.policy
    for left in range(setting.at_once, 0, -1):
        players = take(policy.law(field, rng), arena.players, arena.sides, setting.floor, rng)
        yield players
        if left > 1 and setting.counted:
            field = field.with_match(players)


def _match(sides: int) -> Matches:
    """One match of players whose rows are given from the first place to the last."""
    return Matches(
        side_start=np.array([0, sides]), player_start=np.arange(sides + 1), player=np.arange(sides),
        rank=np.arange(1, sides + 1), score=np.full(sides, np.nan), home=np.array([NO_HOME]), weight=np.ones(1),
        at=np.zeros(1, np.int64),
    )  # fmt: skip


class Trial(NamedTuple):
    """One seed of a simulation.

    Attributes
    ----------
    reached : int or None
        Matches after which the goal was reached; None where the budget ran out.
    errors : list of (int, float)
        Matches, and the share of pairs that the current order then has the wrong way round, a tie being half of it;
        one a round, none unless asked for.
    """

    reached: int | None
    errors: list[tuple[int, float]]


def attempt(setting: Setting, target: Target, budget: int, seed: int, *, held: int = 1, whole: bool = False) -> Trial:
    """Play one seed until the goal is reached or the budget is out.

    Parameters
    ----------
    setting : Setting
    target : Target
    budget : int
        Matches at most.
    seed : int
    held : int
        Rounds in a row after which the goal must stand reached; the first of them counts.
    whole : bool
        Whether the budget is played out in any case, and errors are noted.
    """
    reached: int | None = None
    errors: list[tuple[int, float]] = []
    streak: list[int] = []
    for look in play(setting, seed):
        if look.matches > budget:
            break
        if whole:
            errors.append((look.matches, (1.0 - kendall_tau(look.strength, look.skills)) / 2.0))
        if reached is None:
            streak = [*streak, look.matches] if target.reached(look.strength, look.skills) else []
            if len(streak) == held:
                reached = streak[0]
        if reached is not None and not whole:
            break
    return Trial(reached, errors)
