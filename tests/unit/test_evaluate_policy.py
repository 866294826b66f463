"""A policy's value from another's log: against what it is worth in truth, and from the records of the topics."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from service.match import Match, Side
from service.matchups import create, policies
from service.matchups.draw import propensity_of
from service.matchups.evaluate import estimate, information, upset, weight
from service.matchups.field import Field, level
from service.pool_file import parse_pools
from standings.accounts import Accounts
from standings.errors import Mistake
from standings.policy_value import evaluate_policy
from tests.conftest import Command
from tests.league import duel
from tests.suggesting import Shop, players_of
from tests.unit.test_scripts import FakeStore

PLAYERS = [f"p{number}" for number in range(8)]


def spread(count: int, seed: int) -> Field:
    rng = np.random.default_rng(seed)
    rating = rng.normal(0.0, 1.0, count)
    return replace(level(count), rating=rating, location=rating, matches=rng.integers(0, 5, count).astype(float))


@pytest.mark.parametrize("name", [name for name, policy in policies().items() if not policy.needs])
@pytest.mark.parametrize("sides", [2, 3])
def test_weights_add_up_to_one_by_the_chances_of_the_log(name: str, sides: int) -> None:
    field, played, rng = spread(5, 3), create("closest"), np.random.default_rng(1)
    law, floor, total = played.law(field, rng), 0.3, 0.0
    for players in combinations(range(5), sides):
        propensity = propensity_of(law, 5, players, floor)
        assert propensity is not None
        # One set of particles for all sets.
        total += propensity * weight(create(name), 0.1, field, players, propensity, 1.0, np.random.default_rng(2))
    assert total == pytest.approx(1.0, abs=1e-12)
    # What was drawn by order weighs by the chance of the order.
    assert weight(played, floor, field, (4, 0, 2), None, 0.5, rng) < weight(
        played, floor, field, (4, 0, 2), 0.5, 1.0, rng
    )


def test_rewards_are_what_they_say() -> None:
    field = replace(level(3), location=np.array([2.0, 1.0, 1.0]))
    assert upset(field, [1, 2, 3]) == pytest.approx((0.0 + 0.0 + 0.5) / 3)
    assert upset(field, [3, 1, 1]) == pytest.approx((1.0 + 1.0 + 0.5) / 3)
    assert upset(field, [1, 1, 2]) == pytest.approx((0.5 + 0.0 + 0.5) / 3)
    # Two variances of 1: a gap of 1 is won with chance Phi(1 / sqrt 2).
    bits = [-np.log2(chance) for chance in (0.7602499389065233, 0.2397500610934767)]
    assert information(field, [1, 2, 3]) == pytest.approx((2 * bits[0] + 1.0) / 3)
    assert information(field, [2, 1, 1]) == pytest.approx((2 * bits[1] + 1.0) / 3)
    assert information(field, [1, 1, 1]) == pytest.approx((bits[0] + bits[1] + 1.0) / 3)
    assert information(replace(field, location=np.array([1e9, 0.0, 0.0])), [2, 1, 1]) == pytest.approx(41 / 3)


def test_intervals_hold_what_the_policy_is_worth() -> None:
    """Log uniform matchups with a policy's floor in several states; truth is the mean over all pairs of each state."""
    states, pairs, rng = (
        [spread(6, seed) for seed in range(4)],
        list(combinations(range(6), 2)),
        np.random.default_rng(5),
    )
    played, judged, floor = create("least_played"), create("closest"), 0.5
    chances, weights, wins = (np.empty((len(states), len(pairs))) for _ in range(3))
    truth = 0.0
    for state, field in enumerate(states):
        for place, pair in enumerate(pairs):
            logged = propensity_of(played.law(field, rng), 6, pair, floor)
            wanted = propensity_of(judged.law(field, rng), 6, pair, 0.0)
            assert logged is not None
            assert wanted is not None
            chances[state, place] = logged
            weights[state, place] = weight(judged, 0.0, field, pair, logged, 1.0, rng)
            # The truth is another than what is predicted.
            wins[state, place] = rng.uniform(0.1, 0.9)
            truth += wanted * wins[state, place] / len(states)
    covered, runs, widths = 0, 400, []
    for _ in range(runs):
        seen = np.repeat(np.arange(len(states)), 150)
        drawn = np.concatenate([rng.choice(len(pairs), 150, p=chances[state]) for state in range(len(states))])
        rewards = (rng.random(len(seen)) < wins[seen, drawn]).astype(float)
        found = estimate(weights[seen, drawn], rewards, clip=1e6)
        covered += found.low <= truth <= found.high
        widths.append(found.high - found.low)
        assert found.refusal(len(seen)) is None
    assert 0.93 < covered / runs < 0.98
    assert np.mean(widths) < 0.3


