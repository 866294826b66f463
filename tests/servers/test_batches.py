"""Any size of batch and any number of consumers give the same bits; so do gaps in the offsets and a small window."""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.ingesting import Ingesting
from tests.made_up import RECEIPT, football, mixture, unique_name
from tests.oracle import Rules, top
from tests.replay import Replay, begin, expect
from tests.topics import producer, write

PARTITIONS = 3
LARGE, SMALL = 15_000, 900


@pytest.fixture(scope="module")
def large(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    folder = tmp_path_factory.mktemp("large")
    return begin(kafka.bootstrap, valkey.url, unique_name, folder, PARTITIONS, mixture(2, LARGE, PARTITIONS))


@pytest.fixture(scope="module")
def small(kafka: KafkaServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    folder = tmp_path_factory.mktemp("small")
    return begin(kafka.bootstrap, valkey.url, unique_name, folder, PARTITIONS, mixture(3, SMALL, PARTITIONS))


@pytest.mark.parametrize(
    ("log", "batch", "consumers"),
    [("small", 1, 2), ("large", 7, 3), ("large", 500, 2), ("large", 5_000, 1)],
)
def test_batch_and_consumers_do_not_matter(
    log: str, batch: int, consumers: int, request: pytest.FixtureRequest, unique: Unique
) -> None:
    here: Replay = request.getfixturevalue(log).elsewhere()
    group = unique("group")
    with ExitStack() as stack:
        processes = [stack.enter_context(here.ingest(group, batch)) for _ in range(consumers)]
        here.wait(*processes)
        if consumers > 1:
            for one in processes:
                one.wait_ready(lambda said: said["ready"] and len(said["partitions"]) in (1, 2))
    here.check()


def test_football_under_two_systems(
    kafka: KafkaServer, valkey: ValkeyServer, data: Path, unique: Unique, tmp_path: Path
) -> None:
    """By a pools file: Glicko-2 decides, Elo shadows it, both boards by rating less two deviations."""
    pools = tmp_path / "pools.toml"
    pools.write_text(
        """
        [pools."foot*"]
        profile = "arena"
        system = "glicko2"
        [[pools."foot*".shadows]]
        system = "elo"
        """
    )
    items = [one._replace(headers=RECEIPT if number % 20 == 0 else ()) for number, one in enumerate(football(data))]
    rules = Rules(("glicko2", "elo"), 2.0, pairs=True)
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, 2, items, pools, lambda pool: rules)
    (pool,) = (state.pools["football"] for state in here.expected.values() if state.pools)
    print(top(pool))  # noqa: T201  # for a reader to judge
    assert pool.tables.keys() == {"glicko2", "elo"}
    # A board of Elo by deviations must not hang on where the log was cut.
    for again, batch in ((here, 5_000), (here.elsewhere(), 377)):
        with again.ingest(batch=batch) as ingest:
            again.wait(ingest)
        again.check()


def test_transactions_that_were_aborted_leave_nothing_but_gaps(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS)
    rng = random.Random(5)

    async def write_all() -> None:
        items = mixture(4, 2_000, PARTITIONS)
        async with (
            producer(kafka.bootstrap, unique("one")) as one,
            producer(kafka.bootstrap, unique("other")) as other,
            producer(kafka.bootstrap) as plain,
        ):
            while items:
                # Two transactions at once and records outside of any, so that the markers lie among others' records.
                await one.begin_transaction()
                await other.begin_transaction()
                for client in (one, plain, other, one, plain):
                    count = rng.choice((0, 1, 40))
                    if items[:count]:
                        await write(client, here.place.topic, PARTITIONS, items[:count])
                    items = items[count:]
                for client in (one, other):
                    await (client.commit_transaction() if rng.random() < 0.6 else client.abort_transaction())
            # Nothing but gaps at the end.
            await one.begin_transaction()
            await write(one, here.place.topic, PARTITIONS, mixture(6, 50, PARTITIONS))
            await one.abort_transaction()

    asyncio.run(write_all())
    here = here.reread()
    for read in here.log.values():
        assert read.end > read.records[-1].offset + 1, "the log ends with a gap"
        assert len(read.records) < read.end - 50, "there are gaps inside"
    for batch in (1, 7, 5_000):
        again = here.elsewhere()
        with again.ingest(batch=batch) as ingest:
            again.wait(ingest)
        again.check()


def test_an_id_is_free_again_when_the_window_has_passed(small: Replay) -> None:
    window = 60
    narrow = f"import service.pools as p; p.SEEN_WINDOW = {window}; from standings.cli import main; main()"
    expected = expect(small.log, window)
    applied = {number: state.counts["applied"] for number, state in small.expected.items()}
    assert any(state.counts["applied"] > applied[number] for number, state in expected.items())
    for batch in (3, 100):
        here = replace(small.elsewhere(), window=window, expected=expected)

        def started(here: Replay = here, batch: int = batch) -> Ingesting:
            ingest = here.ingest(batch=batch)
            ingest.command = (sys.executable, "-c", narrow, "ingest")
            return ingest

        # Two are killed, so that the ids are those that were read back.
        for share in (0.3, 0.6):
            with started() as ingest:
                here.place.wait_past(int(sum(here.ends) * share), ingest)
                ingest.kill()
            here.check_as_far_as_it_is()
        with started() as ingest:
            here.wait(ingest)
        here.check()
