"""Evaluation of several systems: who takes part, what is said of ties, by how much they differ, in which order."""

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from service.ratings import RatingSystem, create, systems
from service.ratings.elo import Elo
from service.ratings.link import CODES, outcome_chances
from service.score import FIRST_ZONE
from standings.errors import Mistake
from standings.evaluation import Evaluations, evaluate_file
from standings.files.source import Source
from standings.play import play_file
from standings.rating import ratings_of

ELO = create("elo")


class Duels(Elo, frozen=True, kw_only=True):
    """Elo that refuses what many systems refuse."""

    def refusal(self, sides: Sequence[Any]) -> str | None:
        """Two sides and no ties."""
        return "duels takes no ties" if sides[0].rank == sides[1].rank else super().refusal(sides[:2])


def write(path: Path, results: Sequence[tuple[str, ...]]) -> Source:
    """A match a line: names in the order of their places; '=' before a name that shares the place before it."""
    lines = []
    for number, names in enumerate(results):
        rank, sides = 0, []
        for place, name in enumerate(names, 1):
            rank = rank if name.startswith("=") else place
            sides.append({"players": [name.removeprefix("=")], "rank": rank})
        lines.append(json.dumps({"id": str(number), "pool": "chess", "at": number * 3_600_000, "sides": sides}))
    file = path / "games.ndjson"
    file.write_text("\n".join(lines))
    return Source(file=str(file))


def league(count: int, ties: float = 0.2) -> list[tuple[str, ...]]:
    """Matches of 20 players, each 0.2 stronger on the log scale than the one before."""
    chance = random.Random(5)
    results: list[tuple[str, ...]] = []
    for _ in range(count):
        a, b = chance.sample(range(20), 2)
        won = (a, b) if chance.random() < 1 / (1 + math.exp((b - a) / 5)) else (b, a)
        results.append((f"p{won[0]}", f"{'=' if chance.random() < ties else ''}p{won[1]}"))
    return results


def test_the_three_way_loss_is_that_of_the_outcomes(tmp_path: Path) -> None:
    (found,) = evaluate_file(write(tmp_path, [("ann", "bob"), ("cid", "=dan")]), [ELO]).systems
    win, tie, _ = outcome_chances(CODES[ELO.link], 0.0, FIRST_ZONE)
    # The zone has moved a little after the first of the two.
    assert found.three_way_log_loss == pytest.approx(-(math.log(win) + math.log(tie)) / 2, rel=0.02)
    (found,) = evaluate_file(write(tmp_path, [("ann", "bob", "cid")]), [ELO]).systems
    assert (found.scored, found.three_way_log_loss) == (1, None)


def test_all_leaves_out_who_does_not_take_a_match(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = [("ann", "bob")] * 3 + [("ann", "=bob"), ("bob", "ann")]
    source = write(tmp_path, results)
    both = [Duels(), create("glicko2")]
    found = evaluate_file(source, both, fitting=True)
    assert capsys.readouterr().err == f"{source.file}:4: elo is left out: duels takes no ties\n"
    alone = evaluate_file(source, [create("glicko2")])
    assert [(one.system, one.matches, one.log_loss) for one in found.systems] == [
        ("glicko2", 5, alone.systems[0].log_loss)
    ]
    assert (found.differences, found.three_way_differences) == ([], [])
    # By name instead, the match is left out for both.
    named = evaluate_file(source, both)
    assert [one.matches for one in named.systems] == [4, 4]
    assert ":4: shape_not_taken: sides: duels takes no ties" in capsys.readouterr().err


def test_the_others_do_not_notice_who_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Late, after many pieces of the file.
    monkeypatch.setattr("standings.files.lines.BLOCK_BYTES", 700)
    source = write(tmp_path, [*league(299, ties=0), ("p1", "=p2")])
    glicko2 = create("glicko2")
    found, expected = (
        evaluate_file(source, [glicko2, Duels(), ELO], fitting=True),
        evaluate_file(source, [glicko2, ELO]),
    )
    assert found.differences == expected.differences
    assert found.three_way_differences == expected.three_way_differences
    assert [one.log_loss for one in found.systems] == [one.log_loss for one in expected.systems]
    played = play_file(source, [Duels(), ELO], fitting=True)
    assert (played.systems, played.matches) == ([ELO], 300)
    assert ratings_of(played) == ratings_of(play_file(source, [ELO]))


def test_a_match_that_nobody_takes_is_a_bad_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path, [("ann", "bob"), ("ann", "=bob")])
    found = evaluate_file(source, [Duels(), Duels(k=10)], fitting=True)
    assert [one.matches for one in found.systems] == [1, 1]
    assert ":2: shape_not_taken: " in capsys.readouterr().err


