"""What suggestions see of all results at once: near a fit of everything, with what is under way, or refused by name."""

import asyncio
from collections.abc import Mapping

import numpy as np
import pytest

from service.matchups.posterior import fit, unknown
from service.problems import Problem
from service.store.fits import fit_of, write_fit
from service.store.leases import Lease
from service.store.pairs import read_pairs
from service.store.partitions import Partitions
from service.suggest import ask, known
from tests.league import TOPIC, duel
from tests.suggesting import Shop, players_of
from tests.unit.test_scripts import KEYS, FakeStore

PLAYERS = [f"p{number}" for number in range(6)]


async def fitted(shop: Shop) -> None:
    """Do what refit would."""
    pairs = await read_pairs(Partitions(shop.store, KEYS.installation, TOPIC, "murmur2"), shop.pool)
    found = fit(pairs.wins, unknown(len(pairs.names)))
    assert await write_fit(shop.store, KEYS, shop.pool.name, fit_of(found, pairs.position))


async def seen(shop: Shop, policy: str = "information_gain") -> Mapping[str, Lease]:
    """Suggest, once all that came is looked at."""
    shop.seconds += 10.0
    return await shop.suggest(policy)


def test_results_since_the_fit_and_matches_under_way_are_in_it() -> None:
    async def run() -> None:
        shop = Shop(FakeStore())
        await shop.begin(PLAYERS)
        with pytest.raises(Problem, match="are not fitted yet"):
            await seen(shop)
        assert await seen(shop, "response_graph_ucb")
        await fitted(shop)
        leases = list((await seen(shop)).values())
        base = shop.topic.records[-2]
        assert base.type == "base"
        assert base.posterior == base.pairs == base.position
        await shop.owner.play([duel("arena", "p3", "new"), duel("arena", "p3", "p1")])
        leases += (await seen(shop)).values()
        base = shop.topic.records[-2]
        assert base.type == "base"
        assert base.posterior == base.pairs == base.position
        assert sorted(base.open) == base.expected
        # Drawn with the others under way, and all of it from a posterior near that of a fit of everything.
        field = shop.suggestions._desks["arena"].known.field
        names = shop.suggestions._desks["arena"].known.names
        pairs = await read_pairs(Partitions(shop.store, KEYS.installation, TOPIC, "murmur2"), shop.pool)
        afresh = fit(pairs.wins, unknown(7)).of([pairs.names.index(name) for name in names])
        assert field.wins is not None
        assert field.posterior is not None
        assert np.array_equal(field.wins, pairs.among(names)[0])
        assert np.abs(field.posterior.mean - afresh.mean).max() < 0.2
        under_way = await shop.open()
        orders = [
            np.array([names.index(name) for name in players_of({"": one})], np.int32) for one in under_way.values()
        ]
        assert len(orders) == 3
        expected = afresh.with_matches(orders).covariance
        assert np.diag(field.posterior.covariance) == pytest.approx(np.diag(expected), abs=0.15)
        assert (np.diag(field.posterior.covariance) < np.diag(afresh.covariance) + 0.02).all()
        await shop.suggestions.close()

    asyncio.run(run())


def test_a_pool_of_newcomers_needs_no_fit() -> None:
    async def run() -> None:
        shop = Shop(FakeStore())
        # Something was applied, so the partition is there.
        await shop.owner.play([duel("chess", "ann", "bob")])
        (lease,) = (await shop.suggest("information_gain", candidates=["cid", "dan"], newcomers=True)).values()
        assert sorted(players_of({"": lease})) == ["cid", "dan"]
        await shop.suggestions.close()

    asyncio.run(run())


def test_a_lost_fit_is_missed_and_comes_again() -> None:
    async def run() -> None:
        shop = Shop(FakeStore())
        await shop.begin(PLAYERS)
        await fitted(shop)
        assert await seen(shop)
        shop.store.fake.delete(KEYS.fit("arena"))
        with pytest.raises(Problem, match="are not fitted yet"):
            await seen(shop)
        await fitted(shop)
        assert await seen(shop)
        await shop.suggestions.close()

    asyncio.run(run())


def test_more_players_than_are_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ask, known):
        monkeypatch.setattr(module, "MOST_PLAYERS", len(PLAYERS) - 1)

    async def run() -> None:
        shop = Shop(FakeStore())
        await shop.begin(PLAYERS)
        for policy in ("information_gain", "ucb"):
            with pytest.raises(Problem, match="up to 5 players") as refused:
                await seen(shop, policy)
            assert refused.value.errors[0].field == "policy"
        assert await seen(shop, "closest")
        await shop.suggestions.close()

    asyncio.run(run())
