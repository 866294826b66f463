"""Serves requests for matchups: those that wait for one pool together, so that each sees the one before under way."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from service.log import LogUnavailable
from service.matchups.exposure import Balance
from service.metrics import EXPOSURE_RATIO, POSITION_IMBALANCE
from service.pools import Pool
from service.problems import Problem
from service.store.connection import StoreUnavailable
from service.store.leases import MOST_OPEN, MOST_WHOLE, Lease, Leases, TooManyOpen
from service.store.pairs import PairCounts, Pairs
from service.store.partitions import Partitions, Unreadable, unknown_pool
from service.suggest.account import Account, Base, account_of, base_of
from service.suggest.ask import MOST_COUNT, Ask, fulfil
from service.suggest.campaign import Progress, progress_of
from service.suggest.joint import Joint
from service.suggest.keeper import Keeper
from service.suggest.known import Known, keeps_pairs
from service.suggest.seat import seat

MOST_TRIES: Final = 32
"""Draws of the same requests, where other processes take leases in between."""

MOST_DESKS: Final = 64
"""Pools of which something is kept in memory while nobody asks."""

MOST_SEEN: Final = 4_000_000
"""Numbers of one matrix of each pool that keeps pairs, of which there are a dozen: four pools of a thousand players."""

ANSWER_S: Final = 15.0
"""Time that a request has, Redis and Kafka included."""


class Given(NamedTuple):
    """What a request is answered with.

    Attributes
    ----------
    leases : mapping
        By the matchups' ids, in the order drawn; empty where of those who wait nobody can be matched yet.
    position : str
        Of the ratings that were looked at.
    progress : Progress or None
        Of the campaign that it is for, before these.
    """

    leases: Mapping[str, Lease]
    position: str
    progress: Progress | None = None


@dataclass(slots=True, eq=False)
class _Waiting:
    ask: Ask
    answer: asyncio.Future[Given]


@dataclass(slots=True)
class _Desk:
    """One pool's requests, and what is known of it."""

    known: Known
    waiting: deque[_Waiting] = field(default_factory=deque)
    clerk: asyncio.Task[None] | None = None
    unaccounted: dict[str, asyncio.Task[bool]] = field(default_factory=dict)
    """Leases whose account is on its way."""
    balance: Balance | None = None
    """As it was when leases were taken last."""

    def next(self) -> list[_Waiting]:
        """Requests that are served together: as much as the largest single one may ask for."""
        taken: list[_Waiting] = []
        matchups = names = 0
        while self.waiting:
            ask = self.waiting[0].ask
            matchups, names = matchups + ask.count, names + len(ask.names)
            if taken and (matchups > MOST_COUNT or names > MOST_WHOLE):
                break
            taken.append(self.waiting.popleft())
        return taken


