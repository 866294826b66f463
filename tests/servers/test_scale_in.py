"""A pod that scaling takes away leaves the group for good; one that restarts does not. The hook, asked for real."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trustme

from consumers.client import NAMED_SESSION_MS, STOP_S
from service.broker import describe_group
from service.brokers import Brokers
from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import ROOT, Unique
from tests.ingesting import Ingesting, wait_for
from tests.made_up import mixture
from tests.replay import Replay, begin

PARTITIONS = 2
TAKEN_OVER_S = 10.0
"""As docs/kubernetes.md promises; without the hook it is the session, 45 s."""

HOOK = ROOT / "deploy" / "scaled_in.py"


@dataclass
class ApiServer:
    """Answers one question over TLS, as Kubernetes does, to whoever shows the token."""

    given: Path
    port: int = 0
    status: int = 200
    spec: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def ask(self, member: str, pid: int) -> subprocess.CompletedProcess[str]:
        """Run the hook as the manifest does."""
        given = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.port)}
        environment = {**os.environ, **given, "STANDINGS_MEMBER": member}
        words = [sys.executable, str(HOOK), str(pid), str(self.given)]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def api_server(tmp_path: Path) -> Iterator[ApiServer]:
    given = tmp_path / "api-server"
    given.mkdir()
    (given / "token").write_text("a-token")
    (given / "namespace").write_text("here\n")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(given / "ca.crt")
    made = ApiServer(given)

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            allowed = self.headers["Authorization"] == "Bearer a-token"
            body = json.dumps({"kind": "Scale", "spec": made.spec}).encode()
            self.send_response(made.status if allowed else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        made.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield made
        server.shutdown()


@pytest.fixture
def slept() -> Iterator[subprocess.Popen[bytes]]:
    """A process that a signal ends."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def members(here: Replay, group: str) -> list[str]:
    found = asyncio.run(describe_group(Brokers(here.place.kafka), here.place.topic, group, 0))
    # A UUID follows the name.
    return sorted(member[:-37] for member in found.ids)


def owns(ingest: Ingesting, partitions: int) -> bool:
    said = ingest.ready()
    return bool(said["ready"]) and len(said["partitions"]) == partitions


def test_scaled_in_under_load_its_peers_take_over_within_seconds(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, api_server: ApiServer
) -> None:
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(101, 3_000, PARTITIONS))
    group = unique("group")
    stays, goes = (replace(here.ingest(group, 3), member=f"ingest-{number}") for number in range(2))
    with stays, goes:
        for one in (stays, goes):
            one.wait_ready(lambda _, one=one: owns(one, 1))  # type: ignore[misc]  # a default binds it
        here.place.wait_past(500, stays, goes)
        assert goes.process is not None
        api_server.spec["replicas"] = 1
        told = time.monotonic()
        ended = api_server.ask("ingest-1", goes.process.pid)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert api_server.asked == ["/apis/apps/v1/namespaces/here/statefulsets/ingest/scale"]
        assert goes.process.wait(STOP_S) == 0, goes.said()
        with here.place.client() as client:
            assert sum(here.place.positions(client)) < sum(here.ends), "it was to be under load"
        left = time.monotonic()
        wait_for(lambda: len(stays.ready()["partitions"]) == PARTITIONS, lambda: f"{stays.ready()}", stays)
        print(f"ended after {left - told:.1f} s, taken over {time.monotonic() - left:.1f} s later")  # noqa: T201  # for a reader of the test's output
        assert time.monotonic() - told < TAKEN_OVER_S < NAMED_SESSION_MS / 1000
        assert members(here, group) == ["ingest-0"]
        here.wait(stays)
    here.check()


def test_restarted_it_keeps_its_seat(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, api_server: ApiServer
) -> None:
    here = begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(102, 300, PARTITIONS))
    group = unique("group")
    ingest = replace(here.ingest(group), member="ingest-1")
    with ingest:
        ingest.wait_ready(lambda _: owns(ingest, PARTITIONS))
        assert ingest.process is not None
        api_server.spec["replicas"] = 2
        ended = api_server.ask("ingest-1", ingest.process.pid)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ingest.process.poll() is None
        assert ingest.stop() == 0, ingest.said()
    assert members(here, group) == ["ingest-1"]
    with ingest:
        ingest.wait_ready(lambda _: owns(ingest, PARTITIONS))
        here.wait(ingest)
    here.check()


@pytest.mark.parametrize(
    ("member", "replicas", "status", "goes"),
    [
        ("ingest-0", 1, 200, False),
        ("ingest-1", 1, 200, True),
        ("a-ladder-10", 10, 200, True),
        ("a-ladder-10", 11, 200, False),
        ("ingest-0", 0, 200, True),
        ("ingest-0", None, 200, True),
        ("ingest-0", 1, 404, True),
    ],
)
def test_who_is_not_coming_back(
    api_server: ApiServer, slept: subprocess.Popen[bytes], member: str, replicas: int | None, status: int, goes: bool
) -> None:
    api_server.status = status
    if replicas is not None:
        api_server.spec["replicas"] = replicas
    ended = api_server.ask(member, slept.pid)
    assert (ended.returncode, ended.stderr) == (0, "")
    if goes:
        assert slept.wait(STOP_S) != 0
    else:
        assert slept.poll() is None


@pytest.mark.parametrize("fault", ["refused", "away", "another"])
def test_without_an_answer_it_says_so_and_does_nothing(
    api_server: ApiServer, slept: subprocess.Popen[bytes], fault: str
) -> None:
    """The pod is ended by SIGTERM then, and its partitions wait."""
    if fault == "refused":
        (api_server.given / "token").write_text("old")
    elif fault == "away":
        api_server.port = 1
    else:
        trustme.CA().cert_pem.write_to_path(api_server.given / "ca.crt")
    ended = api_server.ask("ingest-1", slept.pid)
    assert ended.returncode == 1
    assert ended.stderr.startswith("whether ingest-1 comes back is not known")
    assert ended.stderr.count("\n") == 1
    assert slept.poll() is None
