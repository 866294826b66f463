"""CSV as it is found in the wild: delimiters, quotes, ends of lines, encodings; every row read or named by its line."""

import csv
import gzip
import io
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.match import RECORD_BYTES, Match
from service.problems import Problem
from standings.errors import Mistake
from standings.files.lines import BLOCK_BYTES
from standings.files.rows import Row, Rows
from standings.files.source import Source

HEADER = "home,away,goals,against,day"
PLAIN = f"{HEADER}\nann,bob,2,1,2026-11-20\neve,dan,0,0,2026-11-21\n"
SIDES: dict[str, Any] = {"side": ("home:goals", "away:against"), "at": "day", "pool": "chess"}


def read(path: Path, text: str | bytes, **options: Any) -> list[Row]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with Rows(Source(file=str(path), **{**SIDES, **options})) as rows:
        return [row for block in rows.blocks() for row in block]


def sides(row: Row) -> list[tuple[str, float | None]]:
    assert isinstance(row.found, Match), row.found
    return [(side.players[0], side.score) for side in row.found.sides]


def problem(row: Row) -> str:
    assert isinstance(row.found, Problem)
    return f"{row.line}: {row.found.type.slug}: {row.found.detail}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "games.csv"


def test_columns_are_matches(path: Path) -> None:
    first, second = read(path, PLAIN)
    assert sides(first) == [("ann", 2.0), ("bob", 1.0)]
    assert isinstance(first.found, Match)
    assert (first.line, first.found.pool, first.found.at) == (2, "chess", 1_795_132_800_000)
    assert (second.line, sides(second)) == (3, [("eve", 0.0), ("dan", 0.0)])


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace("\n", "\r\n"),
        BOM_UTF8 + PLAIN.encode(),
        PLAIN.rstrip("\n"),
        "\n\n" + PLAIN,
        PLAIN.replace("ann", '"ann"').replace("home", '"home"'),
        PLAIN.replace(",", ", "),
        BOM_UTF8 + PLAIN.replace(",", ";").replace("\n", "\r\n").replace("home", '"home"').encode(),
    ],
)
def test_the_same_by_other_conventions(path: Path, text: str | bytes) -> None:
    assert [row.value for row in read(path, text)] == [row.value for row in read(path, PLAIN)]


def test_names_that_are_read_as_csv(tmp_path: Path) -> None:
    expected = [row.value for row in read(tmp_path / "games.csv", PLAIN)]
    assert [row.value for row in read(tmp_path / "games.tsv", PLAIN.replace(",", "\t"))] == expected
    assert [row.value for row in read(tmp_path / "games.CSV.gz", gzip.compress(PLAIN.encode()))] == expected
    assert [row.value for row in read(tmp_path / "games.txt", PLAIN)] == expected, "columns are named, so it has some"


def test_a_flat_object_has_columns_too(tmp_path: Path) -> None:
    text = '\n{"home": "ann", "goals": 2, "away": "bob", "against": 1.0, "day": "2026-11-20"}\n{"home": []}\n{}\n{'
    first, *bad = read(tmp_path / "games.ndjson", text)
    assert (first.line, sides(first)) == (2, [("ann", 2.0), ("bob", 1.0)])
    assert [problem(row).partition(": invalid_match: ")[::2] for row in bad[:2]] == [
        ("3", "column 'home': neither text nor a number"),
        ("4", "column 'home': missing"),
    ]
    assert problem(bad[2]).startswith("5: malformed: ")


def test_a_quoted_cell_over_several_lines(path: Path) -> None:
    text = f'{HEADER},note\nann,bob,2,1,2026-11-20,"one\n\ntwo ""x"", three"\neve,dan,0,x,2026-11-21,""\n'
    first, second = read(path, text)
    assert (first.line, sides(first)) == (2, [("ann", 2.0), ("bob", 1.0)])
    assert problem(second) == "5: invalid_match: column 'against': 'x' is no number"


