"""Whether a partition can be taken over, and where its log is read on. Pure."""

from __future__ import annotations

from consumers import conditions
from service.store.partition import Loaded


class Undecided(Exception):
    """Only an operator can say how this partition goes on."""


def resume_at(loaded: Loaded, first: int, end: int, partitions: int, known: int | None) -> int:
    """Offset at which the log is read on.

    Parameters
    ----------
    loaded : Loaded
        The partition as it is stored.
    first, end : int
        The log's first offset and the one after its last.
    partitions, known : int
        Partitions that the topic has, and had when something was last applied; None where nothing ever was.

    Raises
    ------
    Undecided
        What is stored cannot be built on, or the log no longer holds what comes next.
    """
    rebuild = f"standings rebuild {loaded.keys.partition}"
    if loaded.torn:
        raise Undecided(f"torn: a script broke off on its way to {loaded.torn}; build it again: {rebuild}")
    if not loaded.readable:
        raise Undecided(f"layout: stored in version {loaded.layout}; go back or build it again: {rebuild}")
    if known is not None and (fault := conditions.partitions(known, partitions)):
        raise Undecided(str(fault))
    if loaded.position is None:
        if first > 0:
            raise Undecided(f"start: nothing is stored, but the log begins at {first}: its beginning is gone")
        return 0
    if end < loaded.position:
        raise Undecided(f"log: it ends at {end}, before the position {loaded.position}: it was made again or cut")
    if first > loaded.position:
        raise Undecided(f"log: it begins at {first}, after the position {loaded.position}: records were lost")
    return loaded.position


def replay_at(loaded: Loaded, reached: int | None, first: int, end: int, partitions: int) -> int:
    """Offset at which the log is read to come to what is stored, once more.

    Parameters
    ----------
    loaded : Loaded
        The partition as it is stored.
    reached : int or None
        How far an earlier replay came that is gone on with.
    first, end : int
        The log's first offset and the one after its last.
    partitions : int
        Partitions that the topic has.

    Raises
    ------
    Undecided
        The log cannot lead there.
    """
    if loaded.partitions not in (None, partitions):
        raise Undecided(
            f"partitions: the topic had {loaded.partitions}, now {partitions}: other pools would be in partition"
            f" {loaded.keys.partition}"
        )
    position = reached or 0
    if first > position:
        raise Undecided(f"start: the log begins at {first}, so its records from {position} on are gone")
    if end < (stands := max(position, loaded.position or 0)):
        raise Undecided(f"log: it ends at {end}, before the position {stands}: it was made again or cut")
    return position
