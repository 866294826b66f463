"""Fits of pools' joint posteriors: `standings refit` writes them, suggestions read them.

A fit is a function of the log up to the tolerance of `service.matchups.posterior.fit`. It may be deleted at any time,
and comes again. What is stored are its sites, of which one inversion makes the rest. Of several processes that write,
the later position stays; two fits of one position differ by the tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from service.matchups.posterior import Posterior, joined
from service.pairs import players_of
from service.pools import Pool
from service.store.connection import Store
from service.store.layout import Keys
from service.store.partitions import Partitions, Position

SITE: Final = np.dtype([("pair", "<u4"), ("wins", "<f8", 2), ("precision", "<f8", 2), ("shift", "<f8", 2)])
"""A pair that met, 52 bytes: its number, and of either one's wins over the other how many, and the site of one; the
lower number's first."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A posterior as it is stored.

    Attributes
    ----------
    position : Position
        Of the results that it was fitted to.
    players : int
        By their numbers among pairs, from 0.
    noise : float
    sites : structured array
        Of `SITE`.
    """

    position: Position
    players: int
    noise: float
    sites: npt.NDArray[np.void]

    def posterior(self) -> Posterior:
        """Make the posterior again; of a thousand players that takes the time of an inversion."""
        low, high = players_of(self.sites["pair"].astype(np.int64))
        wins, precision, shift = np.zeros((3, self.players, self.players))
        for name, matrix in (("wins", wins), ("precision", precision), ("shift", shift)):
            matrix[low, high], matrix[high, low] = self.sites[name].T
        return joined(self.noise, precision, shift, wins)


def fit_of(posterior: Posterior, position: Position) -> Fit:
    """Lay out a posterior, its players by their numbers, as it is stored."""
    low, high = np.nonzero(np.triu(posterior.wins + posterior.wins.T))
    sites = np.empty(len(low), SITE)
    sites["pair"] = high * (high - 1) // 2 + low
    for name, matrix in (("wins", posterior.wins), ("precision", posterior.precision), ("shift", posterior.shift)):
        sites[name] = np.stack((matrix[low, high], matrix[high, low]), axis=1)
    return Fit(position, len(posterior.mean), posterior.noise, sites)


@dataclass(frozen=True, slots=True)
class FitRead:
    """What stands of a pool's fit.

    Attributes
    ----------
    position : Position
        Of the partition.
    changed : int or None
        Position at which a pair last changed; None where none was counted.
    at : Position or None
        Of the fit; None where there is none.
    fit : Fit or None
        The fit; None where there is none, or the one that is held.
    """

    position: Position
    changed: int | None
    at: Position | None
    fit: Fit | None

    @property
    def fresh(self) -> bool:
        """Whether no pair changed since the fit."""
        return self.changed is None or (self.at is not None and self.changed <= self.at.offset)


async def read_fit(partitions: Partitions, pool: Pool, held: Position | None = None) -> FitRead:
    """Read a pool's fit.

    Parameters
    ----------
    partitions : Partitions
    pool : Pool
    held : Position, optional
        Of the fit that the caller holds; it is not read again.

    Raises
    ------
    Problem
        ``unknown_pool`` where nothing was ever applied.
    StoreUnavailable, Unreadable
    """
    answer = await partitions.read(
        await partitions.holding(pool.name),
        "read_fit",
        lambda keys: (keys.paired(pool.name), keys.fit(pool.name)),
        ("", "") if held is None else (held.generation, held.offset),
    )
    changed, offset, found = answer.values
    at = None if offset is None else replace(answer.position, offset=int(offset))
    if at is not None and at.offset > answer.position.offset:
        # Redis is as it was before the fit.
        at = found = None
    fit = None
    if at is not None and found is not None:
        players, noise, sites = found
        fit = Fit(at, int(players), float(noise), np.frombuffer(sites, SITE))
    return FitRead(answer.position, None if changed is None else int(float(changed)), at, fit)


async def write_fit(store: Store, keys: Keys, pool: str, fit: Fit) -> bool:
    """Store a fit in one write.

    Parameters
    ----------
    store : Store
    keys : Keys
        Of its partition, in the generation that it is of.
    pool : str
    fit : Fit

    Returns
    -------
    bool
        Whether it is there; not where its generation is not live any more, where Redis has gone back behind it, or
        where a later one is there.

    Raises
    ------
    StoreUnavailable
    """
    names = (keys.live, keys.state, keys.fit(pool))
    words = (keys.generation, fit.position.offset, fit.players, repr(fit.noise), fit.sites.tobytes())
    return bool(await store.run("write_fit", names, words))


async def read_arenas(partitions: Partitions, partition: int) -> list[str]:
    """Read which pools of a partition keep pairs.

    Raises
    ------
    StoreUnavailable, Unreadable
    """
    (names,) = (await partitions.read(partition, "read_arenas", lambda keys: (keys.arenas,), ())).values
    return sorted(name.decode() for name in names)
