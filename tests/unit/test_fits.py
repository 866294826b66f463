"""Stored fits: the same posterior comes back, from which later results go on; late and lost writes do no harm."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from service.columns import Floats
from service.matchups.posterior import fit, unknown
from service.pools import Pools
from service.store.fits import fit_of, read_arenas, read_fit, write_fit
from service.store.pairs import read_pairs
from service.store.partitions import Partitions, Position
from tests.league import TOPIC, Owner, duel
from tests.unit.test_scripts import KEYS, FakeStore

POOL = Pools().configured("arena")


def results(players: int, matches: int, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    skills = rng.standard_normal(players)
    wins = np.zeros((players, players))
    for _ in range(matches):
        a, b = rng.choice(players, 2, replace=False)
        if skills[a] + 0.5 * rng.standard_normal() < skills[b] + 0.5 * rng.standard_normal():
            a, b = b, a
        wins[a, b] += 1.0
    return wins


async def begun(store: FakeStore, matches: int = 3) -> Partitions:
    owner = Owner(store, KEYS, 1)
    await owner.play([duel("arena", f"p{number + 1}", f"p{number}") for number in range(matches)])
    return Partitions(store, KEYS.installation, TOPIC, "murmur2")


def test_the_posterior_comes_back() -> None:
    wins = results(12, 80)
    made = fit(wins, unknown(12))
    stored = fit_of(made, Position("1", 0, 80))
    assert stored.sites.itemsize == 52
    found = stored.posterior()
    assert found.noise == made.noise
    for one, other in ((found.wins, wins), (wins * found.precision, wins * made.precision)):
        assert np.array_equal(one, other)
    assert found.mean == pytest.approx(made.mean, abs=1e-12)
    assert found.covariance == pytest.approx(made.covariance, abs=1e-12)


def test_later_results_are_near_a_fit_of_all() -> None:
    wins = results(12, 400)
    stored = fit_of(fit(wins, unknown(12)), Position("1", 0, 400))
    more = wins + results(12, 12, seed=2)
    gone_on, afresh = stored.posterior().with_results(more), fit(more, unknown(12))
    deviation = np.sqrt(np.diag(afresh.covariance))
    assert np.abs(gone_on.mean - afresh.mean).max() < 0.5 * deviation.min()
    assert np.sqrt(np.diag(gone_on.covariance)) == pytest.approx(deviation, rel=0.1)


def test_what_is_under_way_is_expected_as_of_each_alone() -> None:
    posterior = fit(results(9, 60), unknown(9))
    orders = [np.array(order, np.int32) for order in ((0, 3), (2, 5, 7, 1), (0, 3))]
    found = posterior.with_matches(orders)
    # By the definition: what each match adds to the precision, on its own.
    precision = np.linalg.inv(posterior.covariance)
    whole = precision + sum(np.linalg.inv(posterior.with_match(order).covariance) - precision for order in orders[::2])
    assert posterior.with_matches(orders[::2]).covariance == pytest.approx(np.linalg.inv(whole), abs=1e-9)
    assert np.array_equal(found.mean, posterior.mean)
    assert (np.diag(found.covariance) < np.diag(posterior.covariance)).all()
    assert posterior.with_matches([]) is posterior


def test_it_is_read_once_and_known_to_be_behind() -> None:
    async def run() -> None:
        store = FakeStore()
        partitions = await begun(store)
        assert await read_arenas(partitions, 0) == ["arena"]
        read = await read_fit(partitions, POOL)
        assert (read.at, read.fit, read.fresh) == (None, None, False)
        pairs = await read_pairs(partitions, POOL)
        made = fit_of(fit(pairs.wins, unknown(4)), pairs.position)
        assert await write_fit(store, KEYS, "arena", made)
        read = await read_fit(partitions, POOL)
        assert read.fresh
        assert read.fit is not None
        assert np.array_equal(read.fit.sites, made.sites)
        assert (read.fit.players, read.fit.noise, read.at) == (4, made.noise, made.position)
        held = await read_fit(partitions, POOL, read.at)
        assert (held.at, held.fit) == (read.at, None)
        await begun_more(store)
        assert not (await read_fit(partitions, POOL, read.at)).fresh
        store.fake.delete(KEYS.fit("arena"))
        assert (await read_fit(partitions, POOL, read.at)).at is None

    async def begun_more(store: FakeStore) -> None:
        # As ingest would: the next match of the same log.
        store.fake.zadd(KEYS.paired("arena"), {"0": 4})
        store.fake.hset(KEYS.state, "position", "4")

    asyncio.run(run())


def test_only_a_fit_that_is_good_is_written() -> None:
    async def run() -> None:
        store = FakeStore()
        partitions = await begun(store)
        made = fit_of(fit(results(4, 9), unknown(4)), Position("1", 0, 3))
        early, ahead = (replace(made, position=replace(made.position, offset=offset)) for offset in (2, 4))
        assert not await write_fit(store, KEYS, "arena", ahead)
        assert await write_fit(store, KEYS, "arena", made)
        assert not await write_fit(store, KEYS, "arena", early)
        assert await write_fit(store, KEYS, "arena", made)
        assert not await write_fit(store, replace(KEYS, generation="2"), "arena", made)
        # Redis goes back behind the fit: it is none, and gives way.
        store.fake.hset(KEYS.state, "position", "2")
        assert (await read_fit(partitions, POOL)).at is None
        assert await write_fit(store, KEYS, "arena", early)
        assert store.fake.keys("*fits*") == [KEYS.fit("arena").encode()]

    asyncio.run(run())
