"""The demo league: invented players of known, slowly drifting strength. Everything in it is simulated and says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
import structlog

from service.log import LogUnavailable
from service.match import Match, Side, encode
from service.settings import Settings
from standings.feed import Sender

POOLS: Final = ("demo.duel", "demo.teams", "demo.race")
TAGS: Final = ("simulated",)
PLAYERS: Final = 64
SEED: Final = 20_261_121

OPENING: Final = 2_000
"""Matches that are played at once, so that there is something to see."""
OPENING_STEP_MS: Final = 30_000
"""They lie this far apart in the past."""
PER_SECOND: Final = 20

RETRY_S: Final = 2.0

_BEGINNINGS: Final = ("Bel", "Cor", "Dar", "El", "Fen", "Gal", "Hal", "Il", "Jor", "Kel", "Lor", "Mir", "Nor", "Or")
_ENDINGS: Final = ("a", "an", "da", "do", "el", "en", "ia", "in", "is", "mar", "o", "rik", "ven", "wyn")

DRIFT: Final = 0.01
DRAW_ZONE: Final = 0.3
SECOND: Final = 0.25
"""What the clock of a race can tell apart, in units of skill."""

_log = structlog.get_logger()


class League:
    """Plays matches one after the other. Pure: the same seed and run give the same matches.

    Parameters
    ----------
    seed : int
        Decides the players and their strength.
    run : int
        Decides the results, and is part of every id: a league that starts again takes another.

    Examples
    --------
    >>> match = League(1, 7).play(0)
    >>> match.pool, match.id, match.tags
    ('demo.duel', '7-0', ('simulated',))
    """

    def __init__(self, seed: int, run: int) -> None:
        casting = np.random.default_rng(seed)
        names = [beginning + ending for beginning in _BEGINNINGS for ending in _ENDINGS]
        self.players: Sequence[str] = casting.permutation(names)[:PLAYERS].tolist()
        self._skill = {pool: casting.normal(0.0, 1.0, PLAYERS) for pool in POOLS}
        self._chance = np.random.default_rng([seed, run])
        self._run = run
        self._played = 0

    def play(self, at: int) -> Match:
        """Play the next match, one pool after the other.

        Parameters
        ----------
        at : int
            When, in epoch milliseconds.
        """
        pool = POOLS[self._played % len(POOLS)]
        rules: dict[str, Callable[[str], tuple[Side, ...]]] = {
            "demo.duel": self._duel,
            "demo.teams": self._teams,
            "demo.race": self._race,
        }
        match = Match(f"{self._run}-{self._played}", pool, at, rules[pool](pool), tags=TAGS)
        self._played += 1
        return match

    def _draw(self, pool: str, count: int) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.float64]]]:
        """Draw players and how each performs today; their skills drift on the way."""
        drawn = self._chance.choice(PLAYERS, count, replace=False)
        self._skill[pool][drawn] += self._chance.normal(0.0, DRIFT, count)
        # The difference of two Gumbel variables is logistic, as Elo has it.
        performance = self._skill[pool][drawn] + self._chance.gumbel(0.0, 1.0, count)
        return [self.players[player] for player in drawn], performance

    def _duel(self, pool: str) -> tuple[Side, ...]:
        (first, second), performance = self._draw(pool, 2)
        lead = performance[0] - performance[1]
        drawn = abs(lead) < DRAW_ZONE
        return (
            Side((first,), rank=1 if drawn or lead > 0 else 2),
            Side((second,), rank=1 if drawn or lead < 0 else 2),
        )

    def _teams(self, pool: str) -> tuple[Side, ...]:
        sizes = self._chance.integers(2, 6, 2).tolist()
        names, performance = self._draw(pool, sum(sizes))
        home, away = np.split(performance, [sizes[0]])
        return (
            Side(tuple(names[: sizes[0]]), score=max(0, round(3 + 2 * home.mean()))),
            Side(tuple(names[sizes[0] :]), score=max(0, round(3 + 2 * away.mean()))),
        )

    def _race(self, pool: str) -> tuple[Side, ...]:
        names, performance = self._draw(pool, 8)
        clock = np.round(performance / SECOND)
        places = [1 + int((clock > own).sum()) for own in clock]
        return tuple(Side((name,), rank=place) for name, place in zip(names, places, strict=True))


async def play(settings: Settings, partitions: int, stop: asyncio.Event) -> None:
    """Play the league through Kafka: an opening at once, then `PER_SECOND` matches a second until stopped.

    Parameters
    ----------
    settings : Settings
        Kafka's address and the topic.
    partitions : int
        Of the topic.
    stop : asyncio.Event
    """
    begun = int(time.time() * 1000)
    league = League(SEED, begun)
    opening = [league.play(begun - left * OPENING_STEP_MS) for left in range(OPENING, 0, -1)]
    told = False
    while not stop.is_set():
        try:
            async with Sender(settings, partitions) as sender:
                # Sent again after a broken connection: what arrived the first time is a duplicate.
                for match in opening:
                    await sender.add(match.pool, encode(match))
                await sender.flush()
                opening.clear()
                told = False
                await _play_on(league, sender, stop)
        except LogUnavailable as error:
            if not told:
                _log.warning("the demo league waits for Kafka", reason=str(error))
                told = True
            await _pause(stop, RETRY_S)


async def _play_on(league: League, sender: Sender, stop: asyncio.Event) -> None:
    due = time.monotonic()
    while not stop.is_set():
        match = league.play(int(time.time() * 1000))
        await sender.add(match.pool, encode(match))
        await sender.flush()
        due += 1 / PER_SECOND
        await _pause(stop, max(0.0, due - time.monotonic()))


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
