"""All of the service on a Redis Cluster: the same numbers, every script on one slot, and slots that move meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import service.store
from service.pools import Pools
from service.store import generations
from service.store.connection import Store, StoreUnavailable, script
from service.store.layout import Keys
from service.store.partition import look
from standings import operate
from standings.embedded import KafkaServer, ValkeyServer
from standings.embedded.ports import HOST
from tests.api import client as asking
from tests.api import settings
from tests.applying import on
from tests.clusters import MASTERS, Cluster, client, scripts_known
from tests.conftest import Unique
from tests.ingesting import Refitting, wait_for
from tests.made_up import mixture
from tests.operating import check_live
from tests.replay import Replay, begin
from tests.servers.test_doctor import POOLS, examined, make, match, settings_for, wrong
from tests.servers.test_matchups import played, suggested

SCRIPTS = sorted(path.stem for path in Path(service.store.__path__[0]).glob("*.lua"))
SMALL = 20


def on_cluster(kafka: KafkaServer, cluster: Cluster, unique: Unique, folder: Path, seed: int, count: int) -> Replay:
    here = begin(kafka.bootstrap, cluster.url, unique, folder, MASTERS, mixture(seed, count, MASTERS))
    return replace(here, place=cluster.place(kafka.bootstrap, here.place.topic, unique))


def test_all_of_it_end_to_end(kafka: KafkaServer, cluster: Cluster, unique: Unique, tmp_path: Path) -> None:
    """Whatever talks to Redis does so here once: a script or command whose keys lie in two slots is refused."""
    for server in cluster.servers:
        with client(server) as one:
            one.script_flush()
    here = on_cluster(kafka, cluster, unique, tmp_path, 101, 1_000)
    place, pool = here.place, f"arena.{unique('played')}"
    refit = Refitting(place, tmp_path / "refit.log", "")

    async def ask() -> None:
        more = {"kafka": place.kafka, "topic": place.topic}
        async with asking(settings(place.redis, place.installation, **more)) as api:
            await played(api, pool, ("ann", "bob"), ("cid", "dan"))
            (one,) = (await suggested(api, pool, count=1, policy="least_played"))["matchups"]
            wanted = {"request_id": "cup", "goal": "best", "players": ["ann", "bob"], "budget": 1}
            cup = f"/v1/pools/{pool}/campaigns/{(await api.post(f'/v1/pools/{pool}/campaigns', wanted)).json()['id']}"
            changes = api.app.state.parts.changes
            listener = await changes.listen(Pools().configured(pool), frozenset(), None)
            await played(api, pool, ("bob", "ann"), matchup=one["id"])
            assert await listener.heard(20)
            assert set(listener.pending) == {"ann", "bob"}
            changes.leave(listener)
            assert (await api.read(cup))["state"] == "budget"
            assert (await api.http.delete(cup)).status_code == 204
            board = await api.read(f"/v1/pools/{pool}/leaderboard")
            assert {row["player"] for row in board["players"]} == {"ann", "bob", "cid", "dan"}
            for path in ("", f"/{pool}", f"/{pool}/players/ann", f"/{pool}/pairs", f"/{pool}/matchups"):
                await api.read(f"/v1/pools{path}")
            assert (await api.get("/readyz")).status_code == 200

    made = settings(place.redis, place.installation, kafka=place.kafka).model_copy(update={"topic": place.topic})
    with here.ingest() as ingest:
        here.wait(ingest)
        here.check()
        asyncio.run(ask())
        here = here.reread()
        here.wait(ingest)
        here.check()
        assert asyncio.run(operate.verify(made, 0)).equal
        asyncio.run(operate.rebuild(made, 0, None))
        assert asyncio.run(operate.drop_old(made, 0)) == ["1"]
        check_live(here)
    # Fits are no ratings, so the oracle does not know them: last.
    on(cluster.url, lambda store: generations.skip(store, Keys(unique("empty"), "matches", 0), [7], 0))
    shas = {script(name).sha: name for name in SCRIPTS}

    def not_run() -> set[str]:
        return set(SCRIPTS) - {shas[sha] for sha in scripts_known(cluster.masters(), list(shas))}

    with refit:
        wait_for(lambda: not not_run(), lambda: f"never run: {not_run()}", refit)


def test_a_slot_moves_while_records_arrive(
    kafka: KafkaServer, cluster: Cluster, unique: Unique, tmp_path: Path
) -> None:
    """Slow while the keys are on both sides, and right at the end."""
    here = on_cluster(kafka, cluster, unique, tmp_path, 102, 1_200)
    moved = here.place.keys(0)
    before = cluster.owner(moved)
    with here.ingest(batch=SMALL) as ingest:
        here.place.wait_past(300, ingest)
        with cluster.moving(moved) as pieces:
            next(pieces)
            here = here.longer(mixture(103, 300, MASTERS))
            said = ingest.wait_ready(
                lambda said: any(one["state"] == "waiting_for_redis" for one in said["partitions"])
            )
            (waiting,) = (one for one in said["partitions"] if one["state"] == "waiting_for_redis")
            assert waiting["partition"] == 0, "the others go on"
            for _ in pieces:
                pass
            # What is asked by one key is found wherever it is: here none of them is where the map says.
            stands = on(cluster.url, lambda store: look(store, moved))
            assert stands.position is not None
            assert stands.counts
        assert cluster.owner(moved) is not before
        here.wait(ingest)
    here.check()


def test_an_old_map_is_corrected(cluster: Cluster, unique: Unique) -> None:
    """A store that knew where a slot was finds it where it is, by MOVED and without an error."""
    keys = Keys(unique("moved"), "matches", 0)

    async def work(store: Store) -> None:
        await store.command("HSET", keys.state, "position", "7")
        await asyncio.to_thread(move)
        assert await store.command("HGET", keys.state, "position") == b"7"
        assert [str(node).partition(":")[0] for node in await store.primaries()] == [HOST] * MASTERS

    def move() -> None:
        with cluster.moving(keys):
            pass

    on(cluster.url, work)


def test_one_node_of_a_cluster_is_not_one_server(cluster: Cluster, unique: Unique) -> None:
    keys = Keys(unique("alone"), "matches", 0)
    other = next(server for server in cluster.masters() if server is not cluster.owner(keys))
    with pytest.raises(StoreUnavailable, match=f"{other.port} is one node of a cluster: write redis\\+cluster://"):
        on(other.url, lambda store: look(store, keys))


def test_one_server_is_no_cluster(valkey: ValkeyServer) -> None:
    with pytest.raises(StoreUnavailable, match=r"no node of the cluster answers; .*cluster support disabled"):
        on(valkey.url.replace("redis://", "redis+cluster://"), lambda store: store.ping())


def test_a_node_that_is_away_at_the_start_is_passed(cluster: Cluster) -> None:
    on(cluster.url.replace("://", f"://{HOST}:1,"), lambda store: store.ping())


def test_doctor_looks_at_every_master(kafka: KafkaServer, cluster: Cluster, unique: Unique) -> None:
    made = settings_for(kafka, cluster.url, unique)
    make(made, [match(pool) for pool in POOLS])
    found = examined(made)
    assert wrong(found) == {"group": "warning"}
    assert found["redis.cluster"].found == "a cluster of 3 primaries, state ok"
    one = cluster.masters()[1]
    with client(one) as told:
        told.config_set("maxmemory-policy", "allkeys-lru")
        found = examined(made)
        told.config_set("maxmemory-policy", "noeviction")
    assert wrong(found) == {"group": "warning", "redis.policy": "problem"}
    assert found["redis.policy"].found.startswith(f"{HOST}:{one.port}: maxmemory-policy is allkeys-lru")
    assert found["redis.policy"].found.count(HOST) == 1
