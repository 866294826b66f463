"""Leases: what one draw has given is under way for the next, until its result, its end, or until it is given back."""

import asyncio

import pytest

from service.problems import Problem
from service.store import leases as store_of_leases
from service.suggest import desk
from tests.league import duel
from tests.suggesting import MINUTE_MS, BetweenStore, Shop, players_of
from tests.unit.test_scripts import KEYS, FakeStore

NAMES = [f"p{number}" for number in range(8)]


@pytest.fixture
def shop() -> Shop:
    return Shop(FakeStore())


def test_many_callers_at_once_get_different_players(shop: Shop) -> None:
    names = [f"p{number}" for number in range(201)]

    async def run() -> None:
        await shop.begin(names)
        answers = await asyncio.gather(*(shop.suggest() for _ in range(100)))
        found = [name for leases in answers for name in players_of(leases)]
        # The first of them has played against all others.
        assert sorted(found) == sorted(names[1:])
        assert await shop.open() == {id_: lease for leases in answers for id_, lease in leases.items()}

    asyncio.run(run())


def test_a_lease_that_ends_gives_its_budget_back(shop: Shop) -> None:
    async def run() -> None:
        await shop.begin(NAMES)
        short = await shop.suggest(count=2, lease_ms=MINUTE_MS)
        long = await shop.suggest(lease_ms=5 * MINUTE_MS)
        shop.seconds += 59
        assert set(await shop.open()) == {*short, *long}
        shop.seconds += 1
        assert set(await shop.open()) == set(long)
        # Nobody is told to end it: that is done with the next ones that are taken.
        assert shop.stored() == {*short, *long}
        later = await shop.suggest()
        assert shop.stored() == {*long, *later}
        assert not set(players_of(later)) & set(players_of(long))

    asyncio.run(run())


def test_what_is_given_back_is_not_under_way(shop: Shop) -> None:
    async def run() -> None:
        await shop.begin(["a", "b", "c"])
        (first,) = await shop.suggest()
        for _ in range(2):
            await shop.suggestions.give_back(shop.pool, first)
            assert not await shop.open()
        await shop.suggestions.give_back(shop.pool, "nothing such")
        again = await shop.suggest()
        assert set(players_of(again)) == {"b", "c"}

    asyncio.run(run())


def test_a_result_closes_its_lease(shop: Shop) -> None:
    async def run() -> None:
        await shop.begin(NAMES)
        leases = await shop.suggest(count=3)
        first, second, third = leases
        name = shop.pool.name
        results = [{**duel(name, *players_of({id_: leases[id_]})), "matchup": id_} for id_ in (first, third)]
        await shop.owner.play([*results, {**duel(name, "p0", "p1"), "matchup": "1-0-mu-unknown"}])
        assert set(await shop.open()) == {second}
        # Late, or sent again under another id: a match as any other.
        await shop.owner.play([results[0]])
        assert set(await shop.open()) == {second}

    asyncio.run(run())


def test_a_request_that_is_repeated_gets_the_same(shop: Shop) -> None:
    async def run() -> None:
        await shop.begin(NAMES)
        first, at_once = await asyncio.gather(*(shop.suggest(count=2, request_id="tab") for _ in range(2)))
        other = await shop.suggest(request_id="another")
        assert first == at_once == await shop.suggest(count=2, request_id="tab")
        assert not set(first) & set(other)
        # By a process that knows nothing of it, too.
        assert first == await Shop(shop.store).suggest(count=2, request_id="tab")
        assert len(shop.stored()) == 3
        one, two = first
        await shop.suggestions.give_back(shop.pool, one)
        assert set(await shop.suggest(count=2, request_id="tab")) == {two}
        shop.seconds += MINUTE_MS / 1000
        assert not set(await shop.suggest(count=2, request_id="tab")) & set(first)

    asyncio.run(run())


def test_a_draw_is_made_again_where_others_came_between() -> None:
    store = BetweenStore()
    shop, other = Shop(store), Shop(store)

    async def run() -> None:
        await shop.begin(["a", "b", "c", "d", "e"])
        store.others = [other]
        mine = await shop.suggest()
        theirs = {id_: lease for id_, lease in (await shop.open()).items() if id_ not in mine}
        # Least played, it had been the same pair as likely as not.
        assert sorted(players_of(mine) + players_of(theirs)) == ["b", "c", "d", "e"]
        store.others = [other] * desk.MOST_TRIES
        with pytest.raises(Problem, match="in between") as told:
            await shop.suggest()
        assert told.value.type.slug == "too_busy"

    asyncio.run(run())


def test_open_leases_are_bounded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_of_leases, "MOST_OPEN", 5)

    async def run() -> None:
        await shop.begin(NAMES)
        await shop.suggest(count=3)
        with pytest.raises(Problem, match="open matchups") as told:
            await shop.suggest(count=3)
        assert told.value.type.slug == "too_busy"
        assert len(shop.stored()) == 3
        await shop.suggest(count=2)
        shop.seconds += MINUTE_MS / 1000
        await shop.suggest(count=5)
        assert len(shop.stored()) == 5

    asyncio.run(run())


def test_what_cannot_be_accounted_for_is_not_given(shop: Shop) -> None:
    async def run() -> None:
        await shop.begin(NAMES)
        shop.topic.away = True
        asked = [shop.suggestions.suggest(shop.pool, shop.ask(request_id=name)) for name in ("tab", "tab", None)]
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(answer, Problem)
            assert answer.type.slug == "kafka_unavailable"
        assert not await shop.open()
        shop.topic.away = False
        await shop.suggest(request_id="tab")
        assert [record.type for record in shop.topic.records] == ["base", "matchups"]

    asyncio.run(run())


def test_leases_of_a_pool_are_its_own(shop: Shop) -> None:
    async def run() -> None:
        other = Shop(shop.store, name="chess")
        await shop.begin(NAMES)
        # An owner goes on from where it was.
        await shop.owner.play([duel("chess", "p1", "p2")])
        mine, theirs = await shop.suggest(), await other.suggest()
        assert await shop.open() == mine
        assert await other.open() == theirs
        with pytest.raises(Problem, match="go") as told:
            await shop.suggestions.open(Shop(shop.store, name="go").pool)
        assert told.value.type.slug == "unknown_pool"
        assert shop.fields(KEYS.taken) == {"arena": "1", "chess": "1"}

    asyncio.run(run())


def test_the_order_in_which_candidates_are_named_changes_nothing(shop: Shop) -> None:
    async def run() -> None:
        await shop.begin(NAMES)
        found = []
        for names in (NAMES, NAMES[::-1], None):
            leases = await shop.suggest("closest", candidates=names, seed=7)
            found.append([lease.sides for lease in leases.values()])
            for id_ in leases:
                await shop.suggestions.give_back(shop.pool, id_)
        assert found[0] == found[1] == found[2]

    asyncio.run(run())
