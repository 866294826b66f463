"""The command ``standings``: arguments and errors. What a command needs is imported when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from standings.errors import Mistake, Trouble
from standings.options import takes_file

if TYPE_CHECKING:
    from service.ratings import RatingSystem
    from service.settings import Settings
    from standings.files.source import Source

app = typer.Typer(
    help="Live ratings, rankings and matchups: results arrive on Kafka, ratings in Redis move at once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Kafka = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Brokers, separated by commas.")]
Redis = Annotated[str | None, typer.Option(metavar="URL", help="Redis or Valkey: redis://HOST:PORT/DB.")]
Topic = Annotated[str | None, typer.Option(metavar="NAME", help="The topic of matches.")]
Group = Annotated[str | None, typer.Option(metavar="NAME", help="The consumer group of ingest.")]
Member = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of this process in its group: restarted, it keeps its partitions.")
]
PoolsFile = Annotated[
    Path | None, typer.Option("--pools", metavar="FILE", help="How pools are configured: TOML; see docs/pools.md.")
]
Host = Annotated[str, typer.Option(help="Where the API listens.")]
Parameters = Annotated[
    list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the system; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


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
    settings = _settings(kafka=kafka, redis=redis, pools=pools)
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
    settings = _settings(kafka=kafka, redis=redis, topic=topic, group=group, member=member, pools=pools, batch=batch)
    from standings import run

    run.ingest(settings, ops_host, ops_port)


@app.command()
def serve(
    kafka: Kafka = None,
    redis: Redis = None,
    topic: Topic = None,
    group: Group = None,
    pools: PoolsFile = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8000,
) -> None:
    """Answer over HTTP."""
    settings = _settings(kafka=kafka, redis=redis, topic=topic, group=group, pools=pools)
    from standings import run

    run.serve(settings, host, port)


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
    settings = _settings(kafka=kafka, redis=redis, topic=topic, group=group)
    import uvloop

    from standings.brake import MOST_LAG
    from standings.feed import feed
    from standings.run import configure_logging

    configure_logging()
    uvloop.run(feed(source, settings, MOST_LAG if most_lag is None else most_lag))


@app.command()
@takes_file
def rate(
    source: Source,
    system: Annotated[str, typer.Option(metavar="NAME", help="The rating system.")] = "elo",
    param: Parameters = None,
    json: Json = False,
) -> None:
    """Give the final ratings of a file, offline."""
    (chosen,) = _systems([system], param)
    from standings.rating import rate_file
    from standings.tables import print_json, show_ratings

    (print_json if json else show_ratings)(rate_file(source, chosen))


@app.command()
@takes_file
def evaluate(
    source: Source,
    system: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Repeatable; all that take every match of the file unless named, or by: all"),
    ] = None,
    param: Parameters = None,
    shuffle: Annotated[
        int | None, typer.Option(min=0, metavar="SEED", help="Another order than the file's, the same for one seed.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw calibration and log-loss over time: .png or .svg.")
    ] = None,
    json: Json = False,
) -> None:
    """Predict, then update, through a file, offline: how good the predictions are; see docs/evaluate.md."""
    from service.ratings import systems
    from standings.evaluation import evaluations_of
    from standings.play import play_file
    from standings.plot import check_picture, draw
    from standings.tables import print_json, show_evaluations

    named = list(dict.fromkeys(system or ["all"]))
    every = "all" in named
    chosen = _systems(list(systems()) if every else named, param)
    if plot is not None:
        check_picture(plot)
    played = play_file(source, chosen, fitting=every, shuffle=shuffle)
    answer = evaluations_of(played)
    (print_json if json else show_evaluations)(answer)
    if plot is not None:
        draw(plot, answer, played.course.blocks())


@app.command()
@takes_file
def performance(
    source: Source,
    results: Annotated[
        str, typer.Argument(metavar="RESULTS", help="CSV: opponent,result with won, tied or lost in each row.")
    ],
    system: Annotated[str, typer.Option(metavar="NAME", help="The rating system.")] = "elo",
    param: Parameters = None,
    json: Json = False,
) -> None:
    """Rate results in one step against the players of a file as they stand at its end, offline; nothing is changed."""
    (chosen,) = _systems([system], param)
    from standings.performance import performance_file
    from standings.tables import print_json, show_performance

    (print_json if json else show_performance)(performance_file(source, results, chosen))


@app.command()
def doctor(
    kafka: Kafka = None,
    redis: Redis = None,
    topic: Topic = None,
    group: Group = None,
    pools: PoolsFile = None,
    json: Json = False,
) -> None:
    """Check broker, Redis and configuration: what is wrong, and what to do. Exit code 1 where there is a problem."""
    given = {"kafka": kafka, "redis": redis, "topic": topic, "group": group, "pools": pools}
    settings = _settings(**given)
    import uvloop

    from standings.doctor import examine, show
    from standings.run import configure_logging
    from standings.tables import print_json

    configure_logging()
    options = [name for name, value in given.items() if value is not None]
    report = uvloop.run(examine(settings, options, list(os.environ)))
    (print_json if json else show)(report)
    if not report.ok:
        raise typer.Exit(1)


PartitionNumber = Annotated[int, typer.Argument(metavar="PARTITION", min=0, help="Of the topic, counted from 0.")]


@app.command()
def verify(
    partition: PartitionNumber,
    kafka: Kafka = None,
    redis: Redis = None,
    topic: Topic = None,
    pools: PoolsFile = None,
    json: Json = False,
) -> None:
    """Compare every stored value of a partition with what its log makes of it. Exit code 1 where one differs.

    Writes nothing; ingest may go on meanwhile.
    """
    settings = _settings(kafka=kafka, redis=redis, topic=topic, pools=pools)
    import uvloop

    from standings import operate
    from standings.run import configure_logging
    from standings.tables import print_json

    configure_logging()
    found = uvloop.run(operate.verify(settings, partition))
    (print_json if json else operate.show_verified)(found)
    if not found.equal:
        raise typer.Exit(1)


@app.command()
def rebuild(
    partition: PartitionNumber,
    kafka: Kafka = None,
    redis: Redis = None,
    topic: Topic = None,
    pools: PoolsFile = None,
    rate: Annotated[int | None, typer.Option(min=1, metavar="N", help="Records a second, at most.")] = None,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Only delete the generations that are no longer read.")
    ] = False,
) -> None:
    """Build a partition again from its log, beside the ratings that are read, and switch to it.

    Ingest may go on meanwhile and follows by itself. Started again after it broke off, it goes on where it was.
    """
    settings = _settings(kafka=kafka, redis=redis, topic=topic, pools=pools)
    import uvloop

    from standings import operate
    from standings.run import configure_logging

    configure_logging()
    if drop_old:
        dropped = uvloop.run(operate.drop_old(settings, partition))
        sys.stderr.write(f"partition {partition}: {len(dropped)} old generations dropped\n")
    else:
        operate.show_rebuilt(partition, uvloop.run(operate.rebuild(settings, partition, rate)))


@app.command()
def skip(
    partition: PartitionNumber,
    offset: Annotated[str, typer.Argument(metavar="OFFSET", help="Of the record; FIRST-LAST for several.")],
    kafka: Kafka = None,
    redis: Redis = None,
    topic: Topic = None,
) -> None:
    """Pass a record that cannot be read: it is counted as a dead letter, for good, and ingest goes on behind it."""
    settings = _settings(kafka=kafka, redis=redis, topic=topic)
    import uvloop

    from standings import operate
    from standings.run import configure_logging

    configure_logging()
    count = uvloop.run(operate.skip(settings, partition, offset))
    sys.stderr.write(f"partition {partition}: {count} more offsets are passed\n")


letters = typer.Typer(help="Look at the records that could not be used, and send them again.", no_args_is_help=True)
app.add_typer(letters, name="dead-letters")

PoolName = Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this pool.")]
Reason = Annotated[str | None, typer.Option(metavar="SLUG", help="Only those with this reason.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only those found since: RFC 3339 or epoch milliseconds.")
]


@letters.command("list")
def list_dead_letters(
    kafka: Kafka = None,
    topic: Topic = None,
    pool: PoolName = None,
    reason: Reason = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Letters that are listed; all are counted.")] = 50,
    json: Json = False,
) -> None:
    """List dead letters, the newest first, and count them by reason."""
    settings = _settings(kafka=kafka, topic=topic)
    import uvloop

    from standings.dead_letters import Filters, list_letters, show_listing
    from standings.run import configure_logging
    from standings.tables import print_json

    configure_logging()
    listing = uvloop.run(list_letters(settings, Filters.of(pool, reason, since), limit))
    (print_json if json else show_listing)(listing)


@letters.command("show")
def show_dead_letter(
    place: Annotated[str, typer.Argument(metavar="[TOPIC/]PARTITION/OFFSET", help="Of the record.")],
    kafka: Kafka = None,
    topic: Topic = None,
) -> None:
    """Show one dead letter: why it is one, and the whole record where the log still has it."""
    settings = _settings(kafka=kafka, topic=topic)
    import uvloop

    from standings.dead_letters import read_place, show_letter
    from standings.run import configure_logging

    configure_logging()
    uvloop.run(show_letter(settings, read_place(place, settings.topic)))


@letters.command("replay")
def replay_dead_letters(
    kafka: Kafka = None,
    redis: Redis = None,
    topic: Topic = None,
    pools: PoolsFile = None,
    pool: PoolName = None,
    reason: Reason = None,
    since: Since = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
) -> None:
    """Send the records of dead letters again, those that can be used by now; see docs/dead-letters.md."""
    settings = _settings(kafka=kafka, redis=redis, topic=topic, pools=pools)
    import uvloop

    from standings.dead_letters import Filters
    from standings.replay import replay, show_replayed
    from standings.run import configure_logging

    configure_logging()
    show_replayed(uvloop.run(replay(settings, Filters.of(pool, reason, since), dry_run)), dry_run)


def main() -> None:
    """Run the command. Exit code 2 and one line for a user's mistake, 1 for the world's trouble."""
    sys.exit(_run())


def _run() -> int:
    from service.problems import Problem

    try:
        return app(prog_name="standings", standalone_mode=False) or 0
    except typer.TyperException as error:
        return _complain(error.format_message(), error.exit_code)
    except Problem as problem:
        remedies = [error.remedy for error in problem.errors]
        return _complain("; ".join([problem.detail, *remedies]), 2)
    except Mistake as error:
        return _complain(str(error), 2)
    except Trouble as error:
        return _complain(str(error), 1)


def _complain(message: str, code: int) -> int:
    # Without arguments there is help and nothing to complain of.
    if message:
        sys.stderr.write(f"standings: {message}\n")
    return code


def _settings(**given: Any) -> Settings:
    from pydantic import ValidationError

    from service.settings import Settings

    def wrong(name: str, why: str) -> Mistake:
        return Mistake(f"{f'--{name}' if given.get(name) is not None else f'STANDINGS_{name.upper()}'}: {why}")

    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise wrong(str(first["loc"][0]), first["msg"]) from error
    for address in settings.kafka.split(","):
        host, _, port = address.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
            raise wrong("kafka", f"{address!r} is no HOST:PORT")
    return settings


def _systems(names: Sequence[str], parameters: Sequence[str] | None) -> list[RatingSystem]:
    from service.ratings import create

    given = {}
    for text in parameters or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise Mistake(f"--param {text}: a parameter is given as NAME=VALUE, such as k=32")
        given[name] = value
    return [create(name, given) for name in names]
