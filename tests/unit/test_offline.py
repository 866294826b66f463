"""Offline work: what a file's matches come to, against the same sums written plainly."""

import csv
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.systems import FILES, File
from service.ratings import create
from standings.errors import Mistake
from standings.evaluation import evaluate_file, evaluations_of
from standings.files.source import Source
from standings.play import play_file
from standings.rating import rate_file

ELO = create("elo")
Writer = Callable[[Sequence[Any]], Source]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Write rows, one JSON value a line; answer where they are."""

    def write(rows: Sequence[Any]) -> Source:
        path = tmp_path / "matches.ndjson"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return Source(file=str(path))

    return write


def duel(number: object, first: str, second: str, ranks: tuple[int, int] = (1, 2), pool: str = "chess") -> Any:
    sides = [{"players": [name], "rank": rank} for name, rank in zip((first, second), ranks, strict=True)]
    return {"id": str(number), "pool": pool, "at": 0, "sides": sides}


def random_duels(count: int) -> list[Any]:
    chance = random.Random(7)
    names = [f"player {number}" for number in range(300)]
    ranks = [(1, 2), (2, 1), (1, 1)]
    pairs = [chance.sample(names, 2) for _ in range(count)]
    return [duel(number, first, second, chance.choice(ranks)) for number, (first, second) in enumerate(pairs)]


def plain_elo(
    matches: Sequence[Any], k: float = 32.0
) -> tuple[dict[str, float], dict[str, int], list[tuple[float, float]]]:
    """Ratings, numbers of matches, and (chance of the first side, its result) of each match."""
    rating: dict[str, float] = {}
    played: dict[str, int] = {}
    predictions = []
    for match in matches:
        (first, a), (second, b) = ((side["players"][0], side["rank"]) for side in match["sides"])
        before = rating.get(first, 1500.0), rating.get(second, 1500.0)
        expected = 1 / (1 + 10 ** ((before[1] - before[0]) / 400))
        result = 0.5 if a == b else float(a < b)
        predictions.append((expected, result))
        rating[first] = before[0] + k * (result - expected)
        rating[second] = before[1] - k * (result - expected)
        played[first], played[second] = played.get(first, 0) + 1, played.get(second, 0) + 1
    return rating, played, predictions


def test_rate_is_plain_elo(write: Writer) -> None:
    matches = random_duels(20_000)
    expected, played, _ = plain_elo(matches)
    answer = rate_file(write(matches), ELO)
    assert answer.system == "elo"
    assert {player.player: player.rating for player in answer.players} == pytest.approx(expected, rel=0, abs=1e-9)
    assert {player.player: player.matches for player in answer.players} == played
    keys = [(-player.rating, player.player) for player in answer.players]
    assert keys == sorted(keys)


def test_parameters_count(write: Writer) -> None:
    matches = random_duels(500)
    answer = rate_file(write(matches), create("elo", {"k": "10"}))
    expected, _, _ = plain_elo(matches, 10.0)
    assert {player.player: player.rating for player in answer.players} == pytest.approx(expected, rel=0, abs=1e-9)


def test_equal_ratings_are_in_order_of_names(write: Writer) -> None:
    answer = rate_file(write([duel(1, "bob", "ann", (1, 1)), duel(2, "eve", "dan")]), ELO)
    assert [player.player for player in answer.players] == ["eve", "ann", "bob", "dan"]


def test_pieces_of_a_file_do_not_matter(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(random_duels(2_000))
    whole = rate_file(source, ELO)
    monkeypatch.setattr("standings.files.lines.BLOCK_BYTES", 700)
    assert rate_file(source, ELO) == whole


def test_one_pool_is_not_named_in_the_answer(write: Writer) -> None:
    answer = msgspec.to_builtins(rate_file(write([duel(1, "ann", "bob")]), ELO))
    assert [list(player) for player in answer["players"]] == [["player", "rating", "deviation", "matches"]] * 2
    assert [player["rating"] for player in answer["players"]] == [1516.0, 1484.0]


def test_every_pool_is_a_ladder_of_its_own(write: Writer) -> None:
    source = write([duel(1, "ann", "bob"), duel(1, "bob", "ann", pool="go"), duel(2, "bob", "ann", pool="go")])
    answer = msgspec.to_builtins(rate_file(source, ELO))
    alone = msgspec.to_builtins(rate_file(write([duel(1, "bob", "ann"), duel(2, "bob", "ann")]), ELO))
    assert [(player["pool"], player["player"]) for player in answer["players"]] == [
        ("chess", "ann"),
        ("chess", "bob"),
        ("go", "bob"),
        ("go", "ann"),
    ]
    assert [player["rating"] for player in answer["players"][:2]] == [1516.0, 1484.0]
    assert [player["rating"] for player in answer["players"][2:]] == [player["rating"] for player in alone["players"]]


def test_an_id_counts_once(write: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    source = write([duel(1, "ann", "bob"), duel(1, "ann", "bob"), duel(1, "bob", "ann")])
    assert [player.rating for player in rate_file(source, ELO).players] == [1516.0, 1484.0]
    named, counted = capsys.readouterr().err.splitlines()
    assert named.startswith(f"{source.file}:3: id_reused: id: '1' of pool 'chess'")
    assert counted == f"{source.file}: 1 duplicates left out"


def test_an_id_comes_free_behind_the_window(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("standings.play.SEEN_WINDOW", 3)
    monkeypatch.setattr("standings.files.lines.BLOCK_BYTES", 10)
    inside = [duel(1, "ann", "bob"), {}, {}, duel(1, "ann", "bob")]
    assert evaluate_file(write(inside), [ELO]).systems[0].matches == 1
    behind = [duel(1, "ann", "bob"), {}, {}, {}, duel(1, "ann", "bob")]
    assert evaluate_file(write(behind), [ELO]).systems[0].matches == 2


def test_bad_rows_are_named_and_left_out(write: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    crowd = {**duel(2, "x", "y"), "sides": [{"players": [f"p{rank}"], "rank": rank} for rank in range(1, 5_002)]}
    source = write([duel(1, "ann", "ann"), crowd, 7, duel(3, "ann", "bob")])
    assert [player.rating for player in rate_file(source, ELO).players] == [1516.0, 1484.0]
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{source.file}:1: invalid_match: sides[1].players[0]: stands twice")
    assert second == f"{source.file}:2: shape_not_taken: sides: elo takes at most 5000 sides, not 5001"
    assert third.startswith(f"{source.file}:3: invalid_match: ")


def test_evaluate_scores_what_was_predicted(write: Writer) -> None:
    matches = random_duels(3_000)
    _, _, predictions = plain_elo(matches)
    decided = [(chance, result) for chance, result in predictions if result != 0.5]
    (found,) = evaluate_file(write(matches), [ELO]).systems
    assert (found.system, found.matches, found.scored) == ("elo", 3_000, 3_000)
    log_loss = [-(r * math.log(p) + (1 - r) * math.log(1 - p)) for p, r in predictions]
    assert found.log_loss == pytest.approx(sum(log_loss) / 3_000, rel=1e-9)
    assert found.brier == pytest.approx(sum((p - r) ** 2 for p, r in predictions) / 3_000, rel=1e-9)
    right = sum(0.5 if p == 0.5 else (p > 0.5) == (r > 0.5) for p, r in decided)
    assert found.accuracy == pytest.approx(right / len(decided), rel=1e-9)
    assert found.matches_per_second is not None
    assert found.matches_per_second > 0

    both = [pair for p, r in predictions for pair in ((p, r), (1 - p, 1 - r))]
    assert [(one.low, one.high) for one in found.calibration] == [(i / 10, (i + 1) / 10) for i in range(10)]
    for index, one in enumerate(found.calibration):
        inside = [(p, r) for p, r in both if min(9, int(p * 10)) == index]
        assert one.weight == pytest.approx(len(inside) / 2)
        if inside:
            assert one.predicted == pytest.approx(sum(p for p, _ in inside) / len(inside), rel=1e-9)
            assert one.seen == pytest.approx(sum(r for _, r in inside) / len(inside), rel=1e-9)
        else:
            assert (one.predicted, one.seen) == (None, None)


def test_systems_are_compared_side_by_side(write: Writer) -> None:
    source = write(random_duels(1_000))
    slow, quick = create("elo", {"k": 1}), create("elo", {"k": 60})
    both = evaluate_file(source, [slow, quick]).systems
    for system, found in zip((slow, quick), both, strict=True):
        (alone,) = evaluate_file(source, [system]).systems
        assert (alone.log_loss, alone.brier, alone.accuracy) == (found.log_loss, found.brier, found.accuracy)


def test_an_empty_file_has_no_figures(write: Writer) -> None:
    assert rate_file(write([]), ELO).players == []
    (found,) = evaluate_file(write([]), [ELO]).systems
    assert (found.matches, found.scored) == (0, 0)
    assert (found.log_loss, found.brier, found.accuracy, found.matches_per_second) == (None, None, None, None)


def test_a_seed_sets_the_start_in_its_place(write: Writer) -> None:
    seed = {"type": "seed", "id": "s", "pool": "chess", "at": 0, "system": "elo"}
    seeded = {**seed, "players": [{"player": "eve", "rating": 1800.0}, {"player": "bob", "rating": 1400.0}]}
    source = write([duel(1, "ann", "bob"), seeded, duel(2, "bob", "eve")])
    ratings = {player.player: (player.rating, player.matches) for player in rate_file(source, ELO).players}
    gain = 32 * (1 - 1 / (1 + 10 ** ((1800 - 1400) / 400)))
    assert ratings["ann"] == (1516.0, 1)
    assert ratings["bob"] == pytest.approx((1400 + gain, 2))
    assert ratings["eve"] == pytest.approx((1800 - gain, 1))


def test_strict_ends_with_the_row(write: Writer) -> None:
    source = write([duel(1, "ann", "bob"), duel(2, "ann", "ann"), 7])
    with pytest.raises(Mistake, match=r":2: invalid_match: sides\[1\]\.players\[0\]: stands twice"):
        rate_file(replace(source, strict=True), ELO)


# Matches and players of the files that the benchmark of the systems reads.
HOLD = {
    "football": (49_520, 337),
    "NFL": (16_810, None),
    "Halo, duels": (6_028, 1_653),
    "Halo, teams": (972, 2_486),
    "Codeforces": (200, 18_797),
    "LLM votes": (8_931, 59),
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.title)
def test_real_files_are_read_whole(data: Path, file: File, capsys: pytest.CaptureFixture[str]) -> None:
    played = play_file(file.source(data), [ELO], shuffle=file.shuffle)
    matches, players = HOLD[file.title]
    (ladder,) = played.ladders.values()
    assert (played.matches, played.duplicates) == (matches, 0)
    assert players is None or len(ladder.row_of) == players
    assert evaluations_of(played).systems[0].log_loss is not None
    assert capsys.readouterr().err == ""


def test_football_by_its_columns_is_football_by_plain_elo(data: Path) -> None:
    source = FILES[0].source(data)
    rating: dict[str, float] = {}
    with Path(source.file).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            first, second = row["home_team"], row["away_team"]
            gap = rating.get(first, 1500.0) - rating.get(second, 1500.0) + (80.0 if row["neutral"] == "FALSE" else 0.0)
            goals = int(row["home_score"]), int(row["away_score"])
            result = 0.5 if goals[0] == goals[1] else float(goals[0] > goals[1])
            step = 32 * (result - 1 / (1 + 10 ** (-gap / 400)))
            rating[first], rating[second] = rating.get(first, 1500.0) + step, rating.get(second, 1500.0) - step
    found = rate_file(source, create("elo", {"home": 80}))
    assert {player.player: player.rating for player in found.players} == pytest.approx(rating, rel=0, abs=1e-6)
