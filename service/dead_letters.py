"""Dead letters as they lie in their topic: read back, each once, the newest first."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from service.broker import describe_topic
from service.brokers import Brokers
from service.fields import EARLIEST_MS, LATEST_MS, is_slug
from service.log import LogUnavailable, dead_letters_topic
from service.records import HeadedRecord, Place, look_at_newest

REPLAYED_HEADER: Final = "replayed-from"
"""Of a record that was sent again: ``topic/partition/offset`` of the one that could not be used."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Letter(msgspec.Struct, frozen=True):
    """A dead letter, without its value.

    Attributes
    ----------
    topic, partition, offset : str, int, int
        Where its record lies in the log.
    pool : str or None
        The pool that the match names; where that cannot be read, the one that the record's key names.
    reason, detail : str
        Why the record cannot be used.
    field : str or None
        The wrong field, where there is one.
    key : str or None
        The record's key; at most 1,024 bytes of it.
    bytes : int or None
        Size of the record's value; None where it has none.
    cut : bool
        Whether the letter keeps only the beginning of the value.
    recorded_at : datetime or None
        Timestamp of the record; None where it is outside the years 1 to 9999.
    found_at : datetime
        When the letter was first sent.
    """

    topic: str
    partition: int
    offset: int
    pool: str | None
    reason: str
    detail: str
    field: str | None
    key: str | None
    bytes: int | None
    cut: bool
    recorded_at: datetime | None
    found_at: datetime

    @property
    def place(self) -> Place:
        """Where its record lies."""
        return Place(self.topic, self.partition, self.offset)


@dataclass(frozen=True, slots=True)
class Found:
    """A letter, and what is needed to get at the whole of its record.

    Attributes
    ----------
    letter : Letter
    lies : Place
        Where the letter itself lies.
    timestamp : int
        The record's own, in milliseconds.
    digest : str or None
        SHA-256 of the record's whole value; None where it has none.
    """

    letter: Letter
    lies: Place
    timestamp: int
    digest: str | None

    @property
    def order(self) -> tuple[datetime, int, int]:
        """By which letters are listed, the largest first; no two have the same."""
        return self.letter.found_at, self.letter.partition, self.letter.offset

    def is_of(self, record: HeadedRecord) -> bool:
        """Whether a record is the one that the letter is about: a topic that was made again holds others."""
        return record.timestamp == self.timestamp and digest_of(record.value) == self.digest


@dataclass(frozen=True, slots=True)
class Letters:
    """The newest dead letters of a topic.

    Attributes
    ----------
    found : list of Found
        The newest first, each record once.
    older : int
        Letters that lie before those that were looked at.
    """

    found: list[Found]
    older: int


class _Pooled(msgspec.Struct):
    pool: str


_decoder: Final = msgspec.json.Decoder(_Pooled)


def pool_of(value: bytes | None, key: bytes | None) -> str | None:
    """Name the pool that a record is meant for: the match's own word before the key's.

    Examples
    --------
    >>> pool_of(b'{"pool": "chess"}', b"go"), pool_of(b"{", b"go"), pool_of(b"{", None)
    ('chess', 'go', None)
    """
    try:
        named = _decoder.decode(value or b"").pool
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        named = (key or b"").decode(errors="replace")
    return named if is_slug(named) else None


def digest_of(value: bytes | None) -> str | None:
    """Digest of a record's value, by which a record is recognised."""
    return None if value is None else hashlib.sha256(value).hexdigest()


def read_letter(record: HeadedRecord) -> Found | None:
    """Read a record of the topic of dead letters; None for one that ingest did not write."""
    headers = dict(record.headers)
    try:
        place = Place(headers["topic"].decode(), int(headers["partition"]), int(headers["offset"]))
        timestamp, size = int(headers["timestamp"]), int(headers["bytes"]) if "bytes" in headers else None
        reason = headers["reason"].decode()
        found_at = _EPOCH + timedelta(milliseconds=record.timestamp)
    except (KeyError, ValueError, OverflowError):
        return None
    value, cut = record.value, size is not None
    letter = Letter(
        topic=place.topic,
        partition=place.partition,
        offset=place.offset,
        pool=pool_of(value, headers.get("key")),
        reason=reason,
        detail=_text(headers, "detail") or "",
        field=_text(headers, "field"),
        key=_text(headers, "key"),
        bytes=size if cut or value is None else len(value),
        cut=cut,
        recorded_at=_EPOCH + timedelta(milliseconds=timestamp) if EARLIEST_MS <= timestamp <= LATEST_MS else None,
        found_at=found_at,
    )
    digest = _text(headers, "sha256") if cut else digest_of(value)
    return Found(letter, Place(dead_letters_topic(place.topic), record.partition, record.offset), timestamp, digest)


async def newest_letters(kafka: Brokers, topic: str, most: int, seconds: float) -> Letters:
    """Read the newest dead letters, each once however often it was sent.

    Parameters
    ----------
    kafka : Brokers
    topic : str
        The topic of matches; none of its letters where ingest has not made their topic yet.
    most : int
        Letters of each partition that are looked at.
    seconds : float
        Time that Kafka has.

    Returns
    -------
    Letters

    Raises
    ------
    LogUnavailable
        Kafka does not answer, or not in time: then nothing is known, for the newest are read last.
    """
    letters: dict[Place, Found] = {}

    def look(record: HeadedRecord) -> None:
        found = read_letter(record)
        if found is None or found.letter.topic != topic:
            return
        place = found.letter.place
        if place not in letters or found.order < letters[place].order:
            letters[place] = found

    name = dead_letters_topic(topic)
    try:
        async with asyncio.timeout(seconds):
            about = await describe_topic(kafka, name)
            partitions = 0 if about is None else about.partitions
            extents = await look_at_newest(kafka, name, partitions, most, math.inf, look) if partitions else {}
    except TimeoutError as error:
        raise LogUnavailable(f"Kafka did not give the dead letters within {seconds:g} s") from error
    older = sum(max(0, extent.end - extent.first - most) for extent in extents.values())
    return Letters(sorted(letters.values(), key=lambda found: found.order, reverse=True), older)


def _text(headers: Mapping[str, bytes], name: str) -> str | None:
    return headers[name].decode(errors="replace") if name in headers else None
