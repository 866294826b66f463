"""What keeps `standings feed` from burying live matches: it waits while ingest is far behind."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

from service.records import lag
from service.settings import Settings

MOST_LAG: Final = 200_000
"""Records that the consumer group may be behind unless told otherwise: some seconds of its work."""

LOOK_S: Final = 1.0
"""Time between two looks at how far the group is."""


class Brake:
    """Holds while the consumer group is far behind.

    Parameters
    ----------
    settings : Settings
        Kafka's address, the topic, the group.
    most : int
        Records that the group may be behind.
    """

    def __init__(self, settings: Settings, most: int) -> None:
        self._settings = settings
        self._most = most
        self._lag: int | None = None
        self._look_at = 0.0
        self._told: set[str] = set()

    async def hold(self, count: int) -> None:
        """Wait until the group is near enough for more; at once where it has never read the topic.

        Parameters
        ----------
        count : int
            Records that are to be sent next.

        Raises
        ------
        LogUnavailable
        """
        if time.monotonic() >= self._look_at or self._is_far():
            await self._look()
        while self._is_far():
            self._tell(f"waiting: group {self._settings.group!r} is more than {self._most:,} records behind")
            await asyncio.sleep(LOOK_S)
            await self._look()
        if self._lag is not None:
            self._lag += count

    def _is_far(self) -> bool:
        return self._lag is not None and self._lag > self._most

    async def _look(self) -> None:
        settings = self._settings
        self._lag = await lag(settings.brokers, settings.topic, settings.group)
        self._look_at = time.monotonic() + LOOK_S
        if self._lag is None:
            self._tell(
                f"nobody has read {settings.topic!r} as group {settings.group!r} yet:"
                " sending without waiting for `standings ingest`"
            )

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            sys.stderr.write(f"{text}\n")
