"""Which partition a pool belongs to: the hashes by which Kafka's producers place a key.

Readers need it as much as writers, and readers have no Kafka client.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, Literal

Partitioner = Literal["murmur2", "crc32"]

_WORD: Final = 0xFFFFFFFF
_FACTOR: Final = 0x5BD1E995
_SEED: Final = 0x9747B28C


def murmur2(key: bytes) -> int:
    """Austin Appleby's MurmurHash2 with Kafka's seed, the sign bit cut off.

    Examples
    --------
    >>> murmur2(b"chess"), murmur2(b"")
    (123611650, 275646681)
    """
    whole = len(key) & ~3
    hashed = _SEED ^ len(key)
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * _FACTOR & _WORD
        word = (word ^ word >> 24) * _FACTOR & _WORD
        hashed = (hashed * _FACTOR & _WORD) ^ word
    if whole < len(key):
        hashed = (hashed ^ int.from_bytes(key[whole:], "little")) * _FACTOR & _WORD
    hashed = (hashed ^ hashed >> 13) * _FACTOR & _WORD
    return (hashed ^ hashed >> 15) & 0x7FFFFFFF


_HASHES: Final[dict[Partitioner, Callable[[bytes], int]]] = {"murmur2": murmur2, "crc32": zlib.crc32}


def partition_of(pool: str, partitions: int, partitioner: Partitioner = "murmur2") -> int:
    """Partition that holds a pool: its name hashed as a record's key.

    Parameters
    ----------
    pool : str
        The pool's name.
    partitions : int
        Partitions of the topic.
    partitioner : {"murmur2", "crc32"}
        ``murmur2`` as Java's and Python's clients choose, ``crc32`` as librdkafka's do.

    Examples
    --------
    >>> partition_of("chess", 4), partition_of("chess", 4, "crc32")
    (2, 0)
    """
    return _HASHES[partitioner](pool.encode()) % partitions
