"""What the owner of a partition reads: all of it at assignment, rows as it needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from service.store.apply import position_of
from service.store.connection import Argument, Store
from service.store.layout import LAYOUT, Keys
from service.store.rows import SEEN, Seen


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last record that was applied, by which the log is recognised.

    Attributes
    ----------
    offset, timestamp : int
        Of the record.
    digest : str
        Of its key and value.
    """

    offset: int
    timestamp: int
    digest: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A partition as it is stored.

    Attributes
    ----------
    keys : Keys
        In the generation that is live.
    position : int or None
        Next offset; None where nothing was ever applied.
    torn : str
        Where a script broke off; empty otherwise.
    layout : str
        Version that wrote it; empty where nothing was.
    partitions : int or None
        How many partitions the topic had.
    anchor : Anchor or None
        The last record.
    counts : dict
        Records by outcome so far: ``applied``, ``duplicate``, ``dead/REASON``.
    fingerprints : dict
        ``pool/system`` to what decides its numbers, as JSON.
    seen : dict
        Blocks of ids by name.
    skipped : mapping
        Offsets that an operator decided to pass, to when, epoch milliseconds.
    """

    keys: Keys
    position: int | None
    torn: str
    layout: str
    partitions: int | None
    anchor: Anchor | None
    counts: dict[str, int]
    fingerprints: dict[str, str]
    seen: dict[str, Seen]
    skipped: Mapping[int, int] = field(default_factory=dict)

    @property
    def readable(self) -> bool:
        """Whether this version of the service can read what is stored."""
        return self.layout in ("", LAYOUT)


@dataclass(frozen=True, slots=True)
class Fields:
    """Values of several hashes at one position.

    Attributes
    ----------
    generation : str
        The live generation.
    position : int or None
        What the values stand for.
    values : list of list
        For each hash the values in the order asked, None where missing.
    """

    generation: str
    position: int | None
    values: list[list[bytes | None]]


async def load(store: Store, keys: Keys) -> Loaded:
    """Read a partition in whatever generation is live.

    Raises
    ------
    StoreUnavailable
    """
    while True:
        live, loaded = await load_generation(store, keys)
        if live == keys.generation:
            return loaded
        keys = replace(keys, generation=live)


async def load_generation(store: Store, keys: Keys) -> tuple[str, Loaded]:
    """Read a partition in the generation of its keys; answers first which one is live.

    Raises
    ------
    StoreUnavailable
    """
    names = [keys.live, keys.state, keys.fingerprints, keys.seen, keys.skipped]
    live, state, fingerprints, seen, skipped = await store.run("load_partition", names, ())
    return live.decode(), _loaded(keys, state, fingerprints, seen, skipped)


async def look(store: Store, keys: Keys) -> Loaded:
    """Read a partition without its ids, in whatever generation is live.

    By plain commands, one after the other, so that it can be seen where scripts are not allowed; what an owner builds
    on comes from `load`.

    Raises
    ------
    StoreUnavailable
    """
    live = await store.command("GET", keys.live)
    if live is not None:
        keys = replace(keys, generation=live.decode())
    state = await store.command("HGETALL", keys.state)
    return _loaded(keys, state, await store.command("HGETALL", keys.fingerprints), [], [])


async def read_fields(store: Store, keys: Keys, wanted: Sequence[tuple[str, Sequence[str]]]) -> Fields:
    """Read fields of hashes of one partition, all at one position.

    Parameters
    ----------
    store : Store
    keys : Keys
        The partition.
    wanted : sequence of (key, fields)
        At least one field each.

    Raises
    ------
    StoreUnavailable
    """
    arguments: list[Argument] = []
    for _, fields in wanted:
        arguments.append(len(fields))
        arguments += fields
    names = [keys.live, keys.state, *(key for key, _ in wanted)]
    answer = await store.run("read_fields", names, arguments)
    return Fields(answer[0].decode(), position_of(answer[1]), answer[4:])


def _loaded(
    keys: Keys, state: list[bytes], fingerprints: list[bytes], seen: list[bytes], skipped: list[bytes]
) -> Loaded:
    fields = {name.decode(): value for name, value in _pairs(state)}
    anchor = None
    if "anchor_offset" in fields:
        anchor = Anchor(int(fields["anchor_offset"]), int(fields["anchor_timestamp"]), fields["anchor_digest"].decode())
    return Loaded(
        keys=keys,
        position=position_of(fields.get("position", b"")),
        torn=fields.get("torn", b"").decode(),
        layout=fields.get("layout", b"").decode(),
        partitions=int(fields["partitions"]) if "partitions" in fields else None,
        anchor=anchor,
        counts={name[6:]: int(value) for name, value in fields.items() if name.startswith("count/")},
        fingerprints={name.decode(): value.decode() for name, value in _pairs(fingerprints)},
        seen={name.decode(): np.frombuffer(value, SEEN) for name, value in _pairs(seen)},
        skipped={int(offset): int(at) for offset, at in _pairs(skipped)},
    )


def _pairs(flat: list[bytes]) -> zip[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
