"""Matchups of campaigns: never more than the budget, counted since they began, each draw accounted for."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.campaigns import create
from service.campaigns.certificate import Certificate
from service.columns import Floats
from service.matchups.draw import draw
from service.matchups.field import Field
from service.problems import Problem
from service.store.campaigns import Begun, Campaigns, pack_counts, unpack_counts
from service.store.connection import Argument
from service.store.leases import Lease
from service.store.partitions import Partitions, Position
from service.suggest.account import Account, Base
from service.suggest.ask import Ask
from service.suggest.campaign import Progress, Running
from service.suggest.desk import Given
from tests.league import TOPIC, Owner, duel
from tests.suggesting import MINUTE_MS, BetweenStore, Shop, players_of
from tests.unit.test_scripts import KEYS, FakeStore

PLAYERS = ("p3", "p0", "p4", "p1", "p2")
"""In another order than the store has them."""


async def begin(shop: Shop, method: str = "settle", side_count: int = 2, **parameters: Any) -> Running:
    """Begin a campaign from what is counted now."""
    made: dict[str, Any] = {"players": PLAYERS, "budget": 7, **parameters}
    pairs = await shop.pairs.read(shop.pool)
    campaign = create(method, made)
    return Running("ca-x", campaign, side_count, pairs.position, pairs.heavy, pairs.among(campaign.players)[0])


async def pursue(shop: Shop, running: Running, count: int = 1, request_id: str | None = None) -> Given:
    ask = Ask(
        policy=running.campaign,
        floor=0.0,
        seed=count,
        lease_ms=MINUTE_MS,
        count=count,
        side_count=running.side_count,
        candidates=running.campaign.players,
        newcomers=True,
        request_id=request_id,
        running=running,
    )
    return await shop.suggestions.suggest(shop.pool, ask)


async def look(shop: Shop, running: Running) -> Progress:
    progress = (await pursue(shop, running, count=0)).progress
    assert progress is not None
    return progress


async def play(shop: Shop, leases: Mapping[str, Lease]) -> None:
    """Have who is named first in the campaign win."""
    results = []
    for id_, lease in leases.items():
        winner, loser = sorted(players_of({id_: lease}), key=PLAYERS.index)
        results.append({**duel(shop.pool.name, winner, loser), "matchup": id_})
    await shop.owner.play(results)


class Others(BetweenStore):
    """Lets another process come first before leases are taken, for the same campaign."""

    pursued: Running | None = None

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        if name == "take_leases" and self.others and self.pursued is not None:
            one, *rest = self.others
            self.others = []
            await pursue(one, self.pursued, 2)
            self.others = rest
        return await super(BetweenStore, self).run(name, keys, arguments)


def test_never_more_than_the_budget_is_handed_out() -> None:
    async def run() -> None:
        store = Others()
        shop, other = Shop(store), Shop(store)
        await shop.begin(sorted(PLAYERS))
        running = store.pursued = await begin(shop)
        # Others take some in between, so that what was drawn is drawn anew.
        store.others = [Shop(store), Shop(store)]
        answers = await asyncio.gather(*(pursue((shop, other)[number % 2], running, 2) for number in range(30)))
        leases = await shop.open()
        assert len(leases) == 7
        assert sum(len(given.leases) for given in answers) == len({id_ for given in answers for id_ in given.leases})
        assert all(given.leases.items() <= leases.items() for given in answers)
        assert all(lease.campaign == "ca-x" and "players" not in lease.parameters for lease in leases.values())
        first, *rest = leases
        await play(shop, {first: leases[first]})
        await shop.suggestions.give_back(shop.pool, rest[0])
        # A result leaves as much as it took; what is given back is there again.
        progress = await look(shop, running)
        assert (progress.used, progress.under_way, progress.left) == (1, 5, 1)
        # So is what ends without a result; what was suggested to others is none of it.
        shop.seconds += 60
        await shop.suggest()
        progress = await look(shop, running)
        assert (progress.used, progress.under_way, progress.left) == (1, 0, 6)
        given = await pursue(shop, running, 9)
        assert len(given.leases) == 6
        await play(shop, given.leases)
        progress = await look(shop, running)
        assert progress.certificate is not None
        assert (progress.certificate.stopped, progress.certificate.matches, progress.left) == ("budget", 7, 0)
        assert not (await pursue(shop, running)).leases

    asyncio.run(run())


def test_a_repeat_gets_the_same_of_its_own_campaign() -> None:
    async def run() -> None:
        shop = Shop(FakeStore())
        await shop.begin(sorted(PLAYERS))
        running = await begin(shop, budget=100)
        elsewhere = await shop.suggest(request_id="tab")
        first = (await pursue(shop, running, 2, "tab")).leases
        assert (await pursue(shop, running, 2, "tab")).leases == first
        assert not set(first) & set(elsewhere)
        assert set((await pursue(shop, replace(running, id="ca-y"), 2, "tab")).leases).isdisjoint(first)
        assert await shop.suggest(request_id="tab") == elsewhere

    asyncio.run(run())


@pytest.mark.parametrize(("method", "side_count"), [("settle", 2), ("settle", 3), ("knockout", 2)])
def test_every_draw_can_be_made_again_from_its_account(method: str, side_count: int) -> None:
    async def run() -> tuple[Shop, list[tuple[Position, Floats]]]:
        shop = Shop(FakeStore())
        await shop.begin(sorted(PLAYERS))
        running = await begin(shop, method, side_count, budget=1000)
        counted = [(running.position, running.wins)]
        for number in range(8):
            leases = (await pursue(shop, running, 1 + number % 3)).leases
            if side_count == 2:
                await play(shop, leases)
            else:
                # Of others, who count as much.
                await shop.owner.play([duel("arena", "p4", "p2")])
            await shop.suggest("uniform")
            pairs = await shop.pairs.read(shop.pool)
            counted.append((pairs.position, pairs.among(PLAYERS)[0]))
            shop.seconds += 0.4
        return shop, counted

    shop, counted = asyncio.run(run())
    wins_at = {str(position): wins for position, wins in counted}
    base, under_way, matchups = None, dict[str, list[int]](), 0
    for record in shop.topic.records:
        if isinstance(record, Base):
            base, under_way = record, {id_: list(rows) for id_, rows in record.open.items()}
            continue
        assert base is not None
        account = msgspec.json.decode(msgspec.json.encode(record), type=Account)
        under_way = {id_: rows for id_, rows in under_way.items() if id_ not in account.closed}
        under_way |= {id_: list(rows) for id_, rows in account.opened.items()}
        rng = np.random.default_rng(account.seed)
        for drawn in account.matchups:
            if account.campaign is not None and account.candidates is not None:
                rows = account.candidates
                policy = create(account.policy, {**account.parameters, "players": [base.players[row] for row in rows]})
                assert policy.players == PLAYERS
                wins = wins_at[account.campaign.position] - wins_at[account.campaign.begun]
                field = replace(_field(base, under_way, rows), wins=wins)
                found = draw(policy, field, account.side_count, account.floor, rng)
                assert [rows[place] for place in found.players] == list(drawn.taken)
                assert (found.propensity, found.built, found.score) == (drawn.propensity, drawn.built, drawn.score)
                rng.permutation(account.side_count)
                matchups += 1
            under_way[drawn.id] = list(drawn.taken)
    assert matchups == 15


def _field(base: Base, under_way: Mapping[str, Sequence[int]], rows: Sequence[int]) -> Field:
    columns = (base.rating, base.deviation, base.location, base.variance, base.matches)
    rating, deviation, location, variance, matches = (np.array(column) for column in columns)
    whole = Field(rating, deviation, location, variance, base.link, matches, np.empty((0, 2), np.int32))
    for players in under_way.values():
        whole = whole.with_match(players)
    return whole.among(np.array(rows, dtype=np.int32))


def test_a_rebuild_changes_nothing_and_a_log_that_differs_is_noticed() -> None:
    async def run() -> None:
        shop = Shop(FakeStore())
        history = [("p0", "p1"), ("p2", "p1"), ("p3", "p4")]
        await shop.owner.play([duel("arena", *pair) for pair in history])
        running = await begin(shop, budget=100)
        since = [("p1", "p0"), ("p4", "p0")]
        await shop.owner.play([duel("arena", *pair) for pair in since])
        before = await look(shop, running)
        assert before.wins.sum() == before.used == 2
        # The same log again, in another generation.
        await _rebuild(shop, "2", history + since)
        after = await look(shop, running)
        assert (after.wins == before.wins).all()
        assert str(after.position) == "2-0-5"
        # As Redis was before the campaign; ingest will bring it up to there.
        shop.store.fake.hset(KEYS.state.replace("/1/", "/2/"), "position", 2)
        with pytest.raises(Problem, match="stands at 2-0-2") as raised:
            await look(shop, replace(running, position=Position("2", 0, 3)))
        assert raised.value.type.slug == "not_applied_yet"
        await _rebuild(shop, "3", [*history[1:], *since, ("p1", "p0")])
        with pytest.raises(Problem, match="are not what they were") as raised:
            await look(shop, running)
        assert raised.value.type.slug == "campaign_void"
        # Nobody else is held up.
        assert await shop.suggest()

    asyncio.run(run())


async def _rebuild(shop: Shop, generation: str, matches: Sequence[tuple[str, str]]) -> None:
    beside = FakeStore()
    await Owner(beside, KEYS, 1).play([duel("arena", *pair) for pair in matches])
    for key in beside.fake.scan_iter():
        name = cast("bytes", key).decode().replace("/1/", f"/{generation}/")
        shop.store.fake.restore(name, 0, cast("bytes", beside.fake.dump(key)))
    shop.store.fake.set(KEYS.live, generation)


def test_it_ends_once_and_is_dropped_whole() -> None:
    store = FakeStore()
    partitions = Partitions(store, KEYS.installation, TOPIC, "murmur2")
    campaigns = Campaigns(store, partitions, KEYS.installation, TOPIC)
    shop = Shop(store)

    async def run() -> None:
        await shop.begin(sorted(PLAYERS))
        running = await begin(shop)
        parameters = msgspec.to_builtins(running.campaign)
        begun = Begun("ca-x", "settle", parameters, 2, running.position, 0, 17, "r", "digest")
        assert await campaigns.create("arena", begun, running.wins)
        # What comes second changes nothing.
        assert await campaigns.create("arena", replace_begun(begun, at=99), np.zeros_like(running.wins))
        found = await campaigns.read("arena", "ca-x")
        assert found is not None
        assert found.begun.campaign() == running.campaign
        assert (found.begun.at, found.begun.position, found.certificate) == (17, running.position, None)
        assert (unpack_counts(found.counted or b"", 5) == running.wins).all()
        first, second = (Certificate("full", "r", "budget", (), (), (), n, 0.1, 0.1, "1-0-9") for n in (7, 8))
        await campaigns.end("arena", replace_begun(begun, at=99), second)
        for certificate in (first, second):
            await campaigns.end("arena", found.begun, certificate)
        ended = await campaigns.read("arena", "ca-x")
        assert ended is not None
        assert (ended.counted, ended.certificate) == (None, first)
        (listed,) = await campaigns.read_all("arena")
        assert listed.ended is not None
        assert (listed.ended.matches, listed.ended.stopped) == (7, "budget")
        for _ in range(2):
            await campaigns.drop("arena", "ca-x")
            assert await campaigns.read("arena", "ca-x") is None
        await campaigns.end("arena", found.begun, first)
        assert not store.fake.exists(KEYS.campaigns("arena"), KEYS.counted("arena"), KEYS.certificates("arena"))

    asyncio.run(run())


def replace_begun(begun: Begun, **more: Any) -> Begun:
    return msgspec.structs.replace(begun, **more)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 200))
def test_counts_come_back_as_they_were(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    wins = np.where(rng.random((count, count)) < 0.3, rng.integers(0, 9, (count, count)) * 0.75, 0.0)
    np.fill_diagonal(wins, 0.0)
    packed = pack_counts(wins)
    assert (unpack_counts(packed, count) == wins).all()
    assert len(packed) <= 20 * count * (count - 1) // 2
