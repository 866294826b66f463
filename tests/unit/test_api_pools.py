"""Pools over HTTP: the list across partitions, and one of them."""

import asyncio

import pytest

from service.partitioner import partition_of
from standings.embedded import ValkeyServer
from tests.api import serving
from tests.conftest import Unique
from tests.league import duel, tie


def test_an_empty_installation_has_no_pools(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("pools")) as (_, ask):
            body = await ask.read("/v1/pools")
            assert (body["pools"], body["next"]) == ([], None)
            await ask.problem("/v1/pools/chess", 404, "unknown_pool")

    asyncio.run(run())


@pytest.mark.parametrize("partitions", [1, 4])
def test_pools_of_all_partitions_come_in_one_order(redis_server: ValkeyServer, unique: Unique, partitions: int) -> None:
    names = sorted(f"{kind}.{number}" for kind in ("Chess", "chess", "go", "0") for number in range(9))

    async def run() -> None:
        async with serving(redis_server.url, unique("pools"), partitions) as (league, ask):
            await league.play(*(duel(name, "ann", "bob") for name in reversed(names)))
            assert len({partition_of(name, partitions) for name in names}) == partitions
            for limit in (1, 5, 35, 36, 37, 1000):
                seen, cursor, pages = [], None, 0
                while pages == 0 or cursor:
                    body = await ask.read("/v1/pools", limit=limit, **({"cursor": cursor} if cursor else {}))
                    seen += [pool["pool"] for pool in body["pools"]]
                    assert len(seen) <= len(names)
                    cursor, pages = body["next"], pages + 1
                assert seen == names
                assert pages == -(-len(names) // limit)

            body = await ask.read("/v1/pools")
            for pool in body["pools"]:
                generation, partition, offset = pool["position"].split("-")
                assert (generation, partition) == ("1", str(partition_of(pool["pool"], partitions)))
                assert int(offset) == sum(partition_of(name, partitions) == int(partition) for name in names)
                assert pool["matches"] == 1

    asyncio.run(run())


def test_one_pool(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("pools"), partitions=3) as (league, ask):
            await league.play(
                duel("chess", "ann", "bob") | {"at": "2026-11-18T21:04:11.250Z"},
                tie("chess", [["ann"], ["bob"], ["cid"]]) | {"at": 0},
            )
            body = await ask.read("/v1/pools/chess")
            as_of = body.pop("as_of")
            assert as_of.endswith("Z")
            assert body == {
                "pool": "chess",
                "profile": "ladder",
                "pattern": "*",
                "systems": [
                    {
                        "system": "kalman",
                        "live": True,
                        "parameters": {"spread": 232.0, "drift": 82.0, "zone": 58.0, "home": 58.0, "margin": 0.75},
                        "players": 3,
                    }
                ],
                "order": "rating",
                "matchups": {"policy": None, "parameters": {}, "floor": 0.02, "exposure": None, "newcomers": False},
                "provisional": {"matches": 10, "deviation": None},
                "pairs": None,
                "first_at_home": False,
                "matches": 2,
                "players": 3,
                "last_match_at": "2026-11-18T21:04:11.250000Z",
                "position": f"1-{partition_of('chess', 3)}-2",
            }
            listed = (await ask.read("/v1/pools"))["pools"]
            assert listed == [
                {key: body[key] for key in ("pool", "matches", "last_match_at", "position")},
            ]

    asyncio.run(run())


def test_pools_that_are_not_there(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("pools")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"))
            for name in ("go", "Chess", "chess ", "ch%C3%A9ss", "-chess", "a" * 129, "chess%00"):
                for path in ("", "/leaderboard", "/players/ann"):
                    body = await ask.problem(f"/v1/pools/{name}{path}", 404, "unknown_pool")
                    assert "pool" in body["detail"]

    asyncio.run(run())


def test_cursors_that_no_page_gave(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("pools")) as (_, ask):
            for cursor in ("", "!", "Y2hlc3M=", "BWFyZW5hATEDZWxvQJ2UzMzMzM1hdGxhcy05"):
                await ask.problem("/v1/pools", 400, "malformed", cursor=cursor)

    asyncio.run(run())


def test_a_larger_topic_after_a_fresh_start_is_noticed(valkey: ValkeyServer, unique: Unique) -> None:
    """The number of partitions is read again after a while, and from whichever partition was written."""
    installation = unique("pools")
    seconds = 0.0

    async def run() -> None:
        nonlocal seconds
        async with serving(valkey.url, installation, partitions=4) as (league, ask):
            ask.app.state.parts.partitions._clock = lambda: seconds
            assert (await ask.read("/v1/pools"))["pools"] == []
            await league.owners[3].play([])
            # Whoever has just been told that a match is in can read it.
            assert await ask.app.state.parts.partitions.count() == 4
            await league.store.command("HSET", league.keys(3).state, "partitions", 8)
            seconds = 4.9
            assert await ask.app.state.parts.partitions.count() == 4
            seconds = 5.0
            assert await ask.app.state.parts.partitions.count() == 8

    asyncio.run(run())
