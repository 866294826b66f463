"""Settle: play the pairs that the goal still lacks, until each is settled or follows from those that are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, Literal, NamedTuple

import numpy as np
from msgspec import Meta

from service.campaigns.certificate import Certificate, Settled, Stopped
from service.campaigns.relations import Pairs, Relations, direct, relations
from service.campaigns.worth import worth
from service.columns import Floats
from service.fields import Name
from service.matchups import Goal, Law, Need, Policy
from service.matchups.chances import greatest
from service.matchups.evidence import interval
from service.matchups.field import Field
from service.problems import wrong_field

MOST_PLAYERS: Final = 200
"""Players of a campaign, at most: what is settled is followed up through all triples after each match."""

MOST_MATCHES: Final = 10_000_000
"""Matches of a campaign, at most."""

Players = Annotated[tuple[Name, ...], Meta(min_length=2, max_length=MOST_PLAYERS)]
Error = Annotated[float, Meta(ge=1e-9, le=0.5)]
Budget = Annotated[int, Meta(ge=1, le=MOST_MATCHES)]


class Settle(Policy, frozen=True, kw_only=True):
    """A campaign that plays until its goal is certain enough.

    It is a policy over a `Field` of its own: the candidates are its players in their order, and ``wins`` counts only
    what they played since it began. It keeps nothing else, so whoever counts the same goes on where it stood.

    Parameters
    ----------
    players : tuple of str
        For ``place`` all but the one who is placed are taken to be in order, best first.
    goal : str
        ``full``, the whole order; ``top_k``, who the first `k` are; ``best``, who the first is; ``place``, which rank
        `player` has among the others.
    k : int, optional
    player : str, optional
    delta : float
        Chance, at most, that the certificate is wrong: that it puts anybody before one who wins against it with a
        chance above ``1/2 + tolerance``.
    tolerance : float
        Win chances so near to one half count as even.
    budget : int
        Matches, at most.
    cost : float
        Bits that the next match must be expected to bring, at least; see `worth`.

    Notes
    -----
    Assumed are win chances that stay the same during the campaign, for each pair whoever else is at the table, and
    strong stochastic transitivity: see `service.campaigns.relations`. No result may count more than 1.
    """

    name: ClassVar[str] = "settle"
    goals: ClassVar[frozenset[Goal]] = frozenset({"full", "top_k", "best"})
    needs: ClassVar[frozenset[Need]] = frozenset({"pairs"})
    spreads: ClassVar[bool] = True
    unit: ClassVar[str] = "bits"
    rule: ClassVar[str] = "anytime-valid intervals for all pairs (Robbins' mixture)"

    players: Players
    goal: Literal["full", "top_k", "best", "place"] = "full"
    k: Annotated[int, Meta(ge=1)] | None = None
    player: Name | None = None
    delta: Error = 0.05
    tolerance: Annotated[float, Meta(ge=0.001, le=0.25)] = 0.02
    budget: Budget = 100_000
    cost: Annotated[float, Meta(ge=0.0, le=64.0)] = 0.0

    def __post_init__(self) -> None:
        check_players(self.players)
        if (self.goal == "top_k") != (self.k is not None):
            raise _wrong("k", "is for the goal top_k, which needs it", "name both or neither")
        if self.k is not None and self.k >= len(self.players):
            raise _wrong("k", f"{self.k} of {len(self.players)} players", "fewer than there are")
        if (self.goal == "place") != (self.player is not None):
            raise _wrong("player", "is for the goal place, which needs it", "name both or neither")
        if self.player is not None and self.player not in self.players:
            raise _wrong("player", f"{self.player!r} is none of the players", "one of the players")

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """The pair whose match is expected to bring the most bits, equals alike; then who brings most with those taken.

        Matches under way share what their pair brings. For the whole order nobody plays further away than the nearest
        pair that is lacking, for what lies between may settle the others. Once nothing is lacking, all are alike.
        """
        return _MostWorth(self._worth(field, self._relations(field)))

    def certificate(self, field: Field, matches: int, position: str | None = None) -> Certificate | None:
        """The certificate, or None as long as the campaign goes on.

        Parameters
        ----------
        field : Field
            As for `law`.
        matches : int
            How many were played.
        position : str, optional
            What the counts stand for.
        """
        found = self._relations(field)
        stopped = self._stopped(field, found, matches)
        if stopped is None:
            return None
        low, high = found.ranks()
        named = found.order[: self._first()].tolist()
        return Certificate(
            goal=self.goal,
            rule=self.rule,
            stopped=stopped,
            players=tuple(self.players[one] for one in named),
            ranks=tuple((int(low[one]), int(high[one])) for one in named),
            pairs=self._carrying(field, found),
            matches=matches,
            delta=self.delta,
            tolerance=self.tolerance,
            position=position,
        )

    def needed(self) -> float:
        """Evidence that settles a pair: errors of all pairs that may be settled add up to delta."""
        count = len(self.players)
        pairs = count - 1 if self.goal == "place" else math.comb(count, 2)
        return math.log(pairs / self.delta)

    def _first(self) -> int:
        return {"top_k": self.k or 0, "best": 1}.get(self.goal, len(self.players))

    def _stopped(self, field: Field, found: Relations, matches: int) -> Stopped | None:
        if found.cyclic():
            return "cyclic"
        if not self._lacking(found).any():
            return "certified"
        if matches >= self.budget:
            return "budget"
        return "cost" if self.cost > 0.0 and self._worth(field, found).max() < self.cost else None

    def _relations(self, field: Field) -> Relations:
        assert field.wins is not None
        wins, given = field.wins, np.zeros((len(field), len(field)), dtype=np.bool_)
        if self.player is not None:
            # What the others play among each other is of no account: their order is given.
            others = np.arange(len(field)) != self.players.index(self.player)
            among = np.outer(others, others)
            wins, given = np.where(among, 0.0, wins), np.triu(among, 1)
        return relations(wins, field.location, self.needed(), self.tolerance, given)

    def _lacking(self, found: Relations) -> Pairs:
        lacking = found.lacking()
        if self.goal in {"top_k", "best"}:
            first = np.zeros(len(self.players), dtype=np.bool_)
            first[found.order[: self._first()]] = True
            lacking &= np.outer(first, ~first)
        return lacking

    def _worth(self, field: Field, found: Relations) -> Floats:
        lacking = self._lacking(found)
        candidates = ~(found.ahead | found.ahead.T)
        if self.player is not None:
            own = np.arange(len(field)) == self.players.index(self.player)
            candidates &= own[:, None] | own
        if self.goal == "full":
            place = np.argsort(found.order)
            apart = np.abs(place[:, None] - place)
            candidates &= apart <= apart.min(where=lacking, initial=len(field))
        return worth(field, found, lacking, candidates, self.needed(), self.tolerance)

    def _carrying(self, field: Field, found: Relations) -> tuple[Settled, ...]:
        """Pairs settled by their own results that do not follow from others."""
        assert field.wins is not None
        ahead, not_behind = direct(field.wins, self.needed(), self.tolerance)
        if self.player is not None:
            own = np.arange(len(field)) == self.players.index(self.player)
            not_behind &= own[:, None] | own
        both = found.ahead.astype(np.float32)
        any_ = found.not_behind.astype(np.float32)
        ahead_follows = both @ both > 0.0
        follows = ahead_follows | (~ahead & ((both @ any_ > 0.0) | (any_ @ both > 0.0)))
        return tuple(
            settled(self.players, field.wins, int(i), int(q), self.needed())
            for i, q in np.argwhere(not_behind & ~follows)
        )


def settled(players: Sequence[str], wins: Floats, first: int, second: int, needed: float) -> Settled:
    """What is known of one pair."""
    won, lost = float(wins[first, second]), float(wins[second, first])
    return Settled(players[first], players[second], won, lost, *interval(won, lost, needed))


def check_players(players: Sequence[str]) -> None:
    """Refuse players of whom one is named twice."""
    if len(set(players)) < len(players):
        twice = next(name for place, name in enumerate(players) if name in players[:place])
        raise _wrong("players", f"{twice!r} is named twice", "name each player once")


def _wrong(field: str, problem: str, remedy: str) -> Exception:
    return wrong_field("invalid_parameter", field, problem, remedy)


class _MostWorth(NamedTuple):
    worth: Floats

    def chances(self, taken: Sequence[int]) -> Floats:
        if taken:
            return greatest(self.worth[list(taken)].sum(axis=0), taken)
        best = self.worth == self.worth.max()
        np.fill_diagonal(best, val=False)
        starts: Floats = best.sum(axis=1) / best.sum()
        return starts

    def score(self, taken: Sequence[int]) -> float:
        return float(self.worth[np.ix_(list(taken), list(taken))].sum() / 2.0)
