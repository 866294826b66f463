"""From a record's timestamp until its ratings could be read, as measured by a real ingest process."""

from __future__ import annotations

import time
from pathlib import Path

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.ingesting import Ingesting, Place
from tests.topics import item, make, produce

NAME = "standings_event_to_readable_seconds"
LATE_S = 7_200


def test_counted_from_the_producers_timestamp_until_it_was_applied(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    place = Place(kafka.bootstrap, valkey.url, unique("matches"), 1, unique("installation"))
    make(kafka.bootstrap, place.topic, 1)

    def send(number: int, age: float) -> float:
        """Write one record that is so old; answers the most that it may be counted as."""
        sides = [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]
        match = {"id": f"match-{number}", "pool": "chess", "at": 0, "sides": sides}
        begun = time.time() - age
        produce(kafka.bootstrap, place.topic, 1, [item(match, int(begun * 1000))])
        place.wait_past(number, ingest)
        # It is counted when Redis has answered, a moment after Redis has it.
        ingest.wait_ready(lambda _: ingest.metric(f"{NAME}_count") == number)
        return time.time() - begun

    with Ingesting(place, tmp_path / "ingest.log", unique("group")) as ingest:
        ingest.wait_ready(lambda said: bool(said["ready"]))
        assert ingest.metric(f"{NAME}_count") == 0
        most = send(1, 0.0)
        now = ingest.metric(f"{NAME}_sum")
        assert 0 < now <= most
        most = send(2, LATE_S)
        assert LATE_S < ingest.metric(f"{NAME}_sum") - now <= most
        found = [ingest.metric(f'{NAME}_bucket{{le="{le}"}}') for le in ("3600.0", "14400.0", "+Inf")]
    assert found == [1, 2, 2]
