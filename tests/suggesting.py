"""Suggestions without servers: a store in this process, a list in place of the topic, a clock that the test moves."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from service.log import LogUnavailable
from service.matchups import create
from service.pools import Pool, Pools
from service.store.connection import Argument
from service.store.leases import Lease, Leases
from service.store.pairs import PairCounts
from service.store.partitions import Partitions
from service.suggest.account import Account, Base
from service.suggest.ask import Ask
from service.suggest.desk import Suggestions
from service.suggest.keeper import Keeper
from tests.league import TOPIC, Owner, duel
from tests.unit.test_scripts import KEYS, FakeStore

MINUTE_MS = 60_000


class Topic(Keeper):
    """Keeps accounts in a list, or as many of them as it is told."""

    def __init__(self) -> None:
        self.records: list[Base | Account] = []
        self.away = False

    async def keep(self, pool: str, partitions: int, records: Sequence[Base | Account]) -> None:
        assert partitions == 1
        assert all(record.pool == pool for record in records)
        if self.away:
            raise LogUnavailable("it is away")
        self.records += records

    async def close(self) -> None:
        """Nothing is connected."""


class Shop:
    """One process that suggests, and a pool that it suggests from."""

    def __init__(self, store: FakeStore, pools: Pools | None = None, name: str = "arena") -> None:
        self.store = store
        self.topic = Topic()
        self.seconds = 1_800_000_000.0
        self.pool: Pool = (pools or Pools()).configured(name)
        partitions = Partitions(store, KEYS.installation, TOPIC, "murmur2")
        leases = Leases(store, partitions, KEYS.installation, TOPIC)
        self.pairs = PairCounts(partitions)
        self.suggestions = Suggestions(partitions, leases, self.topic, self.pairs, lambda: self.seconds)
        self.owner = Owner(store, KEYS, 1, pools)
        self._seed = 0

    async def begin(self, players: Iterable[str]) -> None:
        """Have each player win once against the first."""
        first, *rest = players
        await self.owner.play([duel(self.pool.name, name, first) for name in rest])

    def ask(self, policy: str = "least_played", **more: Any) -> Ask:
        self._seed += 1
        made: dict[str, Any] = {"floor": 0.0, "seed": self._seed, "lease_ms": MINUTE_MS, **more}
        return Ask(create(policy), **made)

    async def suggest(self, policy: str = "least_played", **more: Any) -> Mapping[str, Lease]:
        return (await self.suggestions.suggest(self.pool, self.ask(policy, **more))).leases

    async def open(self) -> Mapping[str, Lease]:
        return (await self.suggestions.open(self.pool)).leases

    def stored(self) -> set[str]:
        """Ids of the leases in the store, ended ones that are not purged among them."""
        return set(self.fields(KEYS.leases(self.pool.name)))

    def fields(self, key: str) -> dict[str, str]:
        """A hash as it is stored."""
        found = cast("dict[bytes, bytes]", self.store.fake.hgetall(key))
        return {name.decode(): value.decode() for name, value in found.items()}


def players_of(leases: Mapping[str, Lease]) -> list[str]:
    return [name for lease in leases.values() for side in lease.sides for name in side]


class BetweenStore(FakeStore):
    """Lets somebody else come first before leases are taken."""

    def __init__(self) -> None:
        super().__init__()
        self.others: list[Shop] = []

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        if name == "take_leases" and self.others:
            # What they do themselves goes straight in.
            one, *rest = self.others
            self.others = []
            await one.suggest()
            self.others = rest
        return await super().run(name, keys, arguments)
