"""What the tests share: real servers, real data, names of their own, and no silent skip."""

import fcntl
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from consumers.seen import SeenIds, entries_of
from service.api import changes, inputs
from service.match import Match
from service.pools import Pools
from service.warm import SHAPES, warm
from standings import cli
from standings.embedded import KafkaServer, ValkeyServer, ensure_jars, home
from tests.api import Clock
from tests.clusters import Cluster

Unique = Callable[[str], str]
Command = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).resolve().parents[1]
NO_SKIP = bool(os.environ.get("STANDINGS_NO_SKIP"))

# How long an example takes says what else the machine does, or that Numba compiles; not whether the code is right.
settings.register_profile("standings", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("standings")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be skipped, a skipped test has failed; an expected failure is no skip."""
    report = yield
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Say the same of a whole module that skips itself."""
    report = yield
    if NO_SKIP and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"skipped where nothing may be (STANDINGS_NO_SKIP is set): {reason}"


@pytest.fixture(scope="session")
def jars() -> tuple[Path, ...]:
    """Kafka's jars, fetched at the first run."""
    return ensure_jars(home() / "jars")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What ingest compiles when it starts, for a minute on a busy machine, is kept for all processes to come."""
    # The folder that the processes of one run share: one of them compiles, the others read what it has kept.
    with (tmp_path_factory.getbasetemp().parent / "compiled").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        SeenIds(1_000, {}).admit(entries_of([Match("1", "warm", 0, SHAPES[0])], [0]))
        for system in Pools().systems():
            warm(system)


@pytest.fixture(scope="session")
def kafka(compiled: None, jars: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One Kafka for the whole run; a test that ends or fills it starts its own."""
    with KafkaServer(tmp_path_factory.mktemp("kafka"), jars) as server:
        yield server


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One Valkey for the whole run; a test that ends or fills it starts its own."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_program() -> Path:
    """The machine's own redis-server; redis-cli lies beside it."""
    program = os.environ.get("STANDINGS_REDIS_SERVER") or shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on PATH or in STANDINGS_REDIS_SERVER")
    return Path(program)


@pytest.fixture(scope="session", params=["valkey", "redis"])
def redis_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Each store in turn: the embedded Valkey, and the machine's own redis-server."""
    if request.param == "valkey":
        yield request.getfixturevalue("valkey")
        return
    program = request.getfixturevalue("redis_program")
    with ValkeyServer(tmp_path_factory.mktemp("redis"), binary=program) as server:
        yield server


@pytest.fixture(scope="session")
def cluster(redis_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One Redis Cluster for the whole run; whoever breaks it mends it."""
    with Cluster(tmp_path_factory.mktemp("cluster"), redis_program) as running:
        yield running


@pytest.fixture
def unique() -> Unique:
    """Make names (topics, groups, installations) that no other test has: ``unique("matches")``."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run the command in this process; answer exit code, standard output, standard error."""
    for name in ("STANDINGS_KAFKA", "STANDINGS_REDIS", "STANDINGS_TOPIC", "STANDINGS_GROUP", "STANDINGS_BATCH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["standings", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Stop the API's clock at the moment that is given: ratings go on with time, and read twice are the same then."""
    moment = datetime(2026, 12, 1, tzinfo=UTC)
    for module in (inputs, changes):
        monkeypatch.setattr(module, "datetime", Clock(moment))
    return moment


@pytest.fixture(scope="session")
def data() -> Path:
    """Give the folder of real match data, which lies beside the checkout and not in it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no folder ../shared/data beside the checkout")
    return folder
