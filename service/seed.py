"""Seed: the ratings that an existing ladder brings along, through the same log as its matches."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from service.fields import Name, Slug, check_name, check_pool, moment, wrong

MOST_SEEDED: Final = 1_000


class SeededPlayer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A player who comes with a rating.

    Attributes
    ----------
    player : str
        The name.
    rating : float
        Mean of the skill, in the unit of the seed's rating system.
    deviation : float, optional
        Its standard deviation; the system's own for newcomers by default.
    """

    player: Name
    rating: Annotated[float, Meta(ge=-1e9, le=1e9)]
    deviation: Annotated[float, Meta(gt=0, le=1e9)] | None = None


class Seed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Ratings that an existing ladder brings along; from here on the players go on from them.

    Attributes
    ----------
    type : str
        ``seed``.
    id, pool, at
        As of a match.
    system : str
        The rating system whose ratings they are; under others the players begin as newcomers.
    players : tuple of SeededPlayer
        1 to 1,000, nobody twice. Whoever has a rating already gets this one instead.
    """

    type: Literal["seed"]
    id: Name
    pool: Slug
    at: int | str
    system: Name
    players: Annotated[tuple[SeededPlayer, ...], Meta(min_length=1, max_length=MOST_SEEDED)]


_decoder = msgspec.json.Decoder(Seed)


def decode_seed(text: str) -> Seed:
    """Read a seed and check everything that can be checked without its surroundings.

    Returns
    -------
    Seed
        With ``at`` in epoch milliseconds.

    Raises
    ------
    Problem
        ``invalid_match``, with the field named.
    msgspec.ValidationError
        A field is missing or of another type.
    """
    seed = _decoder.decode(text)
    check_name("id", seed.id)
    check_name("system", seed.system)
    check_pool(seed.pool)
    names = set()
    for index, player in enumerate(seed.players):
        check_name(f"players[{index}].player", player.player)
        if player.player in names:
            raise wrong(f"players[{index}].player", f"stands twice: {player.player!r}", "name each player once")
        names.add(player.player)
    return msgspec.structs.replace(seed, at=moment(seed.at))
