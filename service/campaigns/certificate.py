"""What a campaign returns once it has ended."""

from __future__ import annotations

from typing import Literal

import msgspec

Stopped = Literal["certified", "budget", "cost", "cyclic"]
"""Why a campaign ended.

certified
    The goal is reached, with a chance of at least 1 - delta.
budget
    All matches that it may have were played.
cost
    The next match is not expected to bring as much as it costs.
cyclic
    What is settled goes round in a circle: no order fits, and the assumption under which it is certified is refuted.
"""


class Settled(msgspec.Struct, frozen=True):
    """One pair that carries a certificate.

    Attributes
    ----------
    first, second : str
    won, lost : float
        Of the first, as pairs count.
    low, high : float
        The first one's win chance lies between, for all pairs and at all times at once with a chance of 1 - delta.
    """

    first: str
    second: str
    won: float
    lost: float
    low: float
    high: float


class Certificate(msgspec.Struct, frozen=True):
    """How a campaign ended, and what carries that.

    Attributes
    ----------
    goal : str
    rule : str
        The stopping rule by name.
    stopped : Stopped
        Only ``certified`` promises the goal; otherwise `players` is the best guess.
    players : tuple of str
        The whole order for ``full`` and ``place``, the first k, or the best; best first.
    ranks : tuple of (int, int)
        Of each of these, the first and the last rank that it can have by what is settled.
    pairs : tuple of Settled
        All that is settled follows from these.
    matches : int
        How many were used.
    delta, tolerance : float
    position : str or None
        What the counts stand for, where they come from a pool.
    """

    goal: str
    rule: str
    stopped: Stopped
    players: tuple[str, ...]
    ranks: tuple[tuple[int, int], ...]
    pairs: tuple[Settled, ...]
    matches: int
    delta: float
    tolerance: float
    position: str | None = None
