"""Files to rows: every line accounted for, whatever it holds."""

import gzip
import os
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest

from service.match import RECORD_BYTES, Match
from service.problems import Problem
from standings.errors import Mistake
from standings.files import BLOCK_BYTES, NAMED, BadRows, Row, Rows

GOOD = (
    b'{"id": "%d", "pool": "chess", "at": 0,'
    b' "sides": [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]}'
)


def read(path: Path) -> list[Row]:
    with Rows(str(path)) as rows:
        return [row for block in rows.blocks() for row in block]


def outcome(row: Row) -> str:
    return row.found.id if isinstance(row.found, Match) else row.found.type.slug


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
        Rows(str(tmp_path / "nowhere"))
    with pytest.raises(Mistake, match="Is a directory"):
        Rows(str(tmp_path))


def test_size_and_position(tmp_path: Path) -> None:
    path = tmp_path / "m.ndjson"
    path.write_bytes(GOOD % 1)
    with Rows(str(path)) as rows:
        assert rows.size == len(GOOD % 1)
        list(rows.blocks())
        assert rows.position == rows.size


def test_a_slow_pipe_hands_over_what_it_has() -> None:
    code = (
        "from standings.files import Rows\n"
        "for block in Rows('-').blocks():\n"
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
