"""Files to rows: every line accounted for, whatever it holds."""

import gzip
import os
import subprocess
import sys
import threading
import tracemalloc
from codecs import BOM_UTF8
from pathlib import Path

import pytest

from service.match import RECORD_BYTES, Match, decode
from service.pools import SEEN_WINDOW
from service.problems import Problem, wrong_field
from standings.errors import Mistake
from standings.files.ids import GENERATION, Ids
from standings.files.lines import BLOCK_BYTES
from standings.files.report import NAMED, BadRows
from standings.files.rows import Row, Rows
from standings.files.source import Source

GOOD = (
    b'{"id": "%d", "pool": "chess", "at": 0,'
    b' "sides": [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]}'
)


def read(path: Path) -> list[Row]:
    with Rows(Source(file=str(path))) as rows:
        return [row for block in rows.blocks() for row in block]


def outcome(row: Row) -> str:
    return row.found.type.slug if isinstance(row.found, Problem) else row.found.id


def test_blank_lines_are_skipped_and_numbers_kept(tmp_path: Path) -> None:
    path = tmp_path / "m.ndjson"
    path.write_bytes(b"\n" + GOOD % 1 + b"\r\n  \n{\n" + GOOD % 2)
    assert [(row.line, outcome(row)) for row in read(path)] == [(2, "1"), (4, "malformed"), (5, "2")]
    assert read(path)[0].value == GOOD % 1


def test_rows_over_the_edges_of_blocks(tmp_path: Path) -> None:
    path = tmp_path / "m.ndjson"
    count = 3 * BLOCK_BYTES // len(GOOD)
    path.write_bytes(b"".join(GOOD % number + b"\n" for number in range(count)))
    assert [outcome(row) for row in read(path)] == [str(number) for number in range(count)]
    assert [row.line for row in read(path)] == list(range(1, count + 1))


@pytest.mark.parametrize("extra", [1, BLOCK_BYTES, 40 << 20])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n" + GOOD % 2])
def test_a_line_that_is_too_long_is_refused_and_not_kept(tmp_path: Path, extra: int, end: bytes) -> None:
    path = tmp_path / "m.ndjson"
    with path.open("wb") as file:
        file.write(GOOD % 1 + b"\n")
        for _ in range((RECORD_BYTES + extra) // 1024 + 1):
            file.write(b"x" * 1024)
        file.write(end)
    tracemalloc.start()
    try:
        rows = read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [(row.line, outcome(row)) for row in rows[:2]] == [(1, "1"), (2, "record_too_large")]
    assert [(row.line, outcome(row)) for row in rows[2:]] == ([(3, "2")] if len(end) > 1 else [])
    assert peak < 4 * (RECORD_BYTES + BLOCK_BYTES)


def test_largest_record_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "m.ndjson"
    value = GOOD % 1
    path.write_bytes(value[:-1] + b" " * (RECORD_BYTES - len(value)) + value[-1:] + b"\n")
    assert [outcome(row) for row in read(path)] == ["1"]


def test_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "m.ndjson.gz"
    path.write_bytes(gzip.compress(GOOD % 1 + b"\n" + GOOD % 2))
    assert [outcome(row) for row in read(path)] == ["1", "2"]
    path.write_bytes(gzip.compress(os.urandom(1000) + b"\n")[:-20])
    with pytest.raises(Mistake, match=r"cannot read .*m\.ndjson\.gz: "):
        read(path)
    path.write_bytes(GOOD % 1)
    with pytest.raises(Mistake, match="Not a gzipped file"):
        read(path)


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match=r"cannot read .*nowhere: No such file or directory"):
        Rows(Source(file=str(tmp_path / "nowhere")))
    with pytest.raises(Mistake, match="Is a directory"):
        Rows(Source(file=str(tmp_path)))


def test_size_and_position(tmp_path: Path) -> None:
    path = tmp_path / "m.ndjson"
    path.write_bytes(GOOD % 1)
    with Rows(Source(file=str(path))) as rows:
        assert rows.size == len(GOOD % 1)
        list(rows.blocks())
        assert rows.position == rows.size