def test_what_the_log_cannot_show_is_refused() -> None:
    field, rng = spread(6, 1), np.random.default_rng(3)
    best = tuple(np.argsort(-field.rating)[:2].tolist())
    always = weight(create("uniform"), 0.0, field, best, 1.0, 1.0, rng)
    found = estimate(np.full(5000, always), np.zeros(5000), 100.0)
    assert found.support == pytest.approx(1 / 15)
    assert "shows 6.7% of what it would suggest" in (found.refusal(5000) or "")
    few = estimate(np.array([100.0] + [0.0] * 99), np.ones(100), 1e6)
    assert "100 matchups are worth 1.0 of its own, and 30 are needed" in (few.refusal(100) or "")
    assert estimate(np.zeros(50), np.ones(50), 100.0).refusal(50) is not None
    assert estimate(np.array([3.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]), 2.0).value == pytest.approx(2 / 3)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return logged("closest", tmp_path_factory.mktemp("log") / "log.ndjson")


def logged(policy: str, path: Path) -> Path:
    """Write the two topics: two processes, exposure, candidates, leases that end, results for most."""
    pools = parse_pools('[pools.arena]\nprofile = "arena"\n[pools.arena.matchups]\nexposure = 4.0', "")
    store = FakeStore()
    shop, other = Shop(store, pools), Shop(store, pools)
    lines: list[bytes] = []
    over: list[dict[str, Any]] = []

    async def run() -> None:
        await shop.begin(PLAYERS)
        for number in range(120):
            more = {"candidates": PLAYERS[2:7]} if number % 5 == 1 else {}
            given = dict(await shop.suggest(policy, floor=0.3, count=1 + number % 2, **more))
            if number % 3 == 0:
                await other.suggest(policy, floor=0.3)
            for id_, lease in given.items():
                if number % 7:
                    first, second = players_of({id_: lease})
                    over.append({**duel("arena", first, second), "id": id_, "at": 0, "matchup": id_})
                elif number % 14:
                    await shop.suggestions.give_back(shop.pool, id_)
            if number % 6 == 5:
                await shop.owner.play(over)
                lines.extend(json.dumps(match).encode() for match in over)
                over.clear()
            shop.seconds += 30 * (number % 20 == 0)

    asyncio.run(run())
    records = [msgspec.json.encode(record) for part in (shop, other) for record in part.topic.records]
    path.write_bytes(b"\n".join([*lines, *records]))
    return path


def records_of(log: Path) -> list[bytes]:
    """Without the matches."""
    return [line for line in log.read_bytes().splitlines() if json.loads(line).get("type", "match") != "match"]


@pytest.mark.parametrize("policy", ["closest", "least_played"])
def test_the_policy_that_was_played_is_worth_what_was_played(policy: str, tmp_path: Path) -> None:
    log = logged(policy, tmp_path / "log.ndjson")
    found = evaluate_policy(str(log), create(policy), 0.3, "upset", 100.0)
    # Each draw is seen as it was: every weight is 1 to the last bit, however exposure, leases and results stood.
    assert found.matchups > 130
    assert (found.support, found.effective, found.clipped) == (1.0, found.matchups, 0)
    assert (found.value, found.low, found.high) == (found.played.value, found.played.low, found.played.high)


