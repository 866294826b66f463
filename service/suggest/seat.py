"""Fulfils a request for matches of parties that wait. Talks to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice

import msgspec
import numpy as np

from service.matchups.queue import Pace, form
from service.store.leases import Lease, new_id
from service.suggest.ask import Ask, Chosen, Party, check_known, predicted
from service.suggest.known import Known


def seat(known: Known, ask: Ask, now: int) -> Chosen:
    """Form the matches that a request asks for; what is known counts them as under way.

    Parameters
    ----------
    known : Known
        Refreshed, with everybody whom the request names.
    ask : Ask
        With parties.
    now : int
        Epoch milliseconds.

    Returns
    -------
    Chosen
        Without a lease where nobody can be matched yet.

    Raises
    ------
    Problem
        ``invalid_parameter``; nothing was formed.
    """
    assert isinstance(ask.policy, Pace)
    check_known(known, ask, ask.names, partial(_place, ask.parties))
    parties = [[known.row_of[name] for name in party.players] for party in ask.parties]
    # One that a clock ahead of ours sent has just come.
    since = np.array([now if party.since is None else party.since for party in ask.parties])
    waited = np.maximum(0, now - since) / 1000.0
    found = form(
        known.field,
        parties,
        waited,
        np.concatenate((known.field.under_way, met_rows(known, ask))),
        ask.count,
        ask.side_count,
        ask.side_size,
        ask.policy,
    )
    rng = np.random.default_rng(ask.seed)
    leases: dict[str, Lease] = {}
    rows: list[list[int]] = []
    for match in found.matches:
        sides = [[row for party in side for row in parties[party]] for side in match.sides]
        shown = [sides[side] for side in rng.permutation(ask.side_count).tolist()]
        win, tie = predicted(known, shown)
        lease = Lease(
            sides=tuple(tuple(known.names[row] for row in side) for side in shown),
            until=now + ask.lease_ms,
            position=str(known.position),
            policy=ask.policy.name,
            parameters=msgspec.to_builtins(ask.policy),
            floor=0.0,
            seed=ask.seed,
            # The same state and request always form the same matches.
            propensity=1.0,
            built=1.0,
            score=match.off,
            unit=ask.policy.unit,
            win=win,
            tie=tie,
            request_id=ask.request_id,
        )
        id_ = new_id(known.position)
        taken = [row for side in sides for row in side]
        known.add(id_, lease, np.array(taken, dtype=np.int32))
        leases[id_] = lease
        rows.append(taken)
    everybody = np.array([row for party in parties for row in party], dtype=np.int32)
    return Chosen(everybody, leases, rows, parties, waited.tolist())


def _place(parties: Sequence[Party], number: int) -> str:
    """Where in a request the player of such a number among all who wait stands."""
    places = ((index, place) for index, party in enumerate(parties) for place in range(len(party.players)))
    return "candidates[{}].players[{}]".format(*next(islice(places, number, None)))


def met_rows(known: Known, ask: Ask) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Rows of those who met lately, as the request has it."""
    rows = [(known.row_of[one], known.row_of[other]) for one, other in ask.met]
    return np.array(rows, dtype=np.int32).reshape(len(rows), 2)
