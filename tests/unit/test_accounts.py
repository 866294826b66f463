"""Accounts of matchups: from the topic alone, each draw can be made again, and its chances compared bit for bit."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import jsonschema_rs
import msgspec
import numpy as np
import pytest
from prometheus_client import REGISTRY

from service.api.asyncapi import asyncapi
from service.matchups import create
from service.matchups.draw import draw
from service.matchups.exposure import balance_of, leans, shown_in_turn
from service.matchups.field import Field
from service.pool_file import parse_pools
from service.store.leases import Exposure
from service.suggest.account import Account, Base
from tests.league import duel
from tests.suggesting import BetweenStore, Shop, players_of
from tests.unit.test_scripts import KEYS, FakeStore

PLAYERS = [f"p{number}" for number in range(12)]


class Reader:
    """Reads accounts in their order; keeps what was known, as whoever judges another policy would."""

    def __init__(self) -> None:
        self.base: Base | None = None
        self.number = 0
        self.open: dict[str, list[int]] = {}
        self.matchups = 0

    def read(self, record: Base | Account) -> None:
        if isinstance(record, Base):
            self.base, self.number = record, 0
            self.open = {id_: list(rows) for id_, rows in record.open.items()}
            self.shown = np.array(record.exposure or [0] * len(record.players))
            return
        assert self.base is not None
        assert (record.base, record.number) == (self.base.base, self.number)
        self.number += 1
        for id_ in record.closed:
            self.open.pop(id_, None)
        self.open |= {id_: list(rows) for id_, rows in record.opened.items()}
        rng = np.random.default_rng(record.seed)
        everybody = np.delete(np.arange(len(self.base.players)), self.base.newcomers)
        candidates = everybody if record.candidates is None else np.array(record.candidates)
        for given in record.matchups:
            eligible = candidates
            if record.exposure is not None:
                mask = shown_in_turn(self.shown[candidates], record.exposure, record.side_count)
                eligible = candidates[mask]
            policy = create(record.policy, record.parameters)
            found = draw(policy, self._field(eligible), record.side_count, record.floor, rng)
            taken = eligible[list(found.players)]
            order = taken[rng.permutation(record.side_count)]
            assert taken.tolist() == list(given.taken)
            assert [self.base.players[row] for row in order] == list(given.shown)
            assert (found.propensity, found.built, found.score) == (given.propensity, given.built, given.score)
            assert record.order_propensity == 1 / math.factorial(record.side_count)
            self.open[given.id] = taken.tolist()
            self.shown[taken] += 1
            self.matchups += 1

    def _field(self, rows: Any) -> Field:
        base = self.base
        assert base is not None
        rating, deviation, location, variance, matches = (
            np.array(column) for column in (base.rating, base.deviation, base.location, base.variance, base.matches)
        )
        whole = Field(rating, deviation, location, variance, base.link, matches, np.empty((0, 2), np.int32))
        for players in self.open.values():
            whole = whole.with_match(players)
        return whole.among(rows.astype(np.int32))


@pytest.mark.parametrize("exposure", ["", "exposure = 2.0"])
def test_every_draw_can_be_made_again(exposure: str) -> None:
    pools = parse_pools(f'[pools.arena]\nprofile = "arena"\n[pools.arena.matchups]\nnewcomers = true\n{exposure}', "")
    store = BetweenStore()
    shop, other = Shop(store, pools), Shop(store, pools)

    async def run() -> None:
        await shop.begin(PLAYERS)
        rng = np.random.default_rng(7)
        for number in range(60):
            policy = ("least_played", "closest", "thompson", "uniform")[number % 4]
            more: dict[str, Any] = {"side_count": 2 + number % 3, "count": 1 + number % 2, "floor": 0.2}
            if number % 5 == 1:
                more |= {"candidates": [*PLAYERS[3:9], "new"], "newcomers": True}
            if number % 5 == 2:
                more |= {"exclude": PLAYERS[:4]}
            asked = [shop.suggest(policy, **more), shop.suggest(policy)]
            given, _ = await asyncio.gather(*asked)
            if number % 3 == 0:
                # Before the next ones are taken that were drawn without it.
                store.others = [other, other]
            if number % 4 == 0:
                id_, lease = next(iter(given.items()))
                first, second, *_ = players_of({id_: lease})
                await shop.owner.play([{**duel("arena", first, second), "matchup": id_}])
            if number % 7 == 0:
                await shop.suggestions.give_back(shop.pool, rng.choice(list(await shop.open())))
            # Now and then leases end, and deviations are grown anew.
            shop.seconds += 0.3
            shop.seconds += 30 * (number % 20 == 0)

    asyncio.run(run())
    described = asyncapi("matches", "murmur2")["components"]
    validators = {
        kind: jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": described})
        for kind, name in (("base", "Base"), ("matchups", "Account"))
    }
    for topic, matchups in ((shop.topic, 60 + 30 + 60), (other.topic, 40)):
        reader = Reader()
        for record in topic.records:
            # As it lies in the topic.
            packed = msgspec.json.encode(record)
            validators[record.type].validate(msgspec.json.decode(packed))
            reader.read(msgspec.json.decode(packed, type=type(record)))
        assert reader.matchups == matchups
    # What is stored of places is what was shown, whoever came first and whatever was drawn in vain.
    lean = leanings([*shop.topic.records, *other.topic.records])
    stored = {name: Exposure.unpack(value.encode()) for name, value in shop.fields(KEYS.exposure("arena")).items()}
    assert bool(stored) is bool(exposure)
    for name, counted in stored.items():
        assert counted.lean == pytest.approx(lean[name], abs=1e-9)
    kinds = [record.type for record in shop.topic.records]
    # Ratings and names are written down once for several requests.
    assert kinds[0] == "base"
    assert kinds.count("base") < kinds.count("matchups") / 2


def leanings(records: Sequence[Base | Account]) -> dict[str, float]:
    """Towards which places everybody was shown."""
    found: dict[str, float] = defaultdict(float)
    for account in [one for one in records if isinstance(one, Account)]:
        for matchup in account.matchups:
            for name, lean in zip(matchup.shown, leans(account.side_count).tolist(), strict=True):
                found[name] += lean
    return found


def test_nobody_is_shown_much_more_often_than_somebody_else() -> None:
    pools = parse_pools("[pools.chess.matchups]\nexposure = 2\npolicy = 'uniform'", "")
    shop = Shop(FakeStore(), pools, name="chess")

    async def run() -> None:
        await shop.begin(PLAYERS)
        shown, lean = dict.fromkeys(PLAYERS, 0), dict.fromkeys(PLAYERS, 0.0)
        for number in range(120):
            # Left to itself, the policy would show these two alone.
            candidates = PLAYERS[:2] if number % 3 == 0 and number > 60 else None
            first, second = players_of(await shop.suggest("uniform", candidates=candidates))
            for name, towards in ((first, 1.0), (second, -1.0)):
                shown[name] += 1
                lean[name] += towards
            if candidates is None:
                least = max(1, min(shown.values()))
                assert all(count <= 2 * least for name, count in shown.items() if name not in PLAYERS[:2])
        key = KEYS.exposure("chess")
        stored = {name: Exposure.unpack(value.encode()) for name, value in shop.fields(key).items()}
        assert stored == {name: Exposure(count, lean[name]) for name, count in shown.items()}
        assert (await shop.suggestions.open(shop.pool)).balance == balance_of(
            np.array(list(shown.values())), np.array(list(lean.values()))
        )
        # Who comes now begins where the least shown stands, and is not shown until it has caught up with the rest.
        await shop.owner.play([duel("chess", "late", "p0")])
        await shop.suggest("uniform")
        late = Exposure.unpack(shop.fields(key)["late"].encode()).shown
        assert late - min(shown.values()) in (0, 1)
        balance = (await shop.suggestions.open(shop.pool)).balance
        assert balance is not None
        assert REGISTRY.get_sample_value("standings_exposure_ratio") == balance.ratio
        assert REGISTRY.get_sample_value("standings_position_imbalance") == balance.imbalance

    asyncio.run(run())
