"""A master of a Redis Cluster dies under load, with writes that only it had acknowledged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from redis import Redis

from standings.embedded import KafkaServer, ValkeyServer
from tests.clusters import Cluster
from tests.conftest import Unique
from tests.faults.scene import RECORDS, Recovery, prepare


def position(server: ValkeyServer, key: str) -> int:
    """What one node has, be it a replica."""
    with Redis.from_url(server.url, single_connection_client=True) as asked:
        asked.execute_command("READONLY")
        return int(asked.hget(key, "position") or 0)


def test_failover_in_a_cluster(
    kafka: KafkaServer, cluster: Cluster, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    scene = prepare(kafka.bootstrap, cluster.url, unique, tmp_path, 63)
    place = cluster.place(kafka.bootstrap, scene.here.place.topic, unique)
    scene.here = replace(scene.here, place=place)
    scene.send(RECORDS)
    master, replica = cluster.replicated()
    keys = next(keys for keys in map(place.keys, range(place.partitions)) if cluster.owner(keys) is master)
    with scene.ingest() as ingest:
        place.wait_past(RECORDS // 2, ingest)
        with cluster.behind(master, replica):
            scene.send(300)
            scene.wait(ingest)
            lost = position(master, keys.state) - position(replica, keys.state)
            assert lost > 0, "nothing was acknowledged by the master alone"
            with recovery.measured():
                master.kill()
                scene.send(300)
                cluster.take_over(replica)
                scene.wait(ingest)
                ingest.wait_ready(lambda said: bool(said["ready"]))
    scene.check()
    assert cluster.owner(keys) is replica
    master.start()
    cluster.wait_whole()
