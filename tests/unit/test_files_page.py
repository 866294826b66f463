"""The page on files: every example that is followed by its command is read whole by it."""

import gzip
import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from standings import cli

PAGE = Path(__file__).resolve().parents[2] / "docs" / "files.md"
BLOCKS = re.findall(r"^```(?:json)?\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
EXAMPLES = [
    (data, command)
    for data, command in pairwise(BLOCKS)
    if re.match("standings (rate|evaluate) ", command) and not data.startswith("standings ")
]


def test_there_is_an_example_of_every_kind() -> None:
    commands = " ".join(command for _, command in EXAMPLES)
    assert len(EXAMPLES) == 6
    for option in ("--side", "--winner", "--preset votes", "--preset contests", "--preset teams"):
        assert option in commands


@pytest.mark.parametrize(("data", "command"), EXAMPLES)
def test_examples_are_true(
    data: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command.replace("\\\n", ""))
    value = data.encode()
    (tmp_path / words[2]).write_bytes(gzip.compress(value) if words[2].endswith(".gz") else value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [*words, "--strict", "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capfd.readouterr()
    assert ended.value.code == 0
    # A system that takes no such matches is named; no row may be.
    assert all(" is left out: " in line for line in err.splitlines()), err
    assert '"matches":0' not in out
    assert '"players":[]' not in out
