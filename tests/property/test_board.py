"""Pages of the leaderboard on real servers: order, ranks, and pages between which players move."""

import asyncio
import random
import uuid
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.pools import Pools
from service.problems import Problem
from service.store import board
from service.store.board import After, Around, Boards, FromPlace, Page
from service.store.partitions import Partitions
from standings.embedded import ValkeyServer
from tests.league import TOPIC, League, duel, league, newcomers, tie

POOLS = Pools()
POOL = POOLS.configured("chess")
ELO = POOL.live

# Bytes decide: upper case before lower, prefixes, and letters of one to four bytes.
names = st.lists(st.text(st.sampled_from("abAB/ é日🎉"), min_size=1, max_size=4), min_size=2, max_size=40, unique=True)


def fresh() -> str:
    return f"board-{uuid.uuid4().hex}"


async def everyone(made: League) -> list[tuple[str, float]]:
    """The board by another way: all of it, sorted here."""
    flat = await made.store.command("ZRANGE", made.keys().board("chess", "kalman"), "0", "-1", "WITHSCORES")
    rows = [(name, float(score)) for name, score in zip(flat[::2], flat[1::2], strict=True)]
    rows.sort(key=lambda row: row[0], reverse=True)
    rows.sort(key=lambda row: row[1], reverse=True)
    return [(name.decode(), value) for name, value in rows]


def rows_of(page: Page) -> list[tuple[str, float]]:
    return list(zip(page.players, page.values.tolist(), strict=True))


def check_ranks(page: Page, rows: list[tuple[str, float]]) -> None:
    assert page.ranks.tolist() == [1 + sum(value > own for _, value in rows) for own in page.values.tolist()]


async def next_page(made: League, page: Page, limit: int) -> Page:
    return await made.boards.page(POOL, ELO, After(float(page.values[-1]), page.players[-1]), limit)


@settings(max_examples=40, deadline=None)
@given(names=names, seed=st.integers(0, 2**32), limit=st.integers(1, 13))
def test_a_player_who_does_not_move_is_seen_exactly_once(
    redis_server: ValkeyServer, names: list[str], seed: int, limit: int
) -> None:
    """Others move anywhere between any two pages, newcomers come; each page is right for its moment."""
    chance = random.Random(seed)

    async def run() -> None:
        async with league(redis_server.url, fresh()) as made:
            await made.play(tie("chess", [[name] for name in names]))
            await made.play(*(duel("chess", *chance.sample(names, 2)) for _ in range(chance.randrange(len(names)))))
            movers = set(chance.sample(names, chance.randrange(len(names) + 1)))
            seen: list[str] = []
            duels = first = 0
            page = await made.boards.page(POOL, ELO, FromPlace(0), limit)
            while True:
                seen += page.players
                now = await everyone(made)
                assert rows_of(page) == now[first : first + limit]
                check_ranks(page, now)
                if not page.more:
                    break
                # A duel brings two players back at most, so that there is an end.
                assert len(seen) <= page.total + 2 * duels
                if movers and duels < len(names):
                    duels += 1
                    newcomer = f"new-{duels}"
                    if chance.random() < 0.2 or len(movers) == 1:
                        movers.add(newcomer)
                    await made.play(duel("chess", *chance.sample(sorted(movers), 2)))
                last, value = page.players[-1].encode(), float(page.values[-1])
                first = sum((own, name.encode()) >= (value, last) for name, own in await everyone(made))
                page = await next_page(made, page, limit)
            still = [name for name in names if name not in movers]
            assert sorted(name for name in seen if name in still) == sorted(still)

    asyncio.run(run())


@settings(max_examples=40, deadline=None)
@given(names=names, seed=st.integers(0, 2**32), limit=st.integers(1, 13))
def test_pages_from_a_place_and_around_a_player(
    redis_server: ValkeyServer, names: list[str], seed: int, limit: int
) -> None:
    chance = random.Random(seed)

    async def run() -> None:
        async with league(redis_server.url, fresh()) as made:
            await made.play(tie("chess", [[name] for name in names]))
            await made.play(*(duel("chess", *chance.sample(names, 2)) for _ in range(chance.randrange(len(names)))))
            rows = await everyone(made)
            for place in (0, chance.randrange(len(rows)), len(rows) - 1, len(rows)):
                page = await made.boards.page(POOL, ELO, FromPlace(place), limit)
                assert rows_of(page) == rows[place : place + limit]
                assert page.more == (place + limit < len(rows))
                check_ranks(page, rows)
            for name in names:
                page = await made.boards.page(POOL, ELO, Around(name), limit)
                assert name in page.players
                assert len(page.players) == min(limit, len(rows))
                first = rows.index(rows_of(page)[0])
                assert rows_of(page) == rows[first : first + limit]
                check_ranks(page, rows)
                middle = page.players.index(name)
                # In the middle, but where an end of the board is nearer.
                assert middle == limit // 2 or first == 0 or first + limit == len(rows)

    asyncio.run(run())


def test_after_a_row_that_is_gone_the_page_goes_on_where_it_was(redis_server: ValkeyServer) -> None:
    async def run() -> None:
        async with league(redis_server.url, fresh()) as made:
            await made.play(tie("chess", [[name] for name in "abcdef"]))
            page = await made.boards.page(POOL, ELO, FromPlace(0), 3)
            assert page.players == ["f", "e", "d"]
            await made.play(duel("chess", "d", "f"))
            assert (await next_page(made, page, 9)).players == ["c", "b", "a", "f"]

    asyncio.run(run())


