"""A century and a half of football through Kafka into Redis, the same to the last bit as the oracle's replay."""

from __future__ import annotations

from pathlib import Path

import pytest

from standings.embedded import KafkaServer, ValkeyServer
from tests.made_up import football, unique_name
from tests.oracle import top
from tests.replay import Replay, begin


@pytest.fixture(scope="module")
def played(kafka: KafkaServer, valkey: ValkeyServer, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return begin(kafka.bootstrap, valkey.url, unique_name, tmp_path_factory.mktemp("football"), 2, football(data))


def test_football_is_rated_as_the_oracle_says(played: Replay, redis_server: ValkeyServer) -> None:
    here = played.elsewhere(redis_server.url)
    (pool,) = (state.pools["football"] for state in here.expected.values() if state.pools)
    print(top(pool))  # noqa: T201  # for a reader to judge
    assert (len(pool.rows), pool.totals[0], here.outcomes) == (337, 49_520, {"applied"}), top(pool)
    with here.ingest() as ingest:
        here.wait(ingest)
    here.check()