def test_another_policy_by_the_command(command: Command, log: Path) -> None:
    words = ("evaluate-policy", str(log), "--policy", "uniform", "--reward", "information")
    code, out, err = command(*words, "--json")
    assert code == 0
    assert "matchups have no result by those who were to play" in err
    answer = json.loads(out)
    shape = ["policy", "reward", "value", "low", "high", "played", "matchups", "effective", "support", "clipped"]
    assert list(answer) == shape
    assert answer["low"] < answer["value"] < answer["high"]
    assert answer["effective"] < answer["matchups"]
    code, out, _ = command(*words)
    assert code == 0
    assert "what was played" in out


def test_what_follows_on_missing_records_is_left_out(log: Path, tmp_path: Path) -> None:
    records = records_of(log)
    bases = [place for place, line in enumerate(records) if json.loads(line)["type"] == "base"]
    base, end = next((base, end) for base, end in pairwise(bases) if end - base > 3)
    counts = [len(json.loads(line)["matchups"]) for line in records[base + 1 : end]]
    cut = tmp_path / "cut.ndjson"
    # The base, then an account: past it, what was known is not known any more.
    for missing, decisions in ((0, 0), (1, 0), (2, counts[0])):
        cut.write_bytes(b"\n".join(records[base : base + missing] + records[base + missing + 1 : end]))
        accounts = Accounts(str(cut))
        assert len(list(accounts.decisions())) == decisions
        assert accounts.lost == len(counts) - missing


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda lines: [b"{"], ":1: no record of a topic: "),
        (lambda lines: [b'{"type": "match"}'], ":1: invalid_match: "),
        (lambda lines: [b'{"type": "base"}'], ":1: no record of a topic: "),
        (lambda lines: [], "0 matchups, 0 with results: nothing to evaluate"),
        (lambda lines: [lines[0].replace(b'"rating":[', b'"rating":[0.0,')], ":1: the columns of the base do not fit"),
        (lambda lines: [lines[0], lines[1].replace(b'"taken":[', b'"taken":[99,')], ":2: a player is not among"),
        (lambda lines: [lines[0], lines[1].replace(b'"built":', b'"built":-')], ":2: the matchup '"),
        (lambda lines: [b" " * (1 << 20) + b"x"], ":1: the line is too long for a record"),
    ],
)
def test_a_bad_log_is_one_line(
    log: Path, tmp_path: Path, edit: Callable[[list[bytes]], list[bytes]], said: str
) -> None:
    records = records_of(log)
    bad = tmp_path / "bad.ndjson"
    bad.write_bytes(b"\n".join(edit(records)))
    with pytest.raises(Mistake) as found:
        evaluate_policy(str(bad), create("uniform"), 0.0, "upset", 100.0)
    assert said in str(found.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--policy", "nope"), "no policy 'nope'"),
        (("--policy", "ucb"), "ucb needs to know who beat whom"),
        (("--policy", "uniform", "--reward", "fun"), "--reward fun: one of: upset, information"),
        (("--policy", "uniform", "--clip", "0"), "'--clip'"),
        ((), "'--policy'"),
    ],
)
def test_a_mistake_is_one_line(command: Command, log: Path, words: tuple[str, ...], said: str) -> None:
    code, out, err = command("evaluate-policy", str(log), *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_only_those_who_were_to_play_count(log: Path, tmp_path: Path) -> None:
    lines = log.read_bytes().splitlines()
    side = Side(("p0", "p1"), rank=1)
    id_ = next(json.loads(line)["matchup"] for line in lines)
    team = Match("1", "arena", 0, (side, Side(("p2",), rank=2)), matchup=id_)
    changed = tmp_path / "changed.ndjson"
    changed.write_bytes(b"\n".join([msgspec.json.encode(team), *lines]))
    before, after = (evaluate_policy(str(one), create("uniform"), 0.3, "upset", 100.0) for one in (log, changed))
    assert after.matchups == before.matchups - 1
