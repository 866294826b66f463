"""Refit: keeps, for each pool that keeps pairs, the joint posterior of all skills fitted to its results.

One process for an installation suffices. A second one does no harm: a fit is a function of the results up to a
tolerance, each is one write, and never over a later one. What is lost when it ends is time.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import OrderedDict
from typing import Final

import structlog

from consumers.health import Health
from consumers.operations import OpsServer, end_in_time
from service.matchups.posterior import Posterior, fit, unknown
from service.metrics import FIT_BEHIND, FIT_SECONDS
from service.pool_file import read_pools
from service.pools import Pool
from service.problems import Problem
from service.settings import Settings
from service.store.connection import Store, StoreUnavailable
from service.store.fits import FitRead, fit_of, read_arenas, read_fit, write_fit
from service.store.layout import Keys
from service.store.pairs import MOST_HELD, PairCounts
from service.store.partitions import Partitions, Position, Unreadable
from service.warm import warm_posterior

ROUND_S: Final = 1.0
"""Between two looks at what changed, at least; after a longer round, as long as that took."""

RESTS: Final = 3.0
"""After a fit a pool rests for so many times as long as it took, so that a large one leaves time for the others."""

_log = structlog.get_logger()


class Refit:
    """One refit process.

    Parameters
    ----------
    settings : Settings
    ops_port : int
        Where health and metrics are served; 0 for a free port.
    ops_host : str
    """

    def __init__(self, settings: Settings, ops_port: int, ops_host: str = "127.0.0.1") -> None:
        self.health = Health("refit")
        self._settings = settings
        self._pools = read_pools(settings.pools)
        self._ops = OpsServer(self.health, ops_host, ops_port)
        self._store = Store(settings.redis.get_secret_value())
        self._partitions = Partitions(self._store, settings.installation, settings.topic, settings.partitioner)
        self._pairs = PairCounts(self._partitions)
        self._held: OrderedDict[str, tuple[Position, Posterior]] = OrderedDict()
        self._rests: dict[str, float] = {}
        self._behind: dict[str, float] = {}
        self._told: dict[str, str] = {}
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT; a fit that is under way then is given up."""
        warm_posterior()
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop.set)
        ops = asyncio.create_task(self._ops.serve())
        work = asyncio.create_task(self._work())
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (work, stopped):
                task.cancel()
            self._ops.should_exit = True
            end_in_time()
            with contextlib.suppress(asyncio.CancelledError):
                await ops
                await self._store.close()

    async def _work(self) -> None:
        while True:
            begun = time.monotonic()
            try:
                await self._round()
                self.health.become("running")
            except StoreUnavailable as error:
                self.health.become("waiting_for_redis", str(error))
            await asyncio.sleep(max(ROUND_S, time.monotonic() - begun))

    async def _round(self) -> None:
        """Look at every pool, and fit those of which pairs changed."""
        seen: set[str] = set()
        for partition in range(await self._partitions.count()):
            try:
                names = await read_arenas(self._partitions, partition)
            except Unreadable as error:
                self._tell(f"partition {partition}", str(error))
                continue
            for pool in map(self._pools.configured, names):
                if pool.pairs:
                    seen.add(pool.name)
                    await self._see_to(pool)
        # What is noted of pools that are gone.
        for noted in (self._rests, self._behind):
            for name in noted.keys() - seen:
                del noted[name]
        FIT_BEHIND.set(time.monotonic() - min(self._behind.values(), default=time.monotonic()))

    async def _see_to(self, pool: Pool) -> None:
        try:
            held = self._held.get(pool.name)
            read = await read_fit(self._partitions, pool, None if held is None else held[0])
            if read.fresh:
                self._behind.pop(pool.name, None)
                return
            begun = time.monotonic()
            self._behind.setdefault(pool.name, begun)
            if begun < self._rests.get(pool.name, 0.0):
                return
            if await self._fit(pool, read):
                del self._behind[pool.name]
                self._told.pop(pool.name, None)
            took = time.monotonic() - begun
            FIT_SECONDS.observe(took)
            self._rests[pool.name] = begun + (1.0 + RESTS) * took
        except (Problem, Unreadable) as error:
            self._tell(pool.name, str(error))

    async def _fit(self, pool: Pool, read: FitRead) -> bool:
        """Fit a pool from where its last fit stands; answers whether that was written."""
        held = self._held.pop(pool.name, None)
        pairs = await self._pairs.read(pool)
        start = unknown(0)
        if read.fit is not None:
            start = await asyncio.to_thread(read.fit.posterior)
        elif read.at is not None and held is not None:
            start = held[1]
        posterior = await asyncio.to_thread(lambda: fit(pairs.wins, start.with_newcomers(len(pairs.names))))
        at = pairs.position
        keys = Keys(self._settings.installation, self._settings.topic, at.partition, at.generation)
        if not await write_fit(self._store, keys, pool.name, fit_of(posterior, at)):
            return False
        self._held[pool.name] = (at, posterior)
        if len(self._held) > MOST_HELD:
            self._held.popitem(last=False)
        return True

    def _tell(self, what: str, why: str) -> None:
        """Log once what cannot be fitted."""
        if self._told.get(what) != why:
            self._told[what] = why
            _log.warning("not_fitted", of=what, reason=why)
