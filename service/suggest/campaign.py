"""Matchups of a campaign: how it stands by what is counted of its players since it began, and what it has played next.

Any result between its players counts, whoever suggested the match: what is certified holds at all numbers of matches
at once, so it does not matter who decides when another one is played, nor by what. Talks to nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from service.campaigns import Campaign
from service.campaigns.certificate import Certificate
from service.columns import Floats
from service.matchups.field import Field
from service.pairs import share_of
from service.problems import Problem
from service.store.pairs import Pairs
from service.store.partitions import Position
from service.suggest.known import Known

ROUNDING: Final = 1e-6
"""Parts of a match that sums of thirds may be off by."""


@dataclass(frozen=True, slots=True)
class Running:
    """A campaign that is open.

    Attributes
    ----------
    id : str
    campaign : Campaign
    side_count : int
    position : Position
        Results from here on count.
    heavy : int
        Matches of the pool in which a pair counted more than 1, up to there.
    wins : float64[n, n]
        What was counted up to there.
    """

    id: str
    campaign: Campaign
    side_count: int
    position: Position
    heavy: int
    wins: Floats


@dataclass(frozen=True, slots=True)
class Progress:
    """How a campaign stands.

    Attributes
    ----------
    wins : float64[n, n]
        Of its players since it began.
    used : int
        Matches' worth of results: those of other numbers of sides, or that weigh less, count as the part that they are.
    under_way : int
        Its matchups whose results are not in.
    left : int
        Matchups that it may still hand out.
    certificate : Certificate or None
        None as long as it goes on.
    position : Position
        Of the results that are in.
    """

    wins: Floats
    used: int
    under_way: int
    left: int
    certificate: Certificate | None
    position: Position


def progress_of(known: Known, running: Running, pairs: Pairs) -> Progress:
    """See how a campaign stands.

    Parameters
    ----------
    known : Known
        Refreshed, with all of its players.
    running : Running
    pairs : Pairs
        Read after that, so that no result is missed whose matchup is not under way any more.

    Raises
    ------
    Problem
        ``not_applied_yet`` where Redis is as it was before the campaign; ``campaign_void`` where what is counted cannot
        carry a certificate.
    """
    if not pairs.position.covers(running.position):
        raise Problem(
            "not_applied_yet",
            f"the pool stands at {pairs.position}, before {running.position}, where the campaign began",
        )
    wins = pairs.among(running.campaign.players)[0] - running.wins
    if (wins < 0.0).any():
        raise Problem(
            "campaign_void", f"results from before {running.position}, where it began, are not what they were then"
        )
    if pairs.heavy > running.heavy:
        raise Problem(
            "campaign_void",
            f"matches of the pool {known.pool.name!r} were applied of which a pair counts more than 1,"
            " and what is counted does not tell them apart",
        )
    sides = running.side_count
    used = math.ceil(wins.sum() / (math.comb(sides, 2) * share_of(sides, None)) - ROUNDING)
    under_way = sum(lease.campaign == running.id for lease in known.leases.values())
    certificate = running.campaign.certificate(field_of(known, running, wins), used, str(pairs.position))
    left = max(0, running.campaign.budget - used - under_way) if certificate is None else 0
    return Progress(wins, used, under_way, left, certificate, pairs.position)


def rows_of(known: Known, running: Running) -> npt.NDArray[np.int32]:
    """Rows of a campaign's players, in its order."""
    return np.array([known.row_of[name] for name in running.campaign.players], dtype=np.int32)


def field_of(known: Known, running: Running, wins: Floats) -> Field:
    """What a campaign sees: its players in its order, with what they won since it began."""
    field = replace(known.field, wins=None, posterior=None).among(rows_of(known, running))
    return replace(field, wins=wins)