def differing(path: Path, chosen: Sequence[RatingSystem]) -> Evaluations:
    return evaluate_file(write(path, league(6_000)), chosen)


def test_differences_are_from_the_best_on_the_same_matches(tmp_path: Path) -> None:
    # A step far too large predicts worse, whatever is resampled; two all but equal ones cannot be told apart.
    found = differing(tmp_path, [create("elo", {"k": 150}), create("elo", {"k": 12}), create("elo", {"k": 12.01})])
    for name, differences in (
        ("log_loss", found.differences),
        ("three_way_log_loss", found.three_way_differences),
    ):
        means = [getattr(one, name) for one in found.systems]
        others = [mean - min(means) for mean in means if mean != min(means)]
        assert [one.log_loss for one in differences] == pytest.approx(others, abs=1e-12)
        worse, near = differences
        assert worse.low is not None
        assert 0.0 < worse.low < worse.log_loss < (worse.high or 0.0)
        assert near.low is not None
        assert near.low <= near.log_loss <= (near.high or 0.0)
        assert near.log_loss < 1e-4
    assert (found.blocks.by, found.blocks.count) == ("matches", 94)


def test_one_match_has_a_difference_and_no_interval(tmp_path: Path) -> None:
    found = evaluate_file(write(tmp_path, [("ann", "bob")]), [ELO, create("glicko2")])
    (one,) = found.differences
    assert (one.log_loss, one.low, one.high) == (0.0, None, None)
    assert evaluate_file(write(tmp_path, []), [ELO, create("glicko2")]).differences == []


def test_a_shuffle_is_another_order_of_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = league(400)
    source = write(tmp_path, results)
    first, again, other = (evaluate_file(source, [ELO], shuffle=seed).systems[0] for seed in (1, 1, 2))
    plain = evaluate_file(source, [ELO]).systems[0]
    assert (first.log_loss, first.calibration) == (again.log_loss, again.calibration)
    assert len({first.log_loss, other.log_loss, plain.log_loss}) == 3
    assert first.scored == other.scored == plain.scored == 400
    # By hand: the order that the seed gives, written down.
    order = list(range(400))
    random.Random(1).shuffle(order)
    by_hand = write(tmp_path, [results[number] for number in order])
    assert evaluate_file(by_hand, [ELO]).systems[0].log_loss == first.log_loss
    assert capsys.readouterr().err == ""


def test_a_shuffle_is_bounded_and_names_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path, league(20))
    with Path(source.file).open("a") as file:
        file.write("\n{\n")
    assert evaluate_file(source, [ELO], shuffle=3).systems[0].matches == 20
    assert capsys.readouterr().err.startswith(f"{source.file}:21: malformed: ")
    monkeypatch.setattr("standings.files.shuffle.MOST_BYTES", 1_000)
    with pytest.raises(Mistake, match=r"--shuffle holds 0 MiB of matches in memory, and .*games.ndjson has more"):
        evaluate_file(source, [ELO], shuffle=3)


def test_every_system_of_the_service_can_be_compared(tmp_path: Path) -> None:
    found = evaluate_file(write(tmp_path, league(200, ties=0)), [create(name) for name in systems()], fitting=True)
    names = {one.system for one in found.systems}
    assert {"elo", "glicko2"} <= names
    assert len(found.differences) == len(names) - 1
