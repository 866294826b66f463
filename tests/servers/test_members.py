"""Members with names: one that comes back is known again, and of two with one name the older ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.ingesting import DEADLINE_S
from tests.made_up import mixture
from tests.replay import begin


def test_of_two_with_one_name_the_older_ends(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    """And says so; the newer has its partitions, and goes on undisturbed, as do the others."""
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, 2, mixture(94, 300, 2))
    group = unique("group")
    older, newer, other = (replace(here.ingest(group), member=name) for name in ("a.1", "a.1", "a"))
    with older, other:
        for one in (older, other):
            one.wait_ready(lambda said: bool(said["ready"]) and len(said["partitions"]) == 1)
        rebalances = other.metric("standings_rebalances_total")
        with newer:
            assert older.process is not None
            assert older.process.wait(DEADLINE_S) == 2, older.said()
            last = older.said().splitlines()[-1]
            assert last.startswith(f"standings: member: another process joined group '{group}' as 'a.1'")
            newer.wait_ready(lambda said: bool(said["ready"]) and len(said["partitions"]) == 1)
            here = here.longer(mixture(95, 200, 2))
            here.wait(newer, other)
            assert newer.metric("standings_rebalances_total") == 1
            assert other.metric("standings_rebalances_total") == rebalances, "the others notice nothing"
    here.check()
