"""The checks of ``standings doctor``: what was found out goes in, verdicts come out. None asks anything itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

import msgspec

Verdict = Literal["ok", "warning", "problem", "unknown"]

Fact = TypeVar("Fact")

SHOWN: Final = 5
"""Things of a kind that a line names; it counts the others."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        Which; it stays the same from version to version.
    verdict : {"ok", "warning", "problem", "unknown"}
        ``unknown`` where it could not be looked at.
    found : str
        What was seen.
    remedy : str
        What to do; empty where there is nothing to do.
    """

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Stands in place of what could not be asked, with the reason."""

    reason: str


def unknown(names: Iterable[str], reason: str) -> list[Check]:
    """Say of checks that they could not be made, and why."""
    return [Check(name, "unknown", reason) for name in names]


def listed(things: Sequence[object]) -> str:
    """Name the first things and count the others.

    Examples
    --------
    >>> listed([1, 2]), listed(range(7))
    ('1, 2', '0, 1, 2, 3, 4 and 2 more')
    """
    more = f" and {len(things) - SHOWN:,} more" if len(things) > SHOWN else ""
    return ", ".join(map(str, things[:SHOWN])) + more


def counted(number: int, noun: str) -> str:
    """Say how many.

    Examples
    --------
    >>> counted(1, "record"), counted(2_000, "record")
    ('1 record', '2,000 records')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