def test_bad_rows_are_named_and_the_rest_is_read(path: Path) -> None:
    rows = read(
        path,
        f"{HEADER}\nann,bob,2,1\n\nann,bob,2,1,2026-11-20,more\nann,bob,,1,2026-11-20\nann,bob,inf,1,2026-11-20\n"
        "ann,ann,2,1,2026-11-20\nann,bob,2,1,soon\n,bob,2,1,2026-11-20\neve,dan,0,0,2026-11-21\n",
    )
    assert [problem(row) for row in rows[:-1]] == [
        "2: malformed: 4 cells where the header has 5",
        "4: malformed: 6 cells where the header has 5",
        "5: invalid_match: column 'goals': empty",
        "6: invalid_match: column 'goals': 'inf' is no number",
        "7: invalid_match: sides[1].players[0]: stands twice on two sides: 'ann'",
        "8: invalid_match: at: 'soon': neither a date nor a time with its zone",
        "9: invalid_match: column 'home': empty",
    ]
    assert (rows[-1].line, sides(rows[-1])) == (10, [("eve", 0.0), ("dan", 0.0)])


def test_latin_1_is_named_with_its_byte_and_the_remedy(path: Path) -> None:
    text = PLAIN.replace("ann", "Zoë").encode("latin-1")
    bad, good = read(path, text)
    assert problem(bad) == (
        "2: malformed: byte 3 of line 2 (0xeb) is not UTF-8: save the file as UTF-8,"
        " such as with iconv -f latin1 -t utf-8"
    )
    assert sides(good) == [("eve", 0.0), ("dan", 0.0)]
    with pytest.raises(Mistake, match="the header: byte 1 of line 1"):
        read(path, b"\xeb" + text)


def test_a_quote_that_is_not_closed_is_named_and_what_it_takes_is_bounded(path: Path) -> None:
    lines = [f"p{number},q{number},2,1,2026-11-20" for number in range(20_000)]
    lines[3] = '"' + lines[3]
    rows = read(path, "\n".join([HEADER, *lines]))
    bad = [row for row in rows if isinstance(row.found, Problem)]
    assert problem(bad[0]).startswith("5: malformed: field larger than field limit")
    assert "is a quote not closed? Nothing is read up to line " in problem(bad[0])
    assert len(bad) <= 2
    assert len(rows) > 10_000
    assert sides(rows[-1]) == [("p19999", 2.0), ("q19999", 1.0)]
    (end,) = read(path, f'{HEADER}\n"ann,bob')
    assert problem(end).startswith("2: malformed: unexpected end of data")


def test_a_line_that_is_too_long_is_named_and_not_kept(path: Path) -> None:
    long = b"x" * (RECORD_BYTES + 2 * BLOCK_BYTES)
    bad, good = read(path, HEADER.encode() + b"\n" + long + b"\nann,bob,2,1,2026-11-20")
    assert problem(bad) == f"2: record_too_large: more than {RECORD_BYTES} bytes"
    assert (good.line, sides(good)) == (3, [("ann", 2.0), ("bob", 1.0)])


@pytest.mark.parametrize("text", ["", "\n \n", HEADER, HEADER + "\r\n\r\n"])
def test_nothing_and_a_header_alone_have_no_rows(path: Path, text: str) -> None:
    assert read(path, text) == []


def test_a_missing_column_is_named_with_the_nearest_and_all(path: Path) -> None:
    for options in (
        {"side": ("home:goal", "away:against")},
        {"id": "goal"},
        {"at": "goal"},
        {"home": 0, "neutral": "goal=x"},
    ):
        with pytest.raises(Mistake) as raised:
            read(path, PLAIN, **options)
        assert str(raised.value) == (
            f"{path}: no column 'goal'; the nearest is 'goals'; there are: home, away, goals, against, day"
        )
    with pytest.raises(Mistake, match="2 columns are called 'home'"):
        read(path, PLAIN.replace("away", "home"), side=("home:goals", "home:against"))


@given(
    cells=st.lists(
        st.text(
            st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=10
        ).filter(lambda text: text == text.strip()),
        min_size=1,
        max_size=8,
    ),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block=st.integers(1, 40),
)
def test_whatever_a_csv_writer_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], delimiter: str, end: str, quoting: Any, block: int
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(HEADER.split(","))
    writer.writerows([cell, cell + "'", 1, 2, "2026-11-20"] for cell in cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("standings.files.lines.BLOCK_BYTES", block)
        rows = read(tmp_path_factory.getbasetemp() / "written.csv", out.getvalue())
    assert [(row.line, sides(row)) for row in rows] == [
        (number, [(cell, 1.0), (cell + "'", 2.0)]) for number, cell in enumerate(cells, 2)
    ]
