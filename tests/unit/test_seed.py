"""Seeds: each field, each bound; what they do to a table, and what they leave alone."""

import json
from typing import Any

import numpy as np
import pytest

from service.columns import lay_out
from service.match import Match, Side, decode, encode
from service.problems import Problem
from service.rate import LAST_AT, MATCHES, Table, empty, rate, seed
from service.ratings import RatingSystem, create
from service.seed import Seed, SeededPlayer

GOOD: dict[str, Any] = {
    "type": "seed",
    "id": "s-1",
    "pool": "chess",
    "at": 86_400_000,
    "system": "elo",
    "players": [{"player": "ann", "rating": 1820, "deviation": 60}, {"player": "bob", "rating": -5.5}],
}
ELO, GLICKO = create("elo"), create("glicko2")


def read(**changed: Any) -> Seed:
    found = decode(json.dumps({**GOOD, **changed}).encode())
    assert isinstance(found, Seed)
    return found


def wrong(**changed: Any) -> str:
    """Field named by the problem of a seed with these fields changed."""
    with pytest.raises(Problem) as caught:
        read(**changed)
    (error,) = caught.value.errors
    assert caught.value.type.slug == "invalid_match"
    assert error.field in caught.value.detail
    return error.field


def players(**fields: Any) -> list[dict[str, Any]]:
    return [{"player": "ann", "rating": 1.0}, {"player": "bob", "rating": 2.0, **fields}]


def test_every_field_is_read() -> None:
    assert read(at="1970-01-02", note=[1]) == Seed(
        "seed", "s-1", "chess", 86_400_000, "elo", (SeededPlayer("ann", 1820.0, 60.0), SeededPlayer("bob", -5.5))
    )
    assert decode(encode(read())) == read()


def test_bytes_of_a_seed() -> None:
    """Digests of content are made from these bytes: a change here is a change of what a duplicate is."""
    assert encode(read(unknown=1)) == (
        b'{"type":"seed","id":"s-1","pool":"chess","at":86400000,"system":"elo","players":'
        b'[{"player":"ann","rating":1820.0,"deviation":60.0},{"player":"bob","rating":-5.5}]}'
    )


@pytest.mark.parametrize("field", ["id", "pool", "at", "system", "players"])
def test_what_is_missing_is_named(field: str) -> None:
    with pytest.raises(Problem, match=f"{field}: missing"):
        decode(json.dumps({key: value for key, value in GOOD.items() if key != field}).encode())
    assert wrong(**{field: None}) == field


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("rating", [0, -0.0, 1e9, -1e9, 5e-324], [1.1e9, -1.1e9, 1e308, "1", True, None]),
        ("deviation", [1e9, 5e-324, 1, None], [0, -0.0, -1, 1.1e9, "1", True]),
        ("player", ["x", "é" * 64, "x" * 128], ["", "x" * 129, "é" * 65, "a\nb", "\x7f", 1, None, "ann"]),
    ],
)
def test_bounds_of_a_player(field: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(read(players=players(**{field: value})).players[1], field) == value
    for value in bad:
        assert wrong(players=players(**{field: value})) == f"players[1].{field}"


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("id", ["", "x" * 129, "a\x00", 7]),
        ("system", ["", "x" * 129, "a\x00", 7]),
        ("pool", ["", "no slug", "x" * 129, 7]),
        ("at", [-(10**18), "now", "2026-02-29", 0.5, True]),
        ("players", [[], {}, "ann"]),
    ],
)
def test_other_fields(field: str, bad: list[Any]) -> None:
    for value in bad:
        assert wrong(**{field: value}) == field


def test_largest_seed() -> None:
    many = [{"player": str(number), "rating": number} for number in range(1_000)]
    assert len(read(players=many).players) == 1_000
    assert wrong(players=[*many, {"player": "one", "rating": 0}]) == "players"


def bits(table: Table) -> list[bytes]:
    return [array.tobytes() for array in table]


def viewed(system: RatingSystem, table: Table) -> list[list[float]]:
    return [column.tolist() for column in system.view(table.skills, table.pool, np.zeros(len(table.skills)))]


def duel(at: int) -> Match:
    return Match("m", "chess", at, (Side(("ann",), rank=1), Side(("bob",), rank=2)))


