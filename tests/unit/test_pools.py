"""Pools: which configuration is in force, what its fingerprint says, and which changes are conflicts."""

import json
from dataclasses import replace

import numpy as np
import pytest

from service.match import Side
from service.pool_file import parse_pools
from service.pools import DROPPED, PROFILES, Pool, Pools, Provisional
from service.ratings import create

RATED = """
    [pools."chess.*"]
    system = "elo"
    parameters.k = 24
    shadows = [{system = "glicko2"}]
"""
STORED = parse_pools(RATED, "pools.toml")


def prints(pools: Pools, *names: str) -> dict[str, str]:
    return {field: value for name in names for field, value in pools.configured(name).fingerprints().items()}


@pytest.mark.parametrize(
    ("name", "profile", "order"),
    [
        ("arena", "arena", "rating - 2 * deviation"),
        ("arena.models", "arena", "rating - 2 * deviation"),
        ("arena.", "arena", "rating - 2 * deviation"),
        ("arena-2026", "ladder", "rating"),
        ("Arena", "ladder", "rating"),
        ("my.arena", "ladder", "rating"),
        ("chess", "ladder", "rating"),
    ],
)
def test_built_in_profiles(name: str, profile: str, order: str) -> None:
    pool = Pools().configured(name)
    assert (pool.name, pool.profile, pool.live.name, pool.order) == (name, profile, "kalman", order)
    assert len(pool.systems) == 1
    assert pool.pairs is (profile == "arena")


def test_the_first_section_that_matches_decides() -> None:
    text = """
    [pools."chess.blitz"]
    parameters.home = 10
    [pools."chess.[bx]*"]
    parameters.home = 20
    [pools."che?s.*"]
    parameters.home = 30
    [pools."arena.?"]
    """
    pools = parse_pools(text, "pools.toml")

    def home(name: str) -> object:
        return getattr(pools.configured(name).live, "home", None)

    assert [home(name) for name in ("chess.blitz", "chess.bullet", "chess.x", "chess.slow", "chess", "CHESS.x")] == [
        10.0, 20.0, 20.0, 30.0, 58.0, 58.0,
    ]  # fmt: skip
    # A section follows the profile that it names, a ladder by default, and not the one of its pools' names.
    assert [pools.configured(name).profile for name in ("arena.x", "arena.xy")] == ["ladder", "arena"]
    assert pools.configured("chess.x").pattern == "chess.[bx]*"


def test_configurations_are_kept_and_bounded() -> None:
    pools = Pools()
    assert pools.configured("chess") is pools.configured("chess")
    for number in range(5_000):
        pools.configured(str(number))
    assert pools.configured.cache_info().currsize == 4_096


def test_a_fingerprint_is_everything_that_decides() -> None:
    pool = STORED.configured("chess.blitz")
    decided = json.loads(pool.fingerprint(pool.live))
    assert decided == {
        "rules": 2, "window": 1_000_000, "system": "elo", "revision": 2, "k": 24.0, "new_k": 40.0,
        "new_matches": 0.0, "top_k": 10.0, "top_rating": 1e12, "scale": 400.0, "start": 1500.0,
        "deviation": 350.0, "home": 0.0, "margin": 0.0, "deviations": 0.0, "most_sides": 5_000, "most_players": 100,
        "pairs": False, "first_at_home": False,
    }  # fmt: skip
    assert list(pool.fingerprints()) == ["chess.blitz/elo", "chess.blitz/glicko2"]
    # Who is provisional is decided when it is asked, and what the section is called matters to nobody.
    same = replace(pool, provisional=Provisional(3, 50.0), pattern="*", profile="arena")
    assert same.fingerprints() == pool.fingerprints()
    others = [replace(pool, deviations=1.0), replace(pool, most_sides=5), replace(pool, most_players=5)]
    others += [replace(pool, pairs=True), replace(pool, first_at_home=True)]
    assert len({one.fingerprint(pool.live) for one in [pool, *others]}) == 6


def test_what_is_configured_as_it_is_stored_is_no_conflict() -> None:
    assert Pools().conflicts({}) == []
    assert STORED.conflicts(prints(STORED, "chess.blitz", "go", "arena")) == []
    # A shadow that is new starts cold; one that is taken away ends; live and shadow may change places.
    assert STORED.conflicts({"chess.x/elo": prints(STORED, "chess.x")["chess.x/elo"]}) == []
    without = parse_pools('[pools."chess.*"]\nsystem = "elo"\nparameters.k = 24', "pools.toml")
    assert without.conflicts(prints(STORED, "chess.x")) == []
    promoted = parse_pools(
        """
        [pools."chess.*"]
        system = "glicko2"
        shadows = [{system = "elo", parameters = {k = 24}}]
        """,
        "pools.toml",
    )
    assert promoted.conflicts(prints(STORED, "chess.x")) == []


