"""A second consumer group on the same keys is refused by name, and may take over where the first has no members."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.ingesting import DEADLINE_S, Ingesting
from tests.made_up import mixture
from tests.replay import Replay, begin

PARTITIONS = 2


@pytest.fixture
def here(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> Replay:
    return begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(91, 300, PARTITIONS))


def ready(ingest: Ingesting) -> None:
    ingest.wait_ready(lambda said: bool(said["ready"]))


def test_refused_until_the_first_has_gone(here: Replay, unique: Unique) -> None:
    one, other = unique("one"), unique("other")
    with here.ingest(one) as first:
        ready(first)
        with here.ingest(other) as second:
            assert second.process is not None
            assert second.process.wait(DEADLINE_S) == 2
            *_, said = second.said().splitlines()
        assert f"group '{one}' (1 member) brings these records into these keys" in said
        assert f"set --group {one}" in said
        here.wait(first)
        ready(first)
    with here.ingest(other) as second:
        ready(second)
        here = here.longer(mixture(92, 100, PARTITIONS))
        here.wait(second)
    logged = [json.loads(line) for line in second.log.read_text().splitlines()]
    assert [line["group"] for line in logged if line["event"].startswith("took over")] == [one]
    here.check()
