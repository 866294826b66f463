"""What tests of what is stored share: keys of their own, and a client beside the code under test."""

from collections.abc import Callable, Iterator

import pytest
import redis

from service.store.layout import Keys
from standings.embedded import ValkeyServer


@pytest.fixture
def keys(unique: Callable[[str], str]) -> Keys:
    """Of a partition that nobody else has."""
    return Keys(unique("stored"), "matches", 0)


@pytest.fixture
def plain(redis_server: ValkeyServer) -> Iterator[redis.Redis]:
    """A client beside the code under test."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield client
