"""Kafka's jars: fetched once through jgo, held to a pinned list, whole at every start.

The list is a data file, ``jars.sha256``, in the format of ``sha256sum``: a digest and a path as in a Maven
repository. It names every jar, so that nothing is left to resolve: the same jars for everyone, and no walk
through a hundred POM files first (15 s). ``make lock`` writes it anew when a version changes.
"""

import fcntl
import hashlib
import os
import shutil
import ssl
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from standings.embedded.errors import EmbeddedError

# Two calls on purpose: named together, log4j's dependency management pulls Kafka's own clients back to 3.8.
_KAFKA = "org.apache.kafka:kafka_2.13:4.1.0"
_LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"
_PINS = Path(__file__).with_name("jars.sha256")
_ROUNDS = 3
_AT_ONCE = 8

Progress = Callable[[int, int], None]


def ensure_jars(folder: Path, progress: Progress | None = None) -> tuple[Path, ...]:
    """Give the paths of Kafka's jars, after fetching those that are missing or damaged.

    Every jar is read and compared at every start: 44 MB take 0.04 s, and a damaged one would show itself as
    anything at all inside the broker. When all are right nothing touches the network.

    Parameters
    ----------
    folder
        Where the jars are kept.
    progress
        Called with (jars present, jars in all) before the first download and after each.

    Returns
    -------
    tuple of Path
        The jars, in the order of the pinned list.

    Raises
    ------
    EmbeddedError
        Some could not be fetched, or are not what the list says.
    """
    pins = _read_pins()
    paths = tuple(folder / PurePosixPath(pin).name for pin in pins)
    if not _wrong(folder, pins):
        return paths
    with _locked(folder):
        # Another process may have fetched them meanwhile.
        problem: Exception | None = None
        for _ in range(_ROUNDS):
            wrong = _wrong(folder, pins)
            if not wrong:
                return paths
            problem = _fetch(folder, wrong, len(pins), progress)
        wrong = _wrong(folder, pins)
        if not wrong:
            return paths
    raise EmbeddedError(
        f"{len(wrong)} of Kafka's {len(pins)} jars could not be downloaded into {folder}"
        f" ({problem or 'they are not what the pinned list says'}): check the network, a proxy or a mirror,"
        " and start again, or name a broker of your own with --kafka"
    ) from problem


@contextmanager
def progress_bar(title: str = "Fetching Kafka (44 MB, once)") -> Iterator[Progress]:
    """Show the download on the terminal (standard error); nothing appears when there is nothing to fetch.

    Parameters
    ----------
    title
        What stands before the bar.

    Yields
    ------
    Callable
        What `ensure_jars` takes as ``progress``.
    """
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def _read_pins() -> dict[str, str]:
    """Read the pinned list: path in a Maven repository to SHA-256."""
    lines = (line.split() for line in _PINS.read_text(encoding="utf-8").splitlines())
    return {path: digest for digest, path in lines}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wrong(folder: Path, pins: Mapping[str, str]) -> dict[str, str]:
    """Give the part of the list that is missing or damaged in the folder."""

    def right(pin: str, digest: str) -> bool:
        path = folder / PurePosixPath(pin).name
        return path.exists() and _digest(path) == digest

    return {pin: digest for pin, digest in pins.items() if not right(pin, digest)}


def _fetch(folder: Path, wrong: Mapping[str, str], total: int, progress: Progress | None) -> Exception | None:
    """Fetch jars side by side; each takes its name in the folder only when its digest is right."""
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    # jgo writes straight to the final name, so it works in a folder of its own; what an interrupted run left
    # there is dropped.
    partial = folder / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    # A mirror in the user's jgo settings is asked as well.
    remotes = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    context = MavenContext(repo_cache=partial, remote_repos=remotes, timeout=30)

    def fetch(pin: str, digest: str) -> bool:
        *group, artifact, version, name = PurePosixPath(pin).parts
        jar = context.project(".".join(group), artifact).at_version(version).artifact("", "jar").resolve()
        right = _digest(jar) == digest
        if right:
            jar.replace(folder / name)
        return right

    problem: Exception | None = None
    done = total - len(wrong)
    if progress:
        progress(done, total)
    with _system_certificates(), ThreadPoolExecutor(_AT_ONCE) as pool:
        for jar in as_completed([pool.submit(fetch, *pin) for pin in wrong.items()]):
            try:
                done += jar.result()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next round or the caller's message tells
                problem = error
            if progress:
                progress(done, total)
    shutil.rmtree(partial, ignore_errors=True)
    return problem


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time download into the folder; the kernel frees the lock of one that dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _system_certificates() -> Iterator[None]:
    """Trust what the machine trusts: jgo's HTTP client has a list of its own, without any company's proxy."""
    named = any(os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    store = None if named else _system_store()
    if store is None:
        yield
        return
    os.environ["REQUESTS_CA_BUNDLE"] = store
    try:
        yield
    finally:
        del os.environ["REQUESTS_CA_BUNDLE"]


def _system_store() -> str | None:
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return paths.cafile
    # A folder of certificates, as on Debian. An empty one would mean trusting nobody.
    with suppress(OSError):
        if paths.capath and any(Path(paths.capath).iterdir()):
            return paths.capath
    return None


def write_pins() -> None:
    """Resolve both coordinates and write the list anew: for whoever changes a version."""
    import jgo

    with _system_certificates():
        artifacts = [*jgo.resolve(_KAFKA), *jgo.resolve(_LOGGING)[:1]]
        context = artifacts[0].context
        jars = [artifact.resolve() for artifact in artifacts]
        pins = sorted((jar.relative_to(context.repo_cache).as_posix(), _digest(jar)) for jar in jars)
    _PINS.write_text("".join(f"{digest}  {pin}\n" for pin, digest in pins), encoding="utf-8")