def test_a_slow_pipe_hands_over_what_it_has() -> None:
    code = (
        "from standings.files.rows import Rows\n"
        "from standings.files.source import Source\n"
        "for block in Rows(Source(file='-')).blocks():\n"
        "    print([row.found.id for row in block], flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        # A reader that waits for more than there is would wait for ever.
        late = threading.Timer(30, reader.kill)
        late.start()
        for number in (b"1", b"2"):
            reader.stdin.write(GOOD % int(number) + b"\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == b"['" + number + b"']\n"
        late.cancel()


def test_bad_rows_are_named_then_counted(capsys: pytest.CaptureFixture[str]) -> None:
    bad = BadRows("m.ndjson")
    for line in range(1, NAMED + 4):
        bad.add(line, Problem("malformed", "\x1b[31m" + "x" * 1000))
    bad.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == NAMED + 1
    assert lines[0].startswith("m.ndjson:1: malformed: ?[31mxxx")
    assert all(len(line) <= 300 for line in lines)
    assert lines[-1] == "m.ndjson: 3 more bad rows"
    assert bad.count == NAMED + 3


def test_few_bad_rows_are_not_counted_again(capsys: pytest.CaptureFixture[str]) -> None:
    bad = BadRows("m.ndjson")
    bad.add(7, Problem("malformed", "why"))
    bad.close()
    assert capsys.readouterr().err == "m.ndjson:7: malformed: why\n"


def test_the_remedy_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    BadRows("m.ndjson").add(7, wrong_field("invalid_match", "at", "'soon'", "a date"))
    assert capsys.readouterr().err == "m.ndjson:7: invalid_match: at: 'soon'; a date\n"


def test_strict_ends_at_the_first_bad_row() -> None:
    bad = BadRows("m.ndjson", strict=True)
    with pytest.raises(Mistake, match=r"^m\.ndjson:7: malformed: why$"):
        bad.add(7, Problem("malformed", "why"))
    assert bad.count == 1


def test_the_mark_of_utf8_is_taken_off_and_utf16_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.ndjson"
    path.write_bytes(BOM_UTF8 + GOOD % 1)
    assert [row.value for row in read(path)] == [GOOD % 1]
    path.write_bytes((GOOD % 1).decode().encode("utf-16"))
    with pytest.raises(Mistake, match="UTF-16: save it as UTF-8"):
        read(path)


def without_id(number: int, more: bytes = b"") -> bytes:
    return (GOOD % 0).replace(b'"id": "0", ', b"").replace(b'"at": 0', b'"at": %d%b' % (number, more))


def test_a_match_without_an_id_gets_one_from_its_content(tmp_path: Path) -> None:
    path = tmp_path / "m.ndjson"
    # The word stands in the row without being its id.
    tagged = without_id(3, b', "tags": ["id"], "id2": {"id": "x"}')
    path.write_bytes(b"\n".join([without_id(1), without_id(2), GOOD % 7, tagged, without_id(1), without_id(1)]))
    ids = [outcome(row) for row in read(path)]
    assert ids[2] == "7"
    assert len(set(ids)) == 6
    assert ids == [outcome(row) for row in read(path)], "the same file gives the same ids"
    for row in read(path):
        assert isinstance(row.found, Match)
        assert decode(row.value) == row.found

    # Other rows in between change no id; which of the equal rows is which does not matter.
    path.write_bytes(b"\n".join([without_id(1), without_id(9), without_id(1), without_id(2)]))
    again = [outcome(row) for row in read(path)]
    assert (again[0], again[2], again[3]) == (ids[0], ids[4], ids[1])


def test_what_is_remembered_for_ids_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2 * GENERATION == SEEN_WINDOW
    monkeypatch.setattr("standings.files.ids.GENERATION", 10)
    ids = Ids()
    values = [b'{"at":%d}' % number for number in range(1_000)]
    first = [ids.add(value) for value in values]
    assert len(set(first)) == 1_000
    assert ids.add(values[-1]) not in first, "still known: the second of its kind"
    assert ids.add(values[0]) == first[0], "forgotten: as if it were the first"
    assert len(ids._new) + len(ids._old) <= 20


def test_only_a_missing_id_is_made(tmp_path: Path) -> None:
    path = tmp_path / "m.ndjson"
    path.write_bytes(b'{"id": 7}\n{"at": 0}\n7\n{"pool": 3}\n{')
    problems = [row.found.detail for row in read(path) if isinstance(row.found, Problem)]
    assert [problem.partition(":")[0] for problem in problems[:4]] == [
        "id",
        "pool",
        "Expected `object`, got `int`",
        "pool",
    ]
    assert len(problems) == 5
