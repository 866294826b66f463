"""The writing side: one range of offsets into Redis, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from service.store.connection import Argument, Store
from service.store.layout import LAYOUT, Keys

WIDTH: Final = {"HSET": 2, "HDEL": 1, "ZADD": 2, "XADD": 3}
"""What one item of a section consists of."""


@dataclass(frozen=True, slots=True)
class Section:
    """One command on one key, repeated over a flat list of items.

    Attributes
    ----------
    key : str
        A key of the partition.
    command : {"HSET", "HDEL", "ZADD", "XADD"}
        What is done.
    items : sequence
        ``field, value`` or ``field`` or ``score, member`` or ``entries kept, id, value``, one after the other; never
        empty.
    """

    key: str
    command: Literal["HSET", "HDEL", "ZADD", "XADD"]
    items: Sequence[Argument]


@dataclass(frozen=True, slots=True)
class Change:
    """Everything that one range of offsets changes.

    Attributes
    ----------
    start : int or None
        Position that must be stored for the change to fit; None where the partition is new.
    end : int
        Position afterwards.
    fingerprints : mapping
        ``pool/system`` to what decides its numbers, compared where stored and stored where not.
    state : mapping
        Further fields of the state: the anchor, counts.
    sections : sequence of Section
        The writes.
    skipped : int
        How many skipped offsets were known when it was made.
    """

    start: int | None
    end: int
    fingerprints: Mapping[str, str]
    state: Mapping[str, Argument]
    sections: Sequence[Section]
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Applied:
    """The change is in."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Nothing was written: the partition stands elsewhere."""

    position: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was written: an operator has to decide, or has decided (``generation``, ``skipped``)."""

    reason: Literal["torn", "layout", "generation", "skipped", "fingerprint"]
    detail: str


def position_of(text: bytes) -> int | None:
    """Read a stored position; empty where there is none."""
    return int(text) if text else None


async def apply(store: Store, keys: Keys, change: Change, live: str | None = None) -> Applied | Moved | Refused:
    """Bring a change into Redis.

    Parameters
    ----------
    store : Store
    keys : Keys
        What is written.
    change : Change
    live : str, optional
        The generation that must be live; that of the keys unless they are built beside it.

    Raises
    ------
    StoreUnavailable
        No answer, or an error; whether the change is in is not known. Read the position again.
    """
    names = [keys.live, keys.state, keys.fingerprints, keys.skipped]
    arguments: list[Argument] = [
        LAYOUT,
        keys.generation if live is None else live,
        change.skipped,
        "" if change.start is None else change.start,
        change.end,
    ]
    for pairs in (change.fingerprints, change.state):
        arguments.append(len(pairs))
        for pair in pairs.items():
            arguments += pair
    for section in change.sections:
        names.append(section.key)
        arguments += (len(names), section.command, len(section.items) // WIDTH[section.command])
        arguments += section.items
    answer = await store.run("apply_batch", names, arguments)
    match answer[0]:
        case b"applied":
            return Applied()
        case b"moved":
            return Moved(position_of(answer[1]))
        case _:
            return Refused(answer[1].decode(), answer[2].decode())
