"""Shapes that many files have: votes, contests, teams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from service.fields import wrong
from service.match import MOST_SIDES
from service.problems import Problem
from standings.files.shapes import Cells, Common, Found, Preset, text_of, whole_of

TIES: Final = frozenset(("tie", "tie (bothbad)", "bothbad", "both bad", "both_bad"))
"""What a vote for nobody is called. That both are bad says no more about which is better than that both are good."""

VOTERS: Final = ("voter", "judge", "worker")


class Votes(Preset):
    """A row a vote: ``model_a, model_b, winner`` or ``left, right, winner``."""

    def needed(self, header: Sequence[str]) -> Sequence[str]:
        """Columns of the two sides and of the winner."""
        return (*_sides(header), "winner")

    def match(self, cells: Cells) -> dict[str, Any]:
        """Turn a vote into a match; see `Shape.match`."""
        columns = _sides(cells)
        winner = text_of(cells, "winner")
        if winner in columns:
            ranks = [1 if column == winner else 2 for column in columns]
        elif winner.lower() in TIES:
            ranks = [1, 1]
        else:
            raise wrong("column 'winner'", f"{winner[:64]!r}", f"{', '.join(columns)} or tie")
        sides = [
            {"players": [text_of(cells, column)], "rank": rank} for column, rank in zip(columns, ranks, strict=True)
        ]
        match = self._match(cells, sides)
        voter = next((column for column in VOTERS if cells.get(column) not in (None, "")), None)
        return match if voter is None else {**match, "voter": text_of(cells, voter)}


class Teams(Preset):
    """An object a match: ``{"teams": [{PLAYER: SCORE, ...}, ...]}``; a team's score is the sum."""

    def needed(self, header: Sequence[str]) -> Sequence[str]:
        """The one column; no CSV has it."""
        return ("teams",)

    def match(self, cells: Cells) -> dict[str, Any]:
        """Turn teams into the sides of a match; see `Shape.match`."""
        teams = cells.get("teams")
        if not isinstance(teams, list):
            raise wrong("teams", "no list", "a list of teams, {player: score} each")
        return _identified(cells, self._match(cells, [_team(index, team) for index, team in enumerate(teams)]))


class Contests(Preset):
    """A contest for all: an object each with ``standings``, or in CSV one row a place, a contest's rows together."""

    def __init__(self, common: Common) -> None:
        super().__init__(common)
        self._contest: str | None = None
        self._line = 0
        self._first: Cells = {}
        self._places: list[tuple[str, int]] = []
        self._problem: tuple[int, Problem] | None = None

    def needed(self, header: Sequence[str]) -> Sequence[str]:
        """Columns of one place."""
        return ("contest", "player", "rank")

    def read(self, line: int, row: Cells | Problem) -> Iterator[Found]:
        """Take an object or a place; a contest of places is complete when another begins."""
        if not isinstance(row, Problem) and "standings" in row:
            yield from super().read(line, row)
            return
        try:
            if isinstance(row, Problem):
                raise row
            contest = text_of(row, "contest")
        except Problem as problem:
            # Whose place it is cannot be known; without it the contest around it would be another.
            if self._contest is None:
                yield line, problem
            self._problem = self._problem or (line, problem)
            return
        if contest != self._contest:
            yield from self.end()
            self._contest, self._line, self._first = contest, line, row
        try:
            place = text_of(row, "player"), whole_of(row, "rank")
        except Problem as problem:
            self._problem = self._problem or (line, problem)
            return
        # One too many is enough for the match to be refused, in its own words.
        if len(self._places) <= MOST_SIDES:
            self._places.append(place)

    def end(self) -> Iterator[Found]:
        """Give the contest that was being read; one with a bad place is refused as a whole."""
        if self._contest is not None:
            if self._problem is not None:
                yield self._problem
            else:
                yield from super().read(self._line, self._first)
        self._contest, self._places, self._problem = None, [], None

    def match(self, cells: Cells) -> dict[str, Any]:
        """Turn standings into a match; see `Shape.match`."""
        if "standings" in cells:
            return _identified(cells, self._match(cells, _ranked(_standings(cells["standings"]))))
        match = self._match(cells, _ranked(self._places))
        return match if "id" in match else {"id": text_of(cells, "contest"), **match}


PRESETS: Final[Mapping[str, Callable[[Common], Preset]]] = {"votes": Votes, "contests": Contests, "teams": Teams}


def _sides(names: Cells | Sequence[str]) -> tuple[str, str]:
    return ("left", "right") if "left" in names else ("model_a", "model_b")


def _identified(cells: Cells, match: dict[str, Any]) -> dict[str, Any]:
    """Take the object's own id where it has one."""
    return {"id": text_of(cells, "id"), **match} if "id" in cells and "id" not in match else match


def _team(index: int, team: Any) -> dict[str, Any]:
    remedy = "{player: score}, at least one player"
    if not isinstance(team, dict) or not team:
        raise wrong(f"teams[{index}]", "no team", remedy)
    for player, score in team.items():
        if not isinstance(score, int | float):
            raise wrong(f"teams[{index}]", f"the score of {player[:64]!r} is no number", remedy)
    return {"players": list(team), "score": sum(team.values())}


def _standings(standings: Any) -> list[tuple[str, int]]:
    remedy = "a list of [player, rank]"
    if not isinstance(standings, list):
        raise wrong("standings", "no list", remedy)
    places = []
    for index, place in enumerate(standings):
        match place:
            case [str(player), int(rank), *_]:
                places.append((player, rank))
            case _:
                raise wrong(f"standings[{index}]", "no player with a rank", remedy)
    return places


def _ranked(places: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Sides of single players; ranks that begin at 0 are counted from 1."""
    base = 1 if min((rank for _, rank in places), default=1) == 0 else 0
    return [{"players": [player], "rank": rank + base} for player, rank in places]
