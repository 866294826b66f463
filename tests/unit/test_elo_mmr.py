"""Elo-MMR and Elo-MMX against published figures and the library that they were ported to, and where they differ."""

import gzip
import json
import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from service.columns import Floats, lay_out
from service.match import Match, Side
from service.rate import Table, empty, rate
from service.ratings import Expected, RatingSystem, create
from service.ratings.crowd import performances
from service.ratings.elo_mmr import KEPT, MU, PLACE, STEEP, TERMS, VARIANCE, WEIGHT
from service.ratings.link import NORMAL
from service.score import LOG_LOSS, SCORED, score, unscored

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import elo_mmr_py

DAY = 86_400
NAMES: dict[str, Literal["mmr", "mmx"]] = {"elo_mmr": "mmr", "elo_mmx": "mmx"}
BOTH = pytest.mark.parametrize("name", NAMES)

Places = Mapping[int, int]
"""Rank of each player who took part, by the player's row."""


def match(places: Places, day: float = 0.0, **more: Any) -> Match:
    sides = tuple(Side((str(row),), rank=rank) for row, rank in places.items())
    return Match("1", "pool", int(day * DAY * 1000), sides, **more)


def play(system: RatingSystem, table: Table, *matches: Match) -> None:
    for one in matches:
        rate(system, lay_out([one], [int(side.players[0]) for side in one.sides]), table)


def played(system: RatingSystem, players: int, *matches: Match) -> tuple[Floats, Floats]:
    table = empty(system, players)
    play(system, table, *matches)
    return system.view(table.skills, table.pool, np.zeros(players))


def their(places: Places, day: float = 0.0, weight: float = 1.0) -> elo_mmr_py.Contest:
    shared = Counter(places.values())
    standings = sorted((rank - 1, str(row)) for row, rank in places.items())
    return elo_mmr_py.Contest(
        [(row, rank, rank + shared[rank + 1] - 1) for rank, row in standings],
        time_seconds=int(day * DAY) + 10**9,
        weight=weight,
    )


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("elo_mmr", (1758.242895, 1500, 1500, 1241.757105), (1699.966977, 1385.591645, 1614.408355, 1300.033023)),
        ("elo_mmx", (1787.651730, 1500, 1500, 1212.348270), (1722.231030, 1372.846472, 1627.153528, 1277.768970)),
    ],
)
def test_published_figures(name: str, first: Sequence[float], second: Sequence[float]) -> None:
    system = create(name)
    rounds = match({0: 1, 1: 2, 2: 2, 3: 4}), match({2: 1, 0: 2, 3: 3, 1: 4}, 1.0)
    rating, deviation = played(system, 4, rounds[0])
    assert rating == pytest.approx(first, abs=1e-6)
    assert deviation == pytest.approx([171.195444] * 4, abs=1e-6)
    rating, deviation = played(system, 4, *rounds)
    assert rating == pytest.approx(second, abs=1e-6)
    assert deviation == pytest.approx([130.482991] * 4, abs=1e-6)


