"""``standings up``, for real: everything comes up, everything ends, ratings stay."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from standings.demo import OPENING, POOLS
from standings.embedded import KafkaServer, ValkeyServer, home

FIRST_S = 120.0
"""The first start compiles."""
SECOND_S = 10.0
END_S = 25.0


class Up:
    """``standings up`` in a folder of its own, and every process that belongs to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._said = folder / "said"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STANDINGS_")}
        self._environment = {**kept, "STANDINGS_HOME": str(folder)}
        self.begun = 0.0

    def start(self, *words: str, **environment: str) -> None:
        self.begun = time.monotonic()
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "standings", "up", *words],
                stdout=said,
                stderr=said,
                env=self._environment | environment,
            )

    def said(self) -> str:
        return self._said.read_text()

    def wait(self, found: Callable[[], Any], seconds: float) -> Any:
        """Wait for an answer, at most so long after the start."""
        while time.monotonic() < self.begun + seconds:
            if answer := found():
                return answer
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s of the start; it said:\n{self.said()}")

    def end(self, signum: signal.Signals = signal.SIGINT) -> int:
        self.begun = time.monotonic()
        self.process.send_signal(signum)
        return self.process.wait(END_S)

    def living(self) -> list[psutil.Process]:
        """Every process of this folder, whoever started it."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("STANDINGS_HOME") == str(self._folder)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def part(self, name: str) -> psutil.Process:
        record = json.loads((self._folder / name / "process.json").read_text())
        return psutil.Process(record["pid"])

    def shown(self, title: str) -> str:
        """What the panel says: it is printed when everything is up."""
        found = self.wait(lambda: re.search(rf"│ {title} +(\S+)", self.said()), FIRST_S)
        return str(found[1])


@pytest.fixture
def up(tmp_path: Path, jars: tuple[Path, ...]) -> Iterator[Up]:
    (tmp_path / "jars").symlink_to(home() / "jars")
    assert jars
    up = Up(tmp_path)
    try:
        yield up
    finally:
        for process in up.living():
            process.kill()
        if up.begun:
            up.process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError):
        return None


def matches(url: str) -> dict[str, int]:
    pools = get(f"{url}/v1/pools") or {"pools": []}
    return {pool["pool"]: pool["matches"] for pool in pools["pools"]}


def test_ratings_stay_and_processes_do_not(up: Up) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    board = f"{url}/v1/pools/{POOLS[0]}/leaderboard?limit=1"

    def first_player() -> Any:
        players = (get(board) or {}).get("players")
        return players and players[0]["player"]

    up.start("--port", str(port))
    player = up.wait(first_player, FIRST_S)
    assert get(f"{url}/v1/pools/{POOLS[0]}/players/{player}")["deviation"] > 0
    assert up.shown("API") == url
    assert "simulated" in up.said()
    before = up.wait(lambda: (found := matches(url)) and sum(found.values()) > OPENING and found, FIRST_S)
    assert set(before) == set(POOLS)
    kafka, redis = up.shown("Kafka"), up.shown("Redis")

    assert up.end() == 0
    assert up.living() == []
    assert get(board) is None

    up.start("--port", str(port))
    up.wait(first_player, SECOND_S)
    after = matches(url)
    assert all(after[pool] >= before[pool] for pool in POOLS)
    # Whoever uses these servers finds them where they were.
    assert (up.shown("Kafka"), up.shown("Redis")) == (kafka, redis)
    up.wait(lambda: sum(matches(url).values()) > sum(after.values()) + OPENING, FIRST_S)

    parts = [up.part(name) for name in ("kafka", "valkey", "ingest", "refit", "serve")]
    before = matches(url)
    up.process.kill()
    up.process.wait()
    up.start("--port", str(port))
    assert up.shown("API") == url
    assert not any(part.is_running() and part.status() != psutil.STATUS_ZOMBIE for part in parts)
    after = matches(url)
    assert all(after[pool] >= before[pool] for pool in POOLS)

    assert up.end(signal.SIGTERM) == 0
    # The watchers of the one that was killed stay 10 s to see that its servers are gone.
    up.wait(lambda: not up.living(), END_S)


@pytest.mark.parametrize("part", ["refit", "kafka"])
def test_a_part_that_dies_ends_everything_with_its_log(up: Up, part: str) -> None:
    up.start("--port", str(free_port()))
    up.shown("API")
    up.part(part).kill()
    assert up.process.wait(END_S) == 1
    assert f"standings: {part} ended by itself; its log " in up.said().lower()
    assert "Traceback" not in up.said()
    assert up.living() == []


def test_ctrl_c_while_starting_leaves_nothing(up: Up) -> None:
    up.start("--port", str(free_port()))
    up.wait(lambda: (record := up._folder / "kafka" / "process.json").exists() and "pid" in record.read_text(), 60)
    assert up.end() == 0
    assert "Traceback" not in up.said()
    assert up.living() == []


def test_ones_own_servers_are_used(
    up: Up, kafka: KafkaServer, valkey: ValkeyServer, unique: Callable[[str], str]
) -> None:
    names = {name: unique("own") for name in ("STANDINGS_TOPIC", "STANDINGS_GROUP", "STANDINGS_INSTALLATION")}
    up.start("--port", str(free_port()), "--kafka", kafka.bootstrap, "--redis", valkey.url, **names)
    url = up.shown("API")
    assert (up.shown("Kafka"), up.shown("Redis")) == (kafka.bootstrap, valkey.url)
    up.wait(lambda: sum(matches(url).values()) > OPENING, FIRST_S)
    assert not (up._folder / "kafka").exists()
    assert not (up._folder / "valkey").exists()
    assert up.end() == 0
    assert up.living() == []
    assert kafka.pid is not None
    assert valkey.pid is not None


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_missing_servers_are_waited_for_and_told_once(up: Up, valkey: ValkeyServer, signum: signal.Signals) -> None:
    up.start("--port", str(free_port()), "--kafka", f"127.0.0.1:{free_port()}", "--redis", valkey.url)
    up.wait(lambda: "Waiting: Kafka does not answer" in up.said(), 60)
    waiting = time.monotonic()
    # Longer than several tries.
    up.wait(lambda: time.monotonic() > waiting + 4, 60)
    assert up.said().count("\n") == 1
    assert up.end(signum) == 0
    assert "Traceback" not in up.said()
    assert up.living() == []


def test_a_taken_default_port_is_stepped_aside_from_and_an_asked_one_is_not(up: Up) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 8000))
            other.listen()
        except OSError:
            # Somebody else has it: as good.
            assert other.fileno() >= 0
        up.start()
        url = up.shown("API")
        assert url != "http://127.0.0.1:8000"
        assert f"Port 8000 is taken, so the API listens at {url.rpartition(':')[2]}." in up.said()
        assert up.end() == 0
        up.start("--port", "8000")
        assert up.process.wait(60) == 1
        assert "port 8000 on 127.0.0.1 is taken" in up.said()
        assert up.living() == []


def test_listening_beyond_this_machine_needs_keys(up: Up) -> None:
    up.start("--host", "0.0.0.0", "--port", str(free_port()))
    assert up.process.wait(60) == 2
    assert re.search(r"^standings: serve: listening at 0\.0\.0\.0 needs keys", up.said(), re.MULTILINE)
    assert up.living() == []


def test_a_second_up_in_the_folder_is_refused_and_the_first_goes_on(up: Up, tmp_path: Path) -> None:
    up.start("--port", str(free_port()))
    url = up.shown("API")
    second = subprocess.run(
        [sys.executable, "-m", "standings", "up"],
        env={**os.environ, "STANDINGS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert "is in use by another process" in second.stderr
    assert get(f"{url}/readyz")["ready"]
    assert up.end() == 0
