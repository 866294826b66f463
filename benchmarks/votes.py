"""Real votes: how many lead to the order of the half that was held out, by policy, as tables in ``docs/simulate.md``.

The matches of a file are split in two at random. One half gives the order that is to be reached, as means of the joint
posterior of its results. Of the other half a policy asks for one vote after the other, and gets the next one of the
pair that it has chosen; it may choose among those who have unused votes left, and beside the one whom it took among
those with whom that one has. Against it stands the order in which the votes really came in.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks.report import fewer, figures, into_page, table
from benchmarks.systems import DATA, FILES
from service.candidates import field_of
from service.columns import Floats, Integers, lay_out
from service.match import Match, Side
from service.matchups import Policy, create
from service.matchups.field import Field
from service.matchups.posterior import Posterior, fit, unknown
from service.pools import LIVE
from service.rate import empty, rate
from service.ratings import create as create_system
from standings.files.rows import Rows
from standings.simulation import summed_up
from standings.targets import kendall_tau
from standings.trial import MATCH_MS, SWEEPS

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "simulate.md"
BEGIN: Final = "<!-- what real votes say: written by make bench ARGS=votes -->"
END: Final = "<!-- end of what real votes say -->"
POLICIES: Final = ("uniform", "closest", "ucb", "information_gain")
SEEDS: Final = 20
BUDGET: Final = 1_500
"""Votes of a replay, at most."""

EVERY: Final = 25
"""Votes between two looks at the order."""

HELD: Final = 4
"""Looks in a row at which a goal must stand reached; the first of them counts."""

SHARES: Final = (0.8, 0.9)
"""Of the tau that all votes of the half lead to."""


class Kind(NamedTuple):
    """A file, and who is kept of it: those of whom it has the most matches, so that there is an order to be reached."""

    title: str
    players: int
    what: str


KINDS: Final = (
    Kind("LLM votes", 59, "all models, of 121 votes and more each"),
    Kind("Codeforces", 30, "the 30 people with the most contests, 74 and more each; each two of a contest are a vote"),
)


class Votes(NamedTuple):
    """Results of two each, in the order in which they came in.

    Attributes
    ----------
    one, other : int64[m]
        The two, by their numbers.
    won : float64[m]
        1 where the one was before the other, one half where they tied, 0 where it was behind.
    match : int64[m]
        The match of the file that each is of.
    """

    one: Integers
    other: Integers
    won: Floats
    match: Integers

    def of(self, chosen: Integers) -> Votes:
        """Some of them, in the order given."""
        return Votes(self.one[chosen], self.other[chosen], self.won[chosen], self.match[chosen])

    def wins(self, players: int) -> Floats:
        """How often the one of the row was before the one of the column."""
        wins = np.zeros((players, players))
        np.add.at(wins, (self.one, self.other), self.won)
        np.add.at(wins, (self.other, self.one), 1.0 - self.won)
        return wins


def run() -> None:
    """Replay and write the tables into the page."""
    if not DATA.is_dir():
        print(f"votes: no match data beside the checkout, {DATA} is missing; the page stays as it is")
        return
    parts = []
    with ProcessPoolExecutor() as workers:
        for kind in KINDS:
            found = list(workers.map(partial(replays, kind), range(SEEDS)))
            parts.append(written(kind, found))
            print(parts[-1], flush=True)
    into_page(PAGE, BEGIN, END, "\n\n".join(parts))


def written(kind: Kind, found: Sequence[Replayed]) -> str:
    """Write what each way to choose needed, against the order in which the votes came in."""
    ways = list(zip(*(one.taus for one in found), strict=True))
    reached = {
        share: [[first_held(taus, share * one.end) for taus, one in zip(way, found, strict=True)] for way in ways]
        for share in SHARES
    }
    rows = []
    for way, title in enumerate(("as they came in", *(f"`{name}`" for name in POLICIES))):
        row = [title]
        for share in SHARES:
            needed = reached[share][way]
            row += [*figures(summed_up(title, "", needed), BUDGET), fewer(needed, reached[share][0]) if way else ""]
        rows.append(row)
    names = ["votes"]
    for share in SHARES:
        names += [f"{share:.0%}: median", "95 %", "fewer"]
    votes, end = (float(np.median(column)) for column in zip(*((one.votes, one.end) for one in found), strict=True))
    shares = " and ".join(f"{share:.0%}" for share in SHARES)
    return table(
        f"{kind.title} ({kind.what}), {len(found)} splits: {votes:,.0f} votes of a half lead to a tau of {end:.2f}."
        f" Votes until {shares} of that:",
        names,
        rows,
    )


def first_held(taus: Floats, goal: float) -> int | None:
    """Votes after which the goal stood reached for `HELD` looks; None for never."""
    there = np.convolve(taus >= goal, np.ones(HELD), "valid") >= HELD
    return EVERY * (int(there.argmax()) + 1) if there.any() else None


class Replayed(NamedTuple):
    """What one split led to.

    Attributes
    ----------
    votes : int
        Of the half that was replayed.
    end : float
        Tau that all of them lead to.
    taus : list of float64[looks]
        Of each way to choose, that of the log first: tau after every `EVERY` votes.
    """

    votes: int
    end: float
    taus: list[Floats]


def replays(kind: Kind, seed: int) -> Replayed:
    """Split the votes by a seed, and replay one half in every way."""
    votes, rng = read(kind), np.random.default_rng(seed)
    # Two of one match tell of each other: they are of one half.
    held_out = (rng.random(votes.match[-1] + 1) < 0.5)[votes.match]
    wanted, all_of_it = (
        fit(votes.of(np.flatnonzero(of_half)).wins(kind.players), unknown(kind.players)).mean
        for of_half in (held_out, ~held_out)
    )
    half = votes.of(np.flatnonzero(~held_out))
    taus = [
        np.array([kendall_tau(known.mean, wanted) for known in replay(half, kind.players, policy, rng)])
        for policy in (None, *map(create, POLICIES))
    ]
    return Replayed(len(half.won), kendall_tau(all_of_it, wanted), taus)


def replay(half: Votes, players: int, policy: Policy | None, rng: np.random.Generator) -> Iterator[Posterior]:
    """What is known after every `EVERY` votes, by a policy's choice, or as they came in where there is none."""
    system = create_system(LIVE)
    rows, wins, posterior = empty(system, players), np.zeros((players, players)), unknown(players)
    low, high = np.minimum(half.one, half.other), np.maximum(half.one, half.other)
    queues: dict[tuple[int, int], deque[int]] = {}
    for vote, pair in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        queues.setdefault(pair, deque()).append(vote)
    unused = np.zeros((players, players), np.int64)
    np.add.at(unused, (low, high), 1)
    unused += unused.T
    for done in range(min(BUDGET, len(half.won))):
        vote = done
        if policy is not None:
            joint = posterior if "posterior" in policy.needs else None
            field = field_of(system, rows, done * MATCH_MS, wins=wins, posterior=joint)
            pair = choose(policy, field, unused, rng)
            unused[pair, pair[::-1]] -= 1
            vote = queues[min(pair), max(pair)].popleft()
        one, other, won = int(half.one[vote]), int(half.other[vote]), float(half.won[vote])
        sides = (Side((str(one),), rank=1 + (won == 0.0)), Side((str(other),), rank=1 + (won == 1.0)))
        rate(system, lay_out([Match("1", "votes", done * MATCH_MS, sides)], [one, other]), rows)
        wins = wins.copy()
        wins[one, other] += won
        wins[other, one] += 1.0 - won
        if (done + 1) % EVERY == 0:
            posterior = fit(wins, posterior, SWEEPS)
            yield posterior
        elif policy is not None and "posterior" in policy.needs:
            posterior = posterior.with_results(wins)


