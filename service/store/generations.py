"""What operators decide about a partition: which generation is read, which are dropped, which offsets are passed.

A generation is built beside the live one by the same script that brings batches in, and switched in by one write.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from service.store.apply import position_of
from service.store.connection import Store
from service.store.layout import FIRST_GENERATION, LAYOUT, Keys

PIECE: Final = 1_000
"""Fields, or keys, that one call reads or deletes."""

MOST_SKIPPED: Final = 5_000
"""Offsets of a partition that may be passed."""


class Decided(NamedTuple):
    """What stands of operators' decisions: the live generation, and how many offsets are passed."""

    generation: str
    skipped: int


@dataclass(frozen=True, slots=True)
class Switched:
    """The generation is live, from this position on."""

    position: int


@dataclass(frozen=True, slots=True)
class Behind:
    """Nothing was written: the live generation stands further on, at this position."""

    position: int


@dataclass(frozen=True, slots=True)
class Denied:
    """Nothing was written.

    Attributes
    ----------
    reason : {"generation", "torn", "layout", "past", "full"}
        Another generation is live; the one to be switched to is torn or of another layout; the offset is in already;
        there are too many.
    detail : str
        What stands instead.
    """

    reason: Literal["generation", "torn", "layout", "past", "full"]
    detail: str


@dataclass(frozen=True, slots=True)
class Values:
    """Values of one hash or sorted set at one position.

    Attributes
    ----------
    generation : str
        The live generation.
    position : int or None
        What they stand for.
    count : int
        Fields that the key has.
    values : list
        In the order asked, None where missing.
    """

    generation: str
    position: int | None
    count: int
    values: list[bytes | None]


async def read_decided(store: Store, keys: Keys) -> Decided:
    """Read what operators decided so far.

    Raises
    ------
    StoreUnavailable
    """
    live = await store.command("GET", keys.live)
    return Decided(FIRST_GENERATION if live is None else live.decode(), await store.command("HLEN", keys.skipped))


async def switch(store: Store, built: Keys, live: str) -> Switched | Behind | Denied:
    """Make a generation the live one, if it has come as far.

    Parameters
    ----------
    store : Store
    built : Keys
        Of the generation that is to be read.
    live : str
        The one that is read now.

    Raises
    ------
    StoreUnavailable
        Whether it is live is not known.
    """
    names = (built.live, replace(built, generation=live).state, built.state)
    answer = await store.run("switch_generation", names, (live, built.generation, LAYOUT))
    match answer[0]:
        case b"switched":
            return Switched(int(answer[1]))
        case b"behind":
            return Behind(int(answer[1]))
        case _:
            return Denied(answer[1].decode(), answer[2].decode())


async def drop(store: Store, keys: Keys, live: str) -> bool:
    """Delete a generation that is not read, in pieces; a drop that broke off goes on when it is called again.

    Parameters
    ----------
    store : Store
    keys : Keys
        Of the generation.
    live : str
        The one that is read, which must be another.

    Returns
    -------
    bool
        Whether it is gone; False where another generation is live by now.

    Raises
    ------
    StoreUnavailable
    """
    if keys.generation == live:
        raise ValueError(f"generation {live} is live")
    # The position first, for without it nobody builds on the rest; last the list of what there is.
    pieces = [[keys.state]]
    async for fields in scan(store, keys.fingerprints, "hash"):
        names = [name.decode().rpartition("/") for name, _ in fields]
        pieces.append([key(pool, system) for pool, _, system in names for key in (keys.rows, keys.board)])
        of_pairs = (keys.numbers, keys.pairs, keys.paired, keys.fit)
        pieces.append([key(pool) for pool in {pool for pool, _, _ in names} for key in of_pairs])
    of_all = [keys.pools, keys.totals, keys.learned, keys.arenas, keys.seen, keys.changes, keys.receipts]
    pieces.append([*of_all, keys.fingerprints])
    return all([await store.run("drop_keys", (keys.live, *piece), (live,)) for piece in pieces if piece])


async def drop_old(store: Store, keys: Keys) -> list[str]:
    """Delete every generation before the live one.

    Parameters
    ----------
    store : Store
    keys : Keys
        Of the partition.

    Returns
    -------
    list of str
        Those that there were.

    Raises
    ------
    StoreUnavailable
    """
    live, _ = await read_decided(store, keys)
    dropped = []
    for number in range(int(FIRST_GENERATION), int(live)):
        old = replace(keys, generation=str(number))
        if await store.command("EXISTS", old.state, old.fingerprints):
            # Switching goes forward only: what was before stays before.
            await drop(store, old, live)
            dropped.append(old.generation)
    return dropped


async def skip(store: Store, keys: Keys, offsets: Sequence[int], now: int) -> int | Denied:
    """Note offsets that are to be passed.

    Parameters
    ----------
    store : Store
    keys : Keys
        In the generation that is live.
    offsets : sequence of int
        Ascending.
    now : int
        Epoch milliseconds.

    Returns
    -------
    int or Denied
        How many were not noted before.

    Raises
    ------
    StoreUnavailable
    """
    beside = replace(keys, generation=following(keys.generation))
    names = (keys.live, keys.state, beside.state, keys.skipped)
    answer = await store.run("skip_offsets", names, (keys.generation, MOST_SKIPPED, now, *offsets))
    return int(answer[1]) if answer[0] == b"noted" else Denied(answer[1].decode(), answer[2].decode())


def following(generation: str) -> str:
    """The generation that is built beside another.

    Examples
    --------
    >>> following("1")
    '2'
    """
    return str(int(generation) + 1)


async def read_values(
    store: Store, keys: Keys, key: str, kind: Literal["hash", "zset"], names: Sequence[str]
) -> Values:
    """Read values of one key and the position that they stand for.

    Parameters
    ----------
    store : Store
    keys : Keys
        Of the generation.
    key : str
        A hash or sorted set of it.
    kind : {"hash", "zset"}
        Which of the two.
    names : sequence of str
        Fields or members, at most `PIECE`.

    Raises
    ------
    StoreUnavailable
    """
    live, position, count, values = await store.run("read_values", (keys.live, keys.state, key), (kind, *names))
    return Values(live.decode(), position_of(position), count, values)


async def scan(store: Store, key: str, kind: Literal["hash", "zset"]) -> AsyncIterator[list[tuple[bytes, bytes]]]:
    """Read a hash or a sorted set in pieces of about `PIECE`; what is written meanwhile may be missing or come twice.

    Raises
    ------
    StoreUnavailable
    """
    cursor = b"0"
    while True:
        cursor, flat = await store.command("HSCAN" if kind == "hash" else "ZSCAN", key, cursor, "COUNT", PIECE)
        yield list(zip(flat[::2], flat[1::2], strict=True))
        if cursor == b"0":
            return
