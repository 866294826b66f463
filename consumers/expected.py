"""What a log makes of a partition, kept in a temporary file: memory stays bounded however many players there are."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Sequence
from typing import Self

from consumers.partition import Batch
from service.store.apply import Change
from service.store.generations import PIECE
from service.store.layout import LAYOUT, Keys
from service.store.partition import Fields


class Expected:
    """What the log makes of a partition, in a temporary file. A context manager.

    Parameters
    ----------
    keys : Keys
        Of the generation that it is to be compared with.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        # Without a name it is a file that is gone with the connection; only its cache is memory.
        self._file = sqlite3.connect("", isolation_level=None)
        for line in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA cache_size = -65536",
            "CREATE TABLE content (key TEXT, name TEXT, value, PRIMARY KEY (key, name)) WITHOUT ROWID",
            # Never ended: nobody else reads it, and each end would write its pages out.
            "BEGIN",
        ):
            self._file.execute(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    async def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> Fields:
        """Read fields of hashes."""
        return Fields(self._keys.generation, None, [self.values(key, names) for key, names in wanted])

    async def write(self, change: Change, batch: Batch) -> None:
        """Keep what a batch changed; streams apart, which are no function of the log alone."""
        del batch
        state = {**change.state, "position": change.end, "layout": LAYOUT, "torn": ""}
        self._put(self._keys.state, [(name, str(value).encode()) for name, value in state.items()])
        self._put(self._keys.fingerprints, [(name, text.encode()) for name, text in change.fingerprints.items()])
        for section in change.sections:
            items = section.items
            if section.command == "HSET":
                self._put(section.key, zip(items[::2], items[1::2], strict=True))
            elif section.command == "ZADD":
                places = zip(items[::2], items[1::2], strict=True)
                self._put(section.key, ((name, score_bits(str(place))) for place, name in places))
            elif section.command == "HDEL":
                gone = [(section.key, name) for name in items]
                self._file.executemany("DELETE FROM content WHERE key = ? AND name = ?", gone)

    def _put(self, key: str, pairs: Iterable[tuple[object, object]]) -> None:
        rows = ((key, name, value) for name, value in pairs)
        self._file.executemany("INSERT OR REPLACE INTO content VALUES (?, ?, ?)", rows)

    def values(self, key: str, names: Sequence[str]) -> list[bytes | None]:
        """Values of a key by name, None where missing."""
        ask = "SELECT value FROM content WHERE key = ? AND name = ?"
        found = (self._file.execute(ask, (key, name)).fetchone() for name in names)
        return [None if row is None else row[0] for row in found]

    def names(self, key: str, after: str) -> list[str]:
        """The next `PIECE` names of a key."""
        ask = "SELECT name FROM content WHERE key = ? AND name > ? ORDER BY name LIMIT ?"
        return [name for (name,) in self._file.execute(ask, (key, after, PIECE))]

    def count(self, key: str) -> int:
        """How many names a key has."""
        (count,) = self._file.execute("SELECT count(*) FROM content WHERE key = ?", (key,)).fetchone()
        return int(count)

    def whole(self, key: str) -> dict[str, bytes]:
        """A key that is known to be small, or bounded."""
        return dict(self._file.execute("SELECT name, value FROM content WHERE key = ?", (key,)))


def score_bits(text: str) -> bytes:
    """A board's value as bytes that are equal for the same bits alone; a zero has no sign, for Redis keeps none."""
    return struct.pack("<d", float(text) + 0.0)
