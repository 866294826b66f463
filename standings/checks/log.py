"""Kafka: the brokers, the topic of matches, the consumer group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from consumers import conditions
from service.broker import TOPIC_SETTINGS, Group, Topic
from service.match import RECORD_BYTES
from service.records import Extent
from standings.checks import Check, Unanswered, counted, listed, unknown

AROUND_BYTES: Final = 1 << 10
"""Of a record, beside its value: key, headers, the batch it travels in."""

TOPIC: Final = (
    "topic",
    "topic.cleanup",
    "topic.retention",
    "topic.replication",
    "topic.record_size",
    "topic.timestamps",
)


def brokers(answers: Mapping[str, int | Unanswered]) -> Check:
    """Judge what each bootstrap address answered: the number of brokers that it knows."""
    reached = {address: number for address, number in answers.items() if isinstance(number, int)}
    silent = [f"{address} ({why.reason})" for address, why in answers.items() if isinstance(why, Unanswered)]
    if not reached:
        return Check(
            "broker", "problem", f"not reached: {listed(silent)}", "start Kafka, or name its address with --kafka"
        )
    found = f"{counted(max(reached.values()), 'broker')}, reached at {listed(list(reached))}"
    if silent:
        remedy = "start it, or leave its address out of --kafka: whoever begins with it has to wait"
        return Check("broker", "warning", f"{found}; not reached: {listed(silent)}", remedy)
    return Check("broker", "ok", found)


def topic(name: str, found: Topic | Unanswered | None, broker_count: int) -> list[Check]:
    """Judge how the topic of matches is set up."""
    if isinstance(found, Unanswered):
        return unknown(TOPIC, found.reason)
    if found is None:
        settings = " ".join(f"--config {key}={value}" for key, value in TOPIC_SETTINGS.items())
        remedy = f"name it with --topic, or make it: kafka-topics.sh --create --topic {name} --partitions N {settings}"
        missing = Check("topic", "problem", f"there is no topic {name!r}", remedy)
        return [missing, *unknown(TOPIC[1:], "there is no topic")]
    return [
        Check("topic", "ok", f"{name}: {counted(found.partitions, 'partition')}"),
        _cleanup(name, found.settings),
        _retention(name, found.settings),
        _replication(name, found, broker_count),
        _record_size(name, found.settings),
        _timestamps(found.settings),
    ]


def _cleanup(name: str, settings: Mapping[str, str]) -> Check:
    if fault := conditions.cleanup(name, settings):
        return Check("topic.cleanup", "problem", fault.found, fault.remedy)
    return Check("topic.cleanup", "ok", f"cleanup.policy is {settings.get('cleanup.policy', 'delete')}")


def _retention(name: str, settings: Mapping[str, str]) -> Check:
    if fault := conditions.retention(name, settings):
        return Check("topic.retention", "warning", fault.found, fault.remedy)
    return Check("topic.retention", "ok", "records are kept for ever")


def _replication(name: str, found: Topic, broker_count: int) -> Check:
    least = int(found.settings.get("min.insync.replicas", 1))
    said = f"{counted(found.replicas, 'replica')}, {found.in_sync} in sync, min.insync.replicas {least}"
    if found.in_sync < least:
        remedy = "bring the missing brokers back, or lower it"
        return Check("topic.replication", "problem", f"{said}: producers are refused", remedy)
    if found.replicas == 1 and broker_count > 1:
        remedy = f"raise it to {min(3, broker_count)}: kafka-reassign-partitions.sh"
        return Check(
            "topic.replication", "warning", f"{said}, of {broker_count} brokers: one lost disk loses it", remedy
        )
    if found.replicas > 2 and least == 1:
        said += ": one lost broker can lose what was acknowledged"
        return Check("topic.replication", "warning", said, conditions.alter(name, "min.insync.replicas=2"))
    if found.in_sync < found.replicas:
        return Check("topic.replication", "warning", said, "bring the missing brokers back")
    return Check("topic.replication", "ok", said)


def _record_size(name: str, settings: Mapping[str, str]) -> Check:
    text = settings.get("max.message.bytes")
    if text is None:
        return Check("topic.record_size", "unknown", "the broker does not tell max.message.bytes")
    found = f"max.message.bytes is {int(text):,}"
    if int(text) < RECORD_BYTES + AROUND_BYTES:
        found += f": a match of {RECORD_BYTES:,} bytes does not fit"
        remedy = conditions.alter(name, f"max.message.bytes={TOPIC_SETTINGS['max.message.bytes']}")
        return Check("topic.record_size", "warning", found, remedy)
    return Check("topic.record_size", "ok", found)


def _timestamps(settings: Mapping[str, str]) -> Check:
    # Either will do: what matters is that a record keeps the one it has.
    kind = settings.get("message.timestamp.type", "CreateTime")
    clock = "the brokers'" if kind == "LogAppendTime" else "the producers'"
    return Check("topic.timestamps", "ok", f"message.timestamp.type is {kind}: {clock} clocks")


def dead_letters(name: str, found: Topic | Unanswered | None) -> Check:
    """Judge the topic of dead letters."""
    if isinstance(found, Unanswered):
        return Check("dead_letters", "unknown", found.reason)
    if found is None:
        return Check("dead_letters", "ok", f"{name} is not there yet: ingest makes it when it starts")
    if "compact" in (policy := found.settings.get("cleanup.policy", "delete")):
        said = f"{name}: cleanup.policy is {policy}"
        return Check("dead_letters", "warning", said, conditions.alter(name, "cleanup.policy=delete"))
    return Check("dead_letters", "ok", f"{name}: {counted(found.partitions, 'partition')}")


def beginning(extents: Mapping[int, Extent] | Unanswered) -> Check:
    """Judge whether the log still has its first record."""
    if isinstance(extents, Unanswered):
        return Check("topic.beginning", "unknown", extents.reason)
    gone = {partition: extent.first for partition, extent in extents.items() if extent.first > 0}
    if gone:
        where = listed([f"partition {partition} begins at {first:,}" for partition, first in gone.items()])
        found = f"{where}: a rebuild would miss {counted(sum(gone.values()), 'offset')}"
        remedy = "keep a copy of Redis' data: it is all there is of them; see topic.retention"
        return Check("topic.beginning", "warning", found, remedy)
    records = sum(extent.end for extent in extents.values())
    return Check("topic.beginning", "ok", f"every partition begins at 0; {counted(records, 'offset')} in all")


def group(name: str, found: Group | Unanswered, extents: Mapping[int, Extent] | Unanswered) -> Check:
    """Judge whether anybody brings records in, by what Kafka knows of it."""
    for part in (found, extents):
        if isinstance(part, Unanswered):
            return Check("group", "unknown", part.reason)
    assert isinstance(found, Group)
    assert not isinstance(extents, Unanswered)
    lag = sum(_lag(found.committed.get(partition), extent) for partition, extent in extents.items())
    said = f"{name}: {counted(found.members, 'member')}, committed up to {counted(lag, 'offset')} before the end"
    if not found.committed:
        said = f"{name}: {counted(found.members, 'member')}, nothing was ever committed"
    if not found.members:
        remedy = "start standings ingest, or name its group with --group"
        return Check("group", "warning", f"{said}; nobody brings records in", remedy)
    return Check("group", "ok", said)


def other_group(ours: str, noted: str | Unanswered, members: int | Unanswered) -> Check:
    """Judge the group that is noted in Redis; ``members`` are its own."""
    name = "group.other"
    for part in (noted, members):
        if isinstance(part, Unanswered):
            return Check(name, "unknown", part.reason)
    assert isinstance(noted, str)
    assert isinstance(members, int)
    if noted in ("", ours):
        return Check(name, "ok", f"no group but {ours} brings these records into these keys")
    if fault := conditions.group(ours, noted, members):
        return Check(name, "problem", fault.found, fault.remedy)
    return Check(name, "ok", f"{noted} brought these records in, and has no member left: {ours} may take over")


def transactions(name: str, held: Mapping[int, int] | Unanswered) -> Check:
    """Judge the transactions that have been open for a while: where they begin, by partition."""
    if isinstance(held, Unanswered):
        return Check("topic.transactions", "unknown", held.reason)
    if held:
        faults = [conditions.transaction(name, partition, offset) for partition, offset in held.items()]
        found = listed([fault.found for fault in faults])
        return Check("topic.transactions", "warning", found, listed([fault.remedy for fault in faults]))
    return Check("topic.transactions", "ok", "no open transaction is in the way")


def _lag(committed: int | None, extent: Extent) -> int:
    return max(0, extent.end - (extent.first if committed is None else committed))


def addresses(kafka: str) -> Iterator[str]:
    """Split the setting ``kafka``."""
    return (address.strip() for address in kafka.split(","))
