"""One server: a bounded set of connections, and commands packed in C; and how addresses of servers are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import hiredis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import parse_url
from redis.exceptions import ResponseError

from service.store.tls import share_context

Argument = str | bytes | int
"""What a command is made of."""

CONNECTIONS: Final = 32
"""To one server."""

CLUSTER: Final = "+cluster"
"""How the scheme of a cluster's address ends."""


def pack(*words: Argument) -> bytes:
    """Pack a command as it goes over the wire."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub says a tuple of one
    return packed


_ASKING: Final = pack("ASKING")


class Node:
    """A bounded set of connections to one Redis or Valkey.

    Parameters
    ----------
    options : mapping
        What redis-py's connections are made of: host, port, user, password, ...
    timeout : float
        Seconds for a connection to be free, and to be made.

    Attributes
    ----------
    address : tuple of (str, int)
        Host and port.
    """

    def __init__(self, options: Mapping[str, Any], timeout: float) -> None:
        self.address = (str(options.get("host", options.get("path", "localhost"))), int(options.get("port", 6379)))
        self._pool = BlockingConnectionPool(
            **{**options, "protocol": 2, "max_connections": CONNECTIONS},
            timeout=timeout,
            socket_connect_timeout=timeout,
        )
        share_context(self._pool)
        self._calls = 0
        self._retired = False

    def __str__(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    async def send(self, packed: bytes, *, asking: bool = False) -> Any:
        """Send one packed command; answers as redis-py reads it, and raises its errors.

        Parameters
        ----------
        packed : bytes
        asking : bool
            Whether the command is here by an ASK: for a slot that is just being moved to this server.
        """
        self._calls += 1
        try:
            return await self._send(packed, asking)
        finally:
            self._calls -= 1
            if self._retired and not self._calls:
                await self.close()

    async def _send(self, packed: bytes, asking: bool) -> Any:
        connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # a decorator of theirs
        last = False
        try:
            # The pool has just seen that the connection is alive.
            await connection.send_packed_command(_ASKING + packed if asking else packed, check_health=False)
            if asking:
                await connection.read_response(disable_decoding=True)
            last = True
            return await connection.read_response(disable_decoding=True)
        except BaseException as error:
            # An answer may still come: nobody may read it as the answer to something else.
            if not (last and isinstance(error, ResponseError)):
                await connection.disconnect(nowait=True)
            raise
        finally:
            await self._pool.release(connection)

    async def retire(self) -> None:
        """Close every connection as soon as the calls that are on their way are over."""
        self._retired = True
        if not self._calls:
            await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


def options_of(url: str) -> list[dict[str, Any]]:
    """Read the address of a server, or of some nodes of a cluster: what redis-py's connections to each are made of.

    Parameters
    ----------
    url : str
        ``redis://user:password@host:port/db``, or ``redis+cluster://user:password@host:port,host:port``; ``rediss``
        for TLS.

    Raises
    ------
    ValueError
        It is none. The text may hold a part of the password.

    Examples
    --------
    >>> options_of("redis://db:6379/1")
    [{'host': 'db', 'port': 6379, 'db': 1}]
    >>> [one["host"] for one in options_of("redis+cluster://app:secret@one:7000,two:7000")]
    ['one', 'two']
    """
    parts = urlsplit(url)
    if not parts.scheme.endswith(CLUSTER):
        return [dict(parse_url(url))]
    login, at, hosts = parts.netloc.rpartition("@")
    scheme = parts.scheme.removesuffix(CLUSTER)
    one_each = [parts._replace(scheme=scheme, netloc=f"{login}{at}{host}") for host in hosts.split(",")]
    found = [dict(parse_url(one.geturl())) for one in one_each]
    if any(not options.get("host") for options in found):
        raise ValueError("a node of a cluster has a host and a port")
    if any(options.get("db") for options in found):
        raise ValueError("a cluster has database 0 alone")
    return found
