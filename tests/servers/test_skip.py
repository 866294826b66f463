"""`standings skip`: a batch that lies damaged in the log stops its partition until an operator passes it, for good."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiokafka.record.util import calc_crc32c

from standings.embedded import KafkaServer, ValkeyServer
from standings.operate import skip
from tests.conftest import Unique
from tests.ingesting import Ingesting
from tests.made_up import RECEIPT, RECORDED, mixture
from tests.operating import check_live, mistake, run, verified, wait_live
from tests.oracle import replay
from tests.replay import Replay, begin
from tests.topics import Item, item, produce, read_letters

BEFORE = 400
MARK = b"damaged-1"
NAME = "no-text"


def damaged() -> list[Item]:
    """One batch of one, and one of two; a receipt is wanted of what nobody can read."""
    sides = [{"players": [player], "rank": 1} for player in "ab"]
    matches = [{"id": f"damaged-{number}", "pool": "x", "at": RECORDED, "sides": sides} for number in range(3)]
    first, *others = (item(match, RECORDED + 10_000, RECEIPT) for match in matches)
    return [first._replace(headers=((NAME, b""), *RECEIPT)), *others]


def damage(kafka: KafkaServer, topic: str) -> None:
    """Change bytes on the broker's disk: Kafka delivers them.

    In one batch as a failing disk would, for the checksum is the reader's. The other is such as Kafka takes and its
    Python client cannot read: a header's name need not be UTF-8, and the checksum fits.
    """
    (segment,) = kafka.folder.rglob(f"{topic}-0/00000000000000000000.log")
    with segment.open("r+b") as file:
        log = bytearray(file.read())
        at = log.index(NAME.encode())
        log[at] = 0xFF
        start = 0
        # Offset and length, then what is counted by the length.
        while (end := start + 12 + int.from_bytes(log[start + 8 : start + 12])) <= at:
            start = end
        log[start + 17 : start + 21] = calc_crc32c(log[start + 21 : end]).to_bytes(4)
        log[log.index(MARK)] = ord("D")
        file.seek(0)
        file.write(log)


@pytest.fixture
def here(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> Replay:
    made = begin(kafka.bootstrap, valkey.url, unique, tmp_path, 1, mixture(71, BEFORE, 1))
    first, *others = damaged()
    produce(kafka.bootstrap, made.place.topic, 1, [first])
    produce(kafka.bootstrap, made.place.topic, 1, others)
    return made.longer(mixture(72, 300, 1))


def stopped_at(ingest: Ingesting, offset: int) -> None:
    def true(said: dict[str, list[dict[str, str]]]) -> bool:
        return any(
            one["state"] == "stopped_by_operator_decision" and one["reason"].endswith(f"standings skip 0 {offset}")
            for one in said["partitions"]
        )

    ingest.wait_ready(true)


def test_a_damaged_batch_is_passed(kafka: KafkaServer, here: Replay) -> None:
    bad = range(BEFORE, BEFORE + 3)
    assert MARK in (here.log[0].records[BEFORE + 1].value or b"")
    damage(kafka, here.place.topic)

    def said(offsets: str) -> str:
        return mistake(here, lambda settings: skip(settings, 0, offsets))

    with here.ingest() as ingest:
        stopped_at(ingest, BEFORE)
        # All that stands before it is in.
        here.place.wait([BEFORE], ingest)
        assert f"the partition stands at {BEFORE}" in said(str(BEFORE - 1))
        assert f"the log of partition 0 ends at {here.ends[0]}" in said(str(here.ends[0]))
        assert "not an offset" in said("4o1")
        assert "at most 5,000 offsets" in said("9-8")
        assert "1 more offsets are passed" in run(here, "skip", 0, BEFORE)[1]
        # The next batch has one checksum for all of it.
        stopped_at(ingest, BEFORE + 1)
        assert "2 more offsets are passed" in run(here, "skip", 0, f"{BEFORE}-{BEFORE + 2}")[1]
        wait_live(here, ingest)
        assert ingest.wait_ready(lambda said: said["ready"])
        assert ingest.metric('standings_records_total{outcome="skipped"}') == 3
    expected = replay(here.log[0].records, here.ends[0], 0, 1, skipped=bad)
    here.expected[0] = expected
    assert expected.counts["dead/skipped"] == 3
    check_live(here)
    letters = read_letters(here.place.kafka, here.place.topic)
    assert sorted((int(one.headers["offset"]), one.headers["reason"].decode()) for one in letters.values()) == sorted(
        expected.letters
    )
    # The decision holds for whoever reads the log again.
    assert verified(here, 0)["position"] == here.ends[0]
    run(here, "rebuild", 0)
    check_live(here)
