"""Ratings from files, without Kafka and Redis: what all players have come to at the end."""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from service.rate import MATCHES
from service.ratings import RatingSystem
from standings.files.source import Source
from standings.play import Played, play_file


class Player(msgspec.Struct, frozen=True, kw_only=True):
    """A player's final rating; ``pool`` is given where the file holds several pools."""

    pool: str | UnsetType = UNSET
    player: str
    rating: float
    deviation: float
    matches: int


class Ratings(msgspec.Struct, frozen=True):
    """What ``standings rate`` answers: players by rating, best first, then by name; one pool after the other."""

    system: str
    players: list[Player]


def rate_file(source: Source, system: RatingSystem) -> Ratings:
    """Rate all matches of a file.

    Parameters
    ----------
    source : Source
        The file, and how its rows are to be read.
    system : RatingSystem

    Raises
    ------
    Mistake
        The file cannot be read, or has a bad row and the source is strict.
    """
    return ratings_of(play_file(source, [system]))


def ratings_of(played: Played) -> Ratings:
    """Read the ratings under the one system that was played."""
    (system,) = played.systems
    ladders = played.ladders
    players: list[Player] = []
    for pool in sorted(ladders):
        ladder = ladders[pool]
        (table,) = ladder.tables
        rating, deviation = system.view(table.skills, table.pool, np.zeros(len(table.skills)))
        ladder_players = [
            Player(
                pool=pool if len(ladders) > 1 else UNSET,
                player=player,
                rating=float(rating[row]),
                deviation=float(deviation[row]),
                matches=int(table.tallies[row, MATCHES]),
            )
            for player, row in ladder.row_of.items()
        ]
        # Ratings of different pools do not compare, so each pool has its own order.
        players += sorted(ladder_players, key=lambda player: (-player.rating, player.player))
    return Ratings(system.name, players)
