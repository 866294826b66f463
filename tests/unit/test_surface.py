"""What Python users import: the same figures as the command's, mistakes by index and field, and a quick import."""

import json
import math
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import standings
from service.problems import Problem
from service.ratings import create, systems
from standings import Match, Side, Source, compare, evaluate, predict, rate
from standings.errors import Mistake
from standings.evaluation import evaluate_file
from standings.rating import rate_file


def duel(number: int, **more: Any) -> dict[str, Any]:
    names = f"p{number % 7}", f"q{number % 5}"
    sides = [{"players": [name], "score": number * k % 3} for k, name in enumerate(names, 1)]
    return {"id": str(number), "pool": "chess", "at": number, "sides": sides, **more}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "games.ndjson"
    path.write_text("".join(json.dumps(duel(number)) + "\n" for number in range(3_000)))
    return path


def test_the_import_is_light() -> None:
    heavy = "import sys, standings; print([name for name in ('msgspec', 'numba', 'numpy') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
    for name in standings.__all__:
        assert callable(getattr(standings, name)), name
    with pytest.raises(AttributeError, match="'standings' has no attribute 'rates'"):
        _ = standings.rates  # type: ignore[attr-defined]  # that is the point


def test_the_same_as_the_command(file: Path) -> None:
    expected = rate_file(Source(file=str(file)), create("elo", {"k": 20})).players
    matches = [duel(number) for number in range(3_000)]
    for given in (file, str(file), Source(file=str(file)), matches, iter(matches)):
        assert rate(given, "elo", k=20).players == expected
    assert repr(rate(matches)) == "<12 players by kalman, 3,000 matches>"
    (scores,) = evaluate_file(Source(file=str(file)), [create("kalman")]).systems
    assert evaluate(matches).log_loss == evaluate(file, system="kalman").log_loss == scores.log_loss


def test_matches_and_dicts_of_many_kinds_are_one() -> None:
    sides = (Side(("ann",), score=2), Side(("bob",), score=1))
    plain = [{"players": ["ann"], "score": np.int64(2)}, {"players": ("bob",), "score": np.float64(1)}]
    times = ["2026-11-21", 1_795_219_200_000, datetime(2026, 11, 21, tzinfo=UTC), date(2026, 11, 21)]
    first = Match("1", "chess", "2026-11-21", sides)
    answers = [rate([first, {"pool": "chess", "at": at, "sides": plain}]).players for at in times]
    assert all(players == answers[0] for players in answers)
    assert answers[0][0].matches == 2


def test_an_id_counts_once_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(player.matches for player in rate([duel(1), duel(1), duel(8)]).players) == [1, 1, 2]
    assert capsys.readouterr().err == "1 duplicates left out\n"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"at": "soon"}, "matches[3].at: 'soon': neither a date nor a time with its zone; an RFC 3339 date"),
        ({"sides": [{"players": ["ann"], "rank": 0}, {"players": ["bob"], "rank": 1}]}, "matches[3].sides[0].rank: "),
        ({"id": "1"}, "matches[3]: id: '1' of pool 'chess' had another content"),
        ({"tags": {1, object}}, "matches[3]: type cannot stand in a match"),
        (7, "matches[3]: neither a Match nor a dict: int"),
    ],
)
def test_a_wrong_match_is_named_by_index_and_field(wrong: Any, said: str) -> None:
    fourth = duel(3, **wrong) if isinstance(wrong, dict) else wrong
    with pytest.raises(Problem) as raised:
        rate([duel(0), duel(1), duel(2), fourth])
    assert str(raised.value).startswith(said)
    for error in raised.value.errors:
        assert error.field.startswith("matches[3].")


def test_a_match_of_the_wrong_types_is_refused_too() -> None:
    with pytest.raises(Problem, match=r"matches\[0\]\.sides\[0\]\.players: Expected `array`, got `str`"):
        rate([Match("1", "chess", 0, (Side("ann", rank=1), Side("bob", rank=2)))])  # type: ignore[arg-type]  # the same


def test_mistakes_are_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no rating system 'eloo'"):
        rate([], system="eloo")
    with pytest.raises(Problem, match="kalman has no such parameter"):
        evaluate([], kay=3)
    with pytest.raises(Mistake, match="No such file"):
        rate(tmp_path / "nowhere.ndjson")


