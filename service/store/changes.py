"""Who changed since a position: the stream of a partition, followed once for all who want to hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import structlog

from service.columns import Floats
from service.pools import Pool
from service.problems import Problem
from service.store.connection import StoreUnavailable
from service.store.partitions import Partitions, Position, Unreadable, check_fingerprint
from service.store.read import pool_revision
from service.store.rows import unpack_learned, unpack_rows
from service.store.streams import unpack_touched

TICK_S: Final = 0.25
"""A partition is read this often while somebody listens; between two reads the newest rating of a player wins."""

MOST_ENTRIES: Final = 500
"""Batches that are read at once."""

MOST_PENDING: Final = 5_000
"""Players that may wait for one listener, or change in one pool between two reads; past it the listener begins anew."""

MOST_LISTENERS: Final = 1_000

Reset = Literal["resume_point_gone", "generation_changed", "too_slow"]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of players of a pool under its live system.

    Attributes
    ----------
    players : list of str
    tallies : float64[n, 4]
    skills : float64[n, w]
    learned : float64[len(pool_columns)]
    """

    players: list[str]
    tallies: Floats
    skills: Floats
    learned: Floats


@dataclass(slots=True, eq=False)
class Listener:
    """What one connection has yet to be told.

    Attributes
    ----------
    pool : Pool
    players : frozenset of str
        Whom it is about; everybody where empty.
    position : Position
        Everything before it was told or is in `pending`.
    pending : dict
        Players who changed, each with the rows in which it stands.
    reset : str or None
        Why the connection must read the board again.
    ended : bool
        The process stops: nothing more is told.
    """

    pool: Pool
    players: frozenset[str]
    position: Position
    pending: dict[str, Rows] = field(default_factory=dict)
    reset: Reset | None = None
    ended: bool = False
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    def follows(self, player: str) -> bool:
        """Whether it is about a player."""
        return not self.players or player in self.players

    def tell(self, position: Position, rows: Rows | None) -> None:
        """Add what changed up to a position."""
        if rows is not None:
            for name in rows.players:
                if self.follows(name):
                    self.pending[name] = rows
            if len(self.pending) > MOST_PENDING:
                return self.begin_anew(position, "too_slow")
            if self.pending:
                self._told.set()
        self.position = position
        return None

    def begin_anew(self, position: Position, reason: Reset) -> None:
        """Drop what is pending: the board at a position has it."""
        self.pending.clear()
        self.position, self.reset = position, reason
        self._told.set()

    def end(self) -> None:
        """Let the connection end; its client goes on elsewhere from what it heard last."""
        self.ended = True
        self._told.set()

    async def heard(self, seconds: float) -> bool:
        """Wait until there is something to tell; False where there is nothing in that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return False
        self._told.clear()
        return True


class Changes:
    """Follows partitions for listeners: one reader a partition, whoever listens.

    Parameters
    ----------
    partitions : Partitions
    """

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._listeners: dict[int, set[Listener]] = {}
        self._followers: dict[int, asyncio.Task[None]] = {}

    async def listen(self, pool: Pool, players: frozenset[str], after: Position | None) -> Listener:
        """Begin to listen to a pool, from a position or from now.

        Raises
        ------
        Problem
            ``unknown_pool``; ``too_busy`` past `MOST_LISTENERS`.
        StoreUnavailable, Unreadable
        """
        partition = await self._partitions.holding(pool.name)
        now, _ = await pool_revision(self._partitions, pool.name)
        if sum(map(len, self._listeners.values())) >= MOST_LISTENERS:
            raise Problem("too_busy", f"more than {MOST_LISTENERS:,} connections listen to changes")
        listener = Listener(pool, players, now)
        # Before it catches up, so that nothing falls in between.
        self._listeners.setdefault(partition, set()).add(listener)
        if partition not in self._followers:
            self._followers[partition] = asyncio.create_task(self._follow(partition, now))
        if after is not None and after.generation != now.generation:
            listener.begin_anew(now, "generation_changed")
        elif after is not None and after.offset > now.offset:
            listener.begin_anew(now, "resume_point_gone")
        elif after is not None:
            try:
                await self._catch_up(listener, after)
            except BaseException:
                self.leave(listener)
                raise
        return listener

    def leave(self, listener: Listener) -> None:
        """End to listen."""
        self._listeners.get(listener.position.partition, set()).discard(listener)

    async def _catch_up(self, listener: Listener, after: Position) -> None:
        names: dict[str, None] = {}
        position = after
        while True:
            now, oldest, entries = await self._read(position)
            if oldest is not None and oldest > after.offset:
                return listener.begin_anew(now, "resume_point_gone")
            for end, pools in entries:
                names.update(dict.fromkeys(filter(listener.follows, pools.get(listener.pool.name, ()))))
                position = replace(position, offset=end)
            if len(names) > MOST_PENDING:
                return listener.begin_anew(now, "too_slow")
            if len(entries) < MOST_ENTRIES:
                break
        # Whom the follower has told of meanwhile it knows newer.
        missing = [name for name in names if name not in listener.pending]
        if missing:
            listener.tell(listener.position, await self._rows(listener.pool, position.partition, missing))
        return None

    async def _follow(self, partition: int, position: Position) -> None:
        listeners = self._listeners[partition]
        try:
            while listeners:
                try:
                    position = await self._tick(listeners, position)
                except (StoreUnavailable, Unreadable) as error:
                    # Those who listen have nothing better to do than to wait, too.
                    _log.debug("changes wait", partition=partition, reason=str(error))
                await asyncio.sleep(TICK_S)
        finally:
            del self._followers[partition]

    async def _tick(self, listeners: set[Listener], position: Position) -> Position:
        now, oldest, entries = await self._read(position)
        if now.generation != position.generation:
            for listener in listeners:
                listener.begin_anew(now, "generation_changed")
            return now
        if oldest is not None and oldest > position.offset:
            # Redis could not be reached for longer than its stream goes back.
            for listener in listeners:
                listener.begin_anew(now, "resume_point_gone")
            return now
        # A Redis that went back comes to the same ratings again: all that is to be told is told already.
        end = replace(position, offset=entries[-1][0]) if len(entries) == MOST_ENTRIES else now
        touched: dict[str, dict[str, None]] = {}
        for _, pools in entries:
            for name, names in pools.items():
                touched.setdefault(name, {}).update(dict.fromkeys(names))
        for pool in {listener.pool.name: listener.pool for listener in listeners}.values():
            here = [one for one in listeners if one.pool.name == pool.name and one.position.offset < end.offset]
            names_of_pool = list(touched.get(pool.name, ()))
            if len(names_of_pool) > MOST_PENDING:
                for listener in here:
                    listener.begin_anew(end, "too_slow")
                continue
            try:
                rows = await self._rows(pool, end.partition, names_of_pool) if names_of_pool else None
            except Unreadable as error:
                # No read of the pool is answered until it is built again, and that begins anew. Others do not wait.
                _log.warning("changes are not told", pool=pool.name, reason=str(error))
                continue
            for listener in here:
                listener.tell(end, rows)
        return end

    async def _read(
        self, position: Position
    ) -> tuple[Position, int | None, list[tuple[int, dict[str, Sequence[str]]]]]:
        answer = await self._partitions.read(
            position.partition, "read_changes", lambda keys: (keys.changes,), (position.offset, MOST_ENTRIES)
        )
        oldest, flat = answer.values
        entries = [
            (int(id_.partition(b"-")[0]), dict(unpack_touched(value).pools))
            for id_, value in zip(flat[::2], flat[1::2], strict=True)
        ]
        return answer.position, None if oldest is None else unpack_touched(oldest).start, entries

    async def _rows(self, pool: Pool, partition: int, names: list[str]) -> Rows:
        system = pool.live
        field_name = f"{pool.name}/{system.name}"
        answer = await self._partitions.read(
            partition,
            "read_fields",
            lambda keys: (keys.rows(pool.name, system.name), keys.learned, keys.fingerprints),
            (len(names), *names, 1, field_name, 1, field_name),
        )
        rows, (learned,), (fingerprint,) = answer.values
        check_fingerprint(pool, system, fingerprint)
        tallies, skills = unpack_rows(rows, system)
        return Rows(names, tallies, skills, unpack_learned(learned, system)[0])

    def end(self) -> None:
        """Let all who listen end."""
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.end()

    async def close(self) -> None:
        """End the followers."""
        followers = list(self._followers.values())
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
