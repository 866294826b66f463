"""The commands of an operator: ``doctor``, ``verify``, ``rebuild``, ``skip``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from standings.commands.options import Group, Json, Kafka, PoolsFile, Redis, Topic, settings_of

app = typer.Typer()


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
    settings = settings_of(**given)
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
    settings = settings_of(kafka=kafka, redis=redis, topic=topic, pools=pools)
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
    settings = settings_of(kafka=kafka, redis=redis, topic=topic, pools=pools)
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
    settings = settings_of(kafka=kafka, redis=redis, topic=topic)
    import uvloop

    from standings import operate
    from standings.run import configure_logging

    configure_logging()
    count = uvloop.run(operate.skip(settings, partition, offset))
    sys.stderr.write(f"partition {partition}: {count} more offsets are passed\n")
