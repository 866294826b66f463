"""Every key of a partition lies in the slot of that partition, so that one script may touch them together."""

from __future__ import annotations

import inspect

from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from service.store.layout import Keys

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(["}", "{x}", "{}", "a/{b}/c"])
TOPICS = st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True)


def every_key(keys: Keys, pool: str, system: str) -> dict[str, str]:
    """By the name of the property or method that makes it."""
    made = {}
    for name, member in inspect.getmembers(Keys, lambda one: isinstance(one, property) or inspect.isfunction(one)):
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            made[name] = getattr(keys, name)
        else:
            made[name] = member(keys, *(pool, system)[: len(inspect.signature(member).parameters) - 1])
    return made


@given(TOPICS, TOPICS, st.integers(0, 10_000), st.sampled_from(["1", "2", "17"]), NAMES, NAMES)
def test_one_slot(installation: str, topic: str, partition: int, generation: str, pool: str, system: str) -> None:
    keys = Keys(installation, topic, partition, generation)
    made = every_key(keys, pool, system)
    assert {"live", "state", "rows", "board", "fit", "leases", "taken"} <= made.keys()
    tag = f"{installation}/{topic}/{partition}".encode()
    assert {name: key_slot(key.encode()) for name, key in made.items()} == dict.fromkeys(made, key_slot(tag))


def test_partitions_are_spread() -> None:
    slots = {key_slot(Keys("standings", "matches", partition).state.encode()) for partition in range(64)}
    assert len(slots) == 64
