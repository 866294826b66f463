"""Where a pool lies, against the clients' own hashes."""

import zlib

import pytest
from aiokafka.partitioner import murmur2 as reference
from hypothesis import example, given
from hypothesis import strategies as st

from service.partitioner import Partitioner, murmur2, partition_of


@given(st.binary(max_size=140))
@example(b"")
@example(b"\xff\xfe\xfd")
@example(b"\x80\x80\x80\x80\x80")
def test_murmur2_is_that_of_the_client(key: bytes) -> None:
    assert murmur2(key) == reference(key) & 0x7FFFFFFF


@pytest.mark.parametrize(
    ("partitioner", "hashed"), [("murmur2", reference(b"chess") & 0x7FFFFFFF), ("crc32", zlib.crc32(b"chess"))]
)
def test_a_pool_lies_where_its_key_is_put(partitioner: Partitioner, hashed: int) -> None:
    assert [partition_of("chess", count, partitioner) for count in range(1, 20)] == [
        hashed % count for count in range(1, 20)
    ]
