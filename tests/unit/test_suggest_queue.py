"""A queue over the service: parties are leased as any matchup, and who is left is told; made again from the account."""

import asyncio
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from service.api.suggested import MatchupsAnswer, answer_of
from service.api.wanted import Wanted, ask_of
from service.matchups.field import Field, level
from service.matchups.queue import Pace, form
from service.store import leases as store_of_leases
from service.suggest.account import Account, Base
from standings.accounts import Accounts
from tests.suggesting import Shop
from tests.unit.test_scripts import FakeStore

NAMES = [f"p{number}" for number in range(14)]
PAGE = Path(__file__).parents[2] / "docs" / "matchups.md"


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    """A request has less time than compiling may take."""
    form(level(2), [[0], [1]], np.zeros(2), np.empty((0, 2), np.int64), 1, 2, 1, Pace())


@pytest.fixture
def shop() -> Shop:
    return Shop(FakeStore())


async def queue(shop: Shop, candidates: list[Any], **more: Any) -> MatchupsAnswer:
    ask = ask_of(shop.pool, Wanted.model_validate({"candidates": candidates, "seed": 7, **more}))
    return answer_of(shop.pool, ask, await shop.suggestions.suggest(shop.pool, ask))


def waiting(shop: Shop, *players: str, seconds: float) -> dict[str, Any]:
    return {"players": list(players), "waiting_since": int(1000 * (shop.seconds - seconds))}


@pytest.mark.parametrize("whole", [True, False])
def test_parties_are_matched_leased_and_accounted_for(shop: Shop, whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not whole:
        monkeypatch.setattr(store_of_leases, "MOST_WHOLE", 5)

    async def run() -> None:
        await shop.begin(NAMES)
        parties = [[f"p{number}", f"p{number + 1}"] for number in range(1, 9, 2)]
        candidates = [waiting(shop, *party, seconds=100.0 * index) for index, party in enumerate(parties)]
        met = [["p3", "p8"], ["p3", "nobody who waits"]]
        answer = await queue(shop, [*candidates, "p9", "p10", "p11"], count=5, side_size=3, met=met)
        (found,) = answer["matchups"]
        assert answer["policy"] == {"name": "queue", "parameters": msgspec.to_builtins(Pace()), "floor": 0.0}
        # Those who waited longest are seated, with single players as the third of each side.
        sides = [side["players"] for side in found["sides"]]
        assert all(len(side) == 3 for side in sides)
        playing = [name for side in sides for name in side]
        assert {"p7", "p8"} <= set(playing)
        assert sum(set(party) <= set(side) for party in parties for side in sides) == 2
        left = [name for party in answer["left_waiting"] or () for name in party]
        assert sorted([*playing, *left]) == sorted(f"p{number}" for number in range(1, 12))
        assert (found["propensity"], found["order_propensity"]) == (1.0, 0.5)
        win, tie = found["prediction"]["win"], found["prediction"]["tie"]
        assert sum(win) + (tie or 0.0) == pytest.approx(1.0)
        assert [[list(side) for side in lease.sides] for lease in (await shop.open()).values()] == [sides]
        assert set(shop.stored()) == {found["id"]}
        base, account = shop.topic.records
        assert isinstance(base, Base)
        assert isinstance(account, Account)
        _made_again(base, account)

    asyncio.run(run())


def _made_again(base: Base, account: Account) -> None:
    """What was formed follows from the two records alone."""
    asked = account.queue
    assert asked is not None
    rating, deviation, location, variance, matches = (
        np.array(column) for column in (base.rating, base.deviation, base.location, base.variance, base.matches)
    )
    field = Field(rating, deviation, location, variance, base.link, matches, np.empty((0, 2), np.int32))
    found = form(
        field,
        asked.parties,
        np.array(asked.waited),
        np.array(asked.met, dtype=np.int64).reshape(-1, 2),
        asked.count,
        account.side_count,
        asked.side_size,
        Pace(**account.parameters),
    )
    taken = [[row for side in match.sides for party in side for row in asked.parties[party]] for match in found.matches]
    assert taken == [list(drawn.taken) for drawn in account.matchups]
    assert [match.off for match in found.matches] == [drawn.score for drawn in account.matchups]


def test_who_cannot_be_matched_yet_is_left_and_nothing_is_taken(shop: Shop) -> None:
    async def run() -> None:
        await shop.begin(["best", *NAMES])
        # Enough results that the two are far apart.
        for _ in range(12):
            await shop.begin(["p0", "best"])
        both = [waiting(shop, name, seconds=0.0) for name in ("best", "p0")]
        alone = await queue(shop, both, parameters={"close": 0.01})
        assert (alone["matchups"], alone["left_waiting"]) == ([], [["best"], ["p0"]])
        assert alone["position"]
        assert shop.topic.records == []
        # A clock ahead of the service's is no wait; later the same two are matched.
        assert not (await queue(shop, [waiting(shop, "best", seconds=-90.0), "p0"], parameters={"close": 0.01}))[
            "matchups"
        ]
        shop.seconds += 120
        late = await queue(shop, both, parameters={"close": 0.01}, request_id="tick")
        assert (len(late["matchups"]), late["left_waiting"]) == (1, [])
        # Said again, it is the same one.
        assert (await queue(shop, both, request_id="tick"))["matchups"] == late["matchups"]

    asyncio.run(run())


def test_those_who_meet_already_are_kept_apart(shop: Shop) -> None:
    async def run() -> None:
        await shop.begin(NAMES)
        three = [waiting(shop, name, seconds=1.0) for name in NAMES[1:4]]
        (first,) = (await queue(shop, three, parameters={"close": 0.5}))["matchups"]
        (second,) = (await queue(shop, three, parameters={"close": 0.5}))["matchups"]
        met = [{name for side in one["sides"] for name in side["players"]} for one in (first, second)]
        assert met[0] != met[1]

    asyncio.run(run())


def test_matches_of_a_queue_are_no_decisions_but_under_way(shop: Shop, tmp_path: Path) -> None:
    async def run() -> None:
        await shop.begin(NAMES)
        await queue(shop, [waiting(shop, name, seconds=500.0) for name in NAMES[:4]], side_size=2)
        await shop.suggest()

    asyncio.run(run())
    file = tmp_path / "matchups.ndjson"
    file.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in shop.topic.records))
    (decision,) = Accounts(str(file)).decisions()
    assert len(decision.players) == 2
    assert len(decision.field.under_way) == 6


def test_the_page_says_what_can_be_set() -> None:
    _, _, section = PAGE.read_text(encoding="utf-8").partition("\n## Queues\n")
    said = re.findall(r"^\| `(\w+)` \| (\S+) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert said == [(field, f"{getattr(Pace(), field):g}") for field in Pace.__struct_fields__]
