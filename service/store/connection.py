"""The connection to Redis: scripts by their digest, packed in C, every wait bounded."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import hiredis
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import NoScriptError, RedisError, ResponseError

from service.store.tls import share_context

Argument = str | bytes | int
"""What a command is made of."""

TIMEOUT_S: Final = 5.0
CONNECTIONS: Final = 32
LOADS: Final = 5
"""Times that a script is loaded for one call."""


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


def _pack(*words: Argument) -> bytes:
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub says a tuple of one
    return packed


class Store:
    """A bounded set of connections to one Redis or Valkey.

    Parameters
    ----------
    url : str
        ``redis://`` or ``rediss://`` with host, port, database and, where needed, user and password.
    timeout : float
        Seconds that any call may take, waiting for a free connection included.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT_S) -> None:
        self._timeout = timeout
        self._pool = BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS, timeout=timeout, socket_connect_timeout=timeout, protocol=2
        )
        share_context(self._pool)

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
        packed = _pack("EVALSHA", wanted.sha, len(keys), *keys, *arguments)
        for _ in range(LOADS):
            try:
                return await self._send(packed)
            except NoScriptError:
                # Gone with a restart, a failover or SCRIPT FLUSH. The guards in the scripts make a repeat safe.
                await self.command("SCRIPT", "LOAD", wanted.text)
        raise StoreUnavailable(f"Redis: it forgets the script {name} as soon as it was loaded")

    async def command(self, *words: Argument) -> Any:
        """Send one plain command; answers and errors as `run`."""
        return await self._send(_pack(*words))

    async def _send(self, packed: bytes) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # a decorator of theirs
                try:
                    # The pool has just seen that the connection is alive.
                    await connection.send_packed_command(packed, check_health=False)
                    return await connection.read_response(disable_decoding=True)
                except ResponseError:
                    raise
                except BaseException:
                    # An answer may still come: nobody may read it as the answer to something else.
                    await connection.disconnect(nowait=True)
                    raise
                finally:
                    await self._pool.release(connection)
        except NoScriptError:
            raise
        # The last is how uvloop says that the other end has closed the connection that is written to.
        except (RedisError, OSError, TimeoutError, RuntimeError) as error:
            raise StoreUnavailable(f"Redis: {str(error) or type(error).__name__}") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.aclose()
