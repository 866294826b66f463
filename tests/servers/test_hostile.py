"""Hostile records among good ones at full speed: every good one is rated, every bad one accounted for."""

from __future__ import annotations

from pathlib import Path

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.hostile import accounted, among_good_ones
from tests.replay import begin

PARTITIONS = 3
SEED, HOSTILE, GOOD = 21, 10_000, 2_000


def test_hostile_records_among_good_ones(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    items = among_good_ones(SEED, HOSTILE, GOOD, PARTITIONS)
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, items)
    with here.ingest() as ingest:
        here.wait(ingest)
        assert accounted(here, ingest) > HOSTILE * 3 // 4
    assert here.outcomes >= {
        *("applied", "duplicate", "dead/malformed", "dead/invalid_match", "dead/wrong_key", "dead/wrong_partition"),
        *("dead/null_value", "dead/record_too_large", "dead/unknown_name", "dead/id_reused"),
    }
