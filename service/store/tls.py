"""TLS to Redis: what it is spoken with is made once for all connections of a pool."""

from __future__ import annotations

from typing import Any

from redis.asyncio import ConnectionPool, SSLConnection


def share_context(pool: ConnectionPool) -> None:
    """Let the connections of a pool share one TLS context, where its address begins with ``rediss``.

    redis-py reads every certificate of the machine anew for each: 30 ms and more, in which nobody else is answered.
    """
    if not issubclass(pool.connection_class, SSLConnection):
        return
    shared = SSLConnection(**pool.connection_kwargs).ssl_context

    class Connection(SSLConnection):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.ssl_context = shared

    pool.connection_class = Connection
