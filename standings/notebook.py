"""For notebooks and scripts: ratings, scores and forecasts from matches at hand or from a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from service.match import Match, decode
from service.pools import LIVE
from service.predict import forecast, foretold_places
from service.problems import Problem
from service.rate import LAST_AT
from service.ratings import RatingSystem, create, systems
from service.seed import Seed
from standings.evaluation import Evaluation, Evaluations, evaluations_of
from standings.files.ids import Ids
from standings.files.rows import Row, row_of
from standings.files.source import Source
from standings.play import Played, play, play_file
from standings.rating import Player, ratings_of

Matches: TypeAlias = str | os.PathLike[str] | Source | Iterable[Match | Seed | Mapping[str, Any]]
"""A file's name, a file with how it is read, or matches themselves: `Match` or the same as a dict."""

BLOCK: Final = 1_000
"""Matches that are rated together."""


class Prediction(msgspec.Struct, frozen=True):
    """What is to be expected of a match of ``s`` sides, in their order.

    Attributes
    ----------
    win : list of float
        Chance of each side to be first: of two alone, of more with a shared first place counted in parts.
    tie : float or None
        Chance that two sides tie, which with ``win`` adds up to 1; None for more sides.
    places : list of lists of float, or None
        Of each side the chance of each place, the first place first; None for more than 16 sides.
    """

    win: list[float]
    tie: float | None
    places: list[list[float]] | None


