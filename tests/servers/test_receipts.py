"""Receipts: whoever asks is told what became of the record, in the same write, however the log was cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.made_up import RECEIPT, RECORDED, mixture, unique_name
from tests.oracle import partition_of
from tests.replay import Replay, begin
from tests.topics import item

PARTITIONS = 2


@pytest.fixture(scope="module")
def asked(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """A log of which every record asks."""
    items = [one._replace(headers=RECEIPT) for one in mixture(41, 2_000, PARTITIONS)]
    return begin(kafka.bootstrap, valkey.url, unique_name, tmp_path_factory.mktemp("asked"), PARTITIONS, items)


def test_every_record_that_asks_is_answered(asked: Replay) -> None:
    for number, read in asked.log.items():
        receipts = asked.expected[number].receipts
        assert list(receipts) == [record.offset + 1 for record in read.records]
        assert {receipt.outcome for receipt in receipts.values()} == {"applied", "duplicate", "dead_letter"}
    reasons = {receipt.reason for state in asked.expected.values() for receipt in state.receipts.values()}
    assert {"", "unknown_name", "id_reused", "wrong_key", "malformed", "null_value"} <= reasons
    for batch in (1, 7, 5_000):
        here = asked.elsewhere()
        with here.ingest(batch=batch) as ingest:
            here.wait(ingest)
        here.check()


def test_receipts_outlive_a_kill_once_each(asked: Replay) -> None:
    here = asked.elsewhere()
    for share in (0.2, 0.5, 0.8):
        with here.ingest(batch=40) as ingest:
            here.place.wait_past(int(sum(here.ends) * share), ingest)
            ingest.kill()
        here.check_as_far_as_it_is()
    with here.ingest() as ingest:
        here.wait(ingest)
    here.check()


def test_the_last_receipts_are_kept(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    pool, count = "arena", 10_500
    matches = (
        {
            "id": str(number),
            "pool": pool,
            "at": RECORDED + number,
            "sides": [{"players": [f"p{number % 7}"], "rank": 1}, {"players": [f"q{number % 11}"], "rank": 2}],
        }
        for number in range(count)
    )
    items = [item(match, RECORDED, RECEIPT) for match in matches]
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, items)
    receipts = here.expected[partition_of(pool, PARTITIONS)].receipts
    assert list(receipts) == list(range(count - 10_000 + 1, count + 1))
    with here.ingest() as ingest:
        here.wait(ingest)
    here.check()


def test_without_the_header_nothing_is_kept(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    items = [one._replace(headers=(("Receipt", b""), ("receipts", b"1"))) for one in mixture(42, 100, PARTITIONS)]
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, items)
    with here.ingest() as ingest:
        here.wait(ingest)
    here.check()
    with here.place.client() as client:
        assert not any(client.exists(here.place.keys(number).receipts) for number in range(PARTITIONS))
