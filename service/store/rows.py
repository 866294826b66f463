"""What lies in the values: floats and integers packed little-endian, no names, no padding."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from service.columns import Floats
from service.pairs import PairCount
from service.rate import TALLY_COLUMNS
from service.ratings import RatingSystem
from service.score import SCORE_COLUMNS, unscored
from service.shown import NONE_SHOWN

SEEN: Final = np.dtype([("offset", "<i8"), ("high", "<u8"), ("low", "<u8"), ("content", "<u4")])
"""One accepted match: offset, halves of the 128-bit digest of pool and id, CRC-32 of its content."""

Seen = npt.NDArray[np.void]

_totals = struct.Struct("<qqq")
_pair_totals = struct.Struct(f"<qqq{len(NONE_SHOWN)}d")
_pair = struct.Struct("<3d")


class Totals(NamedTuple):
    """What is counted of a pool.

    Attributes
    ----------
    matches : int
        Matches that were applied.
    revision : int
        Offset after the last record that changed the pool.
    last_match_at : int
        Latest time of a match, epoch milliseconds.
    """

    matches: int = 0
    revision: int = 0
    last_match_at: int = 0

    def pack(self) -> bytes:
        """Write as 24 bytes."""
        return _totals.pack(*self)

    @classmethod
    def unpack(cls, value: bytes) -> Totals:
        """Read what `pack` wrote."""
        return cls(*_totals.unpack(value))


class PairTotals(NamedTuple):
    """What is counted of a pool's pairs as a whole.

    Attributes
    ----------
    players : int
        Players who have a number.
    left_out : int
        Matches of which not every pair was counted: with a side of several players, of too many sides, or with a
        player who came when all numbers were given away.
    heavy : int
        Matches of which a pair counted more than 1.
    shown : tuple of 2 * MOST_SHOWN float
        How sides did by where they were shown: `service.shown.add_places`.
    """

    players: int = 0
    left_out: int = 0
    heavy: int = 0
    shown: tuple[float, ...] = NONE_SHOWN

    def pack(self) -> bytes:
        """Write as 280 bytes."""
        return _pair_totals.pack(*self[:3], *self.shown)

    @classmethod
    def unpack(cls, value: bytes) -> PairTotals:
        """Read what `pack` wrote."""
        players, left_out, heavy, *shown = _pair_totals.unpack(value)
        return cls(players, left_out, heavy, tuple(shown))


def pack_pair(count: Sequence[float]) -> bytes:
    """Write a `PairCount` as 24 bytes."""
    return _pair.pack(*count)


def unpack_pair(value: bytes | None) -> PairCount:
    """Read what `pack_pair` wrote; where it is missing, the two have not met."""
    return PairCount() if value is None else PairCount(*_pair.unpack(value))


def pack_rows(tallies: Floats, skills: Floats) -> list[bytes]:
    """Pack players' rows, one value each.

    Parameters
    ----------
    tallies : float64[n, 4]
    skills : float64[n, w]

    Returns
    -------
    list of n bytes
        ``8 * (4 + w)`` bytes each.
    """
    packed = np.concatenate((tallies, skills), axis=1).astype("<f8", copy=False).tobytes()
    width = 8 * (tallies.shape[1] + skills.shape[1])
    return [packed[start : start + width] for start in range(0, len(packed), width)]


def unpack_rows(values: Sequence[bytes | None], system: RatingSystem) -> tuple[Floats, Floats]:
    """Read players' rows; those that are missing are newcomers.

    Returns
    -------
    tallies : float64[n, 4]
    skills : float64[n, w]
    """
    newcomer = np.concatenate((np.zeros(len(TALLY_COLUMNS)), system.newcomer())).astype("<f8").tobytes()
    packed = b"".join(newcomer if value is None else value for value in values)
    width = len(TALLY_COLUMNS) + len(system.skill_columns)
    table = np.frombuffer(packed, "<f8").reshape(len(values), width).astype(np.float64)
    return table[:, : len(TALLY_COLUMNS)].copy(), table[:, len(TALLY_COLUMNS) :].copy()


def pack_learned(pool: Floats, scores: Floats) -> bytes:
    """Pack a pool's row and its prediction scores."""
    return np.concatenate((pool, scores)).astype("<f8", copy=False).tobytes()


def unpack_learned(value: bytes | None, system: RatingSystem) -> tuple[Floats, Floats]:
    """Read what `pack_learned` wrote; where it is missing, a pool that has not begun."""
    if value is None:
        return system.opening(), unscored()
    floats = np.frombuffer(value, "<f8").astype(np.float64)
    return floats[:-SCORE_COLUMNS].copy(), floats[-SCORE_COLUMNS:].copy()
