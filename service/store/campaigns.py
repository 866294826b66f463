"""Campaigns of a pool: what each is, and what was counted of its players when it began.

What its players played since is what is counted now less what was counted then. Pair counts are a function of the log,
so they are the same in every generation, and a campaign goes on through restarts, rebuilds and restores. It is no
function of the log itself, and moves nothing that is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np

from service.campaigns import Campaign, create
from service.campaigns.certificate import Certificate, Stopped
from service.columns import Floats
from service.pairs import number_of, players_of
from service.store.connection import Store
from service.store.layout import Keys
from service.store.partitions import Partitions, Position

MOST_CAMPAIGNS: Final = 100
"""Campaigns of a pool, ended ones among them."""

COUNT: Final = np.dtype([("pair", "<u4"), ("wins", "<f8", 2)])
"""A pair that had met when a campaign began, 20 bytes: its number by the places of its two players in the campaign, and
the wins of either over the other, the earlier one's first."""


class Ended(msgspec.Struct, frozen=True):
    """How a campaign ended, in short.

    Attributes
    ----------
    stopped : Stopped
    matches : int
        How many were used.
    position : str
        Of the results by which it ended.
    """

    stopped: Stopped
    matches: int
    position: str


class Begun(msgspec.Struct, frozen=True, omit_defaults=True):
    """A campaign as it is stored.

    Attributes
    ----------
    id : str
    method : str
        Its kind, one of `service.campaigns.KINDS`.
    parameters : mapping
        Of its kind.
    side_count : int
        Sides of its matchups.
    position : Position
        Results from here on count.
    heavy : int
        Matches of the pool in which a pair counted more than 1, up to there.
    at : int
        When it was begun, epoch milliseconds.
    request_id : str
    asked : str
        Digest of what was asked for under it.
    ended : Ended or None
    """

    id: str
    method: Literal["settle", "knockout"]
    parameters: Mapping[str, Any]
    side_count: int
    position: Position
    heavy: int
    at: int
    request_id: str
    asked: str
    ended: Ended | None = None

    def campaign(self) -> Campaign:
        """Make the campaign that this is."""
        return create(self.method, self.parameters)


class Found(NamedTuple):
    """What is stored of a campaign.

    Attributes
    ----------
    begun : Begun
    counted : bytes or None
        What was counted when it began, see `unpack_counts`; None once it has ended.
    certificate : Certificate or None
        None as long as it is open.
    """

    begun: Begun
    counted: bytes | None
    certificate: Certificate | None


class Campaigns:
    """Campaigns of one installation.

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

    async def create(self, pool: str, begun: Begun, wins: Floats) -> bool:
        """Store a campaign, all of it or nothing, unless one of its id is there.

        Parameters
        ----------
        pool : str
        begun : Begun
        wins : float64[n, n]
            As counted of its players at its position.

        Returns
        -------
        bool
            False where the pool has `MOST_CAMPAIGNS`.

        Raises
        ------
        Problem
            ``unknown_pool`` where nothing was ever applied.
        StoreUnavailable
            Whether it is stored is not known; the same call again is safe.
        """
        keys = await self._keys(pool)
        words = (begun.id, _encode(begun), pack_counts(wins), MOST_CAMPAIGNS)
        return bool(await self._store.run("create_campaign", (keys.campaigns(pool), keys.counted(pool)), words))

    async def read(self, pool: str, id_: str) -> Found | None:
        """Read a campaign, all of it at one moment; None where there is none.

        Raises
        ------
        Problem
            ``unknown_pool`` where nothing was ever applied.
        StoreUnavailable, Unreadable
        """
        answer = await self._partitions.read(
            await self._partitions.holding(pool),
            "read_fields",
            lambda keys: (keys.campaigns(pool), keys.counted(pool), keys.certificates(pool)),
            (1, id_) * 3,
        )
        begun, counted, certificate = (values[0] for values in answer.values)
        if begun is None:
            return None
        return Found(_decode(begun), counted, None if certificate is None else _decode_certificate(certificate))

    async def read_all(self, pool: str) -> list[Begun]:
        """Read what all campaigns of a pool are, the last begun first.

        Raises
        ------
        Problem
            ``unknown_pool`` where nothing was ever applied.
        StoreUnavailable
        """
        keys = await self._keys(pool)
        found = [_decode(value) for value in await self._store.command("HVALS", keys.campaigns(pool))]
        return sorted(found, key=lambda begun: (-begun.at, begun.id))

    async def end(self, pool: str, begun: Begun, certificate: Certificate) -> None:
        """Store how a campaign ended, unless it has ended before or was dropped.

        Raises
        ------
        StoreUnavailable
        """
        ended = Ended(certificate.stopped, certificate.matches, certificate.position or "")
        words = (begun.id, _encode(begun), _encode(msgspec.structs.replace(begun, ended=ended)), _encode(certificate))
        await self._store.run("end_campaign", await self._all_keys(pool), words)

    async def drop(self, pool: str, id_: str) -> None:
        """Drop a campaign; one that is not there stays so.

        Raises
        ------
        Problem
            ``unknown_pool`` where nothing was ever applied.
        StoreUnavailable
        """
        await self._store.run("drop_campaign", await self._all_keys(pool), (id_,))

    async def _all_keys(self, pool: str) -> tuple[str, str, str]:
        keys = await self._keys(pool)
        return keys.campaigns(pool), keys.counted(pool), keys.certificates(pool)

    async def _keys(self, pool: str) -> Keys:
        return replace(self._first, partition=await self._partitions.holding(pool))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Begun).decode
_decode_certificate = msgspec.json.Decoder(Certificate).decode


def id_of(request_id: str) -> str:
    """Id of the campaign that is asked for under a request id: a repeat finds it without an index.

    Examples
    --------
    >>> id_of("spring")
    'ca-lvbmhqktk3gppyyx'
    """
    digest = hashlib.blake2b(request_id.encode(), digest_size=10).digest()
    return f"ca-{base64.b32encode(digest).decode().lower()}"


def pack_counts(wins: Floats) -> bytes:
    """Write the wins among ``n`` players, float64[n, n], as the pairs that met.

    Examples
    --------
    >>> wins = np.array([[0.0, 2.5, 0.0], [0.5, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> (unpack_counts(pack_counts(wins), 3) == wins).all()
    np.True_
    """
    low, high = np.nonzero(np.triu(wins + wins.T, 1))
    counts = np.empty(len(low), COUNT)
    counts["pair"] = [number_of(*pair) for pair in zip(low.tolist(), high.tolist(), strict=True)]
    counts["wins"] = np.stack((wins[low, high], wins[high, low]), axis=1)
    return counts.tobytes()


def unpack_counts(value: bytes, count: int) -> Floats:
    """Read what `pack_counts` wrote of so many players."""
    counts = np.frombuffer(value, COUNT)
    low, high = players_of(counts["pair"].astype(np.int64))
    wins = np.zeros((count, count))
    wins[low, high], wins[high, low] = counts["wins"].T
    return wins
