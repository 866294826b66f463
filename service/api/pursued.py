"""Answers that show campaigns: how each stands, and its certificate."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from pydantic import Field, FiniteFloat
from typing_extensions import TypedDict

from service.api.answers import AsOf, PlayerName, PositionText
from service.api.campaigning import shown
from service.api.standing import moment
from service.campaigns.certificate import Certificate
from service.store.campaigns import Begun
from service.suggest.campaign import Progress

State = Annotated[
    Literal["open", "certified", "budget", "cost", "cyclic"],
    Field(description="`open`, or why it ended; only `certified` promises the goal"),
]


class SettledPair(TypedDict):
    """One pair that carries a certificate."""

    first: PlayerName
    second: PlayerName
    won: FiniteFloat
    lost: FiniteFloat
    low: Annotated[FiniteFloat, Field(description="the first one's win chance lies between this")]
    high: Annotated[FiniteFloat, Field(description="and this, for all pairs and at all times at once")]


class CertificateAnswer(TypedDict):
    """How a campaign ended, and what carries that."""

    goal: str
    rule: Annotated[str, Field(description="the stopping rule by name")]
    stopped: Literal["certified", "budget", "cost", "cyclic"]
    players: Annotated[
        list[PlayerName],
        Field(description="the whole order, the first k, or the best, best first; unless certified a guess"),
    ]
    ranks: Annotated[
        list[tuple[int, int]], Field(description="of each of these, the first and the last rank that it can have")
    ]
    pairs: Annotated[list[SettledPair], Field(description="all that is settled follows from these")]
    matches: Annotated[int, Field(description="how many were used")]
    delta: FiniteFloat
    tolerance: FiniteFloat
    position: PositionText


class CampaignAnswer(TypedDict):
    """A campaign as it stands."""

    pool: str
    id: str
    state: State
    method: Literal["settle", "knockout"]
    parameters: Annotated[dict[str, Any], Field(description="as its method names them, the players apart")]
    players: list[PlayerName]
    side_count: int
    request_id: str
    begun_at: datetime
    begun: Annotated[PositionText, Field(description="results from here on count")]
    matches: Annotated[
        int, Field(description="how many were used: results between its players, whoever suggested them")
    ]
    under_way: Annotated[int | None, Field(description="its matchups whose results are not in; null once it has ended")]
    left: Annotated[int, Field(description="matchups that may still be handed out")]
    certificate: Annotated[CertificateAnswer | None, Field(description="null as long as it is open")]
    position: PositionText


class CampaignSummary(TypedDict):
    """A campaign in a list."""

    id: str
    state: Annotated[State, Field(description="when it was last looked at by itself")]
    method: Literal["settle", "knockout"]
    goal: str
    players: Annotated[int, Field(description="how many take part")]
    request_id: str
    begun_at: datetime
    matches: Annotated[int | None, Field(description="how many were used; null as long as it is open")]


class CampaignsAnswer(TypedDict):
    """Campaigns of a pool, the last begun first."""

    pool: str
    campaigns: list[CampaignSummary]
    as_of: AsOf


_POSITION: Final = "1-3-184468"
_SUMMARY: Final = {
    "id": "ca-lvbmhqktk3gppyyx",
    "state": "certified",
    "method": "settle",
    "request_id": "spring",
    "begun_at": "2026-11-21T10:00:00Z",
    "matches": 56,
}
CAMPAIGN: Final = {
    **_SUMMARY,
    "pool": "arena",
    "parameters": {"goal": "best", "delta": 0.05, "tolerance": 0.05, "budget": 5000, "cost": 0.0},
    "players": ["atlas-9", "boreas", "cirrus"],
    "side_count": 2,
    "begun": "1-3-184012",
    "under_way": None,
    "left": 0,
    "certificate": {
        "goal": "best",
        "rule": "anytime-valid intervals for all pairs (Robbins' mixture)",
        "stopped": "certified",
        "players": ["boreas"],
        "ranks": [[1, 3]],
        "pairs": [
            {"first": "boreas", "second": "atlas-9", "won": 19.0, "lost": 5.0, "low": 0.4558, "high": 0.969},
            {"first": "boreas", "second": "cirrus", "won": 24.0, "lost": 8.0, "low": 0.4549, "high": 0.9378},
        ],
        "matches": 56,
        "delta": 0.05,
        "tolerance": 0.05,
        "position": _POSITION,
    },
    "position": _POSITION,
}
"""An example of a campaign that has ended."""

CAMPAIGNS: Final = {
    "pool": "arena",
    "campaigns": [{**_SUMMARY, "goal": "best", "players": 3}],
    "as_of": "2026-11-21T10:00:09Z",
}
"""An example of a list."""


def open_campaign(pool: str, begun: Begun, progress: Progress) -> CampaignAnswer:
    """Say how a campaign stands that has not ended."""
    return _campaign(
        pool, begun, "open", progress.used, progress.under_way, progress.left, None, str(progress.position)
    )


def ended_campaign(pool: str, begun: Begun, certificate: Certificate) -> CampaignAnswer:
    """Say how a campaign ended."""
    told = cast("CertificateAnswer", msgspec.to_builtins(certificate))
    return _campaign(pool, begun, certificate.stopped, certificate.matches, None, 0, told, told["position"])


def summary_of(begun: Begun) -> CampaignSummary:
    """Say in short what a campaign is."""
    ended = begun.ended
    return CampaignSummary(
        id=begun.id,
        state="open" if ended is None else ended.stopped,
        method=begun.method,
        goal=begun.parameters.get("goal", "best"),
        players=len(begun.parameters["players"]),
        request_id=begun.request_id,
        begun_at=moment(begun.at),
        matches=None if ended is None else ended.matches,
    )


def _campaign(
    pool: str,
    begun: Begun,
    state: State,
    matches: int,
    under_way: int | None,
    left: int,
    certificate: CertificateAnswer | None,
    position: str,
) -> CampaignAnswer:
    campaign = begun.campaign()
    return CampaignAnswer(
        pool=pool,
        id=begun.id,
        state=state,
        method=begun.method,
        parameters=shown(campaign),
        players=list(campaign.players),
        side_count=begun.side_count,
        request_id=begun.request_id,
        begun_at=moment(begun.at),
        begun=str(begun.position),
        matches=matches,
        under_way=under_way,
        left=left,
        certificate=certificate,
        position=position,
    )
