"""The connection to Redis where answers come late, in pieces or not at all: a proxy in between spoils them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from service.store.apply import Applied, Change, Moved, apply
from service.store.connection import Store, StoreUnavailable
from service.store.layout import Keys
from service.store.partition import load
from standings.embedded import ValkeyServer


class Proxy:
    """Stands between a client and a server, and spoils the answers.

    Attributes
    ----------
    spoil : str
        ``""`` passes all on; ``"hold"`` keeps answers until `release`; ``"cut"`` passes three bytes and hangs up.
    connections : int
        How many were made.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.spoil = ""
        self.release = asyncio.Event()
        self.connections = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release.set()
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._tasks, *(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, upstream_writer]
        for source, sink, answers in ((reader, upstream_writer, False), (upstream_reader, writer, True)):
            self._tasks.append(asyncio.create_task(self._pump(source, sink, answers=answers)))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                spoil = self.spoil if answers else ""
                if spoil == "hold":
                    await self.release.wait()
                writer.write(data[:3] if spoil == "cut" else data)
                await writer.drain()
                if spoil == "cut":
                    break
        writer.close()


def through(server: ValkeyServer, work: Callable[[Store, Proxy], Awaitable[None]], timeout: float = 0.3) -> None:
    async def main() -> None:
        assert server.port is not None
        async with Proxy(server.port) as proxy:
            store = Store(proxy.url, timeout)
            try:
                await work(store, proxy)
            finally:
                await store.close()

    asyncio.run(main())


async def echoes(store: Store, count: int) -> None:
    for number in range(count):
        assert await store.command("ECHO", f"after {number}") == f"after {number}".encode()


def test_no_answer_in_time(redis_server: ValkeyServer) -> None:
    async def work(store: Store, proxy: Proxy) -> None:
        await echoes(store, 2)
        assert proxy.connections == 1, "a connection is kept"
        proxy.spoil = "hold"
        begun = asyncio.get_running_loop().time()
        with pytest.raises(StoreUnavailable, match="Redis: "):
            await store.command("ECHO", "stale")
        # After 0.3 s by its own clock; the client's library would wait for 5.
        assert asyncio.get_running_loop().time() - begun < 3
        proxy.spoil = ""
        proxy.release.set()
        await echoes(store, 5)
        assert proxy.connections == 2, "the one whose answer is still to come is not used again"

    through(redis_server, work)


def test_an_answer_that_breaks_off(redis_server: ValkeyServer) -> None:
    async def work(store: Store, proxy: Proxy) -> None:
        await echoes(store, 2)
        proxy.spoil = "cut"
        with pytest.raises(StoreUnavailable, match="Redis: "):
            await store.command("ECHO", "a long answer")
        proxy.spoil = ""
        await echoes(store, 5)

    through(redis_server, work)


def test_a_call_that_is_given_up(redis_server: ValkeyServer) -> None:
    async def work(store: Store, proxy: Proxy) -> None:
        await echoes(store, 1)
        proxy.spoil = "hold"
        call = asyncio.create_task(store.command("ECHO", "stale"))
        # Until it waits for the answer, which never comes.
        while not proxy.release.is_set() and not call.done():
            await asyncio.wait({call}, timeout=0.05)
            call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        proxy.spoil = ""
        proxy.release.set()
        await echoes(store, 5)

    through(redis_server, work)


def test_an_applied_change_whose_answer_is_lost(redis_server: ValkeyServer, unique: Callable[[str], str]) -> None:
    """The case for which there is a position: whoever repeats it learns that it is in."""
    keys = Keys(unique("lost"), "matches", 0)

    async def work(store: Store, proxy: Proxy) -> None:
        assert await apply(store, keys, Change(None, 7, {}, {}, ())) == Applied()
        for position, spoil in ((7, "hold"), (8, "cut")):
            change = Change(position, position + 1, {}, {}, ())
            proxy.spoil = spoil
            with pytest.raises(StoreUnavailable):
                await apply(store, keys, change)
            proxy.spoil = ""
            assert await apply(store, keys, change) == Moved(position + 1)
            assert (await load(store, keys)).position == position + 1

    through(redis_server, work)


def test_an_error_is_no_reason_to_drop_a_connection(redis_server: ValkeyServer) -> None:
    async def work(store: Store, proxy: Proxy) -> None:
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="unknown command"):
                await store.command("NOSUCH", "key")
            await echoes(store, 1)
        assert proxy.connections == 1

    through(redis_server, work, timeout=5)


def test_nobody_there() -> None:
    with pytest.raises(StoreUnavailable, match="Redis: "):
        asyncio.run(Store("redis://127.0.0.1:1/0").ping())


def test_more_calls_than_connections_wait(redis_server: ValkeyServer) -> None:
    async def work(store: Store, proxy: Proxy) -> None:
        answers = await asyncio.gather(*(store.command("ECHO", str(number)) for number in range(300)))
        assert answers == [str(number).encode() for number in range(300)]
        assert proxy.connections <= 32

    through(redis_server, work, timeout=5)
