"""Cursors: where a list goes on, as opaque text in a URL."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from dataclasses import dataclass
from typing import Final, Self

from service.fields import NAME_BYTES, is_slug
from service.problems import Problem

_value: Final = struct.Struct(">d")


@dataclass(frozen=True, slots=True)
class BoardCursor:
    """The last row that was seen of a board.

    Attributes
    ----------
    pool : str
        The pool.
    generation : str
        The generation that it was read in; in another the board may be another.
    system : str
        The rating system.
    value : float
        What the board is ordered by.
    player : str

    Examples
    --------
    >>> cursor = BoardCursor("arena", "1", "elo", 1893.2, "atlas-9")
    >>> cursor.encode()
    'BWFyZW5hATEDZWxvQJ2UzMzMzM1hdGxhcy05'
    >>> BoardCursor.decode(cursor.encode()) == cursor
    True
    """

    pool: str
    generation: str
    system: str
    value: float
    player: str

    def encode(self) -> str:
        """Write as base64url: three words with their lengths, 8 bytes, the name."""
        words = (word.encode() for word in (self.pool, self.generation, self.system))
        packed = b"".join(bytes((len(word),)) + word for word in words)
        return _text(packed + _value.pack(self.value) + self.player.encode())

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what `encode` wrote.

        Raises
        ------
        Problem
            ``malformed``.
        """
        packed = _packed(text)
        words, end = [], 0
        try:
            for _ in range(3):
                begin, end = end + 1, end + 1 + packed[end]
                words.append(packed[begin:end].decode())
            (value,) = _value.unpack_from(packed, end)
            name = packed[end + _value.size :]
            pool, generation, system = words
            cursor = cls(pool, generation, system, value, name.decode())
        except (IndexError, struct.error, UnicodeDecodeError):
            raise malformed_cursor() from None
        if not math.isfinite(value) or not 0 < len(name) <= NAME_BYTES:
            raise malformed_cursor()
        return cursor


def encode_pool(name: str) -> str:
    """Write the cursor after a pool.

    Examples
    --------
    >>> encode_pool("chess"), decode_pool("Y2hlc3M")
    ('Y2hlc3M', 'chess')
    """
    return _text(name.encode())


def decode_pool(text: str) -> str:
    """Read what `encode_pool` wrote; raises ``Problem`` ``malformed``."""
    name = _packed(text).decode(errors="replace")
    if not is_slug(name):
        raise malformed_cursor()
    return name


def encode_lease(until: int, id_: str) -> str:
    """Write the cursor after an open lease: when it ends, epoch milliseconds, and its id.

    Examples
    --------
    >>> encode_lease(7, "1-3-mu-5k2f9"), decode_lease("NyAxLTMtbXUtNWsyZjk")
    ('NyAxLTMtbXUtNWsyZjk', (7, '1-3-mu-5k2f9'))
    """
    return _text(f"{until} {id_}".encode())


def decode_lease(text: str) -> tuple[int, str]:
    """Read what `encode_lease` wrote; raises ``Problem`` ``malformed``."""
    until, _, id_ = _packed(text).decode(errors="replace").partition(" ")
    if not (until.isascii() and until.isdigit() and len(until) < 16 and id_):
        raise malformed_cursor()
    return int(until), id_


def malformed_cursor() -> Problem:
    """Build the problem of a cursor that no page gave."""
    return Problem("malformed", "cursor: this is no cursor of such a list")


def _text(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _packed(text: str) -> bytes:
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise malformed_cursor() from None
    # One spelling each: the decoder lets stray bits at the end pass.
    if _text(packed) != text:
        raise malformed_cursor()
    return packed
