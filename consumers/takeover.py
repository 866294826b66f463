"""Whether a partition can be taken over, and where its log is read on. Pure."""

from __future__ import annotations

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
    if loaded.torn:
        raise Undecided(f"torn: a script broke off on its way to {loaded.torn}; rebuild the partition")
    if not loaded.readable:
        raise Undecided(f"layout: stored in version {loaded.layout}; rebuild the partition or go back")
    if known not in (None, partitions):
        raise Undecided(
            f"partitions: the topic had {known}, now {partitions}; pools would change their places: use a new topic"
        )
    if loaded.position is None:
        if first > 0:
            raise Undecided(f"start: nothing is stored, but the log begins at {first}: its beginning is gone")
        return 0
    if end < loaded.position:
        raise Undecided(f"log: it ends at {end}, before the position {loaded.position}: it was made again or cut")
    if first > loaded.position:
        raise Undecided(f"log: it begins at {first}, after the position {loaded.position}: records were lost")
    return loaded.position
