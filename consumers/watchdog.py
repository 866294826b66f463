"""What must get on, and which part of it stands still. Pure bookkeeping: the clock is given.

Time counts only as far as somebody looks: where the event loop is blocked (code is compiled, a huge match is rated), or
the whole process is stopped for a while, no part could have got on, and none is to blame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LOOK_S: Final = 1.0
"""Time between two looks."""

COUNTED_S: Final = 2.0
"""Between two looks no more than this counts."""

PROGRESS_S: Final = 120.0
"""A part without a round for so long stands still. A round waits for Redis (5 s a call), Kafka (10 s for dead letters,
40 s for a log's edges, 20 s for a rebalance) or its own back-off (5 s): no chain of them comes near."""

BLOCKED_S: Final = 300.0
"""An event loop without a turn for so long is blocked for good: what is compiled is compiled before it begins, and the
largest batch takes seconds."""


@dataclass(eq=False, slots=True)
class Pulse:
    """One part, while it is watched.

    Attributes
    ----------
    part : str
        Its name, for log, metric and /livez.
    at : float
        When it last got on, by the watchdog's count.
    """

    part: str
    at: float
    _watchdog: Watchdog

    def beat(self) -> None:
        """Note that a round is complete."""
        self.at = self._watchdog.counted

    def end(self) -> None:
        """Watch it no more; it may be said twice."""
        self._watchdog.forget(self)


class Watchdog:
    """Knows which parts are at work, and since when each has not got on.

    Parameters
    ----------
    clock : callable
        Seconds; monotonic.

    Examples
    --------
    >>> now = 0.0
    >>> watchdog = Watchdog(lambda: now)
    >>> pulse = watchdog.begin("partition 3")
    >>> for now in range(int(PROGRESS_S) + 2):
    ...     watchdog.look()
    >>> watchdog.still()
    'partition 3'
    >>> pulse.beat()
    >>> watchdog.still()
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.counted = 0.0
        """Seconds in which parts could get on."""
        self._clock = clock
        self._looked = clock()
        self._pulses: dict[Pulse, None] = {}

    def begin(self, part: str) -> Pulse:
        """Watch a part from now on."""
        pulse = Pulse(part, self.counted, self)
        self._pulses[pulse] = None
        return pulse

    def forget(self, pulse: Pulse) -> None:
        """Watch a part no more."""
        self._pulses.pop(pulse, None)

    def look(self) -> None:
        """Count the time since the last look."""
        now = self._clock()
        self.counted += min(now - self._looked, COUNTED_S)
        self._looked = now

    def still(self) -> str | None:
        """Name the part that stands still for longest, of those that do so for longer than `PROGRESS_S`."""
        oldest = min(self._pulses, key=lambda pulse: pulse.at, default=None)
        return None if oldest is None or self.counted - oldest.at <= PROGRESS_S else oldest.part

    def excuse(self) -> None:
        """Let the time of every part begin anew: none of them is to blame."""
        for pulse in self._pulses:
            pulse.beat()

    def clear(self) -> None:
        """Forget every part: all of them are gone."""
        self._pulses.clear()
