"""The oracle's pair counts: who was before whom how often, in plain Python that shares no code with the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from tests.oracle_match import Match

MOST_PLAYERS = 1_000
MOST_SIDES = 100
MOST_SHOWN = 16


def was_shown(match: Match) -> bool:
    """Whether the order of the sides is one that a service drew."""
    return match.matchup is not None and match.home is None and len(match.sides) <= MOST_SHOWN


@dataclass
class Pairs:
    """What is counted of a pool's pairs.

    ``numbers`` has the players whose pairs are counted, in the order of coming. ``counts`` has by two of them, the
    earlier first, how often that one was before the other, the other before it, and both shared a place; and the
    position after the last match of the two. ``heavy`` counts the matches in which that was more than once. ``shown``
    has by the place at which sides were shown how many there were, and the sum of their shares of the others whom they
    came in before.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    left_out: int = 0
    heavy: int = 0
    counts: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    shown: dict[int, tuple[float, float]] = field(default_factory=dict)

    def add(self, match: Match, position: int, most_players: int = MOST_PLAYERS) -> None:
        if was_shown(match):
            self._show(match.ranks)
        if len(match.sides) > MOST_SIDES or any(len(side) != 1 for side in match.sides):
            self.left_out += 1
            return
        ranks = {side[0]: rank for side, rank in zip(match.sides, match.ranks, strict=True)}
        for name in ranks:
            if len(self.numbers) < most_players:
                self.numbers.setdefault(name, len(self.numbers))
        known = sorted(ranks.keys() & self.numbers.keys(), key=lambda name: self.numbers[name])
        self.left_out += len(known) < len(ranks)
        share = match.weight * (3 / (len(ranks) + 1))
        self.heavy += share > 1 and len(known) > 1
        for place, first in enumerate(known):
            for second in known[place + 1 :]:
                counts = self.counts.setdefault((first, second), [0.0, 0.0, 0.0, 0.0])
                gap = ranks[first] - ranks[second]
                counts[0 if gap < 0 else 1 if gap > 0 else 2] += share
                counts[3] = float(position)

    def _show(self, ranks: list[int]) -> None:
        for place, rank in enumerate(ranks):
            won = [Fraction(1) if rank < other else Fraction(1, 2) if rank == other else Fraction(0) for other in ranks]
            matches, before = self.shown.get(place, (0.0, 0.0))
            # Itself, which it ties, apart.
            share = (sum(won) - Fraction(1, 2)) / (len(ranks) - 1)
            self.shown[place] = (matches + 1.0, before + float(share))
