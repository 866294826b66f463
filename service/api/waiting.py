"""The queue of a request for matchups: parties that wait, in place of single candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Annotated, Any, Final, NotRequired

from pydantic import ConfigDict, Discriminator, Field, Tag
from typing_extensions import TypedDict

from service.api.bodies import TAGS
from service.fields import NAME_BYTES, moment
from service.matchups.queue import MOST_PLAYERS, MOST_SIZE, MOST_WAITING, Pace
from service.problems import Problem, wrong_field
from service.registry import make
from service.suggest.ask import Party

MOST_NAMED: Final = 512 << 10
"""Bytes of all names of a queue: what is known of so many players is one record in the log."""

Name = Annotated[str, Field(min_length=1, max_length=NAME_BYTES)]


class PartyBody(TypedDict):
    """Who wait to play on one side."""

    # Ten thousand models would take longer than all that is done with them.
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]  # how pydantic has it

    players: Annotated[list[Name], Field(min_length=1, max_length=MOST_SIZE)]
    waiting_since: NotRequired[
        Annotated[str | int | None, Field(description="RFC 3339 or epoch milliseconds; just now where it is not given")]
    ]


def _kind(given: object) -> str:
    return TAGS[0] if isinstance(given, str) else TAGS[1]


Candidate = Annotated[Annotated[Name, Tag(TAGS[0])] | Annotated[PartyBody, Tag(TAGS[1])], Discriminator(_kind)]
Candidates = Sequence[str | PartyBody]


def names_of(candidates: Candidates) -> list[str]:
    """Everybody among the candidates."""
    return [name for one in candidates for name in ((one,) if isinstance(one, str) else one["players"])]


def place_of(candidates: Candidates, number: int) -> str:
    """Where in the body the name of such a number among `names_of` stands."""
    places = (
        (f"candidates[{index}]",)
        if isinstance(one, str)
        else (f"candidates[{index}].players[{place}]" for place in range(len(one["players"])))
        for index, one in enumerate(candidates)
    )
    return next(islice(chain.from_iterable(places), number, None))


def queue_of(candidates: Candidates | None, side_count: int, side_size: int) -> list[Party]:
    """Parties that wait; none where the candidates are single players for sides of one.

    Raises
    ------
    Problem
        ``invalid_parameter``, naming what makes no queue.
    """
    if side_size == 1 and all(isinstance(one, str) for one in candidates or ()):
        return []
    if candidates is None:
        raise _wrong("candidates", "missing", "say who waits to play on sides of more than one")
    if side_count * side_size > MOST_PLAYERS:
        problem = f"{side_count} sides of {side_size} are {side_count * side_size} players"
        raise _wrong("side_size", problem, f"at most {MOST_PLAYERS} in one match")
    names = names_of(candidates)
    if len(names) > MOST_WAITING or sum(len(name.encode()) for name in names) > MOST_NAMED:
        problem = f"{len(names):,} players wait"
        raise _wrong("candidates", problem, f"at most {MOST_WAITING:,}, with names of {MOST_NAMED:,} bytes together")
    return [_party(index, one, side_size) for index, one in enumerate(candidates)]


def pace_of(parameters: Mapping[str, Any] | None) -> Pace:
    """Make the pace of a queue.

    Raises
    ------
    Problem
        ``invalid_parameter``, naming the parameter.
    """
    return make({Pace.name: Pace}, "pace", Pace.name, parameters or {})


def _party(index: int, one: str | PartyBody, side_size: int) -> Party:
    if isinstance(one, str):
        return Party((one,), None)
    players, since = one["players"], one.get("waiting_since")
    if len(players) > side_size:
        problem = f"{len(players)} players for a side of {side_size}"
        raise _wrong(f"candidates[{index}].players", problem, "make 'side_size' as large, or the party smaller")
    if since is None:
        return Party(players, None)
    try:
        return Party(players, moment(since))
    except Problem as problem:
        (wrong,) = problem.errors
        raise _wrong(f"candidates[{index}].waiting_since", wrong.problem, wrong.remedy) from None


def _wrong(field: str, problem: str, remedy: str) -> Problem:
    return wrong_field("invalid_parameter", field, problem, remedy)