@BOTH
@pytest.mark.parametrize("drift", [0.0, 50.0])
def test_contests_of_a_history_that_is_kept_are_those_of_the_library(name: str, drift: float) -> None:
    draw = np.random.default_rng(7)
    given = {"weight_limit": 0.3, "sig_limit": 60.0, "drift_per_day": drift}
    system, players = create(name, given), 120
    table, day = empty(system, players), 0.0
    theirs = elo_mmr_py.Rater(
        elo_mmr_py.EloMmrConfig(NAMES[name], weight_limit=0.3, sig_limit=60.0, drift_per_day=drift)
    )
    for number in range(KEPT):
        sides = int(draw.choice([2, 5, 30, 100]))
        ranks = np.sort(draw.integers(1, 2 + sides // 2, sides))
        # As the library has them: a rank is one more than the number of those before.
        ranks = 1 + np.searchsorted(ranks, ranks)
        if ranks[-1] == 1:
            continue
        places = dict(zip(draw.permutation(players)[:sides].tolist(), ranks.tolist(), strict=True))
        weight, day = float(draw.choice([0.5, 1.0, 2.0])), day + float(number % 3)
        play(system, table, match(places, day, weight=weight))
        theirs.add(their(places, day, weight))
    found = theirs.ratings
    rows = [int(row) for row in found]
    assert table.skills[rows, MU] == pytest.approx([one.mu for one in found.values()], rel=1e-8)
    assert np.sqrt(table.skills[rows, VARIANCE]) == pytest.approx([one.sig for one in found.values()], rel=1e-9)


def test_the_oldest_result_goes_into_the_gaussian_and_leaves_the_rating_where_it_is() -> None:
    system = create("elo_mmr")
    rounds = [match({0: 1 + number % 2, 1: 2 - number % 2}, weight=1 + number % 3) for number in range(KEPT)]
    table = empty(system, 2)
    play(system, table, *rounds)
    assert (table.skills[:, TERMS + 1 :: 3] > 0).all()

    def balance(row: Floats) -> tuple[float, float]:
        """What all terms pull the rating by, and their weight."""
        place, weight, deviation = row[TERMS::3], row[TERMS + 1 :: 3], row[TERMS + 2 :: 3]
        logistic = weight * deviation * STEEP * np.tanh((row[MU] - place) * STEEP / (2 * deviation))
        return row[WEIGHT] * (row[MU] - row[PLACE]) + logistic.sum(), row[WEIGHT] + weight.sum()

    before = table.skills.copy()
    play(system, table, match({0: 1, 1: 1}, weight=1e-300))
    for row, was in zip(table.skills, before, strict=True):
        assert balance(row)[0] == pytest.approx(0.0, abs=1e-12)
        assert balance(row)[1] == pytest.approx(balance(was)[1], rel=1e-6)
        assert row[MU] == pytest.approx(was[MU], abs=1e-3)
        assert row[TERMS + 3 :: 3] == pytest.approx(was[TERMS:-3:3])


@BOTH
def test_a_contest_in_which_all_tie_brings_them_nearer(name: str) -> None:
    """The library leaves it out; between two players a tie is a result like any other."""
    system = create(name)
    table = empty(system, 2)
    play(system, table, match({0: 1, 1: 2}))
    before = table.skills[:, MU].copy()
    play(system, table, match({0: 1, 1: 1}))
    assert before[0] > table.skills[0, MU] > table.skills[1, MU] > before[1]
    theirs = elo_mmr_py.Rater(NAMES[name])
    theirs.add(their({0: 1, 1: 2}))
    theirs.add(their({0: 1, 1: 1}, 1.0))
    assert theirs.ratings["0"].mu == pytest.approx(before[0], rel=1e-8)


def test_a_late_result_counts_as_one_without_days_between() -> None:
    """The library refuses an earlier time."""
    system = create("elo_mmr", {"drift_per_day": 100})
    late = played(system, 2, match({0: 1, 1: 2}, 9.0), match({0: 1, 1: 2}, 3.0))
    same = played(system, 2, match({0: 1, 1: 2}, 9.0), match({0: 1, 1: 2}, 9.0))
    assert late[0].tolist() == same[0].tolist()
    assert late[1].tolist() == same[1].tolist()


@BOTH
def test_deviations_settle_at_the_limit_whatever_contests_weigh(name: str) -> None:
    for given in ({}, {"weight_limit": 1.0, "sig_limit": 40.0}):
        system = create(name, given)
        limit = given.get("sig_limit", 80.0)
        for weight in (0.5, 3.0):
            matches = [match({0: 1, 1: 1}, weight=weight) for _ in range(300)]
            _, deviation = played(system, 2, *matches)
            assert deviation == pytest.approx([limit] * 2, rel=1e-6)
    rested = create(name, {"drift_per_day": 400})
    rows = rested.seeded(np.array([1500.0]), np.array([30.0]), rested.opening())
    assert rested.view(rows, rested.opening(), np.array([4.0]))[1][0] == pytest.approx(50.0)


def test_one_disaster_moves_a_rating_only_so_far() -> None:
    """Elo-MMR is robust: the worse the day, the less each further place costs; Elo-MMX is not."""
    drops: dict[str, list[float]] = {}
    for name in NAMES:
        system = create(name)
        drops[name] = []
        for gap in (500.0, 2_000.0, 10_000.0):
            table = empty(system, 21)
            rows = np.full(21, 1500.0)
            rows[0] += gap
            table.skills[:] = system.seeded(rows, np.full(21, 80.0), table.pool)
            play(system, table, match({row: 21 if row == 0 else row for row in range(21)}))
            drops[name].append(rows[0] - table.skills[0, MU])
            assert np.isfinite(table.skills).all()
    assert drops["elo_mmr"][0] < drops["elo_mmr"][1] < 250
    assert drops["elo_mmr"][2] == pytest.approx(drops["elo_mmr"][1], rel=0.01)
    assert drops["elo_mmx"][2] > 4 * drops["elo_mmx"][1] > 8 * drops["elo_mmx"][0]


@BOTH
def test_predictions_and_home(name: str) -> None:
    system = create(name, {"home": 60})
    table = empty(system, 2)
    table.skills[:] = system.seeded(np.array([1600.0, 1500.0]), np.array([100.0, 50.0]), table.pool)
    columns = lay_out([match({0: 1, 1: 2}, home=1)], [0, 1])
    expected = Expected(np.empty(2), np.empty(2), np.full(1, np.nan))
    system.update(columns, np.zeros(2), table.skills, table.pool, expected)
    assert expected.location.tolist() == [1600.0, 1560.0]
    scatter, unit = 80.0**2 * (1 + 1 / 0.2), STEEP**2 if name == "elo_mmr" else 1.0
    drifted = np.array([100.0**2, 50.0**2]) + 0.2 * 80**2
    assert expected.variance == pytest.approx((drifted + scatter) / unit, rel=1e-12)
    assert math.isnan(expected.zone[0])
    # A win that was expected by the home side's points alone moves as one between equals.
    even, away = (played(create(name, {"home": home}), 2, match({0: 1, 1: 2}, home=1))[0] for home in (0.0, 100.0))
    assert away[0] > even[0]


@pytest.mark.parametrize("name", NAMES)
def test_predicts_real_contests_as_the_library_does(name: str, data: Path) -> None:
    system, theirs = create(name), elo_mmr_py.Rater(NAMES[name])
    rows: dict[str, int] = {}
    reference = unscored()
    with gzip.open(data / "codeforces_contests.ndjson.gz", "rt") as lines:
        contests = [json.loads(next(lines)) for _ in range(12)]
    table = empty(system, 10_000)
    scatter, unit = 80.0**2 * (1 + 1 / 0.2), STEEP**2 if name == "elo_mmr" else 1.0
    for contest in contests:
        places = {rows.setdefault(who, len(rows)): place + 1 for who, place in contest["standings"]}
        found = theirs.ratings
        known = [found.get(str(row)) for row in places]
        mu = np.array([1500.0 if one is None else one.mu for one in known])
        sig = np.array([350.0 if one is None else one.sig for one in known])
        columns = lay_out([match(places)], list(places))
        expected = Expected(mu, (sig * sig + 0.2 * 80**2 + scatter) / unit, np.full(1, np.nan))
        score(columns, expected, system.link, reference)
        rate(system, columns, table)
        theirs.add(their(places))
    ours = table.scores
    assert ours[SCORED] == reference[SCORED] == 12
    assert ours[LOG_LOSS] / 12 == pytest.approx(reference[LOG_LOSS] / 12, abs=1e-6)


def test_a_team_learns_as_a_gaussian_about_its_mean() -> None:
    """Elo-MMX, all Gaussian: each player's part of one noisy look at the mean of three."""
    system = create("elo_mmx")
    rating, deviation = np.array([1700.0, 1400.0, 1500.0, 1550.0]), np.array([60.0, 200.0, 350.0, 100.0])
    table = empty(system, 4)
    table.skills[:] = system.seeded(rating, deviation, table.pool)
    one = Match("1", "pool", 0, (Side(("0", "1", "2"), rank=1), Side(("3",), rank=2)))
    rate(system, lay_out([one], range(4)), table)
    drifted, scatter = deviation**2 + 0.2 * 80**2, 80.0**2 * 6
    location, spread = np.array([rating[:3].mean(), 1550.0]), np.array([drifted[:3].sum() / 9, drifted[3]])
    performance = np.empty(2)
    performances(NORMAL, location, 1 / np.sqrt(spread + scatter), np.array([1, 2]), performance)
    gain = drifted[:3] / 3 / (spread[0] + scatter)
    assert table.skills[:3, MU] == pytest.approx(rating[:3] + gain * (performance[0] - location[0]), rel=1e-12)
    assert table.skills[:3, VARIANCE] == pytest.approx(drifted[:3] - gain * drifted[:3] / 3, rel=1e-9)
