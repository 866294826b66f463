"""Changes as `apply` takes them, and what they leave in Redis."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import redis

from service.store.apply import Applied, Change, Moved, Refused, Section, apply
from service.store.connection import Argument, Store
from service.store.layout import Keys

T = TypeVar("T")

BLOCK = bytes(28)
"""Ids of one match."""


def on(url: str, work: Callable[[Store], Awaitable[T]], timeout: float = 5.0) -> T:
    """Run some work on a store of its own."""

    async def main() -> T:
        store = Store(url, timeout)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(main())


def change(keys: Keys, start: int | None, end: int, **changed: Any) -> Change:
    sections = (
        Section(keys.rows("chess", "elo"), "HSET", ("ann", b"\x00\xff", "bob", b"row")),
        Section(keys.board("chess", "elo"), "ZADD", ("1516.0", "ann", "-1e-05", "bob")),
        Section(keys.seen, "HSET", (str(end), BLOCK)),
    )
    whole = Change(start, end, {"chess/elo": "f1"}, {"partitions": 4, "count/applied": end}, sections)
    return replace(whole, **changed)


def applied(url: str, keys: Keys, *changes: Change) -> list[Applied | Moved | Refused]:
    async def work(store: Store) -> list[Applied | Moved | Refused]:
        return [await apply(store, keys, one) for one in changes]

    return on(url, work)


def dump(client: redis.Redis, keys: Keys) -> dict[bytes, object]:
    """Everything that an installation has."""
    found: dict[bytes, object] = {}
    readers: dict[Any, Callable[[Any], object]] = {
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"string": client.get,
        b"stream": client.xrange,
    }
    for key in client.scan_iter(match=f"{{{keys.installation}/*", count=1000):
        found[key] = readers[client.type(key)](key)
    return found


def raw(keys: Keys, *arguments: Argument, more: Sequence[str] = ()) -> Callable[[Store], Awaitable[Any]]:
    """Call the script; after layout and generation it is told that no offset is skipped."""
    names = [keys.live, keys.state, keys.fingerprints, keys.skipped, *more]
    return lambda store: store.run("apply_batch", names, (*arguments[:2], 0, *arguments[2:]))
