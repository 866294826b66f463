"""Judges records: which are matches to rate, which are duplicates, which are dead letters and why. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Protocol

import numpy as np

from consumers.seen import NEW, REUSED, SeenIds, entries_of
from consumers.skips import Skipped
from service.fields import NAME_BYTES, is_slug
from service.match import Match, check_ahead, decode
from service.pools import Pool, Pools
from service.problems import Problem
from service.seed import Seed
from service.store.partition import Anchor
from service.store.rows import Seen


class Record(Protocol):
    """What is read of a Kafka record; ``key`` and ``value`` may be missing, ``timestamp`` is in milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """They never decide what a record is."""
        ...


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What is to be done with records.

    Attributes
    ----------
    records : sequence of Record
        In order of offset.
    found : list
        For each record its match or seed, the problem that makes it a dead letter, or None for a duplicate.
    accepted : SEEN[n]
        Ids of the matches and seeds among them.
    """

    records: Sequence[Record]
    found: list[Match | Seed | Problem | None]
    accepted: Seen


class Judge:
    """Knows what a record of one partition must be.

    Parameters
    ----------
    partition : int
        The partition.
    partition_of : callable
        Where a pool belongs.
    pools : Pools
        How each is configured.
    """

    def __init__(self, partition: int, partition_of: Callable[[str], int], pools: Pools) -> None:
        self._partition = partition
        self._partition_of = partition_of
        self.pools = pools
        # Memory for the pools of a partition: more of them than this only cost a little time. What is refused is not
        # kept.
        self._pool_of_key = lru_cache(4096)(self._read_key)

    def judge(self, records: Sequence[Record], seen: SeenIds) -> Verdicts:
        """Judge records in order of offset; ids of those accepted are remembered in ``seen``.

        A record of a past that ``seen`` already holds would be called a duplicate: judge each record once.
        """
        found: list[Match | Seed | Problem | None] = []
        candidates: list[int] = []
        matches: list[Match | Seed] = []
        for index, record in enumerate(records):
            try:
                match = self._match(record)
            except Problem as problem:
                # The way to where it was raised holds every record judged here: until Python looks for cycles, or, by a
                # problem that is known of a key, for good.
                problem.__traceback__ = problem.__cause__ = problem.__context__ = None
                found.append(problem)
            else:
                found.append(match)
                matches.append(match)
                candidates.append(index)
        entries = entries_of(matches, [records[index].offset for index in candidates])
        outcomes = seen.admit(entries)
        for place in np.flatnonzero(outcomes).tolist():
            index = candidates[place]
            match = matches[place]
            if outcomes[place] == REUSED:
                found[index] = Problem("id_reused", f"id: {match.id!r} of pool {match.pool!r} had another content")
            else:
                found[index] = None
        return Verdicts(records, found, entries[outcomes == NEW])

    def _match(self, record: Record) -> Match | Seed:
        if isinstance(record, Skipped):
            raise Problem("skipped", f"offset: an operator decided to pass {record.offset}")
        match = decode(record.value)
        pool = self._pool_of_key(record.key)
        if match.pool != pool.name:
            raise Problem("wrong_key", f"pool: the match is of {match.pool!r}, the record's key is {pool.name!r}")
        check_ahead(match, record.timestamp)
        if isinstance(match, Seed):
            if match.system not in (known := [system.name for system in pool.systems]):
                raise Problem("unknown_name", f"system: the pool has no {match.system!r}, it has {', '.join(known)}")
        elif refusal := pool.refusal(match.sides):
            raise Problem("shape_not_taken", f"sides: {refusal}")
        return match

    def _read_key(self, key: bytes | None) -> Pool:
        if key is None:
            raise Problem("wrong_key", "key: the record has none; it must be the pool's name")
        if len(key) > NAME_BYTES:
            raise Problem("wrong_key", f"key: {len(key)} bytes; it must be the pool's name, at most {NAME_BYTES}")
        try:
            name = key.decode()
        except UnicodeDecodeError:
            raise Problem("wrong_key", "key: not UTF-8; it must be the pool's name") from None
        if not is_slug(name):
            raise Problem("wrong_key", f"key: {name!r} is no pool's name")
        partition = self._partition_of(name)
        if partition != self._partition:
            raise Problem("wrong_partition", f"key: {name!r} belongs in partition {partition}, not {self._partition}")
        return self.pools.configured(name)


def anchor_of(record: Record) -> Anchor:
    """What recognises a record when the log is read again."""
    digest = blake2b(record.key or b"", digest_size=16)
    digest.update(b"\0" if record.value is None else b"\1" + record.value)
    return Anchor(record.offset, record.timestamp, digest.hexdigest())
