"""What all results of a pool say of all skills at once, as suggestions see it.

Laying that out inverts matrices, so it is done in a thread, at most once a second; meanwhile the former one serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from service.columns import Floats
from service.matchups.posterior import Posterior, unknown
from service.pools import Pool
from service.problems import Problem
from service.store.fits import FitRead, read_fit
from service.store.pairs import Pairs, read_pairs
from service.store.partitions import Partitions, Position

RENEWED_MS: Final = 1_000
"""Between two of them, at least."""

LATEST_MS: Final = 5_000
"""After so long it is waited for."""

MOST_MOVED: Final = 100_000_000
"""Numbers that results since the fit may move, each a whole covariance: a hundred results among a thousand players.

More are left to the next fit; what was known stands for the position that it was known at.
"""


@dataclass(frozen=True, slots=True)
class View:
    """Pairs and posterior of some players.

    Attributes
    ----------
    names : sequence of n str
    wins : float64[n, n]
    posterior : Posterior or None
        With what matches under way are expected to tell; None where there is no fit yet.
    expected : frozenset of str
        Those matches, by their leases' ids.
    pairs : Position
        The results that ``wins`` stands for.
    fitted : Position or None
        The results that ``posterior`` stands for.
    """

    names: Sequence[str]
    wins: Floats
    posterior: Posterior | None
    expected: frozenset[str]
    pairs: Position
    fitted: Position | None


class Joint:
    """Keeps the view of one pool up to date.

    Parameters
    ----------
    pool : Pool
        One that keeps pairs.
    partitions : Partitions
    """

    def __init__(self, pool: Pool, partitions: Partitions) -> None:
        self._pool = pool
        self._partitions = partitions
        self._view: View | None = None
        self._begun = 0
        self._next: asyncio.Task[View] | None = None
        self._pairs: Pairs | None = None
        self._forget()

    def _forget(self) -> None:
        self._fit: Position | None = None
        """The stored fit that what follows goes on from."""
        self._posterior: Posterior | None = None
        """Of all players by their numbers among pairs."""
        self._fitted: Position | None = None

    async def see(self, names: Sequence[str], under_way: Mapping[str, Sequence[int]], now: int) -> View:
        """Give a view of players in this order, the last one or a newer.

        Parameters
        ----------
        names : sequence of str
        under_way : mapping
            Players of each open lease, by their places among the names.
        now : int
            Epoch milliseconds.

        Raises
        ------
        Problem
            ``too_busy`` where matches come faster than they are read.
        StoreUnavailable, Unreadable
        """
        if self._next is not None and self._next.done():
            ended, self._next = self._next, None
            self._view = ended.result()
        due = now >= self._begun + RENEWED_MS
        view = self._view
        if view is None or view.names != names or now >= self._begun + LATEST_MS or (due and view.posterior is None):
            if self._next is not None:
                # Both would change what is held.
                running, self._next = self._next, None
                await running
            self._begun = now
            view = self._view = await self._lay_out(names, under_way)
        elif due and self._next is None:
            self._begun = now
            self._next = asyncio.create_task(self._lay_out(names, dict(under_way)))
        return view

    async def close(self) -> None:
        """Give up what is being laid out."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)

    async def _lay_out(self, names: Sequence[str], under_way: Mapping[str, Sequence[int]]) -> View:
        # The fit first, so that pairs stand no earlier.
        fit = await read_fit(self._partitions, self._pool, self._fit)
        pairs = await self._read_pairs(fit.position)
        same = self._pairs is not None and pairs.wins is self._pairs.wins and fit.fit is None and fit.at == self._fit
        self._pairs = pairs
        view = self._view
        if same and view is not None and view.names == names and view.expected == under_way.keys():
            # Nothing came; what there is stands for the newer position, if it stood for all.
            fitted = pairs.position if view.fitted == view.pairs else view.fitted
            self._fitted = fitted if self._fitted == view.fitted else self._fitted
            return replace(view, pairs=pairs.position, fitted=fitted)
        return await asyncio.to_thread(self._make, names, under_way, fit, pairs)

    async def _read_pairs(self, position: Position) -> Pairs:
        try:
            return await read_pairs(self._partitions, self._pool, self._pairs)
        except Problem as problem:
            if problem.type.slug != "unknown_pool":
                raise
            # Only newcomers may be named, of whom all is known that there is.
            nobody = np.zeros((0, 0))
            return Pairs([], nobody, nobody, np.zeros((0, 2), np.int64), 0, 0, 0, position)

    def _make(self, names: Sequence[str], under_way: Mapping[str, Sequence[int]], fit: FitRead, pairs: Pairs) -> View:
        self._follow(fit, pairs)
        wins, _ = pairs.among(names)
        posterior = None
        if self._posterior is not None:
            number_of = {name: number for number, name in enumerate(pairs.names)}
            seen = self._posterior.of([number_of.get(name, -1) for name in names])
            orders = [np.asarray(rows, dtype=np.int32) for rows in under_way.values() if len(rows) > 1]
            posterior = seen.with_matches(orders)
        return View(names, wins, posterior, frozenset(under_way), pairs.position, self._fitted)

    def _follow(self, fit: FitRead, pairs: Pairs) -> None:
        """Bring the posterior of all up to date."""
        if not pairs.names:
            self._fit, self._posterior, self._fitted = fit.at, unknown(0), pairs.position
            return
        if fit.fit is not None:
            self._fit, self._posterior, self._fitted = fit.at, fit.fit.posterior(), fit.at
        elif fit.at is None or fit.at != self._fit:
            self._forget()
        now = pairs.position
        if self._fitted is None or self._fitted.generation != now.generation or self._fitted.offset > now.offset:
            # Another generation was switched to in between, or Redis went back.
            self._forget()
            return
        assert self._posterior is not None
        self._posterior = self._posterior.with_newcomers(len(pairs.names))
        moved = np.count_nonzero(self._posterior.wins != pairs.wins) * len(pairs.names) ** 2
        if moved <= MOST_MOVED:
            self._posterior, self._fitted = self._posterior.with_results(pairs.wins), now
