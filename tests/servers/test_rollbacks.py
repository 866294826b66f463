"""Redis set back to an older state, emptied, or written by two: the guard sees it, and the end is the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.ingesting import Ingesting, wait_for
from tests.made_up import mixture, unique_name
from tests.replay import Replay, begin

PARTITIONS = 3
SMALL = 3

COPY = """
local copy = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  copy[#copy + 1] = key
  copy[#copy + 1] = redis.call('DUMP', key)
end
return copy
"""
SET_BACK = """
for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('DEL', key) end
for at = 1, #ARGV, 2 do redis.call('RESTORE', ARGV[at], 0, ARGV[at + 1]) end
"""


@pytest.fixture(scope="module")
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def mixed(kafka: KafkaServer, own_store: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    folder = tmp_path_factory.mktemp("rollbacks")
    return begin(kafka.bootstrap, own_store.url, unique_name, folder, PARTITIONS, mixture(21, 6_000, PARTITIONS))


@pytest.fixture
def here(mixed: Replay, own_store: ValkeyServer) -> Replay:
    """A store of its own, empty: what these tests do to it is done to all that is in it."""
    with Redis.from_url(own_store.url) as client:
        client.flushall()
    return mixed.elsewhere()


def copy(client: Redis) -> list[bytes]:
    """All that is in the store at one moment."""
    return cast("list[bytes]", client.eval(COPY, 0))


def set_back(client: Redis, older: list[bytes]) -> None:
    """As a fail-over to a replica that was behind, or a backup that was loaded."""
    client.eval(SET_BACK, 0, *cast("list[Any]", older))


def test_set_back_while_it_works(here: Replay) -> None:
    with here.ingest(batch=SMALL) as ingest, here.place.client() as client:
        here.place.wait_past(500, ingest)
        older = copy(client)
        here.place.wait_past(2_500, ingest)
        set_back(client, older)
        here.place.wait_past(4_000, ingest)
        set_back(client, older)
        here.wait(ingest)
        assert refusals(ingest) >= 2
    here.check()


def test_set_back_while_nothing_arrives(here: Replay) -> None:
    with here.ingest(batch=500) as ingest, here.place.client() as client:
        here.place.wait_past(1_000, ingest)
        older = copy(client)
        here.wait(ingest)
        newest = here.place.positions(client)
        set_back(client, older)
        assert here.place.positions(client) != newest
        here.wait(ingest)
    here.check()


def test_emptied_while_it_works_and_while_nothing_arrives(here: Replay) -> None:
    with here.ingest(batch=SMALL) as ingest, here.place.client() as client:
        here.place.wait_past(2_000, ingest)
        client.flushall()
        client.script_flush()
        here.wait(ingest)
        client.flushall()
        here.wait(ingest)
    here.check()


@contextmanager
def two_owners(here: Replay) -> Iterator[tuple[Ingesting, Ingesting]]:
    """Two groups, so that Kafka gives every partition to both: the worst that a lost session could do, for good."""
    with here.ingest(batch=SMALL) as one:
        one.wait_ready(lambda said: bool(said["ready"]))
        # Redis lost what the first one noted, so the second one does not know of it.
        with here.ingest(batch=SMALL) as other:
            other.wait_ready(lambda said: bool(said["ready"]))
            yield one, other


def test_two_owners_at_once(kafka: KafkaServer, own_store: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    here = begin(kafka.bootstrap, own_store.url, unique, tmp_path, PARTITIONS)
    with two_owners(here) as both:
        here = here.longer(mixture(22, 6_000, PARTITIONS))
        here.place.wait_past(1_500, *both)
        wait_for(lambda: sum(refusals(ingest) for ingest in both) > 0, lambda: "not refused", *both)
        here.place.wait_past(3_000, *both)
        for ingest in both:
            ingest.kill()
    assert here.check_as_far_as_it_is() < sum(here.ends), "was through before it was looked at"
    with two_owners(here) as both:
        here = here.longer(mixture(23, 600, PARTITIONS))
        here.wait(*both)
    here.check()


def refusals(ingest: Ingesting) -> float:
    return ingest.metric('standings_guard_refusals_total{kind="moved"}')
