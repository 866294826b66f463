"""Redis failed over, full, read-only, slow, cut off, torn: what is stored ends as the oracle's, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from standings.embedded import ValkeyServer
from tests.faults.proxy import HOST, Moment, Proxy, Trap, runs
from tests.faults.scene import PARTITIONS, RECORDS, Recovery, Scene, waits, whole_again
from tests.ingesting import wait_for


def test_failover_to_a_replica_that_is_behind(
    begun: Callable[[str], Scene], store: ValkeyServer, to_store: Proxy, tmp_path: Path, recovery: Recovery
) -> None:
    with ValkeyServer(tmp_path / "replica", extra=["--replicaof", f"{HOST} {store.port}"]) as replica:
        scene = begun(f"redis://{HOST}:{to_store.port}/0")
        with scene.ingest() as ingest, Redis.from_url(replica.url) as behind:
            scene.here.place.wait_past(RECORDS // 4, ingest)
            wait_for(lambda: behind.info("replication")["master_link_status"] == "up", lambda: "not linked", ingest)
            # What it has is what it keeps; the link is gone, the primary goes on.
            behind.replicaof("NO", "ONE")
            kept = sum(scene.here.place.positions(behind))
            scene.send(300)
            scene.here.place.wait_past(kept + 200, ingest)
            store.kill()
            to_store.target = replica.port
            whole_again(scene, recovery, ingest)
        scene.check()


def test_scripts_forgotten_under_load(scene: Scene, recovery: Recovery) -> None:
    with scene.ingest() as ingest, scene.here.place.client() as client:
        for share in range(1, 20):
            scene.here.place.wait_past(RECORDS * share // 20, ingest)
            client.script_flush()
        whole_again(scene, recovery, ingest)
        assert ingest.metric('standings_guard_refusals_total{kind="no_answer"}') == 0
    scene.check()


def fill(client: Redis, full: bool) -> None:
    client.config_set("maxmemory", "1mb" if full else "0")


def follow(client: Redis, follows: bool) -> None:
    """A replica of nobody that can be reached keeps what it has, and takes no writes."""
    client.replicaof(HOST, "1") if follows else client.replicaof("NO", "ONE")


@pytest.mark.parametrize(
    ("refuse", "said"),
    [pytest.param(fill, "maxmemory", id="full"), pytest.param(follow, "read only replica", id="read-only")],
)
def test_refuses_writes_for_a_while(
    refuse: Callable[[Redis, bool], None], said: str, scene: Scene, recovery: Recovery
) -> None:
    with scene.ingest() as ingest, scene.here.place.client() as client:
        scene.here.place.wait_past(RECORDS // 2, ingest)
        refuse(client, True)
        found = ingest.wait_ready(waits)
        assert any(said in one["reason"] for one in found["partitions"]), found
        refuse(client, False)
        whole_again(scene, recovery, ingest)
    scene.check()


def test_slow(scene: Scene, to_store: Proxy, recovery: Recovery) -> None:
    with scene.ingest(batch=200) as ingest:
        scene.here.place.wait_past(200, ingest)
        to_store.delay = 0.3
        whole_again(scene, recovery, ingest)
        assert ingest.metric('standings_guard_refusals_total{kind="no_answer"}') == 0
        assert ingest.metric("standings_rebalances_total") == 1, "was taken for dead"
        to_store.delay = 0.0
    scene.check()


def test_cut_in_the_middle_of_an_answer(scene: Scene, to_store: Proxy, recovery: Recovery) -> None:
    """Of each script: half a reading must not be taken for one, half of a yes not for a yes."""
    with scene.ingest() as ingest:
        for name in ("read_fields", "apply_batch", "load_partition") * 2:
            # The last to be asked only after an error.
            trap = to_store.set(Trap(runs(name), Moment.HALF))
            if name == "load_partition":
                to_store.cut()
            scene.send()
            assert trap.over.wait(20), f"{name} was not asked"
        whole_again(scene, recovery, ingest)
    scene.check()


@contextmanager
def without(client: Redis, command: str) -> Iterator[None]:
    """Nobody may use a command: a script that has written already fails in the middle."""
    client.acl_setuser("default", enabled=True, commands=[f"-{command}"])
    try:
        yield
    finally:
        client.acl_setuser("default", enabled=True, commands=[f"+{command}"])


def test_a_command_fails_in_the_middle_of_the_script(scene: Scene, recovery: Recovery) -> None:
    place = scene.here.place
    with scene.ingest() as ingest, place.client() as client:
        place.wait_past(RECORDS // 2, ingest)
        with without(client, "zadd"):
            # A partition that has all that was sent writes to no board.
            scene.send(RECORDS)
            said = ingest.wait_ready(
                lambda said: (
                    [one["state"] for one in said["partitions"]] == ["stopped_by_operator_decision"] * PARTITIONS
                )
            )
        assert all("torn" in one["reason"] for one in said["partitions"])
        assert ingest.stop() == 0
        # Without its keys a partition begins anew from its log; tests/servers/test_rebuild.py has the gentler way.
        for key in client.scan_iter(f"{{{place.installation}/*"):
            client.delete(key)
    with recovery.measured(), scene.ingest(batch=5_000) as ingest:
        scene.wait(ingest)
    scene.check()
