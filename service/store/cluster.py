"""Where commands go: to the one server there is, or to the node of a cluster that has the key's slot.

A cluster is followed as its specification says: MOVED corrects the map, ASK sends one command elsewhere, and what says
that it will soon be otherwise is asked again a few times. An error that leaves open whether the command ran is told
to the caller, whose guards decide; the map is then read anew before the next command. Replicas are never asked.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final, Protocol

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from service.store.node import CLUSTER, Argument, Node, options_of, pack

Address = tuple[str, int]

PAUSES_S: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Before each time that a command is sent again: a slot on its way, or a failover, takes longer than a redirection."""

MAP_SHARE: Final = 0.25
"""Of the time for a call, the share that one node has to tell the map: then another one is asked."""

UNTOLD: Final = ("", "?")
"""How a node that does not know its own name, or was told to keep it, is called in the map."""

_SLOTS: Final = pack("CLUSTER", "SLOTS")


class Nodes(Protocol):
    """Knows which server has a key."""

    async def send(self, key: Argument, packed: bytes) -> Any:
        """Send a packed command to the server that has its key; answers and errors are redis-py's."""

    async def primaries(self) -> list[Node]:
        """Give every server that takes writes."""

    async def close(self) -> None:
        """Close every connection."""


def nodes(url: str, timeout: float) -> Nodes:
    """Make what knows the servers at an address; `options_of` says how that is written."""
    options = options_of(url)
    return Cluster(options, timeout) if url.partition("://")[0].endswith(CLUSTER) else Alone(options[0], timeout)


class Alone:
    """One server, which has every key."""

    def __init__(self, options: dict[str, Any], timeout: float) -> None:
        self._node = Node(options, timeout)

    async def send(self, key: Argument, packed: bytes) -> Any:
        """Send a command to the server."""
        try:
            return await self._node.send(packed)
        except MovedError as error:
            raise RedisError(f"{self._node} is one node of a cluster: write redis+cluster:// in its address") from error

    async def primaries(self) -> list[Node]:
        """Give the server."""
        return [self._node]

    async def close(self) -> None:
        """Close every connection."""
        await self._node.close()


class Cluster:
    """The primaries of a cluster, by slot; each has a bounded set of connections.

    Parameters
    ----------
    seeds : sequence of mapping
        Options of the nodes that are asked for the others at first, and when none of those answers.
    timeout : float
        Seconds that a call may take.
    """

    def __init__(self, seeds: Sequence[dict[str, Any]], timeout: float) -> None:
        self._timeout = timeout
        self._options = seeds[0]
        self._seeds: list[Address] = [(one["host"], one.get("port", 6379)) for one in seeds]
        self._nodes: dict[Address, Node] = {}
        self._owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._stale = True
        self._reading = asyncio.Lock()

    async def send(self, key: Argument, packed: bytes) -> Any:
        """Send a command to the node that has its key."""
        slot = key_slot(key if isinstance(key, bytes) else str(key).encode())
        asked: Node | None = None
        for pause in (*PAUSES_S, None):
            try:
                if asked is not None:
                    return await asked.send(packed, asking=True)
                return await (await self._owner(slot)).send(packed)
            except (AskError, TryAgainError, ClusterDownError, BusyLoadingError) as error:
                # None of them ran.
                if pause is None:
                    raise RedisError(_told(error)) from error
                asked = self._follow(slot, error)
                await asyncio.sleep(pause)
            except ResponseError:
                raise
            except BaseException:
                self._stale = True
                raise
        raise AssertionError("the last round answers or raises")

    async def primaries(self) -> list[Node]:
        """Give every node that has slots, as the cluster says now."""
        self._stale = True
        await self._refresh()
        return list(self._nodes.values())

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(node.close() for node in self._nodes.values()))

    def _follow(self, slot: int, error: RedisError) -> Node | None:
        """Note what a refusal says; answers the node to ask this once."""
        match error:
            case MovedError():
                self._owners[slot] = self._named(error.host, error.port, slot)
            case AskError():
                return self._at(self._named(error.host, error.port, slot))
            case _:
                self._stale = True
        return None

    def _named(self, host: str, port: int, slot: int) -> Address:
        """Where no name is told it is that of who says so."""
        return ((self._owners[slot] or self._seeds[0])[0] if host in UNTOLD else host, port)

    async def _owner(self, slot: int) -> Node:
        if self._stale:
            await self._refresh()
        address = self._owners[slot]
        if address is None:
            raise ClusterDownError(f"no node of the cluster has slot {slot}")
        return self._at(address)

    def _at(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            options = {**self._options, "host": address[0], "port": address[1]}
            node = self._nodes[address] = Node(options, self._timeout)
        return node

    async def _refresh(self) -> None:
        """Read the map from any node that tells it."""
        async with self._reading:
            if not self._stale:
                return
            said = ""
            # One that is cut off from the others may tell an old map for a while: not always the same one first.
            for address in dict.fromkeys([*random.sample(list(self._nodes), len(self._nodes)), *self._seeds]):
                try:
                    async with asyncio.timeout(self._timeout * MAP_SHARE):
                        ranges = await self._at(address).send(_SLOTS)
                except (RedisError, OSError, TimeoutError, RuntimeError) as error:
                    said = f"{address[0]}:{address[1]}: {str(error) or type(error).__name__}"
                    continue
                await self._take(ranges, address[0])
                return
            raise RedisError(f"no node of the cluster answers; {said}")

    async def _take(self, ranges: list[list[Any]], host: str) -> None:
        """Take over a map as CLUSTER SLOTS tells it: ranges of slots, each with its primary, then its replicas."""
        owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, primary, *_ in ranges:
            name = (primary[0] or b"").decode()
            owners[first : last + 1] = [(host if name in UNTOLD else name, primary[1])] * (last + 1 - first)
        self._owners, self._stale = owners, False
        found = {owner for owner in owners if owner is not None}
        gone = [self._nodes.pop(address) for address in list(self._nodes) if address not in found]
        for address in found:
            self._at(address)
        for node in gone:
            await node.retire()


def _told(error: RedisError) -> str:
    """What is told when it was tried often enough; of a redirection redis-py keeps the bare numbers."""
    if isinstance(error, AskError):
        return f"slot {error.slot_id} is on its way to {error.host}:{error.port}"
    return str(error)
