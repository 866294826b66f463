"""The image and the compose file, as far as they can be held to the code without a container engine."""

import asyncio
import http.server
import importlib
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import typer.main
from dockerfile_parse import DockerfileParser
from numba.core.dispatcher import Dispatcher
from ruamel.yaml import YAML

import consumers
import service
from consumers import client
from consumers.health import Health
from consumers.operations import application
from service import settings as configured
from service.api import server
from service.api.app import create_app
from service.broker import TOPIC_SETTINGS
from service.settings import KEYS, SECRETS, Settings
from standings import cli
from standings.embedded import download
from tests.conftest import ROOT

DEPLOY: Final = ROOT / "deploy"
FILES: Final = ("Dockerfile", "compose.yaml", *(f"deploy/{path.name}" for path in sorted(DEPLOY.glob("*.*"))))
COMPOSE: Final[dict[str, Any]] = YAML(typ="safe", pure=True).load(ROOT / "compose.yaml")
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {name: service for name, service in SERVICES.items() if "build" in service}
SCRAPED: Final[list[dict[str, Any]]] = YAML(typ="safe", pure=True).load(DEPLOY / "prometheus.yml")["scrape_configs"]
COMMANDS: Final[dict[str, Any]] = vars(typer.main.get_command(cli.app))["commands"]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the image's script runs on Linux")


class Dockerfile:
    """The instructions of the last stage, and the files that are copied from outside."""

    def __init__(self) -> None:
        parsed = DockerfileParser(str(ROOT / "Dockerfile"))
        steps = [(str(step["instruction"]), str(step["value"])) for step in parsed.structure]
        self.bases = [value.split()[0] for name, value in steps if name == "FROM"]
        self.environment = parsed.envs
        stages = [index for index, (name, _) in enumerate(steps) if name == "FROM"]
        self.last = dict(steps[stages[-1] :])
        self.runs = " ".join(value for name, value in steps if name == "RUN")
        copies = [shlex.split(value) for name, value in steps if name == "COPY" and "--from" not in value]
        self.sources = [word for words in copies for word in words[:-1] if not word.startswith("--")]


IMAGE: Final = Dockerfile()


def default_port(command: str, option: str) -> int:
    (found,) = (parameter.default for parameter in COMMANDS[command].params if parameter.name == option)
    return int(found)


PORTS: Final = {
    "serve": default_port("serve", "port"),
    "ingest": default_port("ingest", "ops_port"),
    "refit": default_port("refit", "ops_port"),
}


@pytest.mark.parametrize(
    "words",
    [
        (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"),
        (str(Path(sys.executable).with_name("hadolint")), "Dockerfile"),
    ],
    ids=["compose", "hadolint"],
)
def test_the_files_are_what_their_specifications_ask_for(words: tuple[str, ...]) -> None:
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_variable_is_a_setting() -> None:
    named = {name for file in FILES for name in re.findall(r"(?i)\bstandings_[a-z]+", (ROOT / file).read_text())}
    known = {f"standings_{field}" for field in Settings.model_fields}
    assert named
    assert {name.lower() for name in named} <= known


def test_what_is_copied_is_there_and_nothing_else_is_sent_to_the_builder() -> None:
    assert all((ROOT / source).exists() for source in IMAGE.sources)
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    assert [line[1:] for line in lines if line.startswith("!")] == IMAGE.sources
    assert "*" in lines
    assert "requirements.lock" in IMAGE.sources
    assert "--require-hashes" in IMAGE.runs


def test_the_image_runs_the_command_as_a_number() -> None:
    assert json.loads(IMAGE.last["ENTRYPOINT"]) == ["standings"]
    assert json.loads(IMAGE.last["CMD"]) == ["--help"]
    assert re.fullmatch(r"[1-9]\d{4,}:[1-9]\d{4,}", IMAGE.last["USER"])


def test_all_versions_are_exact() -> None:
    images = [*IMAGE.bases, *(service["image"] for service in SERVICES.values() if "build" not in service)]
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in images), images
    assert len(set(IMAGE.bases)) == 1
    # The Kafka that the tests run on.
    tested = download._KAFKA.rpartition(":")[2]
    assert {SERVICES[name]["image"] for name in ("kafka", "topic")} == {f"apache/kafka:{tested}"}


def test_probes_and_scrapes_ask_for_ports_and_pages_that_exist() -> None:
    ports = [str(port) for port in PORTS.values()]
    _, _, check = IMAGE.last["HEALTHCHECK"].partition("CMD ")
    assert json.loads(check)[2:] == ports
    assert IMAGE.last["EXPOSE"].split() == ports
    assert f"127.0.0.1:{PORTS['serve']}:{PORTS['serve']}" in SERVICES["serve"]["ports"]
    serve, ingest, refit = SCRAPED
    assert serve["static_configs"] == [{"targets": [f"serve:{PORTS['serve']}"]}]
    assert refit["static_configs"] == [{"targets": [f"refit:{PORTS['refit']}"]}]
    assert [(places["names"], places["port"]) for places in ingest["dns_sd_configs"]] == [(["ingest"], PORTS["ingest"])]

    async def ask(part: Any) -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(part), base_url="http://part") as client:
            return [(await client.get(page)).status_code for page in ("/livez", "/metrics")]

    for part in (create_app(Settings(keys=None)), application(Health())):
        assert asyncio.run(ask(part)) == [200, 200]


