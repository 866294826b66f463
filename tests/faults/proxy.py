"""A proxy before a real server: it knows which request passes, and can lose, hold or halve it or its answer.

So a fault comes at one exact point between ingest and its servers, and ingest has no code for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self, TypeVar

from service.store.connection import script

T = TypeVar("T")

HOST = "127.0.0.1"
CHUNK = 1 << 16


class Moment(Enum):
    """When a trap springs, and how far the request came."""

    ASKED = "the server has not seen the request"
    ANSWERED = "the server has done what was asked, its answer is lost"
    HALF = "half of the answer has come"
    PASSED = "the answer has come"


@dataclass
class Trap:
    """What is waited for, and what is done then: in a thread of its own, while the request or answer is held.

    Attributes
    ----------
    seen : callable
        Tells the request by its bytes.
    moment : Moment
    then : callable
    told : callable
        Tells the answer by its bytes, where the moment is one of an answer.
    cut : bool
        Whether the connection is cut afterwards; else all is passed on.
    sprung, over : threading.Event
        Set before and after ``then``.
    """

    seen: Callable[[bytes], bool]
    moment: Moment
    then: Callable[[], object] = lambda: None
    told: Callable[[bytes], bool] = lambda answer: True
    cut: bool = True
    sprung: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


class Redis:
    """Commands and answers as they come: ingest sends one at a time on a connection."""

    @staticmethod
    async def read(reader: asyncio.StreamReader) -> bytes:
        return await reader.read(CHUNK)

    @staticmethod
    def asked(request: bytes) -> bytes:
        return b""

    answered = asked


class Kafka:
    """Frames: four bytes of length; a request's number stands behind its kind and version."""

    @staticmethod
    async def read(reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readexactly(4)
            return head + await reader.readexactly(int.from_bytes(head))
        except asyncio.IncompleteReadError:
            return b""

    @staticmethod
    def asked(request: bytes) -> bytes:
        return request[8:12]

    @staticmethod
    def answered(answer: bytes) -> bytes:
        return answer[4:8]


def runs(name: str, least: int = 0) -> Callable[[bytes], bool]:
    """Whether a command of Redis runs a script of the store, with so many bytes at least."""
    sha = script(name).sha.encode()
    return lambda request: sha in request[:200] and len(request) >= least


def asks(kind: int, about: bytes = b"") -> Callable[[bytes], bool]:
    """Whether a request of Kafka is of a kind and has some text in it."""
    return lambda request: int.from_bytes(request[4:6]) == kind and about in request


class Proxy:
    """Listens on a port of its own and passes to another, until told otherwise.

    Attributes
    ----------
    target : int
        Port of the server, for connections to come.
    delay : float
        Seconds that every answer is held back.
    """

    def __init__(self, protocol: type[Redis] | type[Kafka], target: int = 0) -> None:
        self.target = target
        self.delay = 0.0
        self.port = 0
        self.protocol = protocol
        self._down = False
        self._trap: Trap | None = None
        self._pairs: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, HOST, 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            self._server.close()
            await self._cut()

        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def set(self, trap: Trap) -> Trap:
        """Set the trap; there is one at a time."""
        self._trap = trap
        return trap

    def cut(self) -> None:
        """Cut every connection."""
        self._call(self._cut())

    def refuse(self, refuse: bool) -> None:
        """Begin, or end, to turn everyone away; who is connected is cut off."""

        async def work() -> None:
            self._down = refuse
            await self._cut()

        self._call(work())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _cut(self) -> None:
        pairs = list(self._pairs)
        for one in pairs:
            one.cancel()
        await asyncio.gather(*pairs, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        ends = [writer]
        try:
            if not self._down:
                from_server, to_server = await asyncio.open_connection(HOST, self.target)
                ends.append(to_server)
                link = _Link(self)
                ways = (link.ask(reader, to_server), link.answer(from_server, writer))
                tasks = [asyncio.ensure_future(way) for way in ways]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in tasks:
                        one.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            # As a link that broke: who was connected sees the end.
            pass
        finally:
            self._pairs.discard(task)
            for end in ends:
                end.transport.abort()

    def take(self, request: bytes, answer: bytes | None = None) -> Trap | None:
        """Give the trap that this request, or its answer, springs; it springs once."""
        trap = self._trap
        if trap is None or (trap.moment is Moment.ASKED) != (answer is None) or not trap.seen(request):
            return None
        if answer is not None and not trap.told(answer):
            return None
        self._trap = None
        return trap


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._protocol = proxy.protocol
        self._asked: dict[bytes, bytes] = {}

    async def ask(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while request := await self._protocol.read(client):
            trap = self._proxy.take(request)
            if trap is not None:
                await _spring(trap)
                if trap.cut:
                    return
            self._asked[self._protocol.asked(request)] = request
            server.write(request)
            await server.drain()

    async def answer(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while answer := await self._protocol.read(server):
            if self._proxy.delay:
                await asyncio.sleep(self._proxy.delay)
            request = self._asked.pop(self._protocol.answered(answer), None)
            trap = None if request is None else self._proxy.take(request, answer)
            if trap is None:
                client.write(answer)
                await client.drain()
                continue
            come = {Moment.ANSWERED: 0, Moment.HALF: len(answer) // 2, Moment.PASSED: len(answer)}[trap.moment]
            client.write(answer[:come])
            await client.drain()
            await _spring(trap)
            if trap.cut:
                return
            client.write(answer[come:])
            await client.drain()


async def _spring(trap: Trap) -> None:
    def work() -> None:
        trap.sprung.set()
        try:
            trap.then()
        finally:
            trap.over.set()

    # A thread, for what is done may ask this very proxy for something; it goes on where the connection ends meanwhile.
    await asyncio.to_thread(work)
