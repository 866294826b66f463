"""Accounts of matchups, read from a file: what was known of each draw, and what came of it.

The file holds records of the topic of matchups and of the topic of matches, one a line as they lie there, those of each
topic in their order. What each record is for is told in `service.suggest.account`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from service.match import Match, decode
from service.matchups.exposure import shown_in_turn
from service.matchups.field import Field, Indices
from service.problems import Problem
from service.suggest.account import Account, Base, Drawn
from standings.errors import Mistake
from standings.files.lines import TOO_LONG, Lines

MOST_BASES: Final = 256
"""Bases that are kept: many more than there are processes that suggest matchups at once."""


class Decision(NamedTuple):
    """One matchup that was drawn.

    Attributes
    ----------
    id : str
    field : Field
        What the policy saw.
    players : tuple of int
        Candidates, in the order in which they were taken.
    names : tuple of str
        Theirs.
    propensity, built
        As in `service.matchups.draw.Draw`.
    """

    id: str
    field: Field
    players: tuple[int, ...]
    names: tuple[str, ...]
    propensity: float | None
    built: float


class _Kind(msgspec.Struct):
    type: str = "match"


class _Open:
    """What is known by a base and the accounts that have followed."""

    def __init__(self, base: Base) -> None:
        columns = (base.rating, base.deviation, base.location, base.variance, base.matches)
        rating, deviation, location, variance, matches = (np.array(one, np.float64) for one in columns)
        sizes = {len(one) for one in (*columns, base.players, base.exposure or base.players)}
        if len(sizes) > 1 or not (variance > 0.0).all():
            raise Mistake("the columns of the base do not fit together")
        nobody = np.empty((0, 2), dtype=np.int32)
        self._idle = Field(rating, deviation, location, variance, base.link, matches, nobody)
        self._names = base.players
        self._everybody = np.delete(np.arange(len(base.players), dtype=np.int32), base.newcomers)
        self._shown = np.array(base.exposure or np.zeros(len(base.players)), np.int64)
        self._open = {id_: self._rows(players) for id_, players in base.open.items()}
        self._next = 0
        self._field = self._under_way()

    def follow(self, account: Account) -> Iterator[Decision]:
        """Go on with the next account, matchup by matchup; at one that is missing there is no going on."""
        if account.number != self._next:
            raise LookupError
        self._next += 1
        if account.closed or account.opened:
            for id_ in account.closed:
                self._open.pop(id_, None)
            self._open |= {id_: self._rows(players) for id_, players in account.opened.items()}
            self._field = self._under_way()
        candidates = self._everybody if account.candidates is None else self._rows(account.candidates)
        for drawn in account.matchups:
            if account.queue is None:
                yield self._decision(account, drawn, candidates)
            else:
                # Nothing was drawn, so it tells nothing of a policy; but it is under way.
                self._begin(drawn, self._rows(drawn.taken))

    def _decision(self, account: Account, drawn: Drawn, candidates: Indices) -> Decision:
        taken = self._rows(drawn.taken)
        eligible = candidates
        if account.exposure is not None:
            eligible = candidates[shown_in_turn(self._shown[candidates], account.exposure, account.side_count)]
        place = {row: index for index, row in enumerate(eligible.tolist())}
        if len({*taken.tolist()} & {*place}) != account.side_count or not (
            drawn.built > 0.0 < (drawn.propensity or 1.0)
        ):
            raise Mistake(f"the matchup {drawn.id!r} cannot have been drawn")
        field = self._field.among(eligible)
        self._begin(drawn, taken)
        return Decision(
            drawn.id,
            field,
            tuple(place[row] for row in taken.tolist()),
            tuple(self._names[row] for row in taken.tolist()),
            drawn.propensity,
            drawn.built,
        )

    def _begin(self, drawn: Drawn, taken: Indices) -> None:
        self._open[drawn.id] = taken
        self._field = self._field.with_match(taken.tolist())
        self._shown[taken] += 1

    def _under_way(self) -> Field:
        field = self._idle
        for players in self._open.values():
            field = field.with_match(players.tolist())
        return field

    def _rows(self, players: Sequence[int]) -> Indices:
        rows = np.array(players, dtype=np.int32)
        if len(set(players)) < len(players) or not all(0 <= row < len(self._names) for row in players):
            raise Mistake("a player is not among those of its base")
        return rows


class Accounts:
    """The decisions of a file, and what came of them.

    Parameters
    ----------
    file : str
        NDJSON, unpacked on the way where it ends in ``.gz``; ``-`` is standard input.

    Attributes
    ----------
    results : dict of str to Match
        Matches that carry the id of a matchup, the first for each; filled while decisions are read.
    lost : int
        Accounts that follow on records which are not there, such as at the file's beginning.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._bases: OrderedDict[str, _Open] = OrderedDict()
        self.results: dict[str, Match] = {}
        self.lost = 0

    def decisions(self) -> Iterator[Decision]:
        """Read the file, decision by decision.

        Raises
        ------
        Mistake
            With the line that cannot be used, or why there is nothing to read.
        """
        with Lines(self._file) as lines:
            number = 0
            for block in lines.blocks():
                for line in block:
                    number += 1
                    try:
                        yield from self._read(line)
                    except Mistake as error:
                        raise Mistake(f"{lines.name}:{number}: {error}") from None
                    except Problem as problem:
                        raise Mistake(f"{lines.name}:{number}: {problem.type.slug}: {problem.detail}") from None
                    except msgspec.DecodeError as error:
                        raise Mistake(f"{lines.name}:{number}: no record of a topic: {error}") from None

    def _read(self, line: bytes) -> Iterator[Decision]:
        if line is TOO_LONG:
            raise Mistake("the line is too long for a record")
        if not line.strip():
            return
        kind = msgspec.json.decode(line, type=_Kind).type
        if kind == "base":
            base = msgspec.json.decode(line, type=Base)
            self._bases[base.base] = _Open(base)
            if len(self._bases) > MOST_BASES:
                self._bases.popitem(last=False)
        elif kind == "matchups":
            account = msgspec.json.decode(line, type=Account)
            try:
                yield from self._bases[account.base].follow(account)
            except LookupError:
                self._bases.pop(account.base, None)
                self.lost += 1
        else:
            found = decode(line)
            if isinstance(found, Match) and found.matchup is not None:
                self.results.setdefault(found.matchup, found)


def places(match: Match, names: Sequence[str]) -> list[int] | None:
    """The place of each of these in a match; None where others played, or several on a side.

    Examples
    --------
    >>> from service.match import Side
    >>> match = Match("1", "chess", 0, (Side(("ann",), score=1.0), Side(("bob",), score=4.0)))
    >>> places(match, ["bob", "ann"]), places(match, ["bob", "cid"])
    ([1, 2], None)
    """
    if {side.players for side in match.sides} != {(name,) for name in names}:
        return None
    scores = [side.score for side in match.sides if side.score is not None]
    place = {
        side.players[0]: side.rank or 1 + sum(score > (side.score or 0.0) for score in scores) for side in match.sides
    }
    return [place[name] for name in names]
