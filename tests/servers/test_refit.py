"""Refit as it really runs: fits follow results, go on after a restart, and come again where they are lost."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from service.matchups.posterior import fit, unknown
from service.pools import Pools
from service.store.fits import FitRead, read_fit
from service.store.pairs import Pairs, read_pairs
from standings.embedded import KafkaServer, ValkeyServer
from tests.api import is_problem
from tests.conftest import Unique
from tests.ingesting import DEADLINE_S, Ingesting, Place, Refitting
from tests.league import TOPIC, League, duel, league
from tests.servers.test_matchups import PATH, names_of, played, suggested, suggesting
from tests.topics import make

POOL = "arena"
LOOK_S = 0.05


def refitting(url: str, installation: str, folder: Path) -> Refitting:
    return Refitting(Place("", url, TOPIC, 1, installation), folder / "refit.log", "")


async def fitted(made: League, refit: Refitting) -> tuple[FitRead, Pairs]:
    """Wait until the fit stands for all results."""
    pool = Pools().configured(POOL)
    assert refit.process is not None
    async with asyncio.timeout(DEADLINE_S):
        while not (read := await read_fit(made.partitions, pool)).fresh:
            assert refit.process.poll() is None, refit.said()
            await asyncio.sleep(LOOK_S)
    return read, await read_pairs(made.partitions, pool)


def test_fits_follow_results(valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    installation = unique("refit")

    async def run() -> None:
        async with league(valkey.url, installation) as made:
            with refitting(valkey.url, installation, tmp_path) as refit:
                await asyncio.to_thread(refit.wait_ready, lambda ready: bool(ready["ready"]))
                await made.play(*(duel(POOL, "ann", "bob") for _ in range(3)), duel("chess", "cid", "dan"))
                read, pairs = await fitted(made, refit)
                assert read.fit is not None
                # From nothing on the fit is that of this process, but for the order in which libraries add up.
                expected = fit(pairs.wins, unknown(2))
                assert read.fit.posterior().mean == pytest.approx(expected.mean, rel=1e-9)
                assert await made.store.command("EXISTS", made.keys().fit("chess")) == 0
                assert await asyncio.to_thread(refit.metric, "standings_fit_seconds_count") == 1.0
                await made.store.command("DEL", made.keys().fit(POOL))
                again, _ = await fitted(made, refit)
                assert again.at == read.at
            await made.play(duel(POOL, "cid", "ann"))
            with refitting(valkey.url, installation, tmp_path) as refit:
                later, pairs = await fitted(made, refit)
                assert later.fit is not None
                assert later.fit.players == 3
                found, afresh = later.fit.posterior(), fit(pairs.wins, unknown(3))
                assert np.abs(found.mean - afresh.mean).max() < 0.1
                assert found.mean.argmax() == 2

    asyncio.run(run())


def test_what_to_play_next_follows_what_was_played(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    place = Place(kafka.bootstrap, valkey.url, unique("topic"), 1, unique("refit"))
    make(place.kafka, place.topic, 1)
    body = {"policy": "information_gain", "floor": 0.0}

    async def run() -> None:
        async with suggesting(place) as ask:
            # Ann before bob, and cid before dan; nobody knows how the two pairs compare.
            await played(ask, POOL, *[("ann", "bob")] * 6, *[("cid", "dan")] * 6)
            refused = await ask.post(PATH.format(POOL), body)
            is_problem(refused, 409, "not_fitted_yet")
            assert refused.headers["Retry-After"] == "1"
            assert (await suggested(ask, POOL, policy="closest"))["matchups"]
            with Refitting(place, tmp_path / "refit.log", "") as refit:
                async with asyncio.timeout(DEADLINE_S):
                    while (answer := await ask.post(PATH.format(POOL), body)).status_code == 409:
                        assert refit.process is not None
                        assert refit.process.poll() is None, refit.said()
                        await asyncio.sleep(LOOK_S)
                assert answer.status_code == 200, answer.text
                (first,) = answer.json()["matchups"]
                assert first["propensity"] == 1.0
                assert first["why"]["unit"] == "bits"
                assert set(names_of(first)) in ({"ann", "cid"}, {"bob", "dan"})
                # Under way it tells little more; nor does its pair once that is resolved.
                second = await suggested(ask, POOL, **body)
                assert set(names_of(second["matchups"][0])) != set(names_of(first))
                winner, loser = names_of(first)
                await played(ask, POOL, *[(winner, loser)] * 12, matchup=first["id"])
                async with asyncio.timeout(DEADLINE_S):
                    # The view that is answered from follows within seconds.
                    while set(names_of((await suggested(ask, POOL, **body))["matchups"][0])) == set(names_of(first)):
                        await asyncio.sleep(LOOK_S)

    with Ingesting(place, tmp_path / "ingest.log", unique("group")) as ingest:
        ingest.wait_ready(lambda ready: bool(ready["ready"]))
        asyncio.run(run())
