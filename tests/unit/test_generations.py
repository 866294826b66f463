"""Generations and skipped offsets: what operators decide is one write, guarded, and no late writer gets past it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from consumers.skips import Skipped, Skips
from consumers.takeover import Undecided, replay_at
from service.store.apply import Applied, Change, Moved, Refused, Section, apply
from service.store.connection import Store
from service.store.generations import (
    MOST_SKIPPED,
    Behind,
    Decided,
    Denied,
    Switched,
    drop,
    read_decided,
    read_values,
    scan,
    skip,
    switch,
)
from service.store.layout import LAYOUT, Keys
from service.store.partition import Loaded, load, load_generation
from standings.embedded import ValkeyServer
from tests.oracle import Record

Answer = TypeVar("Answer")
NOW = 1_790_000_000_000


@pytest.fixture
def keys(unique: Callable[[str], str]) -> Keys:
    return Keys(unique("generations"), "matches", 0)


def change(keys: Keys, start: int | None, end: int, skipped: int = 0) -> Change:
    rows = Section(keys.rows("chess", "elo"), "HSET", ("ann", str(end), "bob", "\0"))
    board = Section(keys.board("chess", "elo"), "ZADD", ("1.5", "ann", "-2.0", "bob"))
    pairs = [
        Section(keys.arenas, "HSET", ("chess", "\0")),
        Section(keys.numbers("chess"), "HSET", ("ann", "0", "bob", "1")),
        Section(keys.pairs("chess"), "HSET", ("0", "\0")),
        Section(keys.paired("chess"), "ZADD", (str(end), "0")),
        Section(keys.fit("chess"), "HSET", ("offset", str(end))),
    ]
    return Change(start, end, {"chess/elo": "one"}, {"partitions": 1}, (rows, board, *pairs), skipped)


def on(server: ValkeyServer, work: Callable[[Store], Awaitable[Answer]]) -> Answer:
    async def run() -> Answer:
        store = Store(server.url)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def test_a_generation_is_built_beside_and_switched_to_once_it_has_come_as_far(
    redis_server: ValkeyServer, keys: Keys
) -> None:
    built = replace(keys, generation="2")

    async def work(store: Store) -> None:
        assert await apply(store, keys, change(keys, None, 10)) == Applied()
        assert await switch(store, built, "1") == Denied("layout", "")
        assert await apply(store, built, change(built, None, 9), "1") == Applied()
        assert await switch(store, built, "1") == Behind(10)
        # 9 < 10 is a comparison of numbers.
        assert await apply(store, built, change(built, 9, 10), "1") == Applied()
        assert await apply(store, keys, change(keys, 10, 11)) == Applied()
        assert await switch(store, built, "1") == Behind(11)
        assert await apply(store, built, change(built, 10, 100), "1") == Applied()
        assert (await load(store, keys)).keys == keys
        assert await switch(store, built, "1") == Switched(100)
        assert (await load(store, keys)).position == 100
        assert await read_decided(store, keys) == Decided("2", 0)

    on(redis_server, work)


def test_no_late_writer_gets_in(redis_server: ValkeyServer, keys: Keys) -> None:
    built = replace(keys, generation="2")

    async def work(store: Store) -> None:
        await apply(store, keys, change(keys, None, 5))
        await apply(store, built, change(built, None, 5), "1")
        assert await switch(store, built, "1") == Switched(5)
        # Ingest that has not seen it, a second rebuild of what is live now, one that would switch once more.
        assert await apply(store, keys, change(keys, 5, 6)) == Refused("generation", "2")
        assert await apply(store, built, change(built, 5, 6), "1") == Refused("generation", "2")
        assert await switch(store, built, "1") == Denied("generation", "2")
        assert not await drop(store, built, "1")
        assert (await load_generation(store, built))[1].position == 5
        assert await apply(store, built, change(built, 5, 6)) == Applied()
        # What was dropped is not gone on with.
        third = replace(keys, generation="3")
        await apply(store, third, change(third, None, 2), "2")
        assert await drop(store, third, "2")
        assert await apply(store, third, change(third, 2, 9), "2") == Moved(None)
        assert await switch(store, third, "2") == Denied("layout", "")

    on(redis_server, work)


def test_what_is_torn_or_of_another_layout_is_not_switched_to(redis_server: ValkeyServer, keys: Keys) -> None:
    built = replace(keys, generation="2")

    async def work(store: Store) -> None:
        await apply(store, built, change(built, None, 5), "1")
        await store.command("HSET", built.state, "torn", "9")
        assert await switch(store, built, "1") == Denied("torn", "9")
        await store.command("HSET", built.state, "torn", "", "layout", "0")
        assert await switch(store, built, "1") == Denied("layout", "0")
        await store.command("HSET", built.state, "layout", LAYOUT)
        # Where nothing is live yet, everything has come as far.
        assert await switch(store, built, "1") == Switched(5)

    on(redis_server, work)


def test_a_drop_leaves_nothing_and_can_break_off(redis_server: ValkeyServer, keys: Keys) -> None:
    built = replace(keys, generation="2")

    async def work(store: Store) -> None:
        await apply(store, keys, change(keys, None, 5))
        await apply(store, built, change(built, None, 5), "1")
        # As if it had broken off after its first piece.
        await store.command("DEL", built.state)
        assert await drop(store, built, "1")
        left = await store.command("KEYS", f"{keys.live.removesuffix('live')}*".replace("{", "\\{"))
        assert left
        assert all(b"/1/" in key for key in left)
        with pytest.raises(ValueError, match="is live"):
            await drop(store, keys, "1")

    on(redis_server, work)


def test_skipped_offsets_are_noted_before_they_come_and_known_to_every_writer(
    redis_server: ValkeyServer, keys: Keys
) -> None:
    built = replace(keys, generation="2")

    async def work(store: Store) -> None:
        await apply(store, keys, change(keys, None, 9))
        assert await skip(store, keys, [8], NOW) == Denied("past", "9")
        assert await skip(store, keys, range(9, 12), NOW) == 3
        assert await skip(store, keys, [11, 12], NOW + 1) == 1
        assert (await load(store, keys)).skipped == {9: NOW, 10: NOW, 11: NOW, 12: NOW + 1}
        assert await apply(store, keys, change(keys, 9, 20)) == Refused("skipped", "4")
        # A rebuild may be further than what is read.
        assert await apply(store, built, change(built, None, 100, 4), "1") == Applied()
        # Said twice, it is said once, wherever the partition stands by now.
        assert await skip(store, keys, [9, 10], NOW) == 0
        assert await skip(store, keys, [50], NOW) == Denied("past", "100")
        assert await skip(store, keys, range(100, 100 + MOST_SKIPPED), NOW) == Denied("full", "4")
        assert await skip(store, built, [100], NOW) == Denied("generation", "1")
        assert await read_decided(store, keys) == Decided("1", 4)

    on(redis_server, work)


def test_values_come_with_their_position(redis_server: ValkeyServer, keys: Keys) -> None:
    async def work(store: Store) -> None:
        await apply(store, keys, change(keys, None, 9))
        rows = await read_values(store, keys, keys.rows("chess", "elo"), "hash", ["bob", "cid", "ann"])
        assert (rows.generation, rows.position, rows.count, rows.values) == ("1", 9, 2, [b"\0", None, b"9"])
        board = await read_values(store, keys, keys.board("chess", "elo"), "zset", ["ann", "cid", "bob"])
        assert (board.count, board.values) == (2, [b"1.5", None, b"-2"])
        assert (await read_values(store, keys, keys.seen, "hash", ())).count == 0
        assert [piece async for piece in scan(store, keys.board("chess", "elo"), "zset")] == [
            [(b"bob", b"-2"), (b"ann", b"1.5")]
        ]

    on(redis_server, work)


def test_skips_stand_in_place_of_records() -> None:
    skips = Skips({3: NOW, 4: NOW, 7: NOW})
    records = [Record(offset, 1, None, None) for offset in (0, 3, 5, 9)]
    found = skips.honoured(records, 0, 8)  # type: ignore[arg-type]  # a NamedTuple's fields are read-only
    assert [(one.offset, isinstance(one, Skipped)) for one in found] == [
        (0, False),
        (3, True),
        (4, True),
        (5, False),
        (7, True),
        (9, False),
    ]
    untouched = skips.honoured(records[3:], 8, 10)  # type: ignore[arg-type]  # as above
    assert [one.offset for one in untouched] == [9]


def stored(position: int | None, partitions: int | None = 2) -> Loaded:
    return Loaded(Keys("i", "t", 1), position, "", LAYOUT, partitions, None, {}, {}, {})


@pytest.mark.parametrize(
    ("loaded", "reached", "first", "end", "partitions", "said"),
    [
        (stored(9), None, 0, 9, 2, 0),
        (stored(9), 5, 5, 9, 2, 5),
        (stored(None, None), None, 0, 0, 2, 0),
        (stored(9), None, 1, 9, 2, "begins at 1, so its records from 0 on are gone"),
        (stored(9), 5, 6, 9, 2, "begins at 6, so its records from 5 on are gone"),
        (stored(9), None, 0, 8, 2, "ends at 8, before the position 9"),
        (stored(9), 10, 0, 9, 2, "ends at 9, before the position 10"),
        (stored(9), None, 0, 9, 3, "the topic had 2, now 3"),
    ],
)
def test_where_a_replay_begins(
    loaded: Loaded, reached: int | None, first: int, end: int, partitions: int, said: int | str
) -> None:
    if isinstance(said, int):
        assert replay_at(loaded, reached, first, end, partitions) == said
    else:
        with pytest.raises(Undecided, match=said):
            replay_at(loaded, reached, first, end, partitions)
