"""The README, followed word for word: its commands run, and what they print is shaped as it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import TypeAdapter

from service.api.suggested import MatchupsAnswer
from service.api.wanted import Wanted
from service.pool_file import PoolsInvalid, parse_pools
from standings.embedded import home
from tests.ingesting import free_port

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120.0


class Block(NamedTuple):
    """A fenced block and its language."""

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [Block(*one) for one in found]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, jars: tuple[Path, ...]) -> Iterator[dict[str, str]]:
    """What `make run` runs, in a folder of its own: what the README's addresses stand for."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "jars").symlink_to(home() / "jars")
    port = free_port()
    environment = {**os.environ, "STANDINGS_HOME": str(folder), "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "standings", "up", "--port", str(port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        shown = ""
        while "Ctrl-C" not in shown:
            line = process.stdout.readline()
            assert line, "it ended by itself"
            shown += line
        kafka = re.search(r"127\.0\.0\.1:(\d+)  topic", shown)
        assert kafka, shown
        wait_ready(f"http://127.0.0.1:{port}/v1/pools/demo.duel")
        yield {"127.0.0.1:8000": f"127.0.0.1:{port}", "127.0.0.1:PORT": f"127.0.0.1:{kafka[1]}"}
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0


def wait_ready(url: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, f"{url} does not answer"


def run(text: str, folder: Path) -> str:
    """Run a block as a reader would, in a folder of the reader's."""
    command = text.replace(".venv/bin/", "")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def shape(value: Any) -> Any:
    """Names and types: figures and times differ from run to run."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def test_what_the_readme_says_to_do(running: dict[str, str], tmp_path: Path) -> None:
    found = blocks("README.md")
    shown = 0
    for index, block in enumerate(found):
        text = block.text
        for written, real in running.items():
            text = text.replace(written, real)
        if block.language != "sh" or text.startswith("make ") or "HOST:PORT" in text:
            continue
        said = run(text, tmp_path)
        if index + 1 < len(found) and found[index + 1].language == "json":
            assert shape(json.loads(said)) == shape(json.loads(found[index + 1].text))
            shown += 1
    assert shown == 3


def test_targets_and_options_of_the_readme_exist() -> None:
    text = "".join(block.text for block in blocks("README.md") if block.language == "sh")
    targets = re.findall(r"^make (\w+)", text, re.MULTILINE)
    assert targets == ["run", "test"]
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
    commands = re.findall(r"^standings (.*)$", text, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["doctor", "ingest", "serve", "refit"]
    for command in commands:
        name, *words = shlex.split(command)
        helped = subprocess.run(
            [sys.executable, "-m", "standings", name, "--help"], check=True, capture_output=True, text=True
        ).stdout
        assert all(word in helped for word in words if word.startswith("--"))


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_pools_file_of_the_documentation() -> None:
    found = blocks("docs/pools.md")
    (toml,) = [block.text for block in found if block.language == "toml"]
    pools = parse_pools(toml, "pools.toml")
    assert pools.configured("chess.blitz").live.name == "elo"
    assert [system.name for system in pools.configured("chess.rapid").systems] == ["glicko2", "elo"]
    assert pools.configured("models-2026").profile == "arena"
    (told,) = [block.text for block in found if block.text.startswith("standings: ")]
    with pytest.raises(PoolsInvalid) as wrong:
        parse_pools(toml.replace("tau = 0.6", "tauu = 0.6"), "pools.toml")
    assert str(wrong.value).startswith(told.removeprefix("standings: ").rstrip().removesuffix(" ..."))


def test_the_matchups_of_the_documentation() -> None:
    toml, *_ = [block.text for block in blocks("docs/matchups.md") if block.language == "toml"]
    said = parse_pools(toml, "pools.toml").configured("arena.models").matchups
    assert (said.policy, said.floor, said.exposure, said.newcomers) == ("least_played", 0.02, 2, True)
    asked, answered, waiting = [block.text for block in blocks("docs/matchups.md") if block.language == "json"]
    for wanted in (asked, waiting):
        Wanted.model_validate_json(wanted, strict=True)
    TypeAdapter(MatchupsAnswer).validate_json(answered)
