"""A request for matchups, and how it is fulfilled from what is known of a pool. Talks to nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from service.columns import Integers
from service.match import Match, Side
from service.matchups import Goal, Policy, policies
from service.matchups.draw import draw
from service.matchups.exposure import shown_in_turn
from service.matchups.field import Field
from service.matchups.goals import policy_for
from service.matchups.posterior import MOST_PLAYERS
from service.matchups.queue import Pace
from service.pools import Pool
from service.predict import forecast
from service.problems import FieldError, Problem, wrong_field
from service.rate import Table
from service.store.leases import MOST_WHOLE, Lease, new_id
from service.suggest.campaign import Progress, Running, field_of, rows_of
from service.suggest.known import Known, keeps_pairs

MOST_COUNT: Final = 100
"""Matchups of one request."""

SHOWN: Final = 20
"""Wrong names that an answer tells."""


class Party(msgspec.Struct, frozen=True, gc=False):
    """Who wait to play on one side.

    Attributes
    ----------
    players : sequence of str
    since : int or None
        Epoch milliseconds; None for just now.
    """

    players: Sequence[str]
    since: int | None


@dataclass(frozen=True)
class Ask:
    """A request for matchups, checked as far as it can be without its pool's players.

    Attributes
    ----------
    policy : Policy or Pace
        A pace where parties wait.
    floor : float
        Chance that sides are taken uniformly instead.
    seed : int
        Of all chance; the same in the same state draws the same.
    lease_ms : int
        How long results are waited for.
    count, side_count : int
        How many matchups, of how many sides.
    candidates : sequence of str or None
        Who may be chosen; None for the whole pool.
    exclude : sequence of str
        Who may not.
    newcomers : bool
        Whether those that the pool does not know may be named.
    request_id : str or None
        A repeat under the same one gets what is still open of the first.
    side_size : int
        Players of each side.
    parties : sequence of Party
        Who waits, where they are to be matched all at once; else empty.
    met : sequence of (str, str)
        Of those who wait: who met lately.
    running : Running or None
        The campaign that they are for; it is the policy, and its players are the candidates.
    """

    policy: Policy | Pace
    floor: float
    seed: int
    lease_ms: int
    count: int = 1
    side_count: int = 2
    candidates: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    newcomers: bool = False
    request_id: str | None = None
    side_size: int = 1
    parties: Sequence[Party] = ()
    met: Sequence[tuple[str, str]] = ()
    running: Running | None = None

    @property
    def campaign(self) -> str | None:
        """Id of the campaign that they are for."""
        return None if self.running is None else self.running.id

    @cached_property
    def names(self) -> list[str]:
        """Everybody whom it names."""
        waiting = (name for party in self.parties for name in party.players)
        return [*(self.candidates or ()), *self.exclude, *waiting]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one request was given.

    Attributes
    ----------
    candidates : int32[n]
        Rows of those who could be chosen, exposure apart; of parties one after the other.
    leases : mapping
        By the matchups' ids.
    rows : list of list of int
        Of each matchup its players in the order in which they were taken.
    parties : list of list of int
        Rows of those who wait together; none where nobody waits.
    waited : list of float
        Seconds that each party has waited.
    """

    candidates: npt.NDArray[np.int32]
    leases: Mapping[str, Lease]
    rows: Sequence[Sequence[int]]
    parties: Sequence[Sequence[int]] = ()
    waited: Sequence[float] = ()


def fulfil(known: Known, ask: Ask, now: int, progress: Progress | None = None) -> Chosen:
    """Draw what a request asks for; what is known counts it as under way.

    Parameters
    ----------
    known : Known
        Refreshed, with everybody whom the request names.
    ask : Ask
    now : int
        Epoch milliseconds.
    progress : Progress, optional
        Of the campaign that it is for, which gets no more matchups than are left.

    Raises
    ------
    Problem
        ``invalid_parameter``, ``too_few_candidates`` or ``not_fitted_yet``; nothing was drawn.
    """
    assert isinstance(ask.policy, Policy), "parties are seated"
    candidates = _candidates(known, ask)
    if progress is None:
        _check_needs(known, ask.policy)
    rng = np.random.default_rng(ask.seed)
    leases: dict[str, Lease] = {}
    rows: list[list[int]] = []
    for _ in range(ask.count if progress is None else min(ask.count, progress.left)):
        eligible, field = _seen(known, ask, candidates, progress)
        drawn = draw(ask.policy, field, ask.side_count, ask.floor, rng)
        taken = eligible[list(drawn.players)]
        order = taken[rng.permutation(ask.side_count)]
        win, tie = predicted(known, order[:, None].tolist())
        lease = Lease(
            sides=tuple((known.names[row],) for row in order.tolist()),
            until=now + ask.lease_ms,
            position=str(known.position),
            policy=ask.policy.name,
            parameters=parameters_of(ask),
            floor=ask.floor,
            seed=ask.seed,
            propensity=drawn.propensity,
            built=drawn.built,
            score=drawn.score,
            unit=ask.policy.unit,
            win=win,
            tie=tie,
            request_id=ask.request_id,
            campaign=ask.campaign,
        )
        id_ = new_id(known.position)
        known.add(id_, lease, taken)
        leases[id_] = lease
        rows.append(taken.tolist())
    return Chosen(candidates, leases, rows)


