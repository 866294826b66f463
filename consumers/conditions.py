"""What Kafka and Redis must be like, or matches are lost or wait. Pure; ingest and ``doctor`` say the same words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and what to do about it.

    Attributes
    ----------
    reason : str
        One word, as docs/guarantees.md lists it.
    found, remedy : str
    """

    reason: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.found}: {self.remedy}"


def cleanup(topic: str, settings: Mapping[str, str]) -> Fault | None:
    """Judge whether the topic keeps every record of a key.

    Parameters
    ----------
    topic : str
    settings : mapping
        Of the topic, by Kafka's names.

    Examples
    --------
    >>> cleanup("matches", {"cleanup.policy": "delete"})
    >>> print(cleanup("matches", {"cleanup.policy": "compact"}).found)
    cleanup.policy is compact: Kafka keeps one match of each pool, and ingest brings none in
    """
    policy = settings.get("cleanup.policy", "delete")
    if "compact" not in policy:
        return None
    found = f"cleanup.policy is {policy}: Kafka keeps one match of each pool, and ingest brings none in"
    return Fault("cleanup", found, alter(topic, "cleanup.policy=delete"))


def retention(topic: str, settings: Mapping[str, str]) -> Fault | None:
    """Judge whether the topic keeps its records for ever.

    Parameters
    ----------
    topic : str
    settings : mapping
        Of the topic, by Kafka's names.

    Examples
    --------
    >>> print(retention("matches", {"retention.ms": "604800000", "retention.bytes": "-1"}).found)
    records are kept for 7 days (retention.ms); a rebuild needs all of them
    """
    kept, wanted = [], []
    if (milliseconds := int(settings.get("retention.ms", -1))) >= 0:
        kept.append(f"for {milliseconds / DAY_MS:,g} days (retention.ms)")
        wanted.append("retention.ms=-1")
    if (size := int(settings.get("retention.bytes", -1))) >= 0:
        kept.append(f"up to {size:,} bytes a partition (retention.bytes)")
        wanted.append("retention.bytes=-1")
    if not kept:
        return None
    found = f"records are kept {' and '.join(kept)}; a rebuild needs all of them"
    return Fault("retention", found, alter(topic, ",".join(wanted)))


def retention_seconds(settings: Mapping[str, str]) -> float:
    """How long the topic keeps a record; infinite where for ever, or up to a size alone."""
    milliseconds = int(settings.get("retention.ms", -1))
    return milliseconds / 1000 if milliseconds >= 0 else math.inf


def partitions(known: int, now: int) -> Fault | None:
    """Judge whether pools are where they were.

    Parameters
    ----------
    known, now : int
        Partitions that the topic had and has.
    """
    if now == known:
        return None
    found = f"the topic had {known}, now {now}; pools would change their places"
    return Fault("partitions", found, "use a new topic")


def policy(found: str) -> Fault | None:
    """Judge the ``maxmemory-policy`` of Redis; empty where it does not tell."""
    if found in ("", "noeviction"):
        return None
    said = f"maxmemory-policy is {found}: when memory is short Redis drops ratings, and ingest brings none in"
    return Fault("policy", said, "CONFIG SET maxmemory-policy noeviction, and in its file")


def group(ours: str, other: str, members: int) -> Fault | None:
    """Judge whether another consumer group brings the same records into the same keys.

    Parameters
    ----------
    ours, other : str
        The group that is configured, and the one that is noted in Redis.
    members : int
        Of the other.
    """
    if ours == other or not members:
        return None
    found = (
        f"group {other!r} ({members} member{'s' if members > 1 else ''}) brings these records into these keys, and"
        f" beside {ours!r} neither would get on"
    )
    remedy = (
        f"set --group {other}, or end its processes first (Kafka misses one that died after its session), or name"
        " another STANDINGS_INSTALLATION"
    )
    return Fault("group", found, remedy)


def transaction(topic: str, partition: int, offset: int) -> Fault:
    """Say of a transaction that is open for long what that means.

    Parameters
    ----------
    topic : str
    partition, offset : int
        Where it begins.
    """
    found = f"a transaction is open since offset {offset} of partition {partition}; what comes after it waits"
    remedy = (
        "its producer must end it, or"
        f" kafka-transactions.sh abort --topic {topic} --partition {partition} --start-offset {offset}"
    )
    return Fault("transaction", found, remedy)


def alter(topic: str, settings: str) -> str:
    """Give the command that changes a topic's settings."""
    return f"kafka-configs.sh --alter --topic {topic} --add-config {settings}"
