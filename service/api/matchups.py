"""Matchups: what to play next, leased, with the chance that it had to be suggested."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from typing_extensions import TypedDict

from service.api.answers import AsOf, Next, PlayerName, PositionText, example, json_response
from service.api.bodies import json_body
from service.api.cursors import decode_lease, encode_lease
from service.api.inputs import Cursor, Limit, NamedPool, resource
from service.api.live import LIVE_HEADERS, ReadAfter
from service.api.shared import Shared
from service.api.standing import moment
from service.api.waiting import Candidate, Name, named, pace_of, queue_of
from service.fields import NAME_BYTES, check_name
from service.match import Side
from service.matchups import Goal, Policy
from service.matchups.draw import MOST_SIDES
from service.matchups.queue import MOST_SIZE, MOST_WAITING, Pace
from service.pools import Pool
from service.problems import Problem, wrong_field
from service.store.leases import MOST_WHOLE, Lease
from service.suggest.ask import MOST_COUNT, Ask, order_propensity, policy_of
from service.suggest.desk import Given

LONGEST_LEASE_S: Final = 86_400
MOST_BODY: Final = 4 << 20
MOST_SEED: Final = (1 << 53) - 1

router = resource("matchups")


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
    lease_seconds: Annotated[int, Field(ge=1, le=LONGEST_LEASE_S, description="how long the result is waited for")] = (
        600
    )
    request_id: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=NAME_BYTES,
            description="a repeat under the same one gets those of its matchups that are open, and no others",
        ),
    ] = None
    seed: Annotated[int | None, Field(ge=0, le=MOST_SEED, description="of all chance; drawn where it is not given")] = (
        None
    )
    newcomers: Annotated[
        bool | None,
        Field(description="take names that the pool does not know for newcomers; as the pool is set by default"),
    ] = None

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


class MatchupSide(TypedDict):
    """One or more players who would share a place."""

    players: list[PlayerName]


class Prediction(TypedDict):
    """What the live system expects."""

    win: Annotated[list[FiniteFloat], Field(description="chance of each side to be first")]
    tie: Annotated[FiniteFloat | None, Field(description="chance that two sides tie; null for more")]


class Why(TypedDict):
    """What speaks for a matchup."""

    score: FiniteFloat
    unit: str


class PolicyAnswer(TypedDict):
    """How matchups were chosen."""

    name: str
    parameters: dict[str, Any]
    floor: Annotated[FiniteFloat, Field(description="chance that sides were taken uniformly instead")]


class Matchup(TypedDict):
    """A match that is to be played."""

    id: Annotated[str, Field(description="send it with the result, as `matchup`")]
    sides: Annotated[list[MatchupSide], Field(description="in the order to show them, which was drawn")]
    propensity: Annotated[
        FiniteFloat | None,
        Field(
            description="chance of this set of sides, given the position, the open matchups, and those before it in the"
            " answer; null where there are too many orders to take it in"
        ),
    ]
    order_propensity: Annotated[FiniteFloat, Field(description="chance of the order shown")]
    built: Annotated[FiniteFloat, Field(description="chance of this set, in the order in which it was taken")]
    prediction: Prediction
    why: Why
    lease_until: Annotated[datetime, Field(description="until then it counts as under way")]


class MatchupsAnswer(TypedDict):
    """What to play next."""

    pool: str
    position: PositionText
    policy: PolicyAnswer
    seed: int
    matchups: list[Matchup]
    left_waiting: Annotated[
        list[list[PlayerName]] | None, Field(description="of a queue: the parties that go on waiting; else null")
    ]


class OpenMatchup(Matchup):
    """A matchup whose result is not in."""

    position: PositionText
    policy: PolicyAnswer
    seed: int
    request_id: str | None


class OpenMatchups(TypedDict):
    """Matchups under way; the first to end stands first."""

    pool: str
    matchups: list[OpenMatchup]
    next: Next
    position: PositionText
    as_of: AsOf


_MATCHUP: Final = {
    "id": "1-3-mu-5k2f9x3jq7hd2mza",
    "sides": [{"players": ["boreas"]}, {"players": ["atlas-9"]}],
    "propensity": 0.0312,
    "order_propensity": 0.5,
    "built": 0.0156,
    "prediction": {"win": [0.41, 0.52], "tie": 0.07},
    "why": {"score": 0.31, "unit": "bits"},
    "lease_until": "2026-11-21T10:10:07Z",
}
_POLICY: Final = {"name": "closest", "parameters": {}, "floor": 0.02}
_POSITION: Final = "1-3-184468"
_SEED: Final = 8842137
_ANSWER: Final = {
    "pool": "arena",
    "position": _POSITION,
    "policy": _POLICY,
    "seed": _SEED,
    "matchups": [_MATCHUP],
    "left_waiting": None,
}
_OPEN: Final = {
    "pool": "arena",
    "matchups": [{**_MATCHUP, "position": _POSITION, "policy": _POLICY, "seed": _SEED, "request_id": "tab-7f3"}],
    "next": None,
    "position": "1-3-184470",
    "as_of": "2026-11-21T10:00:09Z",
}


@router.post(
    "/pools/{pool}/matchups",
    summary="What to play next",
    response_model=MatchupsAnswer,
    responses=example(_ANSWER),
)
async def suggest(
    pool: NamedPool, body: Annotated[Wanted, Depends(json_body(Wanted, MOST_BODY))], shared: Shared, live: ReadAfter
) -> Response:
    """Suggest matchups, and lease them: until their results are in, they count as under way.

    Nothing is given that could not be accounted for: all that an evaluation needs is in Kafka before the answer.
    """
    del live
    ask = ask_of(pool, body)
    return json_response(answer_of(pool, ask, await shared.suggestions.suggest(pool, ask)), headers=LIVE_HEADERS)


@router.get(
    "/pools/{pool}/matchups",
    summary="Matchups under way",
    response_model=OpenMatchups,
    responses=example(_OPEN),
)
async def open_matchups(
    pool: NamedPool, shared: Shared, live: ReadAfter, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """List the open leases of a pool, the first to end first."""
    after = (0, "") if cursor is None else decode_lease(cursor)
    position, leases = await shared.suggestions.open(pool)
    found = sorted((lease.until, id_) for id_, lease in leases.items() if (lease.until, id_) > after)
    page = found[:limit]
    answer = OpenMatchups(
        pool=pool.name,
        matchups=[
            OpenMatchup(
                **_matchup(id_, leases[id_]),
                position=leases[id_].position,
                policy=_policy(leases[id_]),
                seed=leases[id_].seed,
                request_id=leases[id_].request_id,
            )
            for _, id_ in page
        ],
        next=encode_lease(*page[-1]) if len(found) > limit else None,
        position=str(position),
        as_of=live.as_of,
    )
    return live.answer(answer, position, None)


@router.delete(
    "/pools/{pool}/matchups/{id}",
    summary="Give a matchup back",
    status_code=204,
    response_class=Response,
)
async def give_back(
    pool: NamedPool,
    shared: Shared,
    id: Annotated[str, Path(description="as it was suggested", examples=["1-3-mu-5k2f9x3jq7hd2mza"])],  # noqa: A002 - its name in the path
) -> Response:
    """Close a lease without a result; the answer is the same where it is closed already, expired or unknown."""
    await shared.suggestions.give_back(pool, id)
    return Response(None, 204)


def ask_of(pool: Pool, wanted: Wanted) -> Ask:
    """Check what is wanted of a pool, as far as that goes without its players.

    Raises
    ------
    Problem
        ``invalid_parameter``, ``shape_not_taken``, ``pairs_not_kept``, ``unknown_name``.
    """
    candidates = list(named(wanted.candidates or ()))
    for names in (candidates, [(f"exclude[{index}]", name) for index, name in enumerate(wanted.exclude)]):
        seen = set()
        for field, name in names:
            _check_name(field, name)
            if name in seen:
                raise wrong_field("invalid_parameter", field, f"stands twice: {name!r}", "name each player once")
            seen.add(name)
    if wanted.request_id is not None:
        _check_name("request_id", wanted.request_id)
    for field, size in (("side_count", 1), ("side_size", wanted.side_size)):
        sides = tuple(
            Side(tuple(f"{side}.{player}" for player in range(size)), rank=side)
            for side in range(1, wanted.side_count + 1)
        )
        if refusal := pool.refusal(sides):
            raise wrong_field("shape_not_taken", field, refusal, "see /v1/catalog for the systems that take it")
    parties = queue_of(wanted.candidates, wanted.side_count, wanted.side_size)
    _check_form(wanted, bool(parties))
    waiting = {name for _, name in candidates}
    said = pool.matchups
    return Ask(
        policy=_policy_of(pool, wanted, bool(parties)),
        floor=said.floor if wanted.floor is None else wanted.floor,
        seed=secrets.randbelow(MOST_SEED + 1) if wanted.seed is None else wanted.seed,
        lease_ms=1000 * wanted.lease_seconds,
        count=wanted.count,
        side_count=wanted.side_count,
        candidates=None if parties or wanted.candidates is None else [name for _, name in candidates],
        exclude=wanted.exclude,
        newcomers=said.newcomers if wanted.newcomers is None else wanted.newcomers,
        request_id=wanted.request_id,
        side_size=wanted.side_size,
        parties=parties,
        met=[(one, other) for one, other in wanted.met if one in waiting and other in waiting],
    )


def answer_of(pool: Pool, ask: Ask, given: Given) -> MatchupsAnswer:
    """Say what was suggested by one request."""
    first = next(iter(given.leases.values()), None)
    playing = {name for lease in given.leases.values() for side in lease.sides for name in side}
    left = [list(party.players) for party in ask.parties if playing.isdisjoint(party.players)]
    # A repeat gets what was drawn before.
    return MatchupsAnswer(
        pool=pool.name,
        position=first.position if first else given.position,
        policy=_policy(first) if first else _named(ask.policy.name, msgspec.to_builtins(ask.policy), 0.0),
        seed=first.seed if first else ask.seed,
        matchups=[_matchup(id_, lease) for id_, lease in given.leases.items()],
        left_waiting=left if ask.parties else None,
    )


def _matchup(id_: str, lease: Lease) -> Matchup:
    return Matchup(
        id=id_,
        sides=[MatchupSide(players=list(players)) for players in lease.sides],
        propensity=lease.propensity,
        order_propensity=order_propensity(len(lease.sides)),
        built=lease.built,
        prediction=Prediction(win=list(lease.win), tie=lease.tie),
        why=Why(score=lease.score, unit=lease.unit),
        lease_until=moment(lease.until),
    )


def _policy(lease: Lease) -> PolicyAnswer:
    return _named(lease.policy, lease.parameters, lease.floor)


def _named(name: str, parameters: Mapping[str, Any], floor: float) -> PolicyAnswer:
    return PolicyAnswer(name=name, parameters=dict(parameters), floor=floor)


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


def _check_name(field: str, name: str) -> None:
    try:
        check_name(field, name)
    except Problem as problem:
        raise Problem("invalid_parameter", problem.detail, problem.errors) from None
