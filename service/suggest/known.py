"""What a process knows of one pool when it suggests: ratings, open leases, exposure. Read once, then what changed."""

from __future__ import annotations

import heapq
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from service.candidates import field_of
from service.columns import Floats, Integers
from service.matchups.exposure import Balance, balance_of, leans
from service.matchups.field import Field, level
from service.matchups.posterior import MOST_PLAYERS
from service.pools import Pool
from service.rate import Table
from service.store.leases import MOST_PURGED, Exposure, Held, Lease, Leases, Mark, MatchupRead
from service.store.partitions import Position
from service.store.rows import unpack_learned, unpack_rows
from service.suggest.joint import Joint, View

GROWN_MS: Final = 1_000
"""Deviations are grown to a moment that is at most so long ago."""


def keeps_pairs(pool: Pool) -> bool:
    """Whether fields of a pool have pairs and a posterior, without which some policies cannot work."""
    return pool.pairs


class Draft(NamedTuple):
    """What drawing changes, as it was before; see `Known`."""

    field: Field
    shown: Integers
    lean: Floats
    accounted: bool
    number: int
    opened: dict[str, Lease]
    closed: list[str]


class Known:
    """What is known of one pool.

    Parameters
    ----------
    pool : Pool
    leases : Leases
    joint : Joint, optional
        For a pool that keeps pairs.

    Attributes
    ----------
    position : Position
        What the ratings stand for.
    names : list of str
        Players that are known, and those who were asked for though they are not.
    row_of : dict
        Each one's place among them.
    rated : bool[n]
        Which of them the pool knows.
    table : Table
        Their rows.
    whole : bool
        Whether all players of the pool are among them.
    at : int
        The moment to which deviations are grown, epoch milliseconds.
    field : Field
        All of them, with the matches under way.
    leases : dict
        Those that are open, by their ids.
    shown : int64[n]
        How often each was suggested; of no account where the pool does not count it.
    lean : float64[n]
        Towards which places: `service.matchups.exposure`.
    view : View or None
        What all results say of all of them at once; None where no pairs are kept, or of more than `MOST_PLAYERS`.
    expected : set of str
        Leases whose results the field's posterior expects, some of them closed since.
    base : str
        Changes with whatever the field is made of, but for leases.
    """

    def __init__(self, pool: Pool, leases: Leases, joint: Joint | None = None) -> None:
        self.pool = pool
        self._store = leases
        self._joint = joint
        self.names: list[str] = []
        self.row_of: dict[str, int] = {}
        self.whole = True
        self.leases: dict[str, Lease] = {}
        self._mark: Mark | None = None
        self._expired: dict[str, None] = {}
        self._ends: list[tuple[int, str]] = []
        self._generation, self._totals = "", b""
        self.shown: Integers = np.empty(0, np.int64)
        self.lean: Floats = np.empty(0)
        self.field = level(0)
        self._counts: dict[str, Exposure] = {}
        self._uncounted: dict[str, Exposure] = {}
        self.expected: set[str] = set()
        self.forget()

    def forget(self) -> None:
        """Lay all out anew: of what was drawn or read it is not known how far it came."""
        self.at = 0
        self._mark = None
        self.view: View | None = None
        self.begin_base()

    def begin_base(self) -> None:
        """Let what follows be told from what was accounted for before."""
        self.base = secrets.token_hex(8)
        self.accounted = False
        """Whether the log has the base."""
        self.number = 0
        """Accounts that have referred to the base."""
        self.opened: dict[str, Lease] = {}
        self.closed: list[str] = []

    def draft(self) -> Draft:
        """Remember how all stands before anything is drawn."""
        return Draft(
            self.field, self.shown.copy(), self.lean.copy(), self.accounted, self.number, self.opened, self.closed
        )

    def restore(self, draft: Draft, drawn: Iterable[str]) -> None:
        """Go back to before matchups were drawn that were not taken."""
        self.field, self.shown, self.lean, self.accounted, self.number, self.opened, self.closed = draft
        for id_ in drawn:
            del self.leases[id_]
            self.expected.discard(id_)

    @property
    def mark(self) -> Mark:
        """Of the leases that are open in Redis."""
        assert self._mark is not None, "refreshed first"
        return self._mark

    @property
    def expired(self) -> list[str]:
        """Leases to purge."""
        return list(self._expired)[:MOST_PURGED]

    async def refresh(self, now: int, wanted: Sequence[str]) -> None:
        """Read what changed.

        Parameters
        ----------
        now : int
            Epoch milliseconds.
        wanted : sequence of str
            Players who are asked for by name.

        Raises
        ------
        Problem
            ``unknown_pool`` where nothing was ever applied.
        StoreUnavailable, Unreadable
        """
        held = Held(self._generation, self._totals, self._mark)
        read = await self._store.read(self.pool, held, list(dict.fromkeys(wanted)))
        if read.rows is None and any(name not in self.row_of for name in wanted):
            # Newcomers get rows beside those of the pool.
            read = await self._store.read(self.pool, held._replace(generation="", totals=b""), ())
        self.position: Position = read.position
        anew = now >= self.at + GROWN_MS
        if read.rows is not None:
            self._lay_out(read, wanted)
        moved = await self._follow(read, now)
        if read.exposure is not None or read.rows is not None:
            self._count(read)
            anew = True
        renewed = await self._look(now)
        anew = anew or renewed
        if anew:
            self.at = now
            self.begin_base()
        if anew or moved:
            self._make_field(renewed)

    @property
    def size(self) -> int:
        """Numbers of a matrix of all who are seen at once; 0 where none is."""
        return 0 if self.view is None else len(self.names) ** 2

    async def close(self) -> None:
        """End what is under way."""
        if self._joint is not None:
            await self._joint.close()

    async def _look(self, now: int) -> bool:
        """See what all results say of all at once; answers whether that is another view."""
        before, self.view = self.view, None
        if self._joint is not None and 0 < len(self.names) <= MOST_PLAYERS:
            under_way = {id_: self.rows_of(lease) for id_, lease in self.leases.items()}
            self.view = await self._joint.see(self.names, under_way, now)
        return self.view is not before

    def _make_field(self, renewed: bool) -> None:
        under_way = {id_: rows for id_, lease in self.leases.items() if (rows := self.rows_of(lease))}
        wins = posterior = None
        if self.view is not None:
            wins = self.view.wins
            if renewed:
                self.expected = set(self.view.expected)
            posterior = self.view.posterior if renewed else self.field.posterior
            if posterior is not None:
                # What ended since the view was laid out stays in it until the next.
                for id_, rows in under_way.items():
                    if id_ not in self.expected:
                        posterior = posterior.with_match(np.asarray(rows, dtype=np.int32))
                self.expected |= under_way.keys()
        self.field = (
            field_of(
                self.pool.live,
                self.table,
                self.at,
                under_way=list(under_way.values()),
                wins=wins,
                posterior=posterior,
            )
            if self.names
            else level(0)
        )

    def rows_of(self, lease: Lease) -> list[int]:
        """Rows of those of a lease's players who are known."""
        return [self.row_of[name] for side in lease.sides for name in side if name in self.row_of]

    def asked(self, request_id: str | None, campaign: str | None) -> dict[str, Lease]:
        """Open leases that were taken under a request id, for a campaign or for none."""
        if request_id is None:
            return {}
        return {
            id_: lease
            for id_, lease in self.leases.items()
            if (lease.request_id, lease.campaign) == (request_id, campaign)
        }

    def add(self, id_: str, lease: Lease, rows: npt.NDArray[np.int32]) -> None:
        """Count a matchup that was drawn as under way."""
        self.leases[id_] = lease
        self.expected.add(id_)
        self.field = self.field.with_match(rows.tolist())
        self.shown[rows] += 1
        for side, lean in zip(lease.sides, leans(len(lease.sides)).tolist(), strict=True):
            self.lean[[self.row_of[name] for name in side]] += lean

    @property
    def balance(self) -> Balance | None:
        """How evenly those that the pool knows were suggested; None where it is not counted, or there is nobody."""
        shown = self.shown[self.rated]
        if self.pool.matchups.exposure is None or not len(shown):
            return None
        return balance_of(shown, self.lean[self.rated])

    def counts_of(self, leases: Mapping[str, Lease]) -> dict[str, Exposure]:
        """How often players were suggested, and where, as it is to be stored with new leases."""
        if self.pool.matchups.exposure is None:
            return {}
        names = {name for lease in leases.values() for side in lease.sides for name in side}
        rows = [(name, self.row_of[name]) for name in names]
        return self._uncounted | {name: Exposure(int(self.shown[row]), float(self.lean[row])) for name, row in rows}

    def took(self, mark: Mark, leases: Mapping[str, Lease], expired: Sequence[str]) -> None:
        """Note that leases were taken, and which were purged."""
        self._mark = mark
        self._counts |= self.counts_of(leases)
        self._uncounted = {}
        for id_, lease in leases.items():
            heapq.heappush(self._ends, (lease.until, id_))
        for id_ in expired:
            del self._expired[id_]

    def _lay_out(self, read: MatchupRead, wanted: Sequence[str]) -> None:
        assert read.rows is not None
        self.whole = read.whole
        if read.whole:
            found = {name.decode(): row for name, row in zip(read.rows[::2], read.rows[1::2], strict=True) if name}
            self._generation, self._totals = read.position.generation, read.totals or b""
            rows = {**found, **{name: None for name in wanted if name not in found}}
        else:
            self._generation, self._totals = "", b""
            rows = dict(zip(dict.fromkeys(wanted), read.rows, strict=True))
        self.names = list(rows)
        self.row_of = {name: row for row, name in enumerate(self.names)}
        self.rated: npt.NDArray[np.bool_] = np.array([row is not None for row in rows.values()], bool)
        live = self.pool.live
        self.table = Table(*unpack_rows(list(rows.values()), live), *unpack_learned(read.learned, live))

    async def _follow(self, read: MatchupRead, now: int) -> bool:
        """Bring the open leases up to date; answers whether others are open than before."""
        changed = False
        if read.ids is not None:
            there = set(read.ids)
            for id_ in [id_ for id_ in self.leases if id_ not in there]:
                self._close(id_)
                changed = True
            self._expired = {id_: None for id_ in self._expired if id_ in there}
            new = [id_ for id_ in read.ids if id_ not in self.leases and id_ not in self._expired]
            for id_, lease in (await self._store.fetch(self.pool.name, read.position.partition, new)).items():
                self.leases[id_] = self.opened[id_] = lease
                heapq.heappush(self._ends, (lease.until, id_))
                changed = True
        self._mark = read.mark
        while self._ends and self._ends[0][0] <= now:
            _, id_ = heapq.heappop(self._ends)
            if id_ in self.leases:
                self._close(id_)
                self._expired[id_] = None
                changed = True
        return changed

    def _close(self, id_: str) -> None:
        del self.leases[id_]
        # What came and went between two accounts is in neither.
        if self.opened.pop(id_, None) is None:
            self.closed.append(id_)

    def _count(self, read: MatchupRead) -> None:
        """Lay out exposure; whoever is not counted yet begins where the least shown stands."""
        if read.exposure is not None:
            flat = read.exposure
            pairs = zip(flat[::2], flat[1::2], strict=True) if read.whole else zip(self.names, flat, strict=True)
            self._counts = {
                name if isinstance(name, str) else name.decode(): Exposure.unpack(count)
                for name, count in pairs
                if name is not None and count is not None
            }
        counted = [self._counts.get(name) for name in self.names]
        least = Exposure(min((count.shown for count in counted if count is not None), default=0))
        self._uncounted = {
            name: least
            for name, count, rated in zip(self.names, counted, self.rated.tolist(), strict=True)
            if count is None and rated
        }
        known = [least if count is None else count for count in counted]
        self.shown = np.array([one.shown for one in known], np.int64)
        self.lean = np.array([one.lean for one in known], np.float64)
