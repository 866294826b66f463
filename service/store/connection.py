"""What the rest of the service asks Redis through: scripts by their digest, every wait bounded."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from redis.exceptions import NoScriptError, RedisError

from service.store.cluster import nodes
from service.store.node import Argument, Node, pack

__all__ = ["TIMEOUT_S", "Argument", "Node", "Script", "Store", "StoreUnavailable", "script"]

TIMEOUT_S: Final = 5.0


class StoreUnavailable(Exception):
    """Redis did not answer, or answered that it cannot serve now; whether a write took place is not known."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the digest by which Redis knows it."""

    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """Read ``name.lua`` from this folder."""
    text = files(__package__).joinpath(f"{name}.lua").read_text()
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class Store:
    """Redis or Valkey: one server, or a cluster of them.

    Parameters
    ----------
    url : str
        ``redis://`` or ``rediss://`` with host, port, database and, where needed, user and password; of a cluster
        ``redis+cluster://`` or ``rediss+cluster://`` with some of its nodes, separated by commas.
    timeout : float
        Seconds that any call may take, waiting for a free connection included.

    Raises
    ------
    ValueError
        The URL is none.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT_S) -> None:
        self._timeout = timeout
        self._nodes = nodes(url, timeout)

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run a script of this folder.

        Parameters
        ----------
        name : str
            Name of the ``.lua`` file.
        keys, arguments : sequence
            ``KEYS`` and ``ARGV``.

        Returns
        -------
        object
            The answer as Redis gave it: bytes, integers, None, lists.

        Raises
        ------
        StoreUnavailable
            No answer, or an error from the server.
        """
        wanted = script(name)
        numbered = (len(keys), *keys, *arguments)
        try:
            return await self._send(keys[0], pack("EVALSHA", wanted.sha, *numbered))
        except NoScriptError:
            # Gone with a restart, a failover or SCRIPT FLUSH. It did not run; this brings it back where it belongs.
            return await self._send(keys[0], pack("EVAL", wanted.text, *numbered))

    async def command(self, name: str, key: Argument, /, *rest: Argument) -> Any:
        """Send one plain command about a key; answers and errors as `run`."""
        return await self._send(key, pack(name, key, *rest))

    async def primaries(self) -> list[Node]:
        """Give every server that takes writes, for `ask`: the one there is, or those of the cluster that have slots.

        Raises
        ------
        StoreUnavailable
        """
        async with self._answered():
            return await self._nodes.primaries()

    async def ask(self, node: Node, *words: Argument) -> Any:
        """Send a server a command that is about no key; answers and errors as `run`."""
        async with self._answered():
            return await node.send(pack(*words))

    async def ping(self) -> None:
        """See that every server that takes writes answers.

        Raises
        ------
        StoreUnavailable
        """
        for node in await self.primaries():
            await self.ask(node, "PING")

    async def close(self) -> None:
        """Close every connection."""
        await self._nodes.close()

    async def _send(self, key: Argument, packed: bytes) -> Any:
        async with self._answered():
            return await self._nodes.send(key, packed)

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        """Within the time for a call, or an error of ours."""
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except NoScriptError:
            raise
        # The last is how uvloop says that the other end has closed the connection that is written to.
        except (RedisError, OSError, TimeoutError, RuntimeError) as error:
            raise StoreUnavailable(f"Redis: {str(error) or type(error).__name__}") from error
