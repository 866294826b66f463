"""What each Redis or Valkey that takes writes says of itself."""

from __future__ import annotations

import time
from dataclasses import dataclass

from redis.exceptions import ResponseError

from service.store.connection import Node, Store, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Server:
    """A Redis or Valkey as it describes itself; what it does not tell is empty.

    Attributes
    ----------
    address : str
        Host and port.
    product, version : str
        ``Redis`` or ``Valkey``, and its own version.
    role, primary : str
        ``master`` or ``slave``, and whose it is.
    policy : str
        ``maxmemory-policy``.
    used, limit : int
        Bytes in use, and ``maxmemory``; 0 where there is no limit.
    appends : bool
        Whether every write goes to an append-only file.
    appendfsync, save : str or None
        When that reaches the disk, and when snapshots are made; None where ``CONFIG`` is not allowed.
    cluster : str
        ``cluster_state`` of a member of a cluster; empty for a server of its own.
    nodes : int
        Primaries of that cluster that hold slots.
    ahead, within : float
        Seconds by which its clock is before this machine's, and how exactly that is known.
    """

    address: str
    product: str
    version: str
    role: str
    primary: str
    policy: str
    used: int
    limit: int
    appends: bool
    appendfsync: str | None
    save: str | None
    cluster: str
    nodes: int
    ahead: float
    within: float


async def read_servers(store: Store) -> list[Server]:
    """Ask every server that takes writes what it is; one at least.

    Raises
    ------
    StoreUnavailable
    """
    return [await _read_server(store, node) for node in await store.primaries()]


async def _read_server(store: Store, node: Node) -> Server:
    info = _lines(await store.ask(node, "INFO"))
    cluster = _lines(await store.ask(node, "CLUSTER", "INFO")) if info.get("cluster_enabled") == "1" else {}
    before = time.time()
    seconds, micros = await store.ask(node, "TIME")
    after = time.time()
    valkey = "valkey_version" in info
    return Server(
        address=str(node),
        product="Valkey" if valkey else "Redis",
        version=info["valkey_version" if valkey else "redis_version"],
        role=info.get("role", ""),
        primary=f"{info['master_host']}:{info['master_port']}" if "master_host" in info else "",
        policy=info.get("maxmemory_policy", ""),
        used=int(info.get("used_memory", 0)),
        limit=int(info.get("maxmemory", 0)),
        appends=info.get("aof_enabled") == "1",
        appendfsync=await _configured(store, node, "appendfsync"),
        save=await _configured(store, node, "save"),
        cluster=cluster.get("cluster_state", ""),
        nodes=int(cluster.get("cluster_size", 0)),
        ahead=int(seconds) + int(micros) / 1e6 - (before + after) / 2,
        within=(after - before) / 2,
    )


async def read_policies(store: Store) -> list[str]:
    """Ask every server that takes writes for its ``maxmemory-policy``; empty where it does not tell.

    Raises
    ------
    StoreUnavailable
    """
    told = [_lines(await store.ask(node, "INFO", "memory")) for node in await store.primaries()]
    return [lines.get("maxmemory_policy", "") for lines in told]


async def _configured(store: Store, node: Node, name: str) -> str | None:
    try:
        answer = await store.ask(node, "CONFIG", "GET", name)
    except StoreUnavailable as error:
        # It is there, and says no: many hosted ones do.
        if isinstance(error.__cause__, ResponseError):
            return None
        raise
    return answer[1].decode() if answer else None


def _lines(text: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.decode(errors="replace").splitlines() if line[:1] not in ("", "#"))
    return {name: value for name, _, value in pairs}
