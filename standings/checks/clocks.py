"""The clocks: this machine's against Redis' and against the newest record's."""

from __future__ import annotations

from typing import Final

from service.match import MOST_AHEAD_MS
from standings.checks import Check, Verdict

APART_S: Final = 2.0
"""More than this is worth a word; it is far above what a round trip can hide."""

DAY_S: Final = MOST_AHEAD_MS / 1000
"""Matches that are further ahead of their record are refused."""

REMEDY: Final = "set the clocks by NTP"


def redis(ahead: float, within: float) -> Check:
    """Judge how far Redis' clock is from this machine's, known to ``within`` seconds."""
    found = f"Redis' clock is {_apart(ahead)} this machine's (to {within:.3f} s)"
    return _judged("clocks.redis", abs(ahead) - within, found)


def records(newest: int | None, by_broker: bool, now: float) -> Check:
    """Judge the newest record's timestamp: that it is old says nothing, that it is in the future is a clock's fault.

    Parameters
    ----------
    newest : int or None
        Epoch milliseconds.
    by_broker : bool
        Whether the broker set it.
    now : float
        Epoch seconds of this machine.
    """
    name = "clocks.records"
    if newest is None:
        return Check(name, "unknown", "the topic has no records")
    ahead = newest / 1000 - now
    whose = "a broker" if by_broker else "a producer"
    if ahead <= APART_S:
        return Check(name, "ok", f"no record is of the future; the newest, by {whose}'s clock, is {-ahead:,.1f} s old")
    return _judged(name, ahead, f"{whose}'s clock put a record {ahead:,.1f} s into this machine's future")


def _apart(ahead: float) -> str:
    return f"{abs(ahead):,.3f} s {'ahead of' if ahead > 0 else 'behind'}"


def _judged(name: str, apart: float, found: str) -> Check:
    verdict: Verdict = "problem" if apart > DAY_S else "warning" if apart > APART_S else "ok"
    return Check(name, verdict, found, "" if verdict == "ok" else REMEDY)
