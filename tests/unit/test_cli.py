"""The command: what it prints where, and one line for every mistake."""

import contextlib
import gzip
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.pools import LIVE
from service.ratings.elo import Elo
from tests.conftest import Command

MATCH = (
    '{"id": "%d", "pool": "%s", "at": 0,'
    ' "sides": [{"players": ["[b]ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]}'
)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "matches.ndjson"
    path.write_text("\n".join([MATCH % (1, "chess"), "{", MATCH % (2, "chess")]))
    return str(path)


def test_rate_as_json(command: Command, file: str) -> None:
    code, out, err = command("rate", file, "--json")
    assert code == 0
    answer = json.loads(out)
    assert list(answer) == ["system", "players"]
    # What a pool is rated by that is not configured.
    assert answer["system"] == LIVE
    assert [(player["player"], player["matches"]) for player in answer["players"]] == [("[b]ann", 2), ("bob", 2)]
    assert err.startswith(f"{file}:2: malformed: ")


def test_rate_as_a_table(command: Command, file: str) -> None:
    code, out, _ = command("rate", file, "--system", "elo", "--param", "k=10", "--param", "start=100")
    assert code == 0
    assert "[b]ann" in out
    assert "109.9" in out
    assert "pool" not in out


def test_rate_names_several_pools(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "matches.ndjson.gz"
    path.write_bytes(gzip.compress("\n".join([MATCH % (1, "chess"), MATCH % (1, "go")]).encode()))
    _, out, _ = command("rate", str(path))
    assert "pool" in out
    assert "chess" in out


def test_long_tables_are_cut(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "matches.ndjson"
    path.write_text("\n".join((MATCH % (number, "chess")).replace("bob", f"bob{number}") for number in range(60)))
    _, out, _ = command("rate", str(path))
    assert "11 more players: --json has them all" in out
    assert len(json.loads(command("rate", str(path), "--json")[1])["players"]) == 61


def test_evaluate(command: Command, file: str) -> None:
    code, out, _ = command("evaluate", file, "--json")
    assert code == 0
    (found,) = [one for one in json.loads(out)["systems"] if one["system"] == "elo"]
    assert list(found) == [
        "system",
        "matches",
        "scored",
        "log_loss",
        "three_way_log_loss",
        "brier",
        "accuracy",
        "calibration",
        "matches_per_second",
    ]
    assert found["matches"] == 2
    code, out, _ = command("evaluate", file, "--system", "elo")
    assert code == 0
    assert "0.5 to 0.6" in out


def test_performance(command: Command, file: str, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"

    def rated(*rows: str) -> tuple[int, str, str]:
        path.write_text("\n".join(["opponent,result", *rows]))
        return command("performance", file, str(path), "--param", "home=10", "--json")

    code, out, _ = rated("bob,won", "[b]ann,lost", "bob,tied", "[b]ann,tied")
    found = json.loads(out)
    assert (code, found["system"], found["results"], found["score"]) == (0, "kalman", 4, 2.0)
    assert found["rating"] == pytest.approx(1500, abs=1e-6)
    low, high = found["interval"]
    assert high - found["rating"] == pytest.approx(found["rating"] - low)
    assert json.loads(rated("bob,won")[1])["interval"][1] is None
    _, out, _ = command("performance", file, str(path))
    assert "at least" in out
    for row, said in (
        ("bop,won", "3: opponent: no match of 'bop'; did you mean 'bob'?"),
        ("bob,drawn", "3: result: 'drawn' is none of: won, tied, lost"),
        ("bob", "3: "),
    ):
        code, out, err = rated("bob,won", row)
        assert (code, out) == (2, "")
        assert f"standings: {path}:{said}" in err
    code, _, err = rated(*["bob,won"] * 1_001)
    assert (code, "at most 1,000 results" in err) == (2, True)
    path.write_text("player,result\nbob,won")
    assert "no column 'opponent'" in command("performance", file, str(path))[2]
    path.write_text("opponent,result\n")
    assert "holds no results" in command("performance", file, str(path))[2]
    several = tmp_path / "several.ndjson"
    several.write_text("\n".join([MATCH % (1, "chess"), MATCH % (1, "go")]))
    assert "several.ndjson holds 2 pools" in command("performance", str(several), str(path))[2]


def test_evaluate_several(command: Command, file: str, tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    words = ("evaluate", file, "--system", "elo", "--system", "glicko2", "--system", "elo", "--shuffle", "7")
    code, out, _ = command(*words, "--plot", str(picture), "--json")
    assert code == 0
    answer = json.loads(out)
    assert [one["system"] for one in answer["systems"]] == ["elo", "glicko2"]
    assert list(answer["differences"][0]) == ["system", "against", "log_loss", "low", "high"]
    assert answer["blocks"] == {"by": "matches", "count": 2}
    assert picture.read_text().startswith("<?xml")
    code, out, _ = command(*words)
    assert code == 0
    assert "2 blocks of consecutive matches" in out
    names = [one["system"] for one in json.loads(command("evaluate", file, "--system", "all", "--json")[1])["systems"]]
    assert {"elo", "glicko2"} <= set(names)


def test_a_preset_is_a_parameter(command: Command, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Elo, "presets", {"slow": {"k": 10.0, "start": 100.0}})
    elo = ("rate", file, "--system", "elo", "--json")
    _, out, _ = command(*elo, "--param", "preset=slow", "--param", "k=20")
    assert (
        json.loads(out)["players"] == json.loads(command(*elo, "--param", "start=100", "--param", "k=20")[1])["players"]
    )
    _, out, _ = command("evaluate", file, "--system", "elo", "--param", "preset=slow", "--json")
    (found,) = json.loads(out)["systems"]
    assert (
        found["log_loss"]
        > json.loads(command("evaluate", file, "--system", "elo", "--json")[1])["systems"][0]["log_loss"]
    )
    code, _, err = command(*elo, "--param", "preset=quick")
    assert (code, err) == (2, "standings: preset: no preset 'quick' of elo; one of: slow\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rate"], "Missing argument 'FILE'"),
        (["rate", "nowhere.ndjson"], "cannot read nowhere.ndjson: No such file or directory"),
        (["rate", "."], "cannot read .: Is a directory"),
        (["rate", "-x"], "No such option: -x"),
        (["rate", "nowhere", "--param", "k"], "--param k: a parameter is given as NAME=VALUE"),
        (["rate", "nowhere", "--param", "kk=3"], "kk: kalman has no such parameter; one of: spread, drift"),
        (["rate", "nowhere", "--param", "home=much"], "home: Expected `float`"),
        (["rate", "nowhere", "--param", "drift=-1"], "drift: Expected `float` >= 1.0"),
        (["rate", "nowhere", "--system", "eloo"], "no rating system 'eloo'; there are: "),
        (["rate", "nowhere", "--system", "glicko2", "--param", "preset=nothing"], "preset: no preset 'nothing' of "),
        (["evaluate", "nowhere", "--system", "elo", "--system", "eloo"], "no rating system 'eloo'"),
        (["evaluate", "nowhere", "--plot", "picture.gif"], "--plot picture.gif: a picture is a .png or .svg file"),
        (["evaluate", "nowhere", "--shuffle", "-1"], "Invalid value for '--shuffle'"),
        (["rat"], "No such command 'rat'"),
        (["ingest", "--batch", "0"], "--batch: Input should be greater than or equal to 1"),
        (["ingest", "--batch", "many"], "Invalid value for '--batch'"),
        (["ingest", "--ops-port", "70000"], "Invalid value for '--ops-port'"),
        (["ingest", "--redis", "nonsense"], "the address of Redis cannot be used"),
        (["ingest", "--kafka", "broker:port"], "--kafka: 'broker:port' is no HOST:PORT"),
        (["feed", "nowhere", "--kafka", "broker"], "--kafka: 'broker' is no HOST:PORT"),
        (["feed", "nowhere", "--kafka", "a:1,b:99999"], "--kafka: 'b:99999' is no HOST:PORT"),
        (["feed", "nowhere"], "cannot read nowhere: No such file or directory"),
        (["feed", "nowhere", "--topic", "a b"], "--topic: String should match pattern"),
        (["serve", "--host", "0.0.0.0", "--port", "0"], "needs keys"),
        (["serve", "--redis", "nonsense", "--port", "0"], "the address of Redis cannot be used"),
        (["up", "--port", "0"], "Invalid value for '--port'"),
    ],
)
def test_a_mistake_is_one_line(command: Command, words: Sequence[str], said: str) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert err.startswith("standings: ")
    assert said in err
    assert err.count("\n") == 1


def test_a_wrong_environment_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDINGS_KAFKA", "broker")
    assert command("feed", "nowhere") == (2, "", "standings: STANDINGS_KAFKA: 'broker' is no HOST:PORT\n")
    monkeypatch.setenv("STANDINGS_KAFKA", "broker:9092")
    monkeypatch.setenv("STANDINGS_BATCH", "0")
    code, _, err = command("ingest")
    assert (code, err) == (2, "standings: STANDINGS_BATCH: Input should be greater than or equal to 1\n")


def test_a_taken_port_is_named(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for words in (["ingest", "--ops-port"], ["serve", "--port"]):
            code, _, err = command(*words, str(port))
            assert code == 2
            assert f"127.0.0.1, port {port}" in err
            assert err.count("\n") == 1


def test_a_missing_broker_is_the_worlds_trouble(command: Command, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("standings.feed.WAIT_S", 0.0)
    code, out, err = command("feed", file, "--kafka", "127.0.0.1:1")
    assert (code, out) == (1, "")
    assert err == "standings: Kafka does not answer at 127.0.0.1:1 (waited 0 s)\n"


def test_without_arguments_there_is_help(command: Command) -> None:
    code, out, err = command()
    assert code == 2
    assert "evaluate" in out
    assert err == ""


def test_a_reader_that_stops_is_no_error(file: str) -> None:
    line = f"{sys.executable} -m standings rate {file} --json | true"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom standings import cli\ncli.app(['--help'], standalone_mode=False)\n"
        "print(sorted({'numba', 'numpy', 'fastapi', 'aiokafka', 'redis', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")


def test_a_containers_first_process_hears_a_signal_from_its_start_on() -> None:
    """Ended by its own handler, which comes late, its exit code would be 0."""
    words = ["ingest", "--kafka", "127.0.0.1:1", "--redis", "redis://127.0.0.1:1/0", "--ops-port", "0"]
    deaf = """if True:
        import os, runpy, signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.getpid = lambda: 1
        print("deaf", flush=True)
        runpy.run_module("standings", run_name="__main__")
    """
    with subprocess.Popen([sys.executable, "-c", deaf, *words], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"deaf\n"
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.01)
    assert process.returncode == 128 + signal.SIGTERM
