"""One partition in memory: what its owner knows of it, ahead of Redis by what is prepared and not yet acknowledged.

All here is a copy of what Redis holds, plus the batches on their way. On any doubt the whole is dropped and read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from consumers.judge import Judge, Record, Verdicts, anchor_of
from consumers.memory import PoolMemory
from consumers.seen import BLOCK, SeenIds
from service.columns import lay_out
from service.match import Match
from service.pools import SEEN_WINDOW, configured
from service.problems import Problem
from service.rate import rate
from service.store.apply import Change, Section
from service.store.connection import Argument
from service.store.partition import Fields, Loaded
from service.store.rows import SEEN, Seen

BATCH_ROWS: Final = 2_000
"""Rows that a batch may touch; a single match of more players is the only exception."""

BATCH_BYTES: Final = 1 << 20
"""Bytes that a batch may add up to, counted with the longest names."""

MEMORY_PLAYERS: Final = 250_000
"""Players of a partition that are kept in memory."""

POOL_ROWS: Final = 32
"""What a pool itself takes in memory, counted as players."""


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
    duplicates : int
        How many of its records repeat an id.
    matches, rows, revisions : dict
        By pool: its matches, the rows of their players, the offset after the last of them.
    """

    start: int
    end: int
    records: Sequence[Record] = ()
    accepted: Seen = field(default_factory=lambda: np.empty(0, SEEN))
    letters: list[tuple[Record, Problem]] = field(default_factory=list)
    duplicates: int = 0
    matches: dict[str, list[Match]] = field(default_factory=dict)
    rows: dict[str, list[int]] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)

    @property
    def applied(self) -> int:
        """How many matches it applies."""
        return sum(len(matches) for matches in self.matches.values())


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
        self._partitions = partitions
        self._seen = SeenIds(SEEN_WINDOW, loaded.seen)
        self._counts = dict(loaded.counts)
        self._pools: dict[str, PoolMemory] = {}
        self._in_batch: list[PoolMemory] = []
        self._stored = loaded.position

    @property
    def full(self) -> bool:
        """Whether the memory is past its bound and should be cleared."""
        return sum(POOL_ROWS + len(pool.names) for pool in self._pools.values()) > MEMORY_PLAYERS

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
        verdicts = self._judge.judge(records, self._seen)
        done = 0
        while True:
            batch = Batch(start, end)
            taken = self._gather(batch, verdicts, done, min(done + most, len(records)))
            # The match that did not fit any more may have been the first of its pool.
            self._in_batch = [self._pools[name] for name, matches in batch.matches.items() if matches]
            for name, matches in batch.matches.items():
                batch.rows[name] = self._pools[name].rows(matches)
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
        pool, matches, row_bytes = "", [], 0
        for index in range(done, last):
            found = verdicts.found[index]
            if type(found) is Match:
                # Counted as if no player came twice, so a batch may touch fewer rows, never more.
                players = sum([len(side.players) for side in found.sides])
                if found.pool != pool:
                    pool = found.pool
                    matches = batch.matches.setdefault(pool, [])
                    if pool not in self._pools:
                        self._pools[pool] = PoolMemory(configured(pool))
                    row_bytes = self._pools[pool].row_bytes
                    if not matches:
                        room_bytes -= self._pools[pool].pool_bytes
                room_rows -= players
                room_bytes -= players * row_bytes
                if (room_rows < 0 or room_bytes < 0) and any(batch.matches.values()):
                    return index
                matches.append(found)
                batch.revisions[pool] = verdicts.records[index].offset + 1
            elif isinstance(found, Problem):
                batch.letters.append((verdicts.records[index], found))
            else:
                batch.duplicates += 1
        return last

    def wanted(self) -> list[tuple[str, Sequence[str]]]:
        """What must be read before the batch that was just cut can be rated."""
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
        for name, matches in batch.matches.items():
            if not matches:
                continue
            memory = self._pools[name]
            columns = lay_out(matches, batch.rows[name])
            for system, table in zip(memory.pool.systems, memory.tables, strict=True):
                rate(system, columns, table)
                fingerprints[f"{name}/{system.name}"] = memory.pool.fingerprint(system)
            if memory.count(len(matches), batch.revisions[name], int(columns.at.max())):
                sections.append(Section(self.keys.pools, "ZADD", ("0", name)))
            sections += memory.sections(self.keys, np.unique(columns.player))
        written, dropped = self._seen.store(batch.accepted, batch.end)
        if written:
            sections.append(Section(self.keys.seen, "HSET", [item for pair in written.items() for item in pair]))
        if dropped:
            sections.append(Section(self.keys.seen, "HDEL", dropped))
        change = Change(self._stored, batch.end, fingerprints, self._state(batch), sections)
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
        if batch.records:
            anchor = anchor_of(batch.records[-1])
            state["anchor_offset"] = anchor.offset
            state["anchor_timestamp"] = anchor.timestamp
            state["anchor_digest"] = anchor.digest
        return state

    def _count(self, outcome: str, more: int) -> None:
        if more:
            self._counts[outcome] = self._counts.get(outcome, 0) + more
