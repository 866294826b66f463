"""Logs for the tests: the football of the data folder, and a seeded mixture of all that can arrive."""

from __future__ import annotations

import csv
import json
import random
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from tests.oracle import partition_of
from tests.topics import Item, item

RECORDED = 1_790_000_000_000
"""Timestamp of the first record; the matches are older."""

POOLS = ("ladder", "chess.blitz", "votes", "royale", "duo-league", "arena.2026", "x")

RECEIPT = (("trace", b"7f"), ("receipt", b""))
"""Headers of a record that asks for a receipt, and one that means nothing here."""


def football(data: Path) -> Iterator[Item]:
    """Men's international matches since 1872, in their order; a match's id is the number of its line."""
    with (data / "football_international.csv").open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            day = date.fromisoformat(row["date"])
            match: dict[str, Any] = {
                "id": str(number),
                "pool": "football",
                # Every other one as epoch milliseconds, which are negative before 1970.
                "at": row["date"] if number % 2 else (day.toordinal() - date(1970, 1, 1).toordinal()) * 86_400_000,
                "sides": [
                    {"players": [row["home_team"]], "score": float(row["home_score"])},
                    {"players": [row["away_team"]], "score": float(row["away_score"])},
                ],
            }
            if row["neutral"] == "FALSE":
                match["home"] = 0
            yield item(match, RECORDED + number)


def mixture(seed: int, count: int, partitions: int) -> list[Item]:
    """Records of several pools: duels, teams, free-for-alls with ties, votes, seeds, repeats, used ids, broken ones.

    One in ten asks for a receipt.
    """
    rng = random.Random(seed)
    items: list[Item] = []
    matches: list[dict[str, Any]] = []
    while len(items) < count:
        timestamp = RECORDED + 10 * len(items) + rng.randrange(-5, 5)
        kind = rng.random()
        if kind < 0.06 and matches:
            again = rng.choice(matches[-500:])
            # As another producer would write it: the same content in another order of the fields.
            items.append(item(dict(sorted(again.items())), timestamp))
        elif kind < 0.08 and matches:
            items.append(item({**rng.choice(matches[-500:]), "weight": 0.25}, timestamp))
        elif kind < 0.16:
            items.append(_broken(rng, timestamp, partitions))
        else:
            make = _seed if kind < 0.2 else _match
            matches.append(make(rng, len(items), timestamp))
            items.append(item(matches[-1], timestamp))
        if rng.random() < 0.1:
            items[-1] = items[-1]._replace(headers=RECEIPT)
    return items


def _seed(rng: random.Random, number: int, timestamp: int) -> dict[str, Any]:
    pool = rng.choice(POOLS)
    # Now and then one that pools do not have unless configured.
    system = "kalman" if rng.random() < 0.9 else "elo"
    players = []
    for player in rng.sample(range(60), rng.randint(1, 6)):
        name = f"p{player}" if rng.random() < 0.7 else f"neu-{number}-{player}"
        given: dict[str, Any] = {"player": name, "rating": rng.choice([1200, 1500.5, rng.uniform(-100, 3000)])}
        if rng.random() < 0.6:
            given["deviation"] = rng.choice([60, 500, rng.uniform(50, 300)])
        players.append(given)
    at = timestamp - rng.randrange(10**9)
    return {"type": "seed", "id": f"s{number}", "pool": pool, "at": at, "system": system, "players": players}


def _match(rng: random.Random, number: int, timestamp: int) -> dict[str, Any]:
    pool = rng.choice(POOLS)
    sides, most = rng.choice([(2, 1), (2, 1), (2, 1), (2, 4), (3, 2), (rng.randint(4, 12), 1)])
    sizes = [rng.randint(1, most) for _ in range(sides)]
    # Most players are few, so that they meet often; the others keep coming anew.
    players = rng.sample(range(60), sum(sizes))
    names = [f"p{player}" if rng.random() < 0.9 else f"нов-{number}-{player}" for player in players]
    scored = rng.random() < 0.5
    laid: list[dict[str, Any]] = []
    for size in sizes:
        result = {"score": rng.choice([0, -0.0, 1.5, 2, rng.random()])} if scored else {"rank": rng.randint(1, 4)}
        laid.append({"players": [names.pop() for _ in range(size)], **result})
    match: dict[str, Any] = {"id": f"m{number}", "pool": pool, "at": timestamp - rng.randrange(10**9), "sides": laid}
    if rng.random() < 0.2:
        match["weight"] = rng.choice([0.5, 3, 1000, 1e-7, rng.random()])
    if rng.random() < 0.2:
        match["home"] = rng.randrange(sides)
    if rng.random() < 0.1:
        match |= {"voter": "judge é", "matchup": "1-0-mu-7", "tags": ["ranked", "eu"], "not_known": [None, {}]}
    return match


def _broken(rng: random.Random, timestamp: int, partitions: int) -> Item:
    pool = rng.choice(POOLS)
    match = _match(rng, rng.randrange(10**6), timestamp) | {"pool": pool}
    key, value = pool.encode(), json.dumps(match).encode()
    place = partition_of(pool, partitions)
    return rng.choice(
        [
            Item(key, value[:-1], timestamp),
            Item(key, None, timestamp),
            Item(None, value, timestamp, place),
            Item(b"\xff" + key, value, timestamp, place),
            Item(key, value, timestamp, (place + 1) % partitions),
            Item(key, json.dumps(match | {"pool": "other"}).encode(), timestamp),
            Item(key, json.dumps(match | {"at": timestamp + 86_400_001}).encode(), timestamp),
            Item(key, json.dumps(match | {"type": "vote"}).encode(), timestamp),
            Item(key, json.dumps(match | {"sides": match["sides"][:1] * 2}).encode(), timestamp),
            Item(key, value.replace(b'"p', b'"\\u0000p', 1), timestamp),
        ]
    )


def unique_name(prefix: str) -> str:
    """The fixture ``unique`` for fixtures that live as long as a module."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"
