"""Which ids were accepted in the last offsets: a hash table in arrays, and the blocks it is stored as.

A match at offset o is a duplicate if the same digest was accepted in [o - window, o). Each entry's own
offset decides, so how entries are laid into blocks never matters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final
from zlib import crc32

import numba
import numpy as np

from service.columns import Integers
from service.match import Match, encode
from service.seed import Seed
from service.store.rows import SEEN, Seen

NEW: Final = 0
DUPLICATE: Final = 1
REUSED: Final = 2

BLOCK: Final = 512
"""A block takes further batches until it holds this many entries, so that small batches make few blocks."""


def entries_of(matches: Sequence[Match | Seed], offsets: Sequence[int]) -> Seen:
    """Entries of matches and seeds: the digest of pool and id, and a CRC-32 of the content to tell an id used again."""
    entries = np.empty(len(matches), SEEN)
    digests = [blake2b(f"{match.pool}/{match.id}".encode(), digest_size=16).digest() for match in matches]
    halves = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
    entries["high"], entries["low"] = halves[:, 0], halves[:, 1]
    entries["offset"] = offsets
    entries["content"] = [crc32(encode(match)) for match in matches]
    return entries


class SeenIds:
    """Ids of accepted matches of one partition.

    Parameters
    ----------
    window : int
        Offsets for which an id is remembered.
    blocks : mapping
        Stored blocks by name, as read at assignment.
    """

    def __init__(self, window: int, blocks: Mapping[str, Seen]) -> None:
        self._window = window
        stored = sorted(
            (block for block in blocks.items() if len(block[1])), key=lambda block: int(block[1]["offset"][0])
        )
        self._blocks = deque((name, int(block["offset"][-1])) for name, block in stored)
        self._open = stored[-1][1] if stored else np.empty(0, SEEN)
        self._table = np.empty(0, SEEN)
        self._used = 0
        self._rebuild(np.concatenate([np.empty(0, SEEN), *(block for _, block in stored)]), 0)

    def admit(self, entries: Seen) -> Integers:
        """Decide on entries in order of offset and remember those that are new.

        Parameters
        ----------
        entries : SEEN[n]
            Candidates.

        Returns
        -------
        int64[n]
            `NEW`, `DUPLICATE`, or `REUSED` where the same id came with another content.
        """
        if not len(entries):
            return np.empty(0, np.int64)
        if 4 * (self._used + len(entries)) > 3 * len(self._table):
            live = self._table[self._table["offset"] >= max(0, int(entries["offset"][0]) - self._window)]
            self._rebuild(live, len(entries))
        outcomes = np.empty(len(entries), np.int64)
        self._used += _admit(self._table, entries, self._window, outcomes)
        return outcomes

    def store(self, accepted: Seen, end: int) -> tuple[dict[str, bytes], list[str]]:
        """Lay newly accepted entries into blocks.

        Parameters
        ----------
        accepted : SEEN[n]
            Entries of one batch, in order.
        end : int
            Position after the batch: what the window has left behind by then is dropped.

        Returns
        -------
        written : dict
            Blocks to write, whole.
        dropped : list of str
            Names of blocks to delete.
        """
        written: dict[str, bytes] = {}
        if len(accepted):
            if self._blocks and len(self._open) + len(accepted) <= BLOCK:
                self._open = np.concatenate((self._open, accepted))
                name, _ = self._blocks.pop()
            else:
                self._open = accepted
                name = str(accepted["offset"][0])
            self._blocks.append((name, int(accepted["offset"][-1])))
            written[name] = self._open.tobytes()
        dropped: list[str] = []
        while self._blocks and self._blocks[0][1] < end - self._window and self._blocks[0][0] not in written:
            dropped.append(self._blocks.popleft()[0])
        return written, dropped

    def _rebuild(self, live: Seen, more: int) -> None:
        size = 1024
        while size < 2 * (len(live) + more):
            size *= 2
        self._table = np.zeros(size, SEEN)
        self._table["offset"] = -1
        _fill(self._table, live)
        self._used = len(live)


@numba.njit(cache=True)
def _place(table: Seen, high: np.uint64, low: np.uint64) -> np.int64:
    """Index of the entry with this digest, or of the free place where it belongs."""
    mask = len(table) - 1
    at = np.int64(low & np.uint64(mask))
    while table[at]["offset"] >= 0 and (table[at]["low"] != low or table[at]["high"] != high):
        at = (at + 1) & mask
    return at


@numba.njit(cache=True)
def _fill(table: Seen, entries: Seen) -> None:
    for entry in entries:
        at = _place(table, entry["high"], entry["low"])
        table[at]["offset"] = entry["offset"]
        table[at]["high"] = entry["high"]
        table[at]["low"] = entry["low"]
        table[at]["content"] = entry["content"]


@numba.njit(cache=True)
def _admit(table: Seen, entries: Seen, window: int, outcomes: Integers) -> int:
    used = 0
    for index in range(len(entries)):
        entry = entries[index]
        at = _place(table, entry["high"], entry["low"])
        known = table[at]["offset"]
        if known >= 0 and known >= entry["offset"] - window:
            outcomes[index] = DUPLICATE if table[at]["content"] == entry["content"] else REUSED
            continue
        if known < 0:
            used += 1
        table[at]["offset"] = entry["offset"]
        table[at]["high"] = entry["high"]
        table[at]["low"] = entry["low"]
        table[at]["content"] = entry["content"]
        outcomes[index] = NEW
    return used
