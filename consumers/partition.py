"""One partition in memory: what its owner knows of it, ahead of Redis by what is prepared and not yet acknowledged.

All here is a copy of what Redis holds, plus the batches on their way. On any doubt the whole is dropped and read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from consumers.judge import Judge, Record, Verdicts, anchor_of
from consumers.memory import PoolMemory, names_of
from consumers.pairs import PAIR_BYTES
from consumers.seen import BLOCK, SeenIds
from consumers.skips import Skipped, Skips
from service.fields import NAME_BYTES
from service.match import Match
from service.pairs import pairs_in
from service.pools import DROPPED, SEEN_WINDOW
from service.problems import Problem
from service.seed import Seed
from service.store.apply import Change, Section
from service.store.connection import Argument
from service.store.partition import Fields, Loaded
from service.store.rows import SEEN, Seen
from service.store.streams import (
    CHANGES_KEPT,
    RECEIPT_HEADER,
    RECEIPTS_KEPT,
    Receipt,
    Touched,
    pack_entry,
)

BATCH_ROWS: Final = 2_000
"""Rows and pairs that a batch may touch; a single match of more is the only exception."""

BATCH_BYTES: Final = 1 << 20
"""Bytes that a batch may add up to, counted with the longest names."""

MEMORY_PLAYERS: Final = 250_000
"""Players and pairs of a partition that are kept in memory."""

RECEIPT_BYTES: Final = 256
"""The most that one player adds to a receipt beside the name."""

LEASE_BYTES: Final = 16
"""What the id of a matchup adds to a script call beside itself."""


@dataclass(slots=True)
class Batch:
    """Consecutive records of one partition that are applied together.

    Attributes
    ----------
    start, end : int
        The range of offsets.
    records : sequence of Record
        What the range delivered; control records leave gaps.
    accepted : SEEN[n]
        Ids of its matches.
    letters : list of (Record, Problem)
        Its dead letters.
    receipts : list of (int, Receipt)
        Of records that asked for one and are not applied, by the position that has them in.
    duplicates : int
        How many of its records repeat an id.
    accepted_of, positions, rows, watched : dict
        By pool: its matches and seeds, the offset after each of them, the rows of their players, and which of them
        asked for a receipt, by their index.
    """

    start: int
    end: int
    records: Sequence[Record] = ()
    accepted: Seen = field(default_factory=lambda: np.empty(0, SEEN))
    letters: list[tuple[Record, Problem]] = field(default_factory=list)
    duplicates: int = 0
    receipts: list[tuple[int, Receipt]] = field(default_factory=list)
    accepted_of: dict[str, list[Match | Seed]] = field(default_factory=dict)
    positions: dict[str, list[int]] = field(default_factory=dict)
    rows: dict[str, list[int]] = field(default_factory=dict)
    watched: dict[str, dict[int, int]] = field(default_factory=dict)

    @property
    def applied(self) -> int:
        """How many matches and seeds it applies."""
        return sum(len(accepted) for accepted in self.accepted_of.values())


class Partition:
    """What the owner of a partition knows.

    Parameters
    ----------
    loaded : Loaded
        As stored.
    judge : Judge
        Knows what its records must be.
    partitions : int
        Partitions of the topic, stored with every batch.
    """

    def __init__(self, loaded: Loaded, judge: Judge, partitions: int) -> None:
        self.keys = loaded.keys
        self._judge = judge
        self._configured = judge.pools.configured
        self._partitions = partitions
        self._seen = SeenIds(SEEN_WINDOW, loaded.seen)
        self._counts = dict(loaded.counts)
        self._pools: dict[str, PoolMemory] = {}
        self._in_batch: list[PoolMemory] = []
        self._dropped = self._taken_away(loaded.fingerprints)
        self._stored = loaded.position
        self.anchor = loaded.anchor
        """What recognises the last record that was rated."""
        self.skips = Skips(loaded.skipped)
        """What an operator decided to pass."""

    @property
    def full(self) -> bool:
        """Whether the memory is past its bound and should be cleared."""
        return sum(pool.size for pool in self._pools.values()) > MEMORY_PLAYERS

    def clear(self) -> None:
        """Forget all rows; only while no batch is unacknowledged, for they are read again from Redis."""
        self._pools.clear()

    def cut(self, start: int, records: Sequence[Record], end: int, most: int) -> Iterator[Batch]:
        """Judge records and cut them into batches that together cover ``[start, end)``.

        Each batch must be rated before the next is taken.

        Parameters
        ----------
        start, end : int
            The range of offsets.
        records : sequence of Record
            What the range delivered.
        most : int
            Most records in a batch.
        """
        verdicts = self._judge.judge(self.skips.honoured(records, start, end), self._seen)
        records = verdicts.records
        done = 0
        while True:
            batch = Batch(start, end)
            taken = self._gather(batch, verdicts, done, min(done + most, len(records)))
            # The match that did not fit any more may have been the first of its pool.
            self._in_batch = [self._pools[name] for name, accepted in batch.accepted_of.items() if accepted]
            for name, accepted in batch.accepted_of.items():
                batch.rows[name] = self._pools[name].begin(accepted, batch.positions.get(name, ()))
            if taken < len(records):
                batch.end = records[taken].offset
            batch.records = records[done:taken]
            low, high = np.searchsorted(verdicts.accepted["offset"], (start, batch.end))
            batch.accepted = verdicts.accepted[low:high]
            yield batch
            done, start = taken, batch.end
            if done == len(records):
                return

    def _gather(self, batch: Batch, verdicts: Verdicts, done: int, last: int) -> int:
        """Add records to a batch until it is full; answers the index of the first that is left."""
        # Where few ids are new, the block that takes them is written whole.
        room_rows, room_bytes = BATCH_ROWS, BATCH_BYTES - SEEN.itemsize * max(BLOCK, last - done)
        memory: PoolMemory | None = None
        accepted: list[Match | Seed] = []
        for index in range(done, last):
            found, record = verdicts.found[index], verdicts.records[index]
            wanted = record.headers and any(name == RECEIPT_HEADER for name, _ in record.headers)
            if found is None or isinstance(found, Problem):
                if wanted:
                    receipt = _receipt_of(found)
                    room_bytes -= RECEIPT_BYTES + len(pack_entry(receipt))
                    if room_bytes < 0 and index > done:
                        return index
                    batch.receipts.append((record.offset + 1, receipt))
                if found is None:
                    batch.duplicates += 1
                else:
                    batch.letters.append((record, found))
                continue
            # Counted as if no player came twice, so a batch may touch fewer rows, never more.
            players = len(names_of(found))
            pool = found.pool
            if memory is None or pool != memory.pool.name:
                accepted = batch.accepted_of.setdefault(pool, [])
                if pool not in self._pools:
                    self._pools[pool] = PoolMemory(self._configured(pool))
                memory = self._pools[pool]
                if not accepted:
                    room_bytes -= memory.pool_bytes
            # The names, quotation marks escaped, are part of the record.
            names = min(2 * NAME_BYTES * players, len(record.value or b""))
            # Of a seed none is counted.
            sides = len(found.sides) if isinstance(found, Match) else 0
            pairs = 0 if memory.pairs is None else pairs_in(sides, players)
            room_rows -= players + pairs
            room_bytes -= memory.row_bytes * players + memory.names_written * names + PAIR_BYTES * pairs
            room_bytes -= _lease_bytes(found)
            if wanted:
                room_bytes -= RECEIPT_BYTES * players + names
            if (room_rows < 0 or room_bytes < 0) and index > done:
                return index
            if wanted:
                batch.watched.setdefault(pool, {})[len(accepted)] = record.offset + 1
            accepted.append(found)
            batch.positions.setdefault(pool, []).append(record.offset + 1)
        return last

    def wanted(self) -> list[tuple[str, Sequence[str]]]:
        """What must be read before the batch that was just cut can be rated; once it is filled in, ask again."""
        return [key for pool in self._in_batch for key in pool.wanted(self.keys)]

    def fill(self, fields: Fields) -> None:
        """Take in what was read for `wanted`."""
        values = iter(fields.values)
        for pool in self._in_batch:
            if count := len(pool.wanted(self.keys)):
                pool.fill([next(values) for _ in range(count)])

    def rate(self, batch: Batch) -> Change:
        """Rate a batch and write down everything that it changes."""
        fingerprints: dict[str, str] = {}
        sections: list[Section] = []
        receipts = list(batch.receipts)
        touched: dict[str, Sequence[str]] = {}
        for name, accepted in batch.accepted_of.items():
            if not accepted:
                continue
            memory, rows = self._pools[name], batch.rows[name]
            receipts += memory.rate(accepted, rows, batch.watched.get(name, {}))
            fingerprints |= memory.fingerprints
            if memory.count(batch.positions[name][-1]):
                sections.append(Section(self.keys.pools, "ZADD", ("0", name)))
            unique = np.unique(rows)
            touched[name] = [memory.names[row] for row in unique.tolist()]
            sections += memory.sections(self.keys, unique, touched[name])
            if gone := self._dropped.pop(name, None):
                sections.append(Section(self.keys.fingerprints, "HSET", gone))
            if closed := [one.matchup for one in accepted if isinstance(one, Match) and one.matchup is not None]:
                sections.append(Section(self.keys.leases(name), "HDEL", closed))
        if touched:
            entry = pack_entry(Touched(batch.start, touched))
            sections.append(Section(self.keys.changes, "XADD", (CHANGES_KEPT, batch.end, entry)))
        if receipts:
            receipts.sort(key=lambda receipt: receipt[0])
            entries = [(RECEIPTS_KEPT, position, pack_entry(receipt)) for position, receipt in receipts]
            sections.append(Section(self.keys.receipts, "XADD", [item for entry in entries for item in entry]))
        written, dropped = self._seen.store(batch.accepted, batch.end)
        if written:
            sections.append(Section(self.keys.seen, "HSET", [item for pair in written.items() for item in pair]))
        if dropped:
            sections.append(Section(self.keys.seen, "HDEL", dropped))
        change = Change(self._stored, batch.end, fingerprints, self._state(batch), sections, len(self.skips))
        self._stored = batch.end
        return change

    def _state(self, batch: Batch) -> dict[str, Argument]:
        state: dict[str, Argument] = {"partitions": self._partitions}
        self._count("applied", batch.applied)
        self._count("duplicate", batch.duplicates)
        for _, problem in batch.letters:
            self._count(f"dead/{problem.type.slug}", 1)
        for outcome, count in self._counts.items():
            state[f"count/{outcome}"] = count
        # What cannot be read cannot be recognised either.
        last = next((record for record in reversed(batch.records) if not isinstance(record, Skipped)), None)
        if last is not None:
            self.anchor = anchor = anchor_of(last)
            state["anchor_offset"] = anchor.offset
            state["anchor_timestamp"] = anchor.timestamp
            state["anchor_digest"] = anchor.digest
        return state

    def _taken_away(self, fingerprints: Mapping[str, str]) -> dict[str, list[str]]:
        """Shadows that no longer run, by pool: fields of their fingerprints, each with what is to stand there."""
        gone: dict[str, list[str]] = {}
        for field_name, fingerprint in fingerprints.items():
            pool, _, system = field_name.rpartition("/")
            if fingerprint != DROPPED and all(one.name != system for one in self._configured(pool).systems):
                gone.setdefault(pool, []).extend((field_name, DROPPED))
        return gone

    def _count(self, outcome: str, more: int) -> None:
        if more:
            self._counts[outcome] = self._counts.get(outcome, 0) + more


def _lease_bytes(found: Match | Seed) -> int:
    """What closing the lease of a record's matchup adds to a script call."""
    return 0 if isinstance(found, Seed) or found.matchup is None else LEASE_BYTES + len(found.matchup.encode())


def _receipt_of(found: Problem | None) -> Receipt:
    return Receipt("duplicate") if found is None else Receipt("dead_letter", found.type.slug, found.detail)
