"""Compares what is stored of a partition with what is expected, value by value, while ingest may be running."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Final, Literal

import msgspec
import numpy as np

from consumers.expected import Expected, score_bits
from consumers.replay import Replay
from consumers.takeover import Undecided
from service.pools import DROPPED, SEEN_WINDOW, Pools
from service.rate import TALLY_COLUMNS
from service.ratings import RatingSystem
from service.store.connection import Store
from service.store.generations import Decided, Values, read_decided, read_values, scan
from service.store.partition import Loaded, load
from service.store.rows import SEEN, PairTotals, Seen, Totals

NAMED: Final = 20
"""Differences that are told one by one; the rest are counted."""

SHOWN: Final = 200
"""Characters of a value that are shown."""

_COUNTED: Final[dict[str, type[Totals] | type[PairTotals]]] = {"totals": Totals, "arenas": PairTotals}

Kind = Literal[
    "state", "fingerprints", "pools", "totals", "learned", "arenas",
    "rows", "board", "numbers", "pairs", "paired", "seen",
]  # fmt: skip


class Difference(msgspec.Struct, frozen=True):
    """One value that is not what the log makes of it.

    Attributes
    ----------
    kind : str
        Of value: ``state``, ``fingerprints``, ``pools``, ``totals``, ``learned``, ``arenas``, ``rows``, ``board``,
        ``numbers``, ``pairs``, ``paired``, ``seen``.
    pool, system, player, field : str
        Where it stands; empty where that says nothing.
    expected, stored : str
        Empty where there is none.
    """

    kind: str
    pool: str
    system: str
    player: str
    field: str
    expected: str
    stored: str


class Verified(msgspec.Struct):
    """What was found.

    Attributes
    ----------
    equal : bool
    partition : int
    generation : str
    position : int
        As far as the log was replayed.
    records, values : int
        Records that were replayed, values that were compared.
    different : dict
        How many values differ, by kind.
    differences : list of Difference
        The first `NAMED`.
    """

    equal: bool
    partition: int
    generation: str
    position: int
    records: int = 0
    values: int = 0
    different: dict[str, int] = {}
    differences: list[Difference] = []


class Comparison:
    """Compares one partition.

    Parameters
    ----------
    store : Store
    stored : Loaded
        The partition as it stood when the replay began.
    expected : Expected
        What the replay keeps its values in.
    replay : Replay
        It is brought to the position of whatever is read.
    pools : Pools
    """

    def __init__(self, store: Store, stored: Loaded, expected: Expected, replay: Replay, pools: Pools) -> None:
        self._store = store
        self._keys = stored.keys
        self._decided = Decided(stored.keys.generation, len(stored.skipped))
        self._expected = expected
        self._replay = replay
        self._pools = pools
        # Shadows that were taken away: what is left of them is no function of the log.
        self._dropped = {field for field, fingerprint in stored.fingerprints.items() if fingerprint == DROPPED}
        self._found = Verified(True, stored.keys.partition, stored.keys.generation, 0)

    async def make(self) -> Verified:
        """Compare everything that stood when the replay began, and what came since where it is met.

        Raises
        ------
        Undecided
            An operator decided something meanwhile, or Redis went back in time.
        LogUnavailable, StoreUnavailable
        """
        keys, found = self._keys, self._found
        await self._compare("state", keys.state, "hash")
        await self._compare("fingerprints", keys.fingerprints, "hash")
        await self._compare("pools", keys.pools, "zset")
        await self._compare("totals", keys.totals, "hash")
        await self._compare("learned", keys.learned, "hash")
        await self._compare("arenas", keys.arenas, "hash")
        after = ""
        while pools := self._expected.names(keys.totals, after):
            after = pools[-1]
            for pool in pools:
                configured = self._pools.configured(pool)
                for system in configured.systems:
                    await self._compare("rows", keys.rows(pool, system.name), "hash", pool, system)
                    await self._compare("board", keys.board(pool, system.name), "zset", pool, system)
                if configured.pairs:
                    await self._compare("numbers", keys.numbers(pool), "hash", pool)
                    await self._compare("pairs", keys.pairs(pool), "hash", pool)
                    await self._compare("paired", keys.paired(pool), "zset", pool)
        whole = await load(self._store, keys)
        await self._come_to(whole.keys.generation, whole.position)
        self._compare_seen(whole)
        if await read_decided(self._store, keys) != self._decided:
            raise Undecided("generation: an operator switched or passed a record meanwhile; verify again")
        found.equal = not found.different
        found.position, found.records = self._replay.position, self._replay.records
        return found

    async def _compare(
        self, what: Kind, key: str, kind: Literal["hash", "zset"], pool: str = "", system: RatingSystem | None = None
    ) -> None:
        after, missing = "", 0
        while names := self._expected.names(key, after):
            after = names[-1]
            stored = await self._read(key, kind, names)
            for name, value, wanted in zip(names, stored.values, self._expected.values(key, names), strict=True):
                self._found.values += 1
                missing += value is None
                if value != wanted:
                    self._note(what, pool, system, name, wanted, value)
        stored = await self._read(key, kind, ())
        if stored.count != self._expected.count(key) - missing:
            await self._find_more(what, key, kind, pool, system)

    async def _find_more(
        self, what: Kind, key: str, kind: Literal["hash", "zset"], pool: str, system: RatingSystem | None
    ) -> None:
        """Note what is stored and not expected."""
        async for piece in scan(self._store, key, kind):
            names = self._unknown(key, [name.decode(errors="replace") for name, _ in piece])
            if not names:
                continue
            # Perhaps it came after what was replayed so far.
            stored = await self._read(key, kind, names)
            unknown = set(self._unknown(key, names))
            for name, value in zip(names, stored.values, strict=True):
                if name in unknown and value is not None:
                    self._note(what, pool, system, name, None, value)

    def _unknown(self, key: str, names: Sequence[str]) -> list[str]:
        values = self._expected.values(key, names)
        dropped = self._dropped if key in {self._keys.fingerprints, self._keys.learned} else ()
        return [name for name, value in zip(names, values, strict=True) if value is None and name not in dropped]

    async def _read(self, key: str, kind: Literal["hash", "zset"], names: Sequence[str]) -> Values:
        values = await read_values(self._store, self._keys, key, kind, names)
        await self._come_to(values.generation, values.position)
        if kind == "hash":
            return values
        return replace(values, values=[None if one is None else score_bits(one.decode()) for one in values.values])

    async def _come_to(self, generation: str, position: int | None) -> None:
        if generation != self._keys.generation:
            raise Undecided(f"generation: {generation} was made the live one meanwhile; verify again")
        if (position or 0) < self._replay.position:
            raise Undecided(f"moved: Redis went back to {position} from {self._replay.position}; verify again")
        await self._replay.advance(position or 0)

    def _compare_seen(self, whole: Loaded) -> None:
        """Compare ids; how they are laid into blocks hangs on how the log was cut, and says nothing."""
        least = (whole.position or 0) - SEEN_WINDOW
        kept = self._expected.whole(self._keys.seen).values()
        wanted = _joined([np.frombuffer(block, SEEN) for block in kept], least)
        stored = _joined(list(whole.seen.values()), least)
        self._found.values += len(wanted)
        if np.array_equal(wanted, stored):
            return
        both, in_wanted, in_stored = np.intersect1d(wanted["offset"], stored["offset"], return_indices=True)
        for offset in both[wanted[in_wanted] != stored[in_stored]].tolist():
            self._note("seen", "", None, str(offset), b"another id", b"an id")
        for offset in np.setdiff1d(wanted["offset"], both).tolist():
            self._note("seen", "", None, str(offset), b"an id", None)
        for offset in np.setdiff1d(stored["offset"], both).tolist():
            self._note("seen", "", None, str(offset), None, b"an id")
        if len(stored) != len(np.unique(stored["offset"])):
            self._note("seen", "", None, "", b"each offset once", b"some twice")

    def _note(
        self,
        what: Kind,
        pool: str,
        system: RatingSystem | None,
        name: str,
        wanted: bytes | None,
        stored: bytes | None,
    ) -> None:
        found = self._found
        found.different[what] = found.different.get(what, 0) + 1
        if len(found.differences) == NAMED:
            return
        player, field = (name, "") if what in {"rows", "board", "numbers"} else ("", name)
        if what in {"fingerprints", "learned"}:
            pool, _, field = name.rpartition("/")
            system = next((one for one in self._pools.configured(pool).systems if one.name == field), None)
        elif what in {"totals", "arenas"}:
            pool, field = name, ""
        texts = _columns(what, system, wanted), _columns(what, system, stored)
        column = next((one for one in {**texts[0], **texts[1]} if texts[0].get(one) != texts[1].get(one)), "")
        found.differences.append(
            Difference(
                kind=what,
                pool=pool,
                system="" if system is None else system.name,
                player=player,
                field=column or field,
                expected=texts[0].get(column, ""),
                stored=texts[1].get(column, ""),
            )
        )


def _columns(what: str, system: RatingSystem | None, value: bytes | None) -> dict[str, str]:
    """Read a value for eyes: by column where it has any."""
    if value is None:
        return {}
    counted = _COUNTED.get(what)
    if counted is not None and len(value) == len(counted().pack()):
        return dict(zip(counted._fields, map(str, counted.unpack(value)), strict=True))
    if what in {"pairs", "paired"} and len(value) % 8 == 0:
        # Told together: the field is the pair.
        return {"": ", ".join(map(repr, struct.unpack(f"<{len(value) // 8}d", value)))}
    names = {"rows": list(TALLY_COLUMNS), "board": ["value"], "learned": list[str]()}.get(what)
    if names is None or system is None or len(value) % 8:
        return {"": value.decode(errors="replace")[:SHOWN]}
    names += {"rows": system.skill_columns, "learned": system.pool_columns}.get(what, ())
    floats = struct.unpack(f"<{len(value) // 8}d", value)
    return {
        name if index < len(names) else f"score {index - len(names)}": repr(one)
        for index, (name, one) in enumerate(zip_longest(names[: len(floats)], floats, fillvalue=""))
    }


def _joined(blocks: Sequence[Seen], least: int) -> Seen:
    """Entries of all blocks in order of offset, from an offset on."""
    every = np.concatenate([np.empty(0, SEEN), *blocks])
    every = every[every["offset"] >= least]
    return every[np.argsort(every["offset"], kind="stable")]
