"""Ids from content, for matches that came without one.

The same file gives the same ids, so that feeding it twice counts it once. Equal rows are matches of their own: the
id says the how-manieth of its content a row is.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

GENERATION: Final = 500_000
"""Contents that are remembered, and as many before them: as many as ingest remembers ids. About 100 MB at most."""


class Ids:
    """Makes the ids of one file's matches."""

    def __init__(self) -> None:
        self._new: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def add(self, value: bytes) -> bytes:
        """Add an id to a match that has none.

        Parameters
        ----------
        value : bytes
            A JSON object without an id.

        Returns
        -------
        bytes
            The same with ``id``, 32 hexadecimal digits, as its first field.

        Examples
        --------
        >>> ids = Ids()
        >>> ids.add(b'{"pool": "chess"}')
        b'{"id":"51f373e1e9035a1665d8686b1e725f03","pool": "chess"}'
        >>> ids.add(b'{"pool": "chess"}') == ids.add(b'{"pool": "chess"}')
        False
        """
        content = blake2b(value, digest_size=16)
        short = int.from_bytes(content.digest()[:8])
        before = self._new.get(short) or self._old.get(short, 0)
        if len(self._new) >= GENERATION:
            self._old, self._new = self._new, {}
        self._new[short] = before + 1
        # What is shared by an accident of 64 bits is a number only: the id itself has 128.
        content.update(b"%d" % before)
        return b'{"id":"%b",%b' % (content.hexdigest().encode(), value.lstrip()[1:])
