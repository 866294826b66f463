"""Knockout: the best by rounds of elimination, each pair as often as the wanted error takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from msgspec import Meta

from service.campaigns.certificate import Certificate
from service.campaigns.settle import Budget, Error, Players, check_players, settled
from service.columns import Floats
from service.matchups import Goal, Law, Need, Policy
from service.matchups.chances import even, left
from service.matchups.field import Field

Pair = tuple[int, int]


class Knockout(Policy, frozen=True, kw_only=True):
    """A campaign for the best: who is ahead after a fixed number of matches goes on, with a bye where one is left over.

    Like `Settle` it is a policy over a `Field` of its own, and any results among its players may count, however many,
    whenever one looks. For two sides.

    Parameters
    ----------
    players : tuple of str
        Neighbours meet; the last has the bye. Who is named first goes on after a tie.
    delta : float
        Chance, at most, that the best is not found.
    gap : float
        By how much the best one's win chance against each of the others is above one half, at least; a tie counts one
        half. Where it is less, nothing is promised.
    budget : int
        Matches, at most.

    Notes
    -----
    Whoever is at least ``1/2 + gap`` against another is not behind after K matches or at any time later, but with a
    chance of ``exp(-2 K gap^2)``: Hoeffding's bound, which by Ville's inequality holds for all later times at once. So
    it does no harm that results come late, that others play these two as well, or that one looks again and again.
    Whom the best meets may then hang on its own results, so that all ``n - 1`` others are accounted for, not one a
    round.

    References
    ----------
    W. Hoeffding, Probability inequalities for sums of bounded random variables, J. Amer. Statist. Assoc. 58, 1963.
    Y. Chen et al., A Simple and Provable Scaling Law for the Test-Time Compute of Large Language Models,
    arXiv 2411.19477, 2024.
    """

    name: ClassVar[str] = "knockout"
    goals: ClassVar[frozenset[Goal]] = frozenset({"best"})
    needs: ClassVar[frozenset[Need]] = frozenset({"pairs"})
    spreads: ClassVar[bool] = True
    unit: ClassVar[str] = "matches left of the pair"
    rule: ClassVar[str] = "knockout with a fixed number of repeats (Hoeffding)"

    players: Players
    delta: Error = 0.05
    gap: Annotated[float, Meta(ge=0.01, le=0.5)] = 0.1
    budget: Budget = 100_000

    def __post_init__(self) -> None:
        check_players(self.players)

    def repeats(self) -> int:
        """Matches of each pair: the best is ever behind one of the others with a chance of at most delta.

        Examples
        --------
        >>> Knockout(players=tuple("abcdefgh"), delta=0.05, gap=0.1).repeats()
        248
        """
        return math.ceil(math.log((len(self.players) - 1) / self.delta) / (2.0 * self.gap**2))

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """One of the pairs of this round with the most matches left, alike; those under way are not left.

        A pair whose lead cannot be caught up any more has none left. Where all that are left are under way, the
        undecided pairs are alike.
        """
        assert field.wins is not None
        left_over = np.zeros((len(field), len(field)))
        pairs = self._bracket(field.wins)[0]
        for one, other in pairs:
            left_over[one, other] = self.repeats() - field.wins[one, other] - field.wins[other, one]
        first, second = field.under_way.T
        for one, other in pairs:
            meeting = ((first == one) & (second == other)) | ((first == other) & (second == one))
            left_over[one, other] = max(0.0, left_over[one, other] - meeting.sum())
        most = [pair for pair in pairs if left_over[pair] == left_over.max()]
        return _Pairs(len(field), tuple(most), left_over + left_over.T)

    def certificate(self, field: Field, matches: int, position: str | None = None) -> Certificate | None:
        """The certificate, or None as long as the campaign goes on; see `Settle.certificate`."""
        assert field.wins is not None
        pairs, going_on, beaten = self._bracket(field.wins)
        if pairs and matches < self.budget:
            return None
        needed = math.log(math.comb(len(self.players), 2) / self.delta)
        return Certificate(
            goal="best",
            rule=self.rule,
            stopped="budget" if pairs else "certified",
            players=(self.players[going_on[0]],),
            ranks=((1, len(self.players) if pairs else 1),),
            pairs=tuple(settled(self.players, field.wins, *pair, needed) for pair in beaten),
            matches=matches,
            delta=self.delta,
            tolerance=self.gap,
            position=position,
        )

    def _bracket(self, wins: Floats) -> tuple[list[Pair], list[int], list[Pair]]:
        """Undecided pairs of this round, who is in it, and who beat whom in all rounds before."""
        going_on, beaten = list(range(len(self.players))), list[Pair]()
        while len(going_on) > 1:
            pairs = list(zip(going_on[::2], going_on[1::2], strict=False))
            undecided = [pair for pair in pairs if not self._decided(wins, pair)]
            if undecided:
                return undecided, going_on, beaten
            winners = [pair if wins[pair] >= wins[pair[::-1]] else pair[::-1] for pair in pairs]
            beaten += winners
            going_on = [winner for winner, _ in winners] + going_on[len(pairs) * 2 :]
        return [], going_on, beaten

    def _decided(self, wins: Floats, pair: Pair) -> bool:
        one, other = float(wins[pair]), float(wins[pair[::-1]])
        return abs(one - other) > self.repeats() - one - other or one + other >= self.repeats()


class _Pairs(NamedTuple):
    candidates: int
    pairs: tuple[Pair, ...]
    matches_left: Floats

    def chances(self, taken: Sequence[int]) -> Floats:
        free = left(self.candidates, taken)
        found = np.zeros(self.candidates)
        for pair in self.pairs:
            if not taken or taken[-1] in pair:
                found[list(pair)] += free[list(pair)]
        return found / found.sum() if found.any() else even(self.candidates, taken)

    def score(self, taken: Sequence[int]) -> float:
        return float(self.matches_left[taken[0], taken[1]])
