"""A backup of Redis, taken and restored by the words of the page on operating: what is stored ends as the oracle's."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from standings.embedded import ValkeyServer
from tests.faults.page import PAGE
from tests.faults.scene import RECORDS, Recovery, Scene
from tests.faults.test_kafka import HELD
from tests.ingesting import Place, wait_for
from tests.servers.test_stopped import stopped
from tests.topics import admin

CHAPTER = PAGE.with_name("operating.md").read_text().partition("\n## Backup and restore\n")[2].partition("\n## ")[0]
TAKE, LAY, KEEP = re.findall(r"^```sh\n(.*?)^```$", CHAPTER, re.DOTALL | re.MULTILINE)
"""What the page says to type: take a backup, lay it where Redis reads it, have the restored Redis keep its writes."""

Follow = Callable[[str, ValkeyServer], None]


@pytest.fixture
def follow(redis_program: Path, tmp_path: Path) -> Follow:
    """Type a block of the page, about a server."""

    def type_it(block: str, server: ValkeyServer) -> None:
        names = {
            "PATH": f"{redis_program.parent}{os.pathsep}{os.environ['PATH']}",
            "REDIS_DIR": str(server.folder / "data"),
            "STANDINGS_REDIS": server.url if server.pid else "",
        }
        subprocess.run(["/bin/sh", "-euc", block], env={**os.environ, **names}, cwd=tmp_path, check=True, timeout=60)

    return type_it


def has(place: Place, least: int) -> None:
    """See that what was restored is there from the start, and not just brought in anew."""
    with place.client() as client:
        assert sum(place.positions(client)) >= least


def test_restored_while_ingest_runs(
    begun: Callable[[str], Scene], follow: Follow, tmp_path: Path, recovery: Recovery
) -> None:
    with ValkeyServer(tmp_path / "lost") as lost:
        scene = begun(lost.url)
        with scene.ingest() as ingest:
            scene.here.place.wait_past(RECORDS // 4, ingest)
            follow(TAKE, lost)
            scene.here.place.wait_past(RECORDS // 2, ingest)
            lost.kill()
            shutil.rmtree(lost.folder)
            scene.send(300)
            new = ValkeyServer(tmp_path / "new", lost.port, extra=["--appendonly", "no"])
            (new.folder / "data").mkdir(parents=True)
            follow(LAY, new)
            with new:
                has(scene.here.place, RECORDS // 4)
                with recovery.measured():
                    follow(KEEP, new)
                    scene.wait(ingest)
                    ingest.wait_ready(lambda said: bool(said["ready"]))
                scene.check()
                assert ingest.stop() == 0, ingest.said()
                new.kill()
    # From now on as before: what it had it has, with its own append-only file.
    with ValkeyServer(new.folder, lost.port):
        scene.check()


def test_older_than_the_log(
    begun: Callable[[str], Scene], follow: Follow, redis_program: Path, tmp_path: Path, recovery: Recovery
) -> None:
    """The partition stops; a newer backup, a copied append-only file, leads out of it: each in another Redis."""
    lost = ValkeyServer(tmp_path / "lost", binary=redis_program)
    older = ValkeyServer(tmp_path / "older", binary=redis_program, extra=["--appendonly", "no"])
    newer = ValkeyServer(tmp_path / "newer", binary=redis_program)
    with lost:
        scene = begun(lost.url)
        place = scene.here.place
        with scene.ingest() as ingest, place.client() as client:
            place.wait_past(RECORDS // 4, ingest)
            follow(TAKE, lost)
            taken = place.positions(client)[HELD]
            scene.send(300)
            wait_for(lambda: place.positions(client)[HELD] > taken, lambda: f"at {taken}", ingest)
            cut = place.positions(client)[HELD]
            shutil.copytree(lost.folder / "data", newer.folder / "data")
            scene.wait(ingest)
    here = scene.here.reread()

    async def delete() -> None:
        async with admin(place.kafka) as client:
            await client.delete_records({TopicPartition(place.topic, HELD): RecordsToDelete(cut)})

    asyncio.run(delete())
    (older.folder / "data").mkdir(parents=True)
    follow(LAY, older)
    with older, replace(here, place=replace(place, redis=older.url)).ingest() as ingest:
        assert f"begins at {cut}" in stopped(ingest, HELD)
    with newer:
        here = replace(here, place=replace(place, redis=newer.url))
        has(here.place, cut)
        with recovery.measured(), here.ingest() as ingest:
            here.wait(ingest)
        here.check()
