"""What every rating system must keep, as checks that take any system; `test_ratings` holds them against all.

Each check of `ALWAYS` and `FEATS` must hold for every system, each of `PROMISED` for those that declare the promise.
"""

import hashlib
import itertools
import math
import time
from collections.abc import Callable

import msgspec
import numpy as np
from hypothesis import strategies as st

from service.columns import NO_HOME, Matches
from service.match import MOST_ON_A_SIDE, MOST_PLAYERS, MOST_SIDES, Side
from service.rate import MATCHES, Table, empty, rate
from service.ratings import Promise, RatingSystem, unexpected
from service.store.rows import pack_learned, pack_rows, unpack_learned, unpack_rows
from tests.property.scenes import (
    LEEWAY,
    PLAYERS,
    bits,
    bout,
    bouts,
    copied,
    laid,
    leeway,
    played,
    random_matches,
    scenes,
    shown,
    sides_of,
)

Check = Callable[[RatingSystem, st.DataObject], None]
Feat = Callable[[RatingSystem, float], None]


def names_do_not_matter(system: RatingSystem, data: st.DataObject) -> None:
    scene = data.draw(scenes(system))
    matches = [data.draw(bouts(system, scene.now)) for _ in range(2)]
    to = np.array(data.draw(st.permutations(range(PLAYERS))))
    moved = copied(scene.table)
    moved.tallies[to], moved.skills[to] = scene.table.tallies, scene.table.skills
    renamed = [
        msgspec.structs.replace(
            match, sides=tuple(
                msgspec.structs.replace(side, players=tuple(str(to[int(name)]) for name in side.players))
                for side in match.sides
            )
        )
        for match in matches
    ]  # fmt: skip
    before, after = played(system, scene.table, matches), played(system, moved, renamed)
    assert bits(*before) == bits(after.tallies[to], after.skills[to], after.pool, after.scores)


def order_of_sides_does_not_matter(system: RatingSystem, data: st.DataObject) -> None:
    scene = data.draw(scenes(system))
    match = data.draw(bouts(system, scene.now))
    order = data.draw(st.permutations(range(len(match.sides))))
    home = None if match.home is None else order.index(match.home)
    turned = msgspec.structs.replace(match, sides=tuple(match.sides[place] for place in order), home=home)
    one, other = played(system, scene.table, [match]), played(system, scene.table, [turned])
    assert bits(one.tallies, one.skills, one.pool) == bits(other.tallies, other.skills, other.pool)
    # How well it was predicted is a sum over the pairs as they stand, with chances cut off next to 0 and 1.
    np.testing.assert_allclose(one.scores, other.scores, rtol=5e-3, atol=1e-9)


def order_within_a_side_does_not_matter(system: RatingSystem, data: st.DataObject) -> None:
    scene = data.draw(scenes(system))
    match = data.draw(bouts(system, scene.now))
    sides = tuple(
        msgspec.structs.replace(side, players=tuple(data.draw(st.permutations(side.players)))) for side in match.sides
    )
    turned = msgspec.structs.replace(match, sides=sides)
    assert bits(*played(system, scene.table, [match])) == bits(*played(system, scene.table, [turned]))


def batches_do_not_matter(system: RatingSystem, data: st.DataObject) -> None:
    matches = random_matches(system, data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(2, 30)))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(matches) - 1))))
    table = empty(system, PLAYERS)
    for low, high in itertools.pairwise([0, *cuts, len(matches)]):
        rate(system, laid(matches[low:high]), table)
    assert bits(*table) == bits(*played(system, empty(system, PLAYERS), matches))


def nobody_else_is_touched(system: RatingSystem, data: st.DataObject) -> None:
    """Only the rows of those who play are stored, and all systems of a pool are given the same columns."""
    scene = data.draw(scenes(system))
    columns = laid([data.draw(bouts(system, scene.now))])
    given_before, after = bits(*columns), copied(scene.table)
    rate(system, columns, after)
    others = np.setdiff1d(np.arange(PLAYERS), columns.player)
    assert bits(after.skills[others]) == bits(scene.table.skills[others])
    assert bits(*columns) == given_before


