"""The account of matchups: records of a topic, from which another policy can be judged by what this one had played.

A policy draws from what is known of the candidates, which would be the most of every record. So that is one record, the
`Base`, and each `Account` of a request names the base that it drew from and says what came since: who reads them in the
order of their numbers knows of each draw what its policy saw, and by seed and parameters draws it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from service.rate import MATCHES
from service.ratings.link import Link
from service.suggest.ask import Ask, Chosen, order_propensity, parameters_of
from service.suggest.campaign import Progress
from service.suggest.known import Known


class Base(msgspec.Struct, frozen=True):
    """What was known of a pool's players, for the accounts that name it.

    Attributes
    ----------
    type : str
        ``base``.
    base : str
        By which accounts name it.
    pool, system, link, position
        Whose ratings they are, and what they stand for.
    at : int
        The moment to which deviations are grown, epoch milliseconds.
    players : sequence of str
        Accounts point at them by their places here, from 0.
    newcomers : sequence of int
        Which of them the pool does not know.
    rating, deviation, location, variance, matches : sequence of float
        Of each player, as in `service.matchups.field.Field`; matches are those that were rated.
    exposure : sequence of int or None
        How often each was suggested; None where the pool does not bound it.
    open : mapping
        Matchups under way, by their ids: who plays, as far as they are among the players.
    pairs : str or None
        Position of the results that policies saw as pairs; None where they saw none.
    posterior : str or None
        Position of the results that the joint posterior stood for; None where there was none. Both are functions of
        the log up to there, the posterior up to a tolerance, and are not written down.
    expected : sequence of str
        Matchups, some of which may have ended since, of which the posterior expected results.
    """

    type: Literal["base"]
    base: str
    pool: str
    system: str
    link: Link
    position: str
    at: int
    players: Sequence[str]
    newcomers: Sequence[int]
    rating: Sequence[float]
    deviation: Sequence[float]
    location: Sequence[float]
    variance: Sequence[float]
    matches: Sequence[float]
    exposure: Sequence[int] | None
    open: Mapping[str, Sequence[int]]
    pairs: str | None
    posterior: str | None
    expected: Sequence[str]


class Drawn(msgspec.Struct, frozen=True):
    """One matchup of an account.

    Attributes
    ----------
    id : str
        Its lease's; a result carries it.
    taken : sequence of int
        Players in the order in which they were taken.
    shown : sequence of str
        And in the order shown.
    propensity, built, score
        As in `service.matchups.draw.Draw`.
    until : int
        When the lease ends, epoch milliseconds.
    """

    id: str
    taken: Sequence[int]
    shown: Sequence[str]
    propensity: float | None
    built: float
    score: float
    until: int


class Pursued(msgspec.Struct, frozen=True):
    """The campaign that an account is for; its candidates are the campaign's players, in its order.

    Attributes
    ----------
    id : str
    begun, position : str
        Its policy saw the wins that were counted between these two positions of the pool.
    """

    id: str
    begun: str
    position: str


class Queue(msgspec.Struct, frozen=True):
    """Parties that waited, of an account whose policy is ``queue``.

    Attributes
    ----------
    parties : sequence of sequence of int
        Who waited together, as the candidates are counted.
    waited : sequence of float
        Seconds.
    met : sequence of (int, int)
        Who met lately; all who meet in open matchups did, too.
    count, side_size : int
        Matches asked for, and players of each side.
    """

    parties: Sequence[Sequence[int]]
    waited: Sequence[float]
    met: Sequence[tuple[int, int]]
    count: int
    side_size: int


class Account(msgspec.Struct, frozen=True):
    """What one request was given, and how it was drawn.

    Attributes
    ----------
    type : str
        ``matchups``.
    base : str
        The record that it goes on from.
    number : int
        Counted from 0 for each base.
    pool : str
    opened : mapping
        Matchups that others opened since the account before, by id: who plays.
    closed : sequence of str
        Matchups that ended since: by a result, given back, or expired.
    policy, parameters, floor, exposure, seed, side_count
        What decided; exposure is the bound on its ratio.
    candidates : sequence of int or None
        Who could be chosen; None for all players but newcomers.
    order_propensity : float
        Chance of the order in which the sides of each are shown.
    matchups : sequence of Drawn
        One after the other; each later one was drawn with those before it under way, but for those of a queue.
    queue : Queue or None
        Where parties waited, they were matched all at once, by ``parameters`` and no chance.
    campaign : Pursued or None
        Where it was for a campaign, that is the policy; its players are not among the parameters.
    """

    type: Literal["matchups"]
    base: str
    number: int
    pool: str
    opened: Mapping[str, Sequence[int]]
    closed: Sequence[str]
    policy: str
    parameters: Mapping[str, Any]
    floor: float
    exposure: float | None
    seed: int
    side_count: int
    candidates: Sequence[int] | None
    order_propensity: float
    matchups: Sequence[Drawn]
    queue: Queue | None = None
    campaign: Pursued | None = None


def base_of(known: Known) -> Base:
    """Write down what is known before anything is drawn from it; accounts go on from there."""
    field, view = known.field, known.view
    known.opened, known.closed = {}, []
    return Base(
        type="base",
        base=known.base,
        pool=known.pool.name,
        system=known.pool.live.name,
        link=field.link,
        position=str(known.position),
        at=known.at,
        players=known.names,
        newcomers=np.flatnonzero(~known.rated).tolist(),
        rating=field.rating.tolist(),
        deviation=field.deviation.tolist(),
        location=field.location.tolist(),
        variance=field.variance.tolist(),
        matches=known.table.tallies[:, MATCHES].tolist(),
        exposure=None if known.pool.matchups.exposure is None else known.shown.tolist(),
        open={id_: known.rows_of(lease) for id_, lease in known.leases.items()},
        pairs=None if view is None else str(view.pairs),
        posterior=None if view is None or view.posterior is None else str(view.fitted),
        expected=[] if view is None or view.posterior is None else sorted(known.expected),
    )


def account_of(known: Known, ask: Ask, chosen: Chosen, progress: Progress | None = None) -> Account:
    """Write down what a request was given, as the next account of its base."""
    running = ask.running
    account = Account(
        type="matchups",
        base=known.base,
        number=known.number,
        pool=known.pool.name,
        opened={id_: known.rows_of(lease) for id_, lease in known.opened.items()},
        closed=known.closed,
        policy=ask.policy.name,
        parameters=parameters_of(ask),
        floor=ask.floor,
        exposure=None if running else known.pool.matchups.exposure,
        seed=ask.seed,
        side_count=ask.side_count,
        candidates=None if not ask.names else chosen.candidates.tolist(),
        order_propensity=order_propensity(ask.side_count),
        matchups=[
            Drawn(
                id=id_,
                taken=rows,
                shown=[name for side in lease.sides for name in side],
                propensity=lease.propensity,
                built=lease.built,
                score=lease.score,
                until=lease.until,
            )
            for (id_, lease), rows in zip(chosen.leases.items(), chosen.rows, strict=True)
        ],
        queue=_queue_of(known, ask, chosen) if ask.parties else None,
        campaign=Pursued(running.id, str(running.position), str(progress.position)) if running and progress else None,
    )
    known.number += 1
    known.opened, known.closed = {}, []
    return account


def _queue_of(known: Known, ask: Ask, chosen: Chosen) -> Queue:
    return Queue(
        parties=chosen.parties,
        waited=chosen.waited,
        met=[(known.row_of[one], known.row_of[other]) for one, other in ask.met],
        count=ask.count,
        side_size=ask.side_size,
    )
