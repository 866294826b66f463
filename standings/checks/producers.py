"""The producers, by the newest records: where they put them, under which keys, with which clocks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import msgspec

from service.fields import is_slug
from service.partitioner import Partitioner, partition_of
from service.records import Record
from standings.checks import Check, counted, listed

NAMES: Final = ("producers.partitioner", "producers.keys")

_OTHER: Final[dict[Partitioner, Partitioner]] = {"murmur2": "crc32", "crc32": "murmur2"}
_SET: Final[dict[Partitioner, str]] = {
    "murmur2": "partitioner=murmur2_random in librdkafka's clients (confluent-kafka and others); Java's do so unasked",
    "crc32": "partitioner=consistent_random in librdkafka's clients; Java's clients have none",
}


class _Pooled(msgspec.Struct):
    pool: str


_decoder = msgspec.json.Decoder(_Pooled)


@dataclass
class Producers:
    """What is counted of records, without keeping any.

    Parameters
    ----------
    partitions : int
        Of the topic.
    partitioner : {"murmur2", "crc32"}
        As it is set here.
    """

    partitions: int
    partitioner: Partitioner
    records: int = 0
    places: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    newest: int | None = None
    broker_clock: bool = False

    def look(self, record: Record) -> None:
        """Count one record."""
        self.records += 1
        if self.newest is None or record.timestamp > self.newest:
            self.newest, self.broker_clock = record.timestamp, record.timestamp_type == 1
        fault = self._fault(record)
        if fault is not None:
            self.faults[fault] += 1
            self.examples.setdefault(fault, f"partition {record.partition}, offset {record.offset}")

    def _fault(self, record: Record) -> str | None:
        if record.key is None:
            return "without a key"
        try:
            pool = record.key.decode()
        except UnicodeDecodeError:
            pool = ""
        if not is_slug(pool):
            return "whose key is no pool's name"
        self.places[self._place(pool, record.partition)] += 1
        try:
            named = _decoder.decode(record.value or b"").pool
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # What it is instead of a match, the dead letters say.
            return None
        return None if named == pool else "whose match is of another pool than the key"

    def _place(self, pool: str, partition: int) -> str:
        other = _OTHER[self.partitioner]
        right, wrong = (partition == partition_of(pool, self.partitions, each) for each in (self.partitioner, other))
        if right:
            return "either" if wrong else self.partitioner
        return other if wrong else "neither"

    def checks(self) -> list[Check]:
        """Judge what was counted."""
        return [self._partitioner(), self._keys()]

    def _partitioner(self) -> Check:
        name, mine, other = NAMES[0], self.partitioner, _OTHER[self.partitioner]
        right, wrong, neither = self.places[mine], self.places[other], self.places["neither"]
        if not self.places:
            return Check(name, "unknown", "no record has a key that says where it belongs")
        if self.partitions == 1:
            return Check(name, "ok", "one partition: every record is where it belongs")
        if not (right or wrong or neither):
            either = counted(self.places["either"], "record")
            return Check(name, "unknown", f"{either} where murmur2 and crc32 agree: more pools would tell them apart")
        found = (
            f"of {counted(self.records, 'newest record')}, {right:,} where {mine} puts them, {wrong:,} where only"
            f" {other} does, {neither:,} where neither does, {self.places['either']:,} where both do"
        )
        if not (wrong or neither):
            return Check(name, "ok", found)
        if not neither and not right:
            remedy = (
                f"set STANDINGS_PARTITIONER={other} for ingest, serve and doctor, if nothing was rated yet;"
                f" else set the producers: {_SET[mine]}"
            )
            return Check(name, "problem", f"the producers use {other}, the setting is {mine}: {found}", remedy)
        whose = "some producers choose otherwise" if right else "the producers choose otherwise"
        remedy = f"{_SET[mine]}; name no partition by hand. What was sent wrongly is among the dead letters"
        return Check(name, "problem", f"{whose}: {found}", remedy)

    def _keys(self) -> Check:
        if not self.records:
            return Check(NAMES[1], "unknown", "the topic has no records")
        of = f"of {counted(self.records, 'newest record')}"
        if not self.faults:
            return Check(NAMES[1], "ok", f"{of}, each has its pool as its key")
        faults = [f"{number:,} {what} ({self.examples[what]})" for what, number in self.faults.most_common()]
        remedy = "producers must set the record's key to the name of the match's pool"
        return Check(NAMES[1], "problem", f"{of}, {listed(faults)}", remedy)