def parameters_of(ask: Ask) -> Mapping[str, Any]:
    """Parameters of a request's policy; a campaign's without its players, of whom there may be 200."""
    return {
        name: value for name, value in msgspec.to_builtins(ask.policy).items() if not ask.running or name != "players"
    }


def order_propensity(side_count: int) -> float:
    """Chance of the order in which sides are shown: each is as likely as any other."""
    return 1.0 / math.factorial(side_count)


def _seen(
    known: Known, ask: Ask, candidates: npt.NDArray[np.int32], progress: Progress | None
) -> tuple[npt.NDArray[np.int32], Field]:
    """Who may be drawn now, and as what."""
    if ask.running is not None and progress is not None:
        return candidates, field_of(known, ask.running, progress.wins)
    eligible = _eligible(known.shown, candidates, known.pool, ask.side_count)
    return eligible, known.field if len(eligible) == len(known.field) else known.field.among(eligible)


def _candidates(known: Known, ask: Ask) -> npt.NDArray[np.int32]:
    if ask.running is not None:
        return rows_of(known, ask.running)
    if ask.candidates is None and not known.whole:
        raise wrong_field(
            "invalid_parameter",
            "candidates",
            f"the pool has more than {MOST_WHOLE:,} players",
            "name those who may be chosen",
        )
    check_known(known, ask, ask.candidates or (), "candidates[{}]".format)
    check_known(known, ask, ask.exclude, "exclude[{}]".format)
    if ask.candidates is None:
        rows = np.flatnonzero(known.rated)
    else:
        rows = np.array([known.row_of[name] for name in ask.candidates], np.int64)
    if ask.exclude:
        rows = rows[~np.isin(rows, [known.row_of[name] for name in ask.exclude])]
    if len(rows) < ask.side_count:
        raise wrong_field(
            "too_few_candidates",
            "candidates",
            f"{len(rows)} to choose from for {ask.side_count} sides",
            "name more, newcomers with 'newcomers' set to true; or ask for fewer sides",
        )
    # In one order, however they were named: the same seed draws the same.
    return np.sort(rows).astype(np.int32)


def check_known(known: Known, ask: Ask, names: Sequence[str], place: Callable[[int], str]) -> None:
    """Refuse names that the pool does not know, unless newcomers are welcome.

    Parameters
    ----------
    known : Known
    ask : Ask
    names : sequence of str
    place : callable
        Writes the field of the request in which the name of a number stands.

    Raises
    ------
    Problem
        ``invalid_parameter``
    """
    if ask.newcomers:
        return
    rows = np.array([known.row_of[name] for name in names], np.intp)
    strangers = np.flatnonzero(~known.rated[rows]).tolist()
    if strangers:
        remedy = "check the spelling, or set 'newcomers' to true"
        errors = tuple(
            FieldError(place(number), f"no match of {names[number]!r} was applied", remedy)
            for number in strangers[:SHOWN]
        )
        detail = f"{errors[0].field}: the pool {known.pool.name!r} does not know {len(strangers)} of those named"
        raise Problem("invalid_parameter", detail, errors)


def _check_needs(known: Known, policy: Policy) -> None:
    if policy.needs and known.view is None:
        raise wrong_field(
            "invalid_parameter",
            "policy",
            f"{policy.name} needs to know who beat whom, which is seen of up to {MOST_PLAYERS:,} players at once",
            f"one of: {', '.join(kind.name for kind in policies().values() if not kind.needs)}",
        )
    if "posterior" in policy.needs and known.field.posterior is None:
        raise Problem("not_fitted_yet", f"the results of the pool {known.pool.name!r} are not fitted yet")


def _eligible(shown: Integers, candidates: npt.NDArray[np.int32], pool: Pool, side_count: int) -> npt.NDArray[np.int32]:
    ratio = pool.matchups.exposure
    return candidates if ratio is None else candidates[shown_in_turn(shown[candidates], ratio, side_count)]


def predicted(known: Known, rows: Sequence[Sequence[int]]) -> tuple[tuple[float, ...], float | None]:
    """Predict a match of sides of such rows, as they are shown: the chance of each to be first, and of a tie of two."""
    table, order = known.table, [row for side in rows for row in side]
    sides = tuple(Side(tuple(known.names[row] for row in side), rank=place) for place, side in enumerate(rows, 1))
    rows_of = Table(table.tallies[order], table.skills[order], table.pool, table.scores)
    home = 0 if known.pool.first_at_home else None
    found = forecast(known.pool.live, Match("planned", known.pool.name, known.at, sides, home=home), rows_of)
    return tuple(found.win.tolist()), found.tie


def policy_of(pool: Pool, name: str | None, parameters: Mapping[str, Any] | None, goal: Goal | None) -> Policy:
    """Choose the policy of a request: the one it names, else the pool's where that fits, else the one for its goal.

    Raises
    ------
    Problem
        ``unknown_name``, ``invalid_parameter`` or ``pairs_not_kept``.
    """
    said = pool.matchups
    if name is None and said.policy is not None and (goal is None or goal in policies()[said.policy].goals):
        name, parameters = said.policy, said.parameters if parameters is None else parameters
    return policy_for(goal, name, parameters, pairs=keeps_pairs(pool))
