"""`standings skip`: a batch that lies damaged in the log stops its partition until an operator passes it, for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from standings.embedded import KafkaServer, ValkeyServer
from standings.operate import skip
from tests.ingesting import Ingesting
from tests.made_up import RECEIPT, RECORDED, mixture
from tests.operating import check_live, mistake, run, verified, wait_live
from tests.oracle import replay
from tests.replay import Replay, Unique, begin
from tests.topics import Item, item, produce, read_letters

BEFORE = 400
MARK = b"damaged-1"


def damaged() -> list[Item]:
    """One batch of three; a receipt is wanted of what nobody can read."""
    sides = [{"players": [player], "rank": 1} for player in "ab"]
    matches = [{"id": f"damaged-{number}", "pool": "x", "at": RECORDED, "sides": sides} for number in range(3)]
    return [item(match, RECORDED + 10_000, RECEIPT) for match in matches]


def damage(kafka: KafkaServer, topic: str) -> None:
    """Change a byte on the broker's disk, as a failing disk would: Kafka delivers it, the checksum is the reader's."""
    (segment,) = kafka.folder.rglob(f"{topic}-0/00000000000000000000.log")
    with segment.open("r+b") as file:
        at = file.read().index(MARK)
        file.seek(at)
        file.write(b"D")


@pytest.fixture
def here(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> Replay:
    made = begin(kafka.bootstrap, valkey.url, unique, tmp_path, 1, mixture(71, BEFORE, 1))
    produce(kafka.bootstrap, made.place.topic, 1, damaged())
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
        # The whole batch has one checksum.
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
