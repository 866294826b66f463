"""Rows of other shapes to matches: by columns, votes, contests, teams; options that do not go together."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.match import MOST_SIDES, Match
from service.problems import Problem
from standings.errors import Mistake
from standings.files.rows import Row, Rows
from standings.files.source import Source


def read(path: Path, text: str, **options: Any) -> list[Row]:
    path.write_text(text)
    with Rows(Source(file=str(path), **options)) as rows:
        return [row for block in rows.blocks() for row in block]


def match(row: Row) -> Match:
    assert isinstance(row.found, Match), row.found
    return row.found


def places(row: Row) -> list[tuple[str, int | None]]:
    return [(side.players[0], side.rank) for side in match(row).sides]


def problem(row: Row) -> tuple[int, str]:
    assert isinstance(row.found, Problem)
    return row.line, row.found.detail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "games.csv"


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    return tmp_path / "games.ndjson"


def test_winner_and_loser(path: Path) -> None:
    options = {"winner": "w", "loser": "l", "tie": "how=draw=x", "at": "when"}
    first, second = read(path, "w,l,how,when\nann,bob,,1795132800000\nann,bob,draw=x,2026-11-20\n", **options)
    assert places(first) == [("ann", 1), ("bob", 2)]
    assert places(second) == [("ann", 1), ("bob", 1)]
    assert match(first).at == match(second).at == 1_795_132_800_000
    assert match(first).pool == "games"


def test_more_than_two_sides_and_an_id(path: Path) -> None:
    (row,) = read(path, "a,b,c,x,y,z,n\nann,bob,cid,1,3,2.5,77\n", side=("a:x", "b:y", "c:z"), id="n", at="2026-11-20")
    found = match(row)
    assert [(side.players[0], side.score) for side in found.sides] == [("ann", 1), ("bob", 3), ("cid", 2.5)]
    assert (found.id, found.at) == ("77", 1_795_132_800_000)


def test_a_column_with_a_colon(path: Path) -> None:
    (row,) = read(path, "a:b,x,c,y\nann,1,bob,2\n", side=("a:b:x", "c:y"), at="2026-11-20")
    assert [side.players for side in match(row).sides] == [("ann",), ("bob",)]


def test_home_and_neutral_ground(path: Path) -> None:
    text = "a,x,b,y,neutral\nann,1,bob,2,TRUE\nann,1,bob,2,FALSE\nann,1,bob,2,\n"
    rows = read(path, text, side=("a:x", "b:y"), at="2026-11-20", home=1, neutral="neutral=TRUE")
    assert [match(row).home for row in rows] == [None, 1, 1]
    assert len({match(row).id for row in rows}) == 3, "equal rows are matches of their own"


def test_rows_without_a_time_are_told_of_once(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = read(path, "a,b\n" + "ann,bob\n" * 3, winner="a", loser="b")
    assert [match(row).at for row in rows] == [0, 0, 0]
    assert capsys.readouterr().err == (
        f"{path}: its rows have no time: all count as played at 1970-01-01; --at names a column, or one time for all\n"
    )


@pytest.mark.parametrize("names", ["model_a,model_b,winner,judge", "left,right,winner,worker"])
def test_votes(path: Path, names: str) -> None:
    first, second, _, _ = names.split(",")
    winners = [first, second, "tie", "tie (bothbad)", "both bad", "Tie", "nobody", ""]
    text = "\n".join([names, *(f"gpt,claude,{winner},{index}" for index, winner in enumerate(winners))])
    rows = read(path, text, preset="votes", at="2026-11-20")
    assert [[rank for _, rank in places(row)] for row in rows[:6]] == [[1, 2], [2, 1], *[[1, 1]] * 4]
    assert [match(row).voter for row in rows[:6]] == list("012345")
    assert [problem(row) for row in rows[6:]] == [(8, "column 'winner': 'nobody'"), (9, "column 'winner': empty")]


def test_votes_as_objects_with_a_time_in_seconds(objects: Path) -> None:
    vote = {"model_a": "gpt", "model_b": "claude", "winner": "model_b", "tstamp": 1795132800.5, "turn": 1}
    (row,) = read(objects, json.dumps(vote), preset="votes", pool="arena")
    assert (places(row), match(row).at, match(row).voter) == ([("gpt", 2), ("claude", 1)], 1_795_132_800_500, None)


def test_contests_as_objects(objects: Path) -> None:
    contest = {"id": "cf-1", "time": 1795132800, "standings": [["ann", 0], ["bob", 1], ["cid", 1], ["dan", 3]]}
    bad = [{**contest, "standings": wrong} for wrong in (None, [["ann"]], [["ann", 1], [7, 2]], [["ann", 1]])]
    one, *rest = read(objects, "\n".join(map(json.dumps, [contest, *bad])), preset="contests")
    assert places(one) == [("ann", 1), ("bob", 2), ("cid", 2), ("dan", 4)]
    assert (match(one).id, match(one).at) == ("cf-1", 1_795_132_800_000)
    assert [problem(row)[1].partition(":")[0] for row in rest] == ["standings", "standings[0]", "standings[1]", "sides"]


def test_contests_as_places(path: Path) -> None:
    text = (
        "contest,player,rank,at\nspring,ann,2,2026-11-20\nspring,bob,1,2026-11-20\n"
        "summer,ann,1,2026-11-21\nsummer,bob,x,2026-11-21\nsummer,cid,y,2026-11-21\n"
        "autumn,cid,0,2026-11-22\nautumn,ann,0,2026-11-22\nautumn,bob,2,2026-11-22\n"
    )
    spring, summer, autumn = read(path, text, preset="contests")
    assert (spring.line, match(spring).id, places(spring)) == (2, "spring", [("ann", 2), ("bob", 1)])
    assert problem(summer) == (5, "column 'rank': 'x' is no number")
    assert (autumn.line, places(autumn)) == (7, [("cid", 1), ("ann", 1), ("bob", 3)])


def test_a_place_that_cannot_be_read_refuses_the_contest_that_it_may_belong_to(path: Path) -> None:
    text = "contest,player,rank\na,ann,1\na,bob\na,cid,3\nb,ann,1\nb,bob,2\n,eve,1\n"
    first, second = read(path, text, preset="contests", at="2026-11-20")
    assert problem(first) == (3, "2 cells where the header has 3")
    assert problem(second) == (7, "column 'contest': empty")


def test_a_contest_is_bounded(path: Path) -> None:
    text = "contest,player,rank\n" + "".join(f"a,p{place},{place}\n" for place in range(1, MOST_SIDES + 5_000))
    (row,) = read(path, text, preset="contests", at="2026-11-20")
    assert problem(row)[1].startswith("sides: ")


def test_teams(objects: Path) -> None:
    teams = [{"ann": 1, "bob": 2.5}, {"cid": 4}]
    wrongs: list[Any] = [7, [{"ann": "1"}], [{}], [["ann"]]]
    bad = [{"teams": wrong} for wrong in wrongs]
    one, *rest = read(
        objects,
        "\n".join(map(json.dumps, [{"id": 5, "end_time": "2026-11-20T10:00:00Z", "teams": teams}, *bad])),
        preset="teams",
        pool="halo",
    )
    assert [(side.players, side.score) for side in match(one).sides] == [(("ann", "bob"), 3.5), (("cid",), 4.0)]
    assert (match(one).id, match(one).at) == ("5", 1_795_168_800_000)
    assert [problem(row)[1].partition(":")[0] for row in rest] == ["teams", *["teams[0]"] * 3]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "no columns are named"),
        ({"pool": "x"}, "no columns are named"),
        ({"side": ("a:b",)}, "--side: name the columns of each side, two or more"),
        ({"side": ("a", "b")}, "--side a: a side is given as PLAYER:SCORE"),
        ({"side": ("a:b", "c:d"), "winner": "x"}, "--side does not go with --winner"),
        ({"winner": "x"}, "--loser is missing"),
        ({"loser": "x"}, "--winner is missing"),
        ({"winner": "x", "loser": "y", "tie": "z"}, "--tie z: given as COLUMN=VALUE"),
        ({"winner": "x", "loser": "y", "home": 0}, "--home 0: the number of a --side"),
        ({"side": ("a:b", "c:d"), "home": 2}, "--home 2: the number of a --side"),
        ({"side": ("a:b", "c:d"), "neutral": "x=1"}, "name --home too"),
        ({"preset": "vote"}, "--preset vote: there are: votes, contests, teams"),
        ({"preset": "votes", "home": 1}, "--home does not go with --preset"),
        ({"preset": "votes", "pool": "a b"}, "--pool a b: letters"),
    ],
)
def test_options_that_do_not_go_together(path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(Mistake, match=said):
        read(path, "a\n", **options)


def test_standard_input_has_no_name_for_a_pool() -> None:
    with pytest.raises(Mistake, match="'-' is none for a pool: --pool NAME"):
        Source(file="-", preset="votes").shape()
