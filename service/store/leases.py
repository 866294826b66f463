"""Open leases of a pool: matchups that were suggested and whose results are not in.

They are no function of the log and never move a rating. The API takes them, only if those that are open are still the
ones that it drew from; ingest closes them with their results; past their end they are purged when others are taken.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec

from service.pools import Pool
from service.store.connection import Argument, Store
from service.store.layout import Keys
from service.store.partitions import Partitions, Position, check_fingerprint

MOST_OPEN: Final = 10_000
"""Open leases of a pool."""

MOST_PURGED: Final = 1_000
"""Expired leases that one call purges."""

MOST_WHOLE: Final = 5_000
"""Players of a pool, of whom all are read; of a larger one only those who are named."""


class Lease(msgspec.Struct, frozen=True, array_like=True):
    """A matchup that is to be played, and how it came about.

    Attributes
    ----------
    sides : tuple of tuple of str
        Players of each side, in the order shown.
    until : int
        When it ends, epoch milliseconds.
    position : str
        Of the ratings that it was drawn from.
    policy, parameters, floor, seed
        How it was drawn.
    propensity : float or None
        Chance of this set of sides; see `service.matchups.draw.Draw`.
    built : float
        Chance of this set, taken in the order in which it was.
    score, unit : float, str
        What spoke for it.
    win : tuple of float
        Chance of each side to be first.
    tie : float or None
        Chance that two sides tie.
    request_id : str or None
        Under which it was asked for.
    campaign : str or None
        The campaign that it belongs to; its players are not among the parameters.
    """

    sides: tuple[tuple[str, ...], ...]
    until: int
    position: str
    policy: str
    parameters: Mapping[str, Any]
    floor: float
    seed: int
    propensity: float | None
    built: float
    score: float
    unit: str
    win: tuple[float, ...]
    tie: float | None
    request_id: str | None = None
    campaign: str | None = None


class Exposure(NamedTuple):
    """How often a player was suggested, and where.

    Attributes
    ----------
    shown : int
        Counted from where the least shown stood when the player came.
    lean : float
        See `service.matchups.exposure`; 0 where first and last places balance.
    """

    shown: int
    lean: float = 0.0

    def pack(self) -> str:
        """Write as text."""
        return f"{self.shown} {self.lean!r}"

    @classmethod
    def unpack(cls, value: bytes) -> Exposure:
        """Read what `pack` wrote."""
        shown, lean = value.split()
        return cls(int(shown), float(lean))


class Mark(NamedTuple):
    """Which leases there are: equal marks of a pool mean the same leases.

    Each one taken is counted, so with as many taken, another set of open ones is a smaller one.

    Attributes
    ----------
    taken : int
        Leases that were ever taken.
    open : int
        Those that are not closed, expired ones among them until they are purged.
    """

    taken: int
    open: int


class Held(NamedTuple):
    """What a reader holds from before; see `MatchupRead`.

    Attributes
    ----------
    generation : str
        Of the whole rows; empty where none are held.
    totals : bytes
        What the whole rows stand for.
    mark : Mark or None
    """

    generation: str = ""
    totals: bytes = b""
    mark: Mark | None = None


class MatchupRead(NamedTuple):
    """What a matchup is drawn from, all at one moment.

    Attributes
    ----------
    position : Position
    totals : bytes or None
        The pool's totals as stored; None for one without a match.
    learned : bytes or None
        What the live system learned of the pool.
    whole : bool
        Whether the pool is small enough to be read whole.
    mark : Mark
    rows : list or None
        ``name, row`` by turns of a whole pool, else the rows of those asked for; None where those held are good.
    ids : list of str or None
        Of open leases; None where those held are all.
    exposure : list or None
        As ``rows``, packed `Exposure`; None where those held are good, or it was not asked for.
    """

    position: Position
    totals: bytes | None
    learned: bytes | None
    whole: bool
    mark: Mark
    rows: list[bytes | None] | None
    ids: list[str] | None
    exposure: list[bytes | None] | None


class Leases:
    """Leases of one installation.

    Parameters
    ----------
    store : Store
    partitions : Partitions
    installation, topic : str
        Parts of every key.
    """

    def __init__(self, store: Store, partitions: Partitions, installation: str, topic: str) -> None:
        self._store = store
        self._partitions = partitions
        self._first = Keys(installation, topic, 0)

    async def read(self, pool: Pool, held: Held, names: Sequence[str]) -> MatchupRead:
        """Read what changed of a pool since it was held.

        Parameters
        ----------
        pool : Pool
        held : Held
        names : sequence of str
            Players who are wanted of a pool that is too large to be read whole.

        Raises
        ------
        Problem
            ``unknown_pool`` where nothing was ever applied.
        StoreUnavailable, Unreadable
        """
        made = f"{pool.name}/{pool.live.name}"
        marks: Sequence[Argument] = ("", "") if held.mark is None else held.mark
        counted = int(pool.matchups.exposure is not None)
        answer = await self._partitions.read(
            await self._partitions.holding(pool.name),
            "read_matchups",
            lambda keys: (
                keys.totals,
                keys.learned,
                keys.fingerprints,
                keys.rows(pool.name, pool.live.name),
                keys.leases(pool.name),
                keys.exposure(pool.name),
                keys.taken,
            ),
            (pool.name, made, MOST_WHOLE, held.generation, held.totals, *marks, counted, *names),
        )
        totals, learned, fingerprint, players, taken, open_, rows, ids, exposure = answer.values
        check_fingerprint(pool, pool.live, fingerprint)
        return MatchupRead(
            answer.position,
            totals,
            learned,
            players <= MOST_WHOLE,
            Mark(int(taken), open_),
            rows,
            None if ids is None else [id_.decode() for id_ in ids],
            exposure,
        )

    async def fetch(self, pool: str, partition: int, ids: Sequence[str]) -> dict[str, Lease]:
        """Read leases by their ids; those that were closed meanwhile are left out.

        Raises
        ------
        StoreUnavailable
        """
        if not ids:
            return {}
        values = await self._store.command("HMGET", self._keys(partition).leases(pool), *ids)
        return {id_: unpack_lease(value) for id_, value in zip(ids, values, strict=True) if value is not None}

    async def take(
        self,
        pool: str,
        partition: int,
        mark: Mark,
        leases: Mapping[str, Lease],
        expired: Sequence[str],
        exposure: Mapping[str, Exposure],
    ) -> Mark | None:
        """Take leases, all or none.

        Parameters
        ----------
        pool : str
        partition : int
            That holds it.
        mark : Mark
            Of the leases that these were drawn from.
        leases : mapping
            The new ones by their ids, at least one.
        expired : sequence of str
            Open ones that have ended, at most `MOST_PURGED`.
        exposure : mapping
            How often players were suggested, these leases counted.

        Returns
        -------
        Mark or None
            Of the leases now; None where others came in between and nothing was written.

        Raises
        ------
        TooManyOpen
        StoreUnavailable
            Whether they are taken is not known.
        """
        words: list[Argument] = [pool, *mark, MOST_OPEN, len(expired), *expired, len(leases)]
        for id_, lease in leases.items():
            words += (id_, pack_lease(lease))
        words.append(len(exposure))
        for player, counted in exposure.items():
            words += (player, counted.pack())
        keys = self._keys(partition)
        answer = await self._store.run("take_leases", (keys.leases(pool), keys.exposure(pool), keys.taken), words)
        match answer[0]:
            case b"taken":
                return Mark(answer[1], answer[2])
            case b"moved":
                return None
            case _:
                raise TooManyOpen(int(answer[1]))

    async def give_back(self, pool: str, ids: Sequence[str]) -> None:
        """Close leases without a result; those that are closed stay so.

        Raises
        ------
        Problem
            ``unknown_pool`` where nothing was ever applied.
        StoreUnavailable
        """
        partition = await self._partitions.holding(pool)
        await self._store.command("HDEL", self._keys(partition).leases(pool), *ids)

    def _keys(self, partition: int) -> Keys:
        return replace(self._first, partition=partition)


class TooManyOpen(Exception):
    """A pool has as many open leases as it may."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Lease).decode


def pack_lease(lease: Lease) -> bytes:
    """Write a lease."""
    return _encode(lease)


def unpack_lease(value: bytes) -> Lease:
    """Read what `pack_lease` wrote."""
    return _decode(value)


def new_id(position: Position) -> str:
    """Make an id that says where the matchup's pool lies and cannot be guessed."""
    random = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return f"{position.generation}-{position.partition}-mu-{random}"