def test_100_000_players_who_share_one_value(redis_server: ValkeyServer) -> None:
    async def run() -> None:
        async with league(redis_server.url, fresh()) as made:
            everybody = [f"player-{index}" for index in range(100_000)]
            await made.play(*newcomers("chess", everybody))
            page = await made.boards.page(POOL, ELO, FromPlace(0), 1000)
            seen = page.players
            while page.more:
                assert page.total == 100_000
                assert set(page.ranks.tolist()) == {1}
                assert len(seen) < page.total
                page = await next_page(made, page, 1000)
                seen += page.players
            assert seen == sorted(everybody, reverse=True)

    asyncio.run(run())


def test_a_large_pool_is_compared_with_a_sample(redis_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn rows are distinct players', serve for 10 s, and are drawn again after that."""
    monkeypatch.setattr(board, "MOST_WHOLE", 30)
    seconds = 0.0

    async def run() -> None:
        nonlocal seconds
        async with league(redis_server.url, fresh()) as made:
            partitions = Partitions(made.store, made.installation, TOPIC, "murmur2", lambda: seconds)
            boards = Boards(partitions, lambda: seconds)
            names = [f"p{index}" for index in range(90)]
            await made.play(*(duel("chess", *pair) for pair in pairwise(names[:30])))
            first = await boards.page(POOL, ELO, FromPlace(0), 5)
            assert first.pool_rows.whole
            assert (await boards.page(POOL, ELO, FromPlace(5), 5)).pool_rows is first.pool_rows
            await made.play(duel("chess", "p3", "p4"))
            second = await boards.page(POOL, ELO, FromPlace(0), 5)
            assert second.pool_rows is not first.pool_rows
            assert second.pool_rows.whole

            await made.play(*(duel("chess", *pair) for pair in pairwise(names)))
            third = await boards.page(POOL, ELO, FromPlace(0), 5)
            assert third.total == 90
            assert not third.pool_rows.whole
            assert len(third.pool_rows.skills) == 30
            # Nobody twice: no rating is drawn more often than there are players who have it.
            drawn = Counter(third.pool_rows.skills[:, 0].tolist())
            assert drawn <= Counter(rating for _, rating in await everyone(made))
            seconds = 9.9
            await made.play(duel("chess", "p3", "p4"))
            assert (await boards.page(POOL, ELO, FromPlace(0), 5)).pool_rows is third.pool_rows
            seconds = 10.0
            assert (await boards.page(POOL, ELO, FromPlace(0), 5)).pool_rows is not third.pool_rows

    asyncio.run(run())


def test_rows_stand_for_the_same_position_as_the_page(redis_server: ValkeyServer) -> None:
    """Whoever has played since, a page and the rows beside it are of one moment."""

    async def run() -> None:
        async with league(redis_server.url, fresh()) as made:
            names = [f"p{index}" for index in range(20)]
            chance = random.Random(3)
            for _ in range(20):
                await made.play(duel("chess", *chance.sample(names, 2)))
                page = await made.boards.page(POOL, ELO, FromPlace(0), 50)
                assert sorted(page.pool_rows.skills[:, 0].tolist(), reverse=True) == page.values.tolist()
                assert str(page.position) == f"1-0-{page.position.offset}"

    asyncio.run(run())


def test_held_rows_are_bounded(redis_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "MOST_HELD", 2)

    async def run() -> None:
        async with league(redis_server.url, fresh()) as made:
            await made.play(*(duel(pool, "ann", "bob") for pool in ("a", "b", "c")))

            async def rows(pool: str) -> board.PoolRows:
                return (await made.boards.page(POOLS.configured(pool), ELO, FromPlace(0), 1)).pool_rows

            first, second = await rows("a"), await rows("b")
            assert await rows("a") is first
            await rows("c")
            # The one that was asked for longest ago went.
            assert await rows("a") is first
            assert await rows("b") is not second

    asyncio.run(run())


def test_another_generation_is_read_as_soon_as_it_is_live(redis_server: ValkeyServer) -> None:
    async def run() -> None:
        async with league(redis_server.url, fresh()) as made:
            await made.play(duel("chess", "ann", "bob"))
            assert (await made.boards.page(POOL, ELO, FromPlace(0), 1)).players == ["ann"]
            # Built beside the first, with the same totals and another result.
            await made.store.command("SET", made.keys().live, "2")
            other = League(redis_server.url, made.installation)
            await other.play(duel("chess", "bob", "ann"))
            page = await made.boards.page(POOL, ELO, FromPlace(0), 9)
            assert page.players == ["bob", "ann"]
            assert str(page.position) == "2-0-1"
            assert page.pool_rows.generation == "2"
            await other.store.close()

    asyncio.run(run())


def test_unknown_pools_and_players_are_told_apart(redis_server: ValkeyServer) -> None:
    async def run() -> None:
        async with league(redis_server.url, fresh()) as made:
            await made.play(duel("chess", "ann", "bob"))
            with pytest.raises(Problem, match="no match of 'cid' was applied in the pool 'chess'"):
                await made.boards.page(POOL, ELO, Around("cid"), 1)
            with pytest.raises(Problem, match="no match of the pool 'go'"):
                await made.boards.page(POOLS.configured("go"), ELO, Around("ann"), 1)

    asyncio.run(run())
