"""The scripts on fakeredis: they keep to what Redis 6.2 knows, so that every server of the protocol can run them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from fakeredis import FakeRedis

from service.store.apply import Applied, Change, Moved, Refused, Section, apply
from service.store.connection import Argument, Store, script
from service.store.group import claim
from service.store.layout import Keys
from service.store.partition import load, read_fields

KEYS = Keys("fake", "matches", 0)


class FakeStore(Store):
    """A store whose scripts run in this process."""

    def __init__(self) -> None:
        self.fake = FakeRedis(version=(6, 2))

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        return self.fake.eval(script(name).text, len(keys), *keys, *arguments)

    async def command(self, *words: Argument) -> Any:
        return self.fake.execute_command(*words)  # type: ignore[no-untyped-call]  # a decorator of theirs


def change(start: int | None, end: int, print_: str = "one") -> Change:
    rows = Section(KEYS.rows("chess", "elo"), "HSET", ("ann", b"\x00\xff", "bob", b"\r\n"))
    board = Section(KEYS.board("chess", "elo"), "ZADD", ("1516.0", "ann", "1484.0", "bob"))
    return Change(start, end, {"chess/elo": print_}, {"partitions": 4, "count/applied": end}, (rows, board))


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def test_a_range_is_applied_once(store: FakeStore) -> None:
    async def run() -> None:
        assert await apply(store, KEYS, change(None, 7)) == Applied()
        assert await apply(store, KEYS, change(None, 7)) == Moved(7)
        loaded = await load(store, KEYS)
        assert (loaded.position, loaded.torn, loaded.partitions, loaded.counts) == (7, "", 4, {"applied": 7})
        fields = await read_fields(store, KEYS, [(KEYS.rows("chess", "elo"), ["bob", "cid", "ann"])])
        assert (fields.position, fields.values) == (7, [[b"\r\n", None, b"\x00\xff"]])

    asyncio.run(run())


def test_what_an_operator_decides_is_refused(store: FakeStore) -> None:
    async def run() -> None:
        assert await apply(store, KEYS, change(None, 7)) == Applied()
        assert await apply(store, KEYS, change(7, 9, "other")) == Refused("fingerprint", "chess/elo")
        store.fake.set(KEYS.live, "2")
        assert await apply(store, KEYS, change(7, 9)) == Refused("generation", "2")
        store.fake.delete(KEYS.live)
        store.fake.hset(KEYS.state, "torn", "9")
        assert await apply(store, KEYS, change(7, 9)) == Refused("torn", "9")
        assert (await load(store, KEYS)).position == 7

    asyncio.run(run())


def test_one_group_is_noted(store: FakeStore) -> None:
    async def run() -> None:
        assert await claim(store, KEYS, "one", "") == "one"
        assert await claim(store, KEYS, "other", "") == "one"
        assert await claim(store, KEYS, "other", "third") == "one"
        assert await claim(store, KEYS, "other", "one") == "other"
        # Too late: whoever was to be stepped in for is not noted any more.
        assert await claim(store, KEYS, "third", "one") == "other"
        assert await claim(store, KEYS, "one", "") == "other"

    asyncio.run(run())
    assert store.fake.get(KEYS.group) == b"other"