class Rated:
    """Ratings after the last match.

    Attributes
    ----------
    system : str
        The rating system.
    players : list of Player
        ``player``, ``rating``, ``deviation``, ``matches``; best first, then by name, one pool after the other.
    """

    def __init__(self, played: Played) -> None:
        answer = ratings_of(played)
        self.system: str = answer.system
        self.players: list[Player] = answer.players
        self._played = played

    def predict(
        self,
        sides: Sequence[str | Sequence[str]],
        *,
        pool: str | None = None,
        home: int | None = None,
        at: int | str | None = None,
    ) -> Prediction:
        """Forecast a match of these sides; nothing is rated by it.

        Parameters
        ----------
        sides : sequence of str or sequences of str
            A player, or the players of a team, for each.
        pool : str, optional
            Where they play; the only one unless there are several.
        home : int, optional
            Which side is at home, from 0.
        at : int or str, optional
            When they play, as in a match; when the last of them played unless given.

        Returns
        -------
        Prediction
            See `service.predict` for how it comes about.

        Raises
        ------
        Problem
            Someone has not played, several pools are there and none is named, or there cannot be such a match.

        Examples
        --------
        >>> sides = [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]
        >>> ratings = rate([{"pool": "chess", "at": at, "sides": sides} for at in range(3)])
        >>> found = ratings.predict(["ann", "bob"])
        >>> [round(chance, 3) for chance in (*found.win, found.tie)]
        [0.821, 0.117, 0.062]
        """
        ladders = self._played.ladders
        if pool is None and len(ladders) == 1:
            (pool,) = ladders
        if pool is None or pool not in ladders:
            raise Problem("unknown_pool", f"pool: {pool!r} is none of: {', '.join(ladders)}"[:300])
        ladder = ladders[pool]
        teams = [[side] if isinstance(side, str) else list(side) for side in sides]
        if missing := next((player for team in teams for player in team if player not in ladder.row_of), None):
            near = get_close_matches(missing, ladder.row_of, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise Problem("unknown_player", f"sides: no match of {missing!r} in pool {pool!r}{hint}")
        rows = [ladder.row_of[player] for team in teams for player in team]
        (system,), (table,) = self._played.systems, ladder.tables
        # Ranks are of no account in a forecast, but no match is without.
        match = {
            "id": "forecast",
            "pool": pool,
            "at": int(max(table.tallies[rows, LAST_AT].tolist(), default=0.0)) if at is None else at,
            "sides": [{"players": team, "rank": place} for place, team in enumerate(teams, 1)],
            "home": home,
        }
        found = decode(msgspec.json.encode(match))
        assert isinstance(found, Match), "of no other type"
        if refusal := system.refusal(found.sides):
            raise Problem("shape_not_taken", f"sides: {refusal}")
        copied = table._replace(tallies=table.tallies[rows], skills=table.skills[rows])
        expected = forecast(system, found, copied)
        places = foretold_places(expected, system.link)
        return Prediction(expected.win.tolist(), expected.tie, None if places is None else places.tolist())

    def __repr__(self) -> str:
        return f"<{len(self.players):,} players by {self.system}, {self._played.matches:,} matches>"


def rate(matches: Matches, system: str = LIVE, **parameters: Any) -> Rated:
    """Rate matches in their order.

    Parameters
    ----------
    matches : str, path, Source, or iterable of Match or dict
        A match is as in the service's JSON; its ``id`` may be left out.
    system : str
        Name of a rating system.
    **parameters
        Of the system, by the names of its paper.

    Raises
    ------
    Problem
        A match is wrong: its index and field are named. No such system or parameter.
    Mistake
        The file cannot be read. A bad row of a file is named on standard error and left out.

    Examples
    --------
    >>> from standings import Match, Side
    >>> game = Match("1", "chess", "2026-11-20", (Side(("ann",), score=2), Side(("bob",), score=1)))
    >>> [(player.player, player.rating) for player in rate([game], "elo", k=20).players]
    [('ann', 1510.0), ('bob', 1490.0)]
    >>> rate([{"pool": "chess", "at": 0, "sides": []}])
    Traceback (most recent call last):
    service.problems.Problem: matches[0].sides: Expected `array` of length >= 2; see /schemas/match.json
    """
    return Rated(_played(matches, [create(system, parameters)]))


def evaluate(matches: Matches, system: str = LIVE, **parameters: Any) -> Evaluation:
    """Predict, then update, match by match: how good the predictions are.

    Parameters
    ----------
    matches, system, **parameters
        See `rate`.

    Returns
    -------
    Evaluation
        ``log_loss``, ``brier``, ``accuracy`` and more; None where there was nothing to measure.

    Examples
    --------
    >>> game = {"pool": "chess", "at": 0, "sides": [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]}
    >>> found = evaluate([game, game], "elo")
    >>> found.matches, round(found.brier, 3)
    (2, 0.228)
    """
    (answer,) = evaluations_of(_played(matches, [create(system, parameters)])).systems
    return answer


def compare(matches: Matches, *names: str) -> Evaluations:
    """Evaluate rating systems side by side, on the same matches.

    Parameters
    ----------
    matches
        See `rate`.
    *names : str
        Rating systems. Without any: all that take every one of the matches.

    Returns
    -------
    Evaluations
        ``systems``, an `Evaluation` each; ``differences`` from the one with the best log-loss, with 95 % intervals.

    Examples
    --------
    >>> game = {"pool": "chess", "at": 0, "sides": [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]}
    >>> found = compare([game] * 20, "elo", "glicko2")
    >>> [(one.system, one.against) for one in found.differences]
    [('elo', 'glicko2')]
    """
    return evaluations_of(_played(matches, [create(name) for name in names or systems()], fitting=not names))


def predict(
    matches: Matches, sides: Sequence[str | Sequence[str]], system: str = LIVE, **parameters: Any
) -> Prediction:
    """Rate matches, then forecast one; see `rate` and `Rated.predict`.

    Examples
    --------
    >>> game = {"pool": "chess", "at": 0, "sides": [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]}
    >>> [round(chance, 3) for chance in predict([game], ["ann", "bob"], "elo", k=400).win]
    [0.892, 0.076]
    """
    return rate(matches, system, **parameters).predict(sides)


def _played(matches: Matches, chosen: Sequence[RatingSystem], *, fitting: bool = False) -> Played:
    if isinstance(matches, str | os.PathLike):
        matches = Source(file=os.fspath(matches))
    if isinstance(matches, Source):
        return play_file(matches, chosen, fitting=fitting)
    played = play(_blocks(matches), chosen, _refuse, leave_out=_leave_out if fitting else None)
    if played.duplicates:
        sys.stderr.write(f"{played.duplicates:,} duplicates left out\n")
    return played


def _blocks(matches: Iterable[Match | Seed | Mapping[str, Any]]) -> Iterator[list[Row]]:
    ids = Ids()
    rows = (_row(index, match, ids) for index, match in enumerate(matches))
    while block := list(islice(rows, BLOCK)):
        yield block


def _row(index: int, match: object, ids: Ids) -> Row:
    """Read a match as if it had come as JSON, so that the same checks see it."""
    if not isinstance(match, Match | Seed | Mapping):
        return Row(index, b"", Problem("invalid_match", f"neither a Match nor a dict: {type(match).__name__}"))
    try:
        value = msgspec.json.encode(match, enc_hook=_plain)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return Row(index, b"", Problem("invalid_match", str(error)))
    return row_of(index, value, ids)


def _plain(value: Any) -> Any:
    """Turn what tables hold into what JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot stand in a match")


def _leave_out(index: int, why: str) -> None:
    sys.stderr.write(f"matches[{index}]: {why}\n")


def _refuse(index: int, problem: Problem) -> None:
    errors = tuple(replace(error, field=f"matches[{index}].{error.field}".rstrip(".")) for error in problem.errors)
    dot = "." if errors and problem.errors[0].field else ": "
    remedies = [error.remedy for error in errors]
    raise Problem(problem.type.slug, "; ".join([f"matches[{index}]{dot}{problem.detail}", *remedies]), errors)
