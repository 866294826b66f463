"""`standings verify` finds nothing where all is right, and whatever is not."""

from __future__ import annotations

import json
import struct
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from redis import Redis

from consumers.compare import Verified
from service.store.layout import Keys
from standings.embedded import KafkaServer, ValkeyServer
from standings.operate import show_verified, verify
from tests.conftest import Unique
from tests.ingesting import Ingesting
from tests.made_up import mixture, unique_name
from tests.operating import mistake, run, start, verified
from tests.replay import Replay, begin
from tests.topics import produce

POOL = "chess.blitz"


@pytest.fixture(scope="module")
def here(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    folder = tmp_path_factory.mktemp("verify")
    replay = begin(kafka.bootstrap, valkey.url, unique_name, folder, 1, mixture(51, 3_000, 1))
    with replay.ingest(batch=300) as ingest:
        replay.wait(ingest)
    replay.check()
    return replay


def test_all_is_as_the_log_says(here: Replay, capsys: pytest.CaptureFixture[str]) -> None:
    found = verified(here, 0)
    with here.place.client() as client:
        keys = here.place.keys(0)
        hashes = [keys.state, keys.fingerprints, keys.totals, keys.learned, keys.arenas]
        count = sum(client.hlen(key) for key in hashes) + client.zcard(keys.pools)
    pools = here.expected[0].pools.values()
    count += sum(len(table.rows) + len(table.board) for pool in pools for table in pool.tables.values())
    arenas = [pool.pairs for pool in pools if pool.pairs is not None]
    assert arenas
    count += sum(len(pairs.numbers) + 2 * len(pairs.counts) for pairs in arenas)
    assert found["values"] == count + len(here.expected[0].seen)
    assert (found["position"], found["records"]) == (here.ends[0], len(here.log[0].records))
    show_verified(msgspec.convert(found, Verified))
    assert "values are what 3,000 records make of them" in " ".join(capsys.readouterr().out.split())


def flip(client: Redis, key: str, field: str, byte: int) -> None:
    value = bytearray(client.hget(key, field))  # type: ignore[arg-type]  # no coroutine
    value[byte] ^= 1
    client.hset(key, field, bytes(value))


def flip_row(client: Redis, keys: Keys) -> dict[str, str]:
    flip(client, keys.rows(POOL, "kalman"), "p7", 8 * 4)
    return {"kind": "rows", "pool": POOL, "system": "kalman", "player": "p7"}


def lose_row(client: Redis, keys: Keys) -> dict[str, str]:
    client.hdel(keys.rows("votes", "kalman"), "p7")
    return {"kind": "rows", "pool": "votes", "player": "p7", "field": "matches", "stored": ""}


def add_row(client: Redis, keys: Keys) -> dict[str, str]:
    client.hset(keys.rows(POOL, "kalman"), "nobody", struct.pack("<2d", 1, 2))
    return {"kind": "rows", "pool": POOL, "player": "nobody", "expected": ""}


def lose_place(client: Redis, keys: Keys) -> dict[str, str]:
    client.zrem(keys.board("arena.2026", "kalman"), "p3")
    return {"kind": "board", "pool": "arena.2026", "system": "kalman", "player": "p3", "stored": ""}


def swap_place(client: Redis, keys: Keys) -> dict[str, str]:
    """One is missing and one too many: the number is right."""
    client.zrem(keys.board(POOL, "kalman"), "p3")
    client.zadd(keys.board(POOL, "kalman"), {"nobody": 1.0})
    return {"kind": "board", "pool": POOL, "player": "nobody", "expected": "", "stored": "1.0"}


def change_total(client: Redis, keys: Keys) -> dict[str, str]:
    flip(client, keys.totals, POOL, 0)
    return {"kind": "totals", "pool": POOL, "field": "matches"}


def change_learned(client: Redis, keys: Keys) -> dict[str, str]:
    flip(client, keys.learned, f"{POOL}/kalman", 0)
    return {"kind": "learned", "pool": POOL, "system": "kalman"}


def lose_ids(client: Redis, keys: Keys) -> dict[str, str]:
    client.hdel(keys.seen, client.hkeys(keys.seen)[0])
    return {"kind": "seen", "expected": "an id", "stored": ""}


def change_count(client: Redis, keys: Keys) -> dict[str, str]:
    client.hincrby(keys.state, "count/applied", 1)
    return {"kind": "state", "field": "count/applied"}


def tear(client: Redis, keys: Keys) -> dict[str, str]:
    client.hset(keys.state, "torn", "17")
    return {"kind": "state", "field": "torn", "stored": "17"}


def add_pool(client: Redis, keys: Keys) -> dict[str, str]:
    client.zadd(keys.pools, {"unheard-of": 0})
    return {"kind": "pools", "field": "unheard-of", "expected": ""}


def flip_pair(client: Redis, keys: Keys) -> dict[str, str]:
    flip(client, keys.pairs("arena.2026"), "7", 7)
    return {"kind": "pairs", "pool": "arena.2026", "field": "7"}


def lose_change(client: Redis, keys: Keys) -> dict[str, str]:
    client.zrem(keys.paired("arena.2026"), "8")
    return {"kind": "paired", "pool": "arena.2026", "field": "8", "stored": ""}


def add_number(client: Redis, keys: Keys) -> dict[str, str]:
    client.hset(keys.numbers("arena.2026"), "nobody", "9999")
    return {"kind": "numbers", "pool": "arena.2026", "player": "nobody", "expected": "", "stored": "9999"}


def change_left_out(client: Redis, keys: Keys) -> dict[str, str]:
    flip(client, keys.arenas, "arena.2026", 8)
    return {"kind": "arenas", "pool": "arena.2026", "field": "left_out"}


DAMAGES = (
    flip_row,
    lose_row,
    add_row,
    lose_place,
    swap_place,
    change_total,
    change_learned,
    change_count,
    flip_pair,
    lose_change,
    add_number,
    change_left_out,
    tear,
    add_pool,
    lose_ids,
)


def test_every_damage_is_found_and_named(here: Replay, capsys: pytest.CaptureFixture[str]) -> None:
    """All at once: each is told, and nothing else is."""
    again = here.elsewhere()
    with again.ingest() as ingest:
        again.wait(ingest)
    with again.place.client() as client:
        keys = again.place.keys(0)
        wanted = [damage(client, keys) for damage in DAMAGES]
        found = verified(again, 0, code=1)
    for one in wanted:
        assert any(one.items() <= told.items() for told in found["differences"]), one
    show_verified(msgspec.convert(found, Verified))
    shown = capsys.readouterr().out
    assert "nobody" in shown
    assert " more\n" in shown
    assert len(found["differences"]) == 20
    assert found["different"].pop("seen") > 100
    # A place that was swapped is two.
    assert found["different"] == {
        "state": 2,
        "pools": 1,
        "totals": 1,
        "learned": 1,
        "rows": 3,
        "board": 3,
    } | dict.fromkeys(("arenas", "numbers", "pairs", "paired"), 1)


def test_while_ingest_is_running(kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    """Values that change while they are read are no differences; a flipped bit is one."""
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, 1, mixture(52, 2_000, 1))
    with ExitStack() as stack:
        ingest: Ingesting = stack.enter_context(here.ingest(batch=20))
        here.wait(ingest)
        process = start(here, "verify", 0, "--json")
        rounds = 0
        while process.poll() is None:
            produce(here.place.kafka, here.place.topic, 1, mixture(100 + rounds, 300, 1))
            rounds += 1
        out, err = process.communicate()
        assert process.returncode == 0, f"{out}\n{err}"
    found = json.loads(out)
    assert rounds
    assert found["position"] > here.ends[0], "it moved on meanwhile"


def test_a_users_mistake(here: Replay, tmp_path: Path) -> None:
    assert "PARTITION 1: the topic has 1, counted from 0" in run(here, "verify", 1, code=2)[1]
    assert "nothing is stored of it" in mistake(here.elsewhere(), lambda settings: verify(settings, 0))
    pools = tmp_path / "pools.toml"
    pools.write_text(f'[pools."{POOL}"]\nparameters.home = 24\n')
    said = mistake(replace(here, pools=pools), lambda settings: verify(settings, 0))
    assert "'kalman' was rated with home = 58.0 (now 24.0)" in said
