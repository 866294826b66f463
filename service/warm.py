"""Before work begins: what is compiled at its first call is, by matches of every shape and by every policy.

Compiling a rating system takes seconds, on a busy machine a minute, in which an event loop turns not once. Where the
compiled code is kept, as in the image, it is read in a moment.
"""

from __future__ import annotations

import gc
from typing import Final

import numpy as np

from service.columns import lay_out
from service.match import Match, Side
from service.matchups import policies
from service.matchups.draw import draw
from service.matchups.field import Field
from service.matchups.posterior import Posterior, fit, unknown
from service.rate import empty, rate
from service.ratings import RatingSystem

PLAYERS: Final = 200
"""Enough for a match that is large to every rating system."""

SHAPES: Final = (
    (Side(("ann", "bob"), score=2.0), Side(("cid",), score=1.0), Side(("dan",), score=1.0)),
    (Side(("ann",), rank=1), Side(("bob",), rank=2)),
    (Side(("ann",), rank=1), Side(("bob",), rank=1)),
    tuple(Side((str(number),), rank=1 + number // 2) for number in range(PLAYERS)),
)


def warm(system: RatingSystem) -> None:
    """Rate matches of every shape that a system takes, in a table that is thrown away."""
    table = empty(system, PLAYERS)
    for sides in SHAPES:
        if system.refusal(sides) is None:
            rows = range(sum(len(side.players) for side in sides))
            rate(system, lay_out([Match("warm", "warm", 0, sides)], rows), table)
    system.view(table.skills, table.pool, np.zeros(PLAYERS))


def warm_posterior() -> Posterior:
    """Fit a posterior that is thrown away, and go on from it."""
    wins = np.array([[0.0, 2.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    posterior = fit(wins, unknown(3)).with_results(2.0 * wins)
    pair = np.arange(2, dtype=np.int32)
    return posterior.with_matches([pair]).with_match(pair)


def warm_policies() -> None:
    """Draw from every policy."""
    posterior = warm_posterior()
    rating, ones = posterior.mean, np.ones(3)
    under_way = np.array([[0, 1]], dtype=np.int32)
    wins = 20.0 * posterior.wins
    field = Field(rating, ones, rating, ones, "normal", ones, under_way, wins=wins, posterior=posterior)
    for policy in policies().values():
        for sides in (2, 3):
            draw(policy(), field, sides, 0.0, np.random.default_rng(0))


def spare_collector() -> None:
    """Have Python's garbage collector look less often, and not at what is there by now.

    What was imported never dies, and matches and requests are many small objects that soon do: at the usual thresholds,
    looking through all of them takes a sixth of ingest's time, and a tenth of a second of some requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
