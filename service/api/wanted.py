"""What a request for matchups may say, and what of it is wrong as far as that shows without the pool's players."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from service.api.waiting import Candidate, Name, names_of, pace_of, place_of, queue_of
from service.fields import NAME_BYTES, all_fit, check_name
from service.match import Side
from service.matchups import Goal, Policy
from service.matchups.draw import MOST_SIDES
from service.matchups.queue import MOST_SIZE, MOST_WAITING, Pace
from service.pools import Pool
from service.problems import Problem, wrong_field
from service.store.leases import MOST_WHOLE
from service.suggest.ask import MOST_COUNT, Ask, policy_of

LONGEST_LEASE_S: Final = 86_400
MOST_SEED: Final = (1 << 53) - 1


RequestId = Annotated[str, Field(min_length=1, max_length=NAME_BYTES)]
Repeatable = Annotated[
    RequestId | None,
    Field(description="a repeat under the same one gets those of its matchups that are open, and no others"),
]
LeaseSeconds = Annotated[int, Field(ge=1, le=LONGEST_LEASE_S, description="how long the result is waited for")]
Newcomers = Annotated[
    bool | None,
    Field(description="take names that the pool does not know for newcomers; as the pool is set by default"),
]


class Wanted(BaseModel):
    """What is to be suggested."""

    count: Annotated[int, Field(ge=1, le=MOST_COUNT, description="how many matchups")] = 1
    side_count: Annotated[int, Field(ge=2, le=MOST_SIDES, description="sides of each")] = 2
    side_size: Annotated[
        int, Field(ge=1, le=MOST_SIZE, description="players of each side; more than one makes the candidates a queue")
    ] = 1
    candidates: Annotated[
        list[Candidate] | None,
        Field(
            min_length=2,
            max_length=MOST_WAITING,
            description=f"who may be chosen, up to {MOST_WHOLE:,}; without it the whole pool, where it has no more."
            f" Parties make it a queue, of up to {MOST_WAITING:,} players",
        ),
    ] = None
    met: Annotated[
        list[Annotated[list[Name], Field(min_length=2, max_length=2)]],
        Field(max_length=MOST_WAITING, description="of a queue: who met lately, two by two"),
    ] = []
    exclude: Annotated[list[Name], Field(max_length=MOST_WHOLE, description="who may not")] = []
    policy: Annotated[str | None, Field(description="without it the pool's, or the one for the goal")] = None
    goal: Annotated[Goal | None, Field(description="what the matches are played for")] = None
    parameters: Annotated[dict[str, Any] | None, Field(description="of the policy, or of the queue")] = None
    floor: Annotated[
        float | None,
        Field(ge=0, le=1, description="chance that sides are taken uniformly; the pool's by default"),
    ] = None
    lease_seconds: LeaseSeconds = 600
    request_id: Repeatable = None
    seed: Annotated[int | None, Field(ge=0, le=MOST_SEED, description="of all chance; drawn where it is not given")] = (
        None
    )
    newcomers: Newcomers = None

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {},
                {"count": 2, "side_count": 3, "goal": "cover", "lease_seconds": 60, "request_id": "tab-7f3"},
                {
                    "count": 100,
                    "side_size": 2,
                    "candidates": [{"players": ["ann", "bo"], "waiting_since": "2026-11-21T10:00:00Z"}, "cy", "di"],
                },
            ]
        },
    )


def ask_of(pool: Pool, wanted: Wanted) -> Ask:
    """Check what is wanted of a pool, as far as that goes without its players.

    Raises
    ------
    Problem
        ``invalid_parameter``, ``shape_not_taken``, ``pairs_not_kept``, ``unknown_name``.
    """
    candidates = names_of(wanted.candidates or ())
    check_names(candidates, partial(place_of, wanted.candidates or ()))
    check_names(wanted.exclude, "exclude[{}]".format)
    if wanted.request_id is not None:
        check_names([wanted.request_id], "request_id".format)
    for field, size in (("side_count", 1), ("side_size", wanted.side_size)):
        sides = tuple(
            Side(tuple(f"{side}.{player}" for player in range(size)), rank=side)
            for side in range(1, wanted.side_count + 1)
        )
        if refusal := pool.refusal(sides):
            raise wrong_field("shape_not_taken", field, refusal, "see /v1/catalog for the systems that take it")
    parties = queue_of(wanted.candidates, wanted.side_count, wanted.side_size)
    _check_form(wanted, bool(parties))
    waiting = set(candidates)
    said = pool.matchups
    return Ask(
        policy=_policy_of(pool, wanted, bool(parties)),
        floor=said.floor if wanted.floor is None else wanted.floor,
        seed=secrets.randbelow(MOST_SEED + 1) if wanted.seed is None else wanted.seed,
        lease_ms=1000 * wanted.lease_seconds,
        count=wanted.count,
        side_count=wanted.side_count,
        candidates=None if parties or wanted.candidates is None else candidates,
        exclude=wanted.exclude,
        newcomers=said.newcomers if wanted.newcomers is None else wanted.newcomers,
        request_id=wanted.request_id,
        side_size=wanted.side_size,
        parties=parties,
        met=[(one, other) for one, other in wanted.met if one in waiting and other in waiting],
    )


def _check_form(wanted: Wanted, queue: bool) -> None:
    """Refuse what is of no account for parties that wait, or without them."""
    for field in ("policy", "goal", "floor", "exclude") if queue else ("met",):
        if getattr(wanted, field):
            problem = "of no account where parties wait" if queue else "of no account but where parties wait"
            raise wrong_field("invalid_parameter", field, problem, "leave it out")
    if not queue and len(wanted.candidates or ()) > MOST_WHOLE:
        problem = f"{len(wanted.candidates or ()):,} candidates"
        raise wrong_field("invalid_parameter", "candidates", problem, f"at most {MOST_WHOLE:,} but where parties wait")


def _policy_of(pool: Pool, wanted: Wanted, queue: bool) -> Policy | Pace:
    try:
        if queue:
            return pace_of(wanted.parameters)
        return policy_of(pool, wanted.policy, wanted.parameters, wanted.goal)
    except Problem as problem:
        # What is wrong is a field of the body, or one of the parameters.
        if not problem.errors or problem.errors[0].field in Wanted.model_fields:
            raise
        (wrong,) = problem.errors
        raise wrong_field(problem.type.slug, f"parameters.{wrong.field}", wrong.problem, wrong.remedy) from None


def check_names(names: Sequence[str], place: Callable[[int], str]) -> None:
    """Refuse a name that cannot be one, or stands twice; only then its place is written."""
    # Nearly always nothing is wrong, which shows faster of all of them at once.
    if len(set(names)) == len(names) and all_fit(names):
        return
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            raise wrong_field("invalid_parameter", place(number), f"stands twice: {name!r}", "name each player once")
        seen.add(name)
        try:
            check_name("", name)
        except Problem as problem:
            (wrong,) = problem.errors
            raise wrong_field("invalid_parameter", place(number), wrong.problem, wrong.remedy) from None
