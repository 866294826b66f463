"""The two capped streams of a partition: what each batch touched, and receipts of records that asked for one.

Both are written in the apply itself; the id of an entry is a position, so a reader goes on from what it has seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

CHANGES_KEPT: Final = 2_000
"""Batches; of at most 2,000 rows each, but for one larger match."""

RECEIPTS_KEPT: Final = 10_000

RECEIPT_HEADER: Final = "receipt"
"""A record that has this header gets a receipt."""


class Touched(msgspec.Struct, frozen=True):
    """What one range of offsets changed.

    Attributes
    ----------
    start : int
        Where the range begins.
    pools : mapping
        By pool the players whose rows it wrote.
    """

    start: int
    pools: Mapping[str, Sequence[str]]


class Move(msgspec.Struct, frozen=True):
    """What a match did to one player under the pool's live system; None for one who had no rating.

    Attributes
    ----------
    player : str
        The name.
    rating, deviation, value : pair of float
        Before and after; the deviation before is grown to the time of the match, the board's value is not.
    """

    player: str
    rating: tuple[float, float]
    deviation: tuple[float, float]
    value: tuple[float | None, float]


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one record.

    Attributes
    ----------
    outcome : {"applied", "duplicate", "dead_letter"}
    reason, detail : str
        Why it is a dead letter.
    moves : sequence of Move
        Of an applied match, side by side.
    """

    outcome: Literal["applied", "duplicate", "dead_letter"]
    reason: str = ""
    detail: str = ""
    moves: tuple[Move, ...] = ()


_encode = msgspec.json.Encoder().encode
_touched = msgspec.json.Decoder(Touched)
_receipt = msgspec.json.Decoder(Receipt)


def pack_entry(entry: Touched | Receipt) -> bytes:
    """Write an entry's value."""
    return _encode(entry)


def unpack_touched(value: bytes) -> Touched:
    """Read what `pack_entry` wrote of a range."""
    return _touched.decode(value)


def unpack_receipt(value: bytes) -> Receipt:
    """Read what `pack_entry` wrote of a record."""
    return _receipt.decode(value)