@pytest.mark.parametrize("name", OURS)
def test_commands_are_understood(name: str) -> None:
    command, *words = OURS[name]["command"]
    assert COMMANDS[command].make_context(command, words).params


def test_the_topic_keeps_what_ingest_needs() -> None:
    given = [word.removeprefix("--").split("=", 1) for word in SERVICES["topic"]["command"]]
    assert dict(value.split("=") for name, *values in given if name == "config" for value in values) == TOPIC_SETTINGS
    topics = {OURS[name]["environment"]["STANDINGS_TOPIC"] for name in OURS}
    assert topics == {dict(pair for pair in given if len(pair) == 2)["topic"]}
    assert SERVICES["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_redis_drops_nothing() -> None:
    assert "--maxmemory-policy noeviction --appendonly yes --appendfsync everysec" in SERVICES["redis"]["command"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined_and_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    once = service["restart"] == "on-failure"
    assert once or service["restart"] == "unless-stopped"
    assert once or name in OURS or service["healthcheck"]["test"]
    # The ops port of ingest is closed within 2 s after its work.
    assert int(service["stop_grace_period"].removesuffix("s")) > max(client.STOP_S + 2, server.STOP_S)


def test_the_keys_come_from_a_file_that_serve_alone_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configured, "SECRETS", tmp_path)
    assert Settings().keys is None
    (tmp_path / KEYS).touch()
    assert Settings().keys == tmp_path / KEYS
    given = {name: service["secrets"] for name, service in SERVICES.items() if "secrets" in service}
    assert given == {"serve": [{"source": "keys", "target": KEYS}], "prometheus": ["prometheus_key"]}
    assert COMPOSE["secrets"].keys() == {"keys", "prometheus_key"}
    assert SCRAPED[0]["authorization"] == {"credentials_file": str(SECRETS / "prometheus_key")}
    assert all("sk_" not in (ROOT / file).read_text() for file in FILES)


class Page(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/livez" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("status", "code"), [(200, 0), (404, 1), (503, 1)])
def test_the_health_check_asks_every_port(status: int, code: int) -> None:
    check = [sys.executable, str(DEPLOY / "healthcheck.py")]
    page = type("Page", (Page,), {"status": status})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), page) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        # A proxy would answer in its place, and nothing listens at port 1.
        proxied = {**os.environ, "http_proxy": "http://127.0.0.1:1"}
        ports = ["1", str(found.server_port)]
        assert subprocess.run([*check, *ports], env=proxied, timeout=20, check=False).returncode == code
        found.shutdown()
    assert subprocess.run([*check, "1"], timeout=20, check=False).returncode == 1


class Container:
    """What the image has in ``/opt/standings``, laid out in a folder: the warmed cache, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "numba"
        (folder / "bin").mkdir()
        command = folder / "bin" / "standings"
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m standings "$@"\n')
        command.chmod(0o755)
        self.script = folder / "standings.sh"
        self.script.write_text((DEPLOY / "standings.sh").read_text().replace("/opt/standings", str(folder)))

    def run(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        merged = {**os.environ, **IMAGE.environment, "PYTHONPATH": str(ROOT), **environment}
        return subprocess.run(words, env=merged, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Container:
    """The cache is warmed by the words of the Dockerfile."""
    made = Container(tmp_path_factory.mktemp("opt"))
    found = re.search(r"((?:NUMBA_\w+=\S+ )+)/opt/standings/bin/python (\S+\.py)", IMAGE.runs)
    assert found
    settings = dict(word.split("=") for word in found[1].replace("/opt/standings", str(made.folder)).split())
    ended = made.run(sys.executable, str(DEPLOY / found[2]), **settings)
    assert (ended.returncode, ended.stderr) == (0, "")
    return made


def compiled_functions() -> Iterator[str]:
    """Every function that is compiled when it is first called, as the names of Numba's cache begin."""
    for package in (service, consumers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for thing in vars(importlib.import_module(module.name)).values():
                if isinstance(thing, Dispatcher) and thing.__module__ == module.name:
                    stem = Path(thing.py_func.__code__.co_filename).stem
                    yield f"{stem}.{thing.py_func.__qualname__}-"


def test_the_build_warms_every_compiled_function(container: Container) -> None:
    kept = [path.name for path in container.cache.rglob("*.nbi")]
    assert [name for name in compiled_functions() if not any(fnmatch(file, f"{name}*") for file in kept)] == []


@on_linux
def test_the_script_finds_what_was_compiled_at_build(container: Container, tmp_path: Path) -> None:
    cache, games = tmp_path / "numba", tmp_path / "games.ndjson"
    sides = [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]
    games.write_text(json.dumps({"pool": "chess", "at": 0, "sides": sides}))
    words = ["/bin/sh", str(container.script), "rate", "--json", str(games)]
    # Twice: a container that is started again finds its folder.
    for _ in range(2):
        ended = container.run(*words, NUMBA_CACHE_DIR=str(cache))
        assert (ended.returncode, ended.stderr) == (0, "")
        assert json.loads(ended.stdout)["players"]
    kept = list(cache.rglob("*.nb?"))
    assert kept
    assert [path.name for path in kept if not path.is_symlink()] == []


@on_linux
def test_without_a_folder_to_write_to_there_is_one_clear_line(container: Container, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = container.run("/bin/sh", str(container.script), "--help", NUMBA_CACHE_DIR=str(tmp_path / "file" / "numba"))
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith("cannot be written; run the container with --tmpfs /tmp")
