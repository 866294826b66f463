"""Which consumer group brings a topic in: noted in Redis, so that a second one can be told from the first."""

from __future__ import annotations

from service.store.connection import Store
from service.store.layout import Keys


async def claim(store: Store, keys: Keys, group: str, instead_of: str) -> str:
    """Note a group, unless another one is noted.

    Parameters
    ----------
    store : Store
    keys : Keys
        Of the topic's first partition.
    group : str
        Who asks.
    instead_of : str
        The other one, where it is known to be gone; else empty.

    Returns
    -------
    str
        The group that is noted now.

    Raises
    ------
    StoreUnavailable
    """
    # Noted already is the rule, and where Redis takes no writes, it is enough.
    if await noted_group(store, keys) == group:
        return group
    noted: bytes = await store.run("claim_group", (keys.group,), (group, instead_of))
    return noted.decode()


async def noted_group(store: Store, keys: Keys) -> str:
    """Give the group that is noted; empty where none is.

    Raises
    ------
    StoreUnavailable
    """
    noted: bytes | None = await store.command("GET", keys.group)
    return "" if noted is None else noted.decode()
