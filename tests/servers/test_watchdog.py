"""What stands still is built anew, and where that does not help the process ends, so that its supervisor sees it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from standings.embedded import KafkaServer, ValkeyServer
from tests.api import client, settings
from tests.conftest import Unique
from tests.ingesting import DEADLINE_S, Ingesting, Place
from tests.made_up import mixture
from tests.replay import begin

STUCK = (sys.executable, "-m", "tests.stuck")


def said(ingest: Ingesting, event: str) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in ingest.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def test_a_client_that_stands_still_is_built_anew(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, 2, mixture(91, 600, 2))
    ingest = here.ingest(batch=100)
    ingest.command = (*STUCK, "fetch=1", "ingest")
    with ingest:
        here.wait(ingest)
        here = here.longer(mixture(92, 300, 2))
        here.wait(ingest)
        ingest.wait_ready(lambda said: bool(said["ready"]))
        (line,) = said(ingest, "client_rebuilt")
        assert ingest.metric(f'standings_client_rebuilds_total{{part="{line["part"]}"}}') == 1
    here.check()


def test_one_that_stands_still_again_ends_the_process(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, 1, mixture(93, 300, 1))
    ingest = here.ingest(batch=50)
    ingest.command = (*STUCK, "fetch=2", "ingest")
    with ingest:
        assert ingest.process is not None
        # The second consumer gets the anchor's record again, and nothing after it.
        assert ingest.process.wait(DEADLINE_S) == 1, ingest.said()
        assert len(said(ingest, "client_rebuilt")) == 1
        (line,) = said(ingest, "ends")
        assert line["reason"] == "partition 0 stands still again"
        asyncio.run(still_read(here.place))


async def still_read(place: Place) -> None:
    """Whoever reads notices nothing of an ingest that is gone, nor of a Kafka that is."""
    address = {"kafka": "127.0.0.1:1", "topic": place.topic}
    async with client(settings(place.redis, place.installation, **address)) as ask:
        assert await ask.read("/readyz") == {"ready": True, "missing": []}
        assert (await ask.read("/v1/pools"))["pools"]


def test_a_blocked_event_loop_ends_the_process_with_the_place() -> None:
    ended = subprocess.run(
        [*STUCK, "loop", "ingest", "--ops-port", "0"], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert ended.returncode == 1, ended.stderr
    assert "Timeout (0:00:02)!" in ended.stderr
    assert "stuck.py" in ended.stderr
    assert "in block" in ended.stderr