@pytest.mark.parametrize("system", [ELO, GLICKO], ids=["elo", "glicko2"])
def test_a_seed_is_what_is_shown(system: RatingSystem) -> None:
    table = empty(system, 3)
    rate(system, lay_out([duel(0), duel(5)], [1, 2, 1, 2]), table)
    tallies, pool, scores = table.tallies.copy(), table.pool.copy(), table.scores.copy()
    newcomer = viewed(system, empty(system, 1))[1][0]
    # One who is new, one who has played; of whom nothing is said of the deviation, it is a newcomer's.
    seed(system, read(system=system.name), [0, 1], table)
    rating, deviation = viewed(system, table)
    assert rating[:2] == [1820.0, -5.5]
    assert deviation[:2] == pytest.approx([60.0, newcomer], rel=1e-15)
    tallies[:2, LAST_AT] = 86_400_000.0
    assert (table.tallies.tolist(), table.pool.tolist(), table.scores.tolist()) == (
        tallies.tolist(), pool.tolist(), scores.tolist(),
    )  # fmt: skip


def test_a_seed_of_another_system_moves_no_rating() -> None:
    table = empty(ELO, 2)
    seed(ELO, read(system="glicko2"), [0, 1], table)
    assert table.skills.tolist() == empty(ELO, 2).skills.tolist()
    assert table.tallies[:, LAST_AT].tolist() == [86_400_000.0] * 2


def test_days_since_a_seed_are_rest() -> None:
    """Who comes with a rating is no newcomer, whose first match follows no rest."""
    day, seeds = 86_400_000, read(system="glicko2", players=players(deviation=50))
    soon, late, never = empty(GLICKO, 2), empty(GLICKO, 2), empty(GLICKO, 2)
    for table, days in ((soon, 1), (late, 301)):
        seed(GLICKO, seeds, [0, 1], table)
        rate(GLICKO, lay_out([duel(days * day)], [0, 1]), table)
    rate(GLICKO, lay_out([duel(301 * day)], [0, 1]), never)
    assert viewed(GLICKO, soon)[1][1] < viewed(GLICKO, late)[1][1]
    assert soon.tallies[:, [MATCHES, LAST_AT]].tolist() == [[1.0, day], [1.0, day]]


@pytest.mark.parametrize("at", [-5, 7])
def test_time_of_a_seed_is_kept_before_1970_too(at: int) -> None:
    table = empty(ELO, 2)
    seed(ELO, read(at=at), [0, 1], table)
    assert table.tallies[:, LAST_AT].tolist() == [at, at]
    # Time never goes back.
    seed(ELO, read(at=at - 3), [0, 1], table)
    assert table.tallies[:, LAST_AT].tolist() == [at, at]


def test_seeds_do_not_widen_each_other() -> None:
    """A pool's learned level is part of what is shown as a newcomer's error: no seed may hand it on to the next."""
    table = empty(ELO, 2)
    table.pool[:] = 500.0, 2_000.0
    seed(ELO, read(players=players()), [0, 1], table)
    assert viewed(ELO, table)[1] == [350.0, 350.0]


def test_a_seed_twice_is_the_same() -> None:
    once, twice = empty(ELO, 2), empty(ELO, 2)
    seed(ELO, read(), [0, 1], once)
    for _ in range(2):
        seed(ELO, read(), [0, 1], twice)
    assert bits(once) == bits(twice)


@pytest.mark.parametrize("name", ["elo", "elo_mmr", "kalman"])
@pytest.mark.parametrize("deviation", [5e-324, 1e-160, 1e9])
def test_after_any_seed_ratings_are_numbers(name: str, deviation: float) -> None:
    """The smallest and the largest that a record may say, and a match of the greatest weight on top."""
    system = create(name)
    table = empty(system, 2)
    seed(system, read(system=name, players=players(deviation=deviation)), [0, 1], table)
    for at in (86_400_000, 86_400_000, 10**12):
        heavy = Match("m", "chess", at, (Side(("ann",), rank=1), Side(("bob",), rank=1)), weight=1000.0)
        rate(system, lay_out([heavy], [0, 1]), table)
        assert all(np.isfinite(array).all() for array in table)
        assert np.isfinite(viewed(system, table)).all()