def predictions_come_first(system: RatingSystem, data: st.DataObject) -> None:
    scene = data.draw(scenes(system))
    match = data.draw(bouts(system, scene.now, scored=False))
    seen = []
    for places in ([side.rank or 0 for side in match.sides], range(1, len(match.sides) + 1)):
        columns, table = laid([bout(sides_of(match), list(places), scene.now, home=match.home)]), copied(scene.table)
        expected = unexpected(columns)
        expected.location[:] = expected.variance[:] = np.nan
        system.update(columns, np.zeros(len(columns.player)), table.skills, table.pool, expected)
        seen.append(expected)
    assert bits(*seen[0]) == bits(*seen[1])
    assert np.isfinite([seen[0].location, seen[0].variance]).all()
    assert (seen[0].variance > 0).all()
    zone = seen[0].zone[0]
    assert math.isnan(zone) or 0.0 <= zone < math.inf
    assert system.link != "davidson" or not math.isnan(zone)


def views_change_nothing(system: RatingSystem, data: st.DataObject) -> None:
    table, now = data.draw(scenes(system))
    before = bits(*table)
    rating, deviation = shown(system, table, now)
    assert np.isfinite(rating).all()
    assert np.isfinite(deviation).all()
    assert (deviation > 0).all()
    rating += 1.0
    deviation += 1.0
    assert bits(*table) == before


