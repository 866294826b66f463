"""Ingest: what the owners of the partitions say of them, beside the offsets that they commit."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from consumers.health import heard
from service.broker import Group
from standings.checks import Check, Unanswered, counted, listed

LATE_S: Final = 60.0
"""An owner speaks every 2 s; one of which nothing was heard for so long is gone, or waits for a server."""


def states(found: Group | Unanswered, partitions: Collection[int] | Unanswered, now: float) -> Check:
    """Judge the states of the partitions.

    Parameters
    ----------
    found : Group or Unanswered
        The consumer group.
    partitions : collection of int or Unanswered
        Of the topic.
    now : float
        Epoch seconds.
    """
    name = "ingest"
    for part in (found, partitions):
        if isinstance(part, Unanswered):
            return Check(name, "unknown", part.reason)
    assert isinstance(found, Group)
    assert not isinstance(partitions, Unanswered)
    if not found.members:
        return Check(name, "ok", "no process runs that could say anything; see group")
    stopped, waiting = [], []
    for partition in partitions:
        told = heard(found.told.get(partition, ""))
        if told is None:
            waiting.append(f"partition {partition}: nothing was said yet")
        elif now - told.at > LATE_S:
            waiting.append(f"partition {partition}: {told.state} was said {now - told.at:,.0f} s ago, nothing since")
        elif told.state == "stopped_by_operator_decision":
            stopped.append(f"partition {partition}: {told.state}: {told.reason}")
        elif told.state != "running":
            waiting.append(f"partition {partition}: {' '.join(filter(None, (told.state, told.reason)))}")
    if stopped:
        return Check(name, "problem", listed(stopped + waiting), "decide, as each reason says; see docs/guarantees.md")
    if waiting:
        remedy = "ask again in a minute; if it stays, ask /readyz at the --ops-port of each ingest, or read its log"
        return Check(name, "warning", listed(waiting), remedy)
    return Check(name, "ok", f"{counted(len(partitions), 'partition')} running")