def test_conflicts_in_words() -> None:
    stored = prints(parse_pools(f'{RATED}[pools."*"]\nsystem = "elo"', "pools.toml"), "chess.blitz", "go")
    (line,) = parse_pools('[pools."*"]\nsystem = "elo"', "pools.toml").conflicts(stored)
    assert line == (
        "pool 'chess.blitz' (section '*'): 'elo' was rated with k = 24.0 (now 32.0): restore that,"
        " or rate it again from the log: standings rebuild"
    )
    changed = parse_pools(
        """
        [pools."*"]
        system = "elo"
        deviations = 1
        most_sides = 8
        parameters = {k = 24, margin = 0.5}
        shadows = [{system = "glicko2", parameters = {tau = 0.7}}]
        """,
        "pools.toml",
    )
    elo, glicko, go = changed.conflicts(stored)
    assert "k = " not in elo
    assert "deviations = 0.0 (now 1.0), margin = 0.0 (now 0.5), most_sides = 5000 (now 8)" in elo
    assert (
        "'glicko2' was rated with deviations = 0.0 (now 1.0), most_sides = 5000 (now 8), tau = 0.5 (now 0.7)" in glicko
    )
    assert "pool 'go'" in go
    # Each system of a pool is another pool's business no more.
    assert len(changed.conflicts({field: text for field, text in stored.items() if "go" in field})) == 1


def test_pairs_that_were_not_counted_from_the_beginning_are_a_conflict() -> None:
    without = parse_pools('[pools.arena]\nprofile = "arena"\npairs = false', "pools.toml")
    for stored, now, said in ((Pools(), without, "True (now False)"), (without, Pools(), "False (now True)")):
        (line,) = now.conflicts(prints(stored, "arena"))
        assert f"'kalman' was rated with pairs = {said}: restore that, or rate it again from the log" in line


def test_a_live_system_that_would_begin_cold_is_a_conflict() -> None:
    cold = parse_pools('[pools."*"]\nsystem = "glicko2"', "pools.toml")
    (line,) = cold.conflicts(prints(Pools(), "chess"))
    assert line == (
        "pool 'chess' (section '*'): rated under 'kalman', and 'glicko2' would begin without its matches:"
        " keep 'kalman' as its system and name 'glicko2' among its shadows"
    )


def test_what_was_dropped_stays_out() -> None:
    stored = {**prints(STORED, "chess.x"), "chess.x/glicko2": DROPPED}
    assert STORED.conflicts(stored) == [
        "pool 'chess.x' (section 'chess.*'): 'glicko2' was taken away for a while and lacks matches: leave it out"
    ]
    without = parse_pools('[pools."chess.*"]\nsystem = "elo"\nparameters.k = 24', "pools.toml")
    assert without.conflicts(stored) == []


@pytest.mark.parametrize("text", ["of another age", "3", "[]", "", "{"])
def test_a_fingerprint_that_cannot_be_read_is_a_conflict(text: str) -> None:
    (line,) = Pools().conflicts({"chess/kalman": text})
    assert "parameters that this version cannot read" in line


def test_pools_take_what_they_are_told() -> None:
    pool = parse_pools("[pools.chess]\nmost_sides = 3\nmost_players = 2", "pools.toml").configured("chess")

    def sides(count: int, size: int) -> list[Side]:
        return [Side(tuple(f"{s}/{p}" for p in range(size)), rank=1) for s in range(count)]

    assert pool.refusal(sides(3, 2)) is None
    assert pool.refusal(sides(4, 2)) == "the pool takes at most 3 sides, not 4"
    assert pool.refusal(sides(3, 3)) == "the pool takes at most 2 players a side"
    ladder = Pools().configured("chess")
    assert ladder.refusal(sides(2, 100)) is None
    assert ladder.refusal(sides(5_001, 1)) == "the pool takes at most 5000 sides, not 5001"


def test_places() -> None:
    elo = create("elo")
    pool = Pool("x", "ladder", "x", (elo,), 0.0, Provisional())
    # Rating, belief and variance: what the pool has learned is in no place.
    skills = np.array([[1600.0, 1630.0, 1600.0], [1500.0, 1500.0, 0.25]])
    assert pool.places(elo, skills).tolist() == [1600.0, 1500.0]
    careful = replace(pool, deviations=2.0)
    assert careful.places(elo, skills).tolist() == [1500.0, 1499.0]
    assert (careful.order, replace(pool, deviations=0.5).order) == (
        "rating - 2 * deviation",
        "rating - 0.5 * deviation",
    )


def test_provisional() -> None:
    matches, deviation = np.array([9.0, 10.0, 10.0]), np.array([1.0, 80.0, 80.1])
    assert Provisional(10).holds(matches, deviation).tolist() == [True, False, False]
    assert Provisional(10, 80.0).holds(matches, deviation).tolist() == [True, False, True]


def test_every_configured_system_is_known_once() -> None:
    arena, ladder = PROFILES["arena"]("votes.*"), PROFILES["ladder"]("*.slow")
    slow = create("elo", {"k": 10})
    found = Pools([arena, replace(ladder, systems=(slow, create("glicko2"), *arena.systems))]).systems()
    assert found == [create("kalman"), slow, create("glicko2")]
