"""Answers that show matchups: those just suggested, and those under way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from pydantic import Field, FiniteFloat
from typing_extensions import TypedDict

from service.api.answers import AsOf, Next, PlayerName, PositionText
from service.api.standing import moment
from service.pools import Pool
from service.store.leases import Lease
from service.suggest.ask import Ask, order_propensity
from service.suggest.desk import Given
from service.suggest.known import Known


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
    campaign: Annotated[str | None, Field(description="the campaign that it was given to")]


class ExposureAnswer(TypedDict):
    """How evenly players were suggested."""

    least: Annotated[int, Field(description="how often the player was who was least")]
    most: Annotated[int, Field(description="and who was most; who joins later begins at the least")]
    ratio: Annotated[FiniteFloat, Field(description="the most by the least, both at least 1")]
    imbalance: Annotated[
        FiniteFloat,
        Field(description="from 0, where each player was shown as often first as last, to 1"),
    ]


class OpenMatchups(TypedDict):
    """Matchups under way; the first to end stands first."""

    pool: str
    matchups: list[OpenMatchup]
    next: Next
    exposure: Annotated[
        ExposureAnswer | None,
        Field(description="null where the pool does not bound it, or is too large to be read whole"),
    ]
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
ANSWER: Final = {
    "pool": "arena",
    "position": _POSITION,
    "policy": _POLICY,
    "seed": _SEED,
    "matchups": [_MATCHUP],
    "left_waiting": None,
}
"""An example of what was suggested."""

OPEN: Final = {
    "pool": "arena",
    "matchups": [
        {**_MATCHUP, "position": _POSITION, "policy": _POLICY, "seed": _SEED, "request_id": "tab-7f3", "campaign": None}
    ],
    "next": None,
    "exposure": {"least": 40, "most": 66, "ratio": 1.65, "imbalance": 0.09},
    "position": "1-3-184470",
    "as_of": "2026-11-21T10:00:09Z",
}
"""An example of what is under way."""


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


def under_way(id_: str, lease: Lease) -> OpenMatchup:
    """Say what a lease holds."""
    return OpenMatchup(
        **_matchup(id_, lease),
        position=lease.position,
        policy=_policy(lease),
        seed=lease.seed,
        request_id=lease.request_id,
        campaign=lease.campaign,
    )


def exposure_of(known: Known) -> ExposureAnswer | None:
    """Say how evenly players were suggested."""
    balance = known.balance
    if balance is None:
        return None
    return ExposureAnswer(least=balance.least, most=balance.most, ratio=balance.ratio, imbalance=balance.imbalance)


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
