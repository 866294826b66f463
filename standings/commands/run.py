"""The commands that run the service and send matches to it: ``up``, ``ingest``, ``refit``, ``serve``, ``feed``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from standings.commands.file_options import takes_file
from standings.commands.options import Group, Host, Kafka, Member, PoolsFile, Redis, Topic, settings_of
from standings.errors import Trouble

if TYPE_CHECKING:
    from standings.files.source import Source

app = typer.Typer()


@app.command()
def up(
    kafka: Kafka = None,
    redis: Redis = None,
    pools: PoolsFile = None,
    host: Host = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Of the API; 8000 if free.")] = None,
) -> None:
    """Run everything on this machine, with a simulated league, until Ctrl-C.

    Kafka and Valkey are started too, unless --kafka or --redis name others. Data is kept in STANDINGS_HOME.
    """
    settings = settings_of(kafka=kafka, redis=redis, pools=pools)
    from standings import run
    from standings.embedded import EmbeddedError

    try:
        run.up(settings, host, port)
    except EmbeddedError as error:
        raise Trouble(str(error)) from error


@app.command()
def ingest(
    kafka: Kafka = None,
    redis: Redis = None,
    topic: Topic = None,
    group: Group = None,
    member: Member = None,
    pools: PoolsFile = None,
    batch: Annotated[int | None, typer.Option(help="Most records that are applied together.")] = None,
    ops_host: Annotated[str, typer.Option(help="Where health and metrics are served.")] = "127.0.0.1",
    ops_port: Annotated[int, typer.Option(min=0, max=65_535, help="Health and metrics.")] = 8001,
) -> None:
    """Bring matches from Kafka into ratings in Redis."""
    settings = settings_of(kafka=kafka, redis=redis, topic=topic, group=group, member=member, pools=pools, batch=batch)
    from standings import run

    run.ingest(settings, ops_host, ops_port)


@app.command()
def refit(
    redis: Redis = None,
    topic: Topic = None,
    pools: PoolsFile = None,
    ops_host: Annotated[str, typer.Option(help="Where health and metrics are served.")] = "127.0.0.1",
    ops_port: Annotated[int, typer.Option(min=0, max=65_535, help="Health and metrics.")] = 8002,
) -> None:
    """Fit what all results of an arena say of all skills at once, for what to play next."""
    settings = settings_of(redis=redis, topic=topic, pools=pools)
    from standings import run

    run.refit(settings, ops_host, ops_port)


@app.command()
def serve(
    kafka: Kafka = None,
    redis: Redis = None,
    topic: Topic = None,
    group: Group = None,
    pools: PoolsFile = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8000,
    without_keys: Annotated[
        bool,
        typer.Option("--without-keys", help="Listen beyond this machine though there are no keys."),
    ] = False,
) -> None:
    """Answer over HTTP."""
    settings = settings_of(kafka=kafka, redis=redis, topic=topic, group=group, pools=pools)
    from standings import run

    run.serve(settings, host, port, without_keys=without_keys)


@app.command()
@takes_file
def feed(
    source: Source,
    kafka: Kafka = None,
    redis: Redis = None,
    topic: Topic = None,
    group: Group = None,
    most_lag: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Records that ingest may be behind; 200,000 unless given.")
    ] = None,
) -> None:
    """Send a file's matches to Kafka; waits while ingest is far behind."""
    settings = settings_of(kafka=kafka, redis=redis, topic=topic, group=group)
    import uvloop

    from standings.brake import MOST_LAG
    from standings.feed import feed
    from standings.run import configure_logging, traced

    configure_logging()
    with traced("feed"):
        uvloop.run(feed(source, settings, MOST_LAG if most_lag is None else most_lag))