@pytest.mark.parametrize("system", list(systems()))
def test_a_forecast_is_what_evaluate_would_have_said(system: str) -> None:
    matches = [duel(number, at=number * 5 * 86_400_000) for number in range(60)]
    for end in range(40, 59):
        sides = [side["players"] for side in matches[end]["sides"]]
        expected = rate(matches[:end], system).predict(sides, at=matches[end]["at"])
        assert expected.tie is not None
        assert sum(expected.win) + expected.tie == pytest.approx(1)
        won = {**matches[end], "sides": [{"players": side, "rank": rank} for rank, side in enumerate(sides, 1)]}
        scores = [evaluate(given, system) for given in ([*matches[:end], won], matches[:end])]
        losses = [(score.three_way_log_loss or 0) * score.scored for score in scores]
        assert losses[0] - losses[1] == pytest.approx(-math.log(expected.win[0]), rel=1e-6)


def test_two_sides_share_the_places_of_a_tie() -> None:
    ratings = rate([duel(number) for number in range(50)])
    found = ratings.predict(["p1", "q1"])
    assert predict([duel(number) for number in range(50)], ["p1", "q1"]) == found
    assert found.tie is not None
    assert found.places is not None
    assert found.places[0] == pytest.approx([found.win[0] + found.tie / 2, found.win[1] + found.tie / 2])
    assert found.places[1] == pytest.approx(found.places[0][::-1])


def test_systems_are_compared_on_the_same_matches(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compare(file, "elo", "glicko2")
    assert [one.system for one in found.systems] == ["elo", "glicko2"]
    assert [one.log_loss for one in found.systems] == [evaluate(file, name).log_loss for name in ("elo", "glicko2")]
    assert len(found.differences) == len(found.three_way_differences) == 1
    everyone = compare([duel(number) for number in range(3_000)])
    assert capsys.readouterr().err.count("is left out") == len(systems()) - len(everyone.systems)
    assert {"elo", "glicko2"} <= {one.system for one in everyone.systems}
    with pytest.raises(Problem, match="no rating system 'eloo'"):
        compare([], "elo", "eloo")


def test_a_forecast_changes_nothing() -> None:
    ratings = rate([duel(number) for number in range(50)])
    before = ratings.predict(["p1", "q1"], home=0)
    assert ratings.predict(["p1", "q1"], home=0) == before
    turned = ratings.predict(["q1", "p1"], home=1)
    assert turned.win == pytest.approx(before.win[::-1])
    assert turned.tie == pytest.approx(before.tie)
    assert ratings.players == rate([duel(number) for number in range(50)]).players


def test_a_forecast_of_many_sides_and_teams() -> None:
    ratings = rate([duel(number) for number in range(200)], "elo")
    names = [["p1", "p2"], ["q1"], "q2", ("p3",)]
    found = ratings.predict(names)
    chances = found.win
    assert sum(chances) == pytest.approx(1)
    assert found.tie is None
    assert found.places is not None
    assert [places[0] for places in found.places] == pytest.approx(chances, abs=1e-9)
    assert np.sum(found.places, axis=0) == pytest.approx(1)
    # Elo has one performance for all: Plackett and Luce, who keep the odds of every pair.
    for i, one in enumerate(names):
        for q, other in enumerate(names[:i]):
            won, lost = ratings.predict([one, other]).win
            # The zone of ties takes the same from both, in the logarithm of the odds.
            odds = math.sqrt(won / (1 - won) / (lost / (1 - lost)))
            assert chances[i] / chances[q] == pytest.approx(odds)


@pytest.mark.parametrize(
    ("sides", "more", "said"),
    [
        (["p1", "qq1"], {}, "sides: no match of 'qq1' in pool 'chess'; did you mean 'q1'?"),
        (["p1", "p1"], {}, "sides[1].players[0]: stands twice on two sides: 'p1'"),
        (["p1"], {}, "sides: Expected `array` of length >= 2"),
        ([], {}, "sides: Expected `array` of length >= 2"),
        (["p1", "q1"], {"home": 2}, "home: 2 names no side"),
        (["p1", "q1"], {"at": "soon"}, "at: 'soon'"),
        (["p1", "q1"], {"pool": "go"}, "pool: 'go' is none of: chess"),
    ],
)
def test_a_forecast_that_cannot_be(sides: list[Any], more: dict[str, Any], said: str) -> None:
    ratings = rate([duel(number) for number in range(50)])
    with pytest.raises(Problem) as raised:
        ratings.predict(sides, **more)
    assert str(raised.value).startswith(said)


def test_of_several_pools_one_is_named() -> None:
    ratings = rate([duel(1), duel(1, pool="go")])
    with pytest.raises(Problem, match="pool: None is none of: chess, go"):
        ratings.predict(["p1", "q1"])
    assert ratings.predict(["p1", "q1"], pool="go") == ratings.predict(["p1", "q1"], pool="chess")
    with pytest.raises(Problem, match="pool: None is none of"):
        predict([], ["p1", "q1"])