def choose(policy: Policy, field: Field, unused: Integers, rng: np.random.Generator) -> tuple[int, int]:
    """Take two who have unused votes, by the law of those who have any, then by that of the first one's rivals."""
    some = np.flatnonzero(unused.any(axis=0))
    first = int(rng.choice(some, p=policy.law(field.among(some.astype(np.int32)), rng).chances([])))
    rivals = np.array([first, *np.flatnonzero(unused[first])])
    other = rng.choice(rivals, p=policy.law(field.among(rivals.astype(np.int32)), rng).chances([0]))
    return first, int(other)


@cache
def read(kind: Kind) -> Votes:
    """Read the votes of a file, in place; those of one match come in any order."""
    (file,) = (file for file in FILES if file.title == kind.title)
    with Rows(file.source(DATA)) as rows:
        matches = [row.found for block in rows.blocks() for row in block if isinstance(row.found, Match)]
    counts = Counter(side.players[0] for match in matches for side in match.sides)
    number_of = {name: number for number, (name, _) in enumerate(counts.most_common(kind.players))}
    found: list[tuple[int, int, float, int]] = []
    shuffle = random.Random(0).shuffle
    for place, match in enumerate(matches):
        here = [(number_of[name], side.rank or 0) for side in match.sides if (name := side.players[0]) in number_of]
        votes = [
            (one, other, 0.5 if its_rank == rank else float(rank < its_rank), place)
            for (one, rank), (other, its_rank) in combinations(here, 2)
        ]
        shuffle(votes)
        found += votes
    ones, others, won, places = zip(*found, strict=True)
    return Votes(np.array(ones), np.array(others), np.array(won), np.array(places))
