"""Kafka's client on uvloop: a connection that the other end has closed."""

import asyncio

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest

import service.log  # noqa: F401  what mends the connection


def test_a_write_after_the_other_end_has_closed_is_a_lost_connection() -> None:
    async def run() -> None:
        async with await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            connection = AIOKafkaConnection(host, port)
            connection._reader, connection._writer = await asyncio.open_connection(host, port)
            connection._read_task, connection._versions = asyncio.create_task(asyncio.sleep(0)), {}
            connection._writer.transport.abort()
            # The transport is closed in the loop's next turn, before anybody has heard of it.
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="closed"):
                connection._writer.write(b"x")
            with pytest.raises(KafkaConnectionError, match="broken"):
                connection.send(ApiVersionRequest())
            assert not connection.connected()

    uvloop.run(run())