def better_places_never_cost(system: RatingSystem, data: st.DataObject) -> None:
    scene = data.draw(scenes(system))
    match = data.draw(bouts(system, scene.now, scored=False))
    count = len(match.sides)
    mine = data.draw(st.integers(0, count - 1))
    # The others stand at even places, so that an odd one lies between them.
    step = 1 if system.shapes.ties else 2
    good, bad = sorted(data.draw(st.sets(st.integers(0, 2 * count // step), min_size=2, max_size=2)))
    if not system.shapes.ties:
        match = bout(sides_of(match), range(1, count + 1), scene.now, home=match.home, weight=match.weight)
    after = []
    for place in (good, bad):
        places = [2 * (side.rank or 0) for side in match.sides]
        places[mine] = place * step + 1
        bettered = bout(sides_of(match), places, scene.now, home=match.home, weight=match.weight)
        after.append(shown(system, played(system, scene.table, [bettered]), scene.now))
    rows = sides_of(match)[mine]
    (better, deviation), (worse, _) = after
    assert (better[rows] >= worse[rows] - leeway(worse, deviation)[rows]).all()


def better_margins_never_cost(system: RatingSystem, data: st.DataObject) -> None:
    scene = data.draw(scenes(system))
    match = data.draw(bouts(system, scene.now, scored=True))
    mine = data.draw(st.integers(0, len(match.sides) - 1))
    more = data.draw(st.sampled_from([1e-9, 0.5, 1.0, 3.0, 100.0, 1e6]))
    sides = list(match.sides)
    sides[mine] = msgspec.structs.replace(sides[mine], score=(sides[mine].score or 0.0) + more)
    bettered = msgspec.structs.replace(match, sides=tuple(sides))
    if not system.shapes.ties and len({side.score for side in sides}) < len(sides):
        return
    rows = sides_of(match)[mine]
    worse, deviation = shown(system, played(system, scene.table, [match]), scene.now)
    better, _ = shown(system, played(system, scene.table, [bettered]), scene.now)
    assert (better[rows] >= worse[rows] - leeway(worse, deviation)[rows]).all()


def matches_never_unsettle(system: RatingSystem, data: st.DataObject) -> None:
    scene = data.draw(scenes(system))
    match = data.draw(bouts(system, scene.now))
    _, before = shown(system, scene.table, scene.now)
    _, after = shown(system, played(system, scene.table, [match]), scene.now)
    assert (after <= before * (1 + LEEWAY)).all()


def rest_unsettles(system: RatingSystem, data: st.DataObject) -> None:
    table = played(system, empty(system, PLAYERS), random_matches(system, data.draw(st.integers(0, 2**32 - 1)), 30))
    days = sorted(data.draw(st.lists(st.floats(0, 1e4), min_size=2, max_size=2)))
    short, long, ages = (system.view(table.skills, table.pool, np.full(PLAYERS, rest))[1] for rest in (*days, 1e6))
    assert (long >= short * (1 - LEEWAY)).all()
    settled = table.tallies[:, MATCHES] > 0
    now = system.view(table.skills, table.pool, np.zeros(PLAYERS))[1]
    assert (ages[settled] > now[settled]).all()


def moves_cancel(system: RatingSystem, data: st.DataObject) -> None:
    scene = data.draw(scenes(system))
    match = data.draw(bouts(system, scene.now, single=True))
    before, deviation = shown(system, scene.table, scene.now)
    after, _ = shown(system, played(system, scene.table, [match]), scene.now)
    assert abs((after - before).sum()) <= leeway(before, deviation).sum()


def ties_of_equals_move_nobody(system: RatingSystem, data: st.DataObject) -> None:
    """Sides of twins, so that all are predicted alike; or twins of whom one has settled by playing others."""
    scene = data.draw(scenes(system))
    count = data.draw(st.integers(2, min(system.shapes.most_sides, 4)))
    size = data.draw(st.integers(1, min(system.shapes.most_players, 3)))
    rows = np.arange(count * size).reshape(count, size)
    table = copied(scene.table)
    table.skills[rows], table.tallies[rows] = table.skills[rows[0]], table.tallies[rows[0]]
    if data.draw(st.booleans()):
        # A settled twin of row 0 with the same mean: ties against twins of its own.
        pair = [[0], [PLAYERS - 1]]
        for _ in range(3):
            table.skills[PLAYERS - 1], table.tallies[PLAYERS - 1] = table.skills[0], table.tallies[0]
            table = played(system, table, [bout(pair, [1, 1], scene.now)])
    match = bout(rows.tolist(), [1] * count, scene.now, scored=data.draw(st.booleans()))
    columns, trial = laid([match]), copied(table)
    expected = unexpected(columns)
    system.update(columns, np.zeros(count * size), trial.skills, trial.pool, expected)
    if len(set(expected.location)) > 1:
        return
    before, deviation = shown(system, table, scene.now)
    after, _ = shown(system, played(system, table, [match]), scene.now)
    assert (np.abs(after - before) <= leeway(before, deviation)).all()


def half_a_match_moves_less(system: RatingSystem, data: st.DataObject) -> None:
    weights = sorted(data.draw(st.sets(st.floats(0.05, 2), min_size=2, max_size=2)))
    start = empty(system, PLAYERS)
    before, deviation = shown(system, start, 0)
    little, much = (
        shown(system, played(system, start, [bout([[0], [1]], [1, 2], 0, weight=weight)]), 0)[0] - before
        for weight in weights
    )
    if weights[1] - weights[0] < 0.01 or much[0] < 1e-6 * deviation[0]:
        return
    assert 0 < little[0] < much[0]
    assert 0 > little[1] > much[1]


def state_survives_the_store(system: RatingSystem, data: st.DataObject) -> None:
    matches = random_matches(system, data.draw(st.integers(0, 2**32 - 1)), 20)
    cut = data.draw(st.integers(1, 19))
    half = played(system, empty(system, PLAYERS), matches[:cut])
    tallies, skills = unpack_rows([*pack_rows(half.tallies, half.skills), None], system)
    pool, scores = unpack_learned(pack_learned(half.pool, half.scores), system)
    assert bits(skills[-1], tallies[-1]) == bits(system.newcomer(), np.zeros(4))
    again = Table(tallies[:-1], skills[:-1], pool, scores)
    assert bits(*again) == bits(*half)
    fresh = msgspec.structs.replace(system)
    assert bits(*played(fresh, again, matches[cut:])) == bits(*played(system, half, matches[cut:]))


def seeds_are_shown_as_given(system: RatingSystem, data: st.DataObject) -> None:
    """Whoever comes with a rating is shown with it, and goes on from it; deviations up to a newcomer's."""
    scene = data.draw(scenes(system))
    _, unsure = system.view(system.newcomer()[None, :], system.opening(), np.zeros(1))
    count = data.draw(st.integers(2, PLAYERS))
    rating = np.array(data.draw(st.lists(st.floats(-1e6, 1e6), min_size=count, max_size=count)))
    share = np.array(data.draw(st.lists(st.floats(0.001, 1), min_size=count, max_size=count)))
    pool = bits(scene.table.pool)
    skills = system.seeded(rating, share * unsure, scene.table.pool)
    assert skills.shape == (count, len(system.skill_columns))
    assert skills.dtype == np.float64
    assert bits(scene.table.pool) == pool
    seen, deviation = system.view(skills, scene.table.pool, np.zeros(count))
    assert bits(seen) == bits(rating)
    np.testing.assert_allclose(deviation, share * unsure, rtol=1e-6)
    _, again = unpack_rows(pack_rows(np.zeros((count, 4)), skills), system)
    assert bits(again) == bits(skills)
    after = copied(scene.table)
    after.skills[:count] = skills
    after = played(system, after, [bout([[0], [1]], [1, 2], scene.now)])
    assert all(np.isfinite(array).all() for array in (skills, *after))


def other_shapes_are_refused(system: RatingSystem, data: st.DataObject) -> None:
    shapes = system.shapes
    assert 2 <= shapes.most_sides <= MOST_SIDES
    assert 1 <= shapes.most_players <= MOST_ON_A_SIDE
    assert system.refusal(data.draw(bouts(system, 0)).sides) is None
    refused = []
    if shapes.most_sides < MOST_SIDES:
        refused.append([Side((str(row),), rank=row + 1) for row in range(shapes.most_sides + 1)])
    if shapes.most_players < MOST_ON_A_SIDE:
        team = tuple(str(row) for row in range(shapes.most_players + 1))
        refused.append([Side(team, rank=1), Side(("x",), rank=2)])
    if not shapes.ties:
        refused.append([Side(("x",), rank=1), Side(("y",), rank=1)])
        refused.append([Side(("x",), score=0.0), Side(("y",), score=-0.0)])
    for sides in refused:
        assert system.name in (system.refusal(sides) or "")


def million_wins_stay_finite(system: RatingSystem, share: float = 1.0) -> None:
    many = int(1_000_000 * share)
    columns = Matches(
        side_start=np.arange(0, 2 * many + 1, 2), player_start=np.arange(2 * many + 1), player=np.tile([0, 1], many),
        rank=np.tile([1, 2], many), score=np.full(2 * many, np.nan), home=np.full(many, NO_HOME),
        weight=np.ones(many), at=np.arange(many) * 60_000,
    )  # fmt: skip
    table = empty(system, 2)
    rate(system, columns, table)
    rating, deviation = shown(system, table, int(columns.at[-1]))
    assert all(np.isfinite(array).all() for array in (*table, rating, deviation))
    assert rating[0] > rating[1]
    assert (deviation > 0).all()


def largest_matches_stay_finite(system: RatingSystem, share: float = 1.0) -> None:
    shapes = system.shapes
    team = min(shapes.most_players, MOST_PLAYERS // 2)
    for count, size in ((shapes.most_sides, 1), (min(shapes.most_sides, MOST_PLAYERS // team), team)):
        rows = np.arange(count * size).reshape(count, size).tolist()
        for places in [list(range(1, count + 1)), *([[1] * count, [1] + [2] * (count - 1)] if shapes.ties else [])]:
            columns, table = laid([bout(rows, places, 0)]), empty(system, count * size)
            expected = unexpected(columns)
            begun = time.process_time()
            system.update(columns, np.zeros(count * size), table.skills, table.pool, expected)
            assert time.process_time() - begun < 5.0
            rating, deviation = shown(system, table, 0)
            assert all(
                np.isfinite(array).all() for array in (*table, expected.location, expected.variance, rating, deviation)
            )
            assert (deviation > 0).all()


def digest(system: RatingSystem, count: int) -> str:
    """What thousands of matches come to, to the last bit."""
    table = played(system, empty(system, 60), random_matches(system, 20_261_121, count, players=60))
    view = shown(system, table, 10**12)
    return hashlib.sha256(b"".join(bits(*table, *view))).hexdigest()


ALWAYS: list[Check] = [
    names_do_not_matter,
    order_of_sides_does_not_matter,
    order_within_a_side_does_not_matter,
    batches_do_not_matter,
    nobody_else_is_touched,
    predictions_come_first,
    views_change_nothing,
    half_a_match_moves_less,
    state_survives_the_store,
    seeds_are_shown_as_given,
    other_shapes_are_refused,
]
PROMISED: dict[Promise, Check] = {
    "monotone_place": better_places_never_cost,
    "monotone_margin": better_margins_never_cost,
    "deviation_shrinks": matches_never_unsettle,
    "rest_grows": rest_unsettles,
    "zero_sum": moves_cancel,
    "neutral_tie": ties_of_equals_move_nobody,
}
FEATS: list[Feat] = [million_wins_stay_finite, largest_matches_stay_finite]
"""Shown once a system, not by many examples."""