class Suggestions:
    """Suggests matchups of one installation.

    Parameters
    ----------
    partitions : Partitions
    leases : Leases
    keeper : Keeper
    pairs : PairCounts
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        partitions: Partitions,
        leases: Leases,
        keeper: Keeper,
        pairs: PairCounts,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._partitions = partitions
        self._leases = leases
        self._keeper = keeper
        self._pairs = pairs
        self._clock = clock
        self._desks: OrderedDict[str, _Desk] = OrderedDict()
        self._answering: set[asyncio.Task[bool]] = set()

    async def suggest(self, pool: Pool, ask: Ask) -> Given:
        """Answer one request.

        Raises
        ------
        Problem
            What is wrong with the request; ``too_busy`` where too many leases are open, or it took too long;
            ``kafka_unavailable`` where it could not be accounted for, and is taken back.
        StoreUnavailable, Unreadable
        """
        desk = self._desk(pool)
        answer: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        desk.waiting.append(_Waiting(ask, answer))
        if desk.clerk is None:
            desk.clerk = asyncio.create_task(self._serve(desk))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError:
            raise Problem("too_busy", f"no matchups could be taken within {ANSWER_S:g} s") from None

    async def open(self, pool: Pool) -> Known:
        """Read the open leases of a pool, and what is told beside them.

        Raises
        ------
        Problem
            ``unknown_pool``
        StoreUnavailable, Unreadable
        """
        known = Known(pool, self._leases)
        await known.refresh(self._now(), ())
        if known.whole and not known.names and not known.leases:
            raise unknown_pool(pool.name)
        return known

    async def give_back(self, pool: Pool, id_: str) -> None:
        """Close a lease without a result; one that is closed stays so.

        Raises
        ------
        Problem
            ``unknown_pool`` where nothing was ever applied.
        StoreUnavailable
        """
        await self._leases.give_back(pool.name, [id_])

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _desk(self, pool: Pool) -> _Desk:
        desk = self._desks.get(pool.name)
        if desk is None:
            joint = Joint(pool, self._partitions) if keeps_pairs(pool) else None
            desk = self._desks[pool.name] = _Desk(Known(pool, self._leases, joint))
        self._desks.move_to_end(pool.name)
        seen = sum(one.known.size for one in self._desks.values())
        for name, one in list(self._desks.items())[:-1]:
            if len(self._desks) <= MOST_DESKS and seen <= MOST_SEEN:
                break
            if one.clerk is None and not one.unaccounted and (len(self._desks) > MOST_DESKS or one.known.size):
                seen -= one.known.size
                del self._desks[name]
        return desk

    async def _serve(self, desk: _Desk) -> None:
        try:
            while together := desk.next():
                try:
                    await self._serve_together(desk, together)
                except (Problem, StoreUnavailable, Unreadable) as error:
                    desk.known.forget()
                    _refuse(together, error)
                except TooManyOpen:
                    desk.known.forget()
                    _refuse(
                        together, Problem("too_busy", f"the pool has {MOST_OPEN:,} open matchups, as many as it may")
                    )
                except BaseException as error:
                    # A fault: nobody may wait for an answer that does not come.
                    desk.known.forget()
                    _refuse([*together, *desk.waiting], error)
                    desk.waiting.clear()
                    raise
        finally:
            desk.clerk = None

    async def _serve_together(self, desk: _Desk, together: Sequence[_Waiting]) -> None:
        known = desk.known
        for _ in range(MOST_TRIES):
            now = self._now()
            await known.refresh(now, [name for one in together for name in one.ask.names])
            campaigns = await self._look(known, together)
            draft = known.draft()
            base = None if known.accounted else base_of(known)
            accounts: list[Account] = []
            given: dict[_Waiting, Given] = {}
            position = str(known.position)
            leases: dict[str, Lease] = {}
            for one in together:
                if one.answer.done():
                    continue
                ask = one.ask
                try:
                    progress = progress_of(known, ask.running, campaigns) if ask.running and campaigns else None
                    if asked := known.asked(ask.request_id, ask.campaign):
                        given[one] = Given(asked, position, progress)
                        continue
                    chosen = seat(known, ask, now) if ask.parties else fulfil(known, ask, now, progress)
                except Problem as problem:
                    one.answer.set_exception(problem)
                    continue
                if chosen.leases:
                    accounts.append(account_of(known, ask, chosen, progress))
                given[one] = Given(chosen.leases, position, progress)
                leases |= chosen.leases
            if leases:
                known.accounted = True
                expired = known.expired
                partition = known.position.partition
                mark = await self._leases.take(
                    known.pool.name, partition, known.mark, leases, expired, known.counts_of(leases)
                )
                if mark is None:
                    known.restore(draft, leases)
                    continue
                known.took(mark, leases, expired)
                self._measure(desk)
            self._settle(desk, given, leases, accounts if base is None else [base, *accounts])
            return
        raise Problem("too_busy", f"others took matchups of the pool in between, {MOST_TRIES} times in a row")

    async def _look(self, known: Known, together: Sequence[_Waiting]) -> Pairs | None:
        """Read what is counted, where it is for a campaign; nobody else is refused where that cannot be."""
        pursued = [one for one in together if one.ask.running]
        try:
            return await self._pairs.read(known.pool) if pursued else None
        except Problem as problem:
            _refuse(pursued, problem)
            return None

    def _measure(self, desk: _Desk) -> None:
        """Show the least balanced of all pools: there may be any number of them."""
        desk.balance = desk.known.balance
        balances = [one.balance for one in self._desks.values() if one.balance is not None]
        EXPOSURE_RATIO.set(max((one.ratio for one in balances), default=0.0))
        POSITION_IMBALANCE.set(max((one.imbalance for one in balances), default=0.0))

    def _settle(
        self,
        desk: _Desk,
        given: Mapping[_Waiting, Given],
        leases: Mapping[str, Lease],
        records: Sequence[Base | Account],
    ) -> None:
        """Have new leases accounted for, and then answer; meanwhile others are served."""
        before = {desk.unaccounted[id_] for asked in given.values() for id_ in asked.leases if id_ in desk.unaccounted}
        task = asyncio.create_task(self._answer(desk, given, leases, records, before))
        desk.unaccounted |= dict.fromkeys(leases, task)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(
        self,
        desk: _Desk,
        given: Mapping[_Waiting, Given],
        leases: Mapping[str, Lease],
        records: Sequence[Base | Account],
        before: set[asyncio.Task[bool]],
    ) -> bool:
        """Answer once all is accounted for; where that fails nobody gets anything, and nothing is kept."""
        pool = desk.known.pool.name
        try:
            if leases:
                await self._keeper.keep(pool, await self._partitions.count(), records)
            if not all([await task for task in before]):
                raise LogUnavailable("the request before, under the same id, could not be either")
        except (LogUnavailable, StoreUnavailable) as error:
            desk.known.begin_base()
            await self._take_back(pool, list(leases))
            _refuse(
                given, Problem("kafka_unavailable", f"no matchup was given, for none could be accounted for: {error}")
            )
            return False
        except BaseException as error:
            _refuse(given, error)
            raise
        finally:
            for id_ in leases:
                del desk.unaccounted[id_]
        for one, answer in given.items():
            if not one.answer.done():
                one.answer.set_result(answer)
            else:
                await self._take_back(pool, [id_ for id_ in answer.leases if id_ in leases])
        return True

    async def _take_back(self, pool: str, ids: Sequence[str]) -> None:
        """Close leases of which nobody was told; where that fails, they expire."""
        if ids:
            with suppress(StoreUnavailable):
                await self._leases.give_back(pool, ids)

    async def close(self) -> None:
        """End what is under way."""
        clerks = [desk.clerk for desk in self._desks.values() if desk.clerk is not None]
        tasks = [*clerks, *self._answering]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for desk in self._desks.values():
            await desk.known.close()
        await self._keeper.close()


def _refuse(waiting: Sequence[_Waiting] | Mapping[_Waiting, object], error: BaseException) -> None:
    for one in waiting:
        if not one.answer.done():
            one.answer.set_exception(error)
