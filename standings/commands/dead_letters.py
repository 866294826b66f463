"""The commands ``dead-letters list``, ``show`` and ``replay``."""

from __future__ import annotations

from typing import Annotated

import typer

from standings.commands.options import Json, Kafka, PoolsFile, Redis, Topic, settings_of

app = typer.Typer(help="Look at the records that could not be used, and send them again.", no_args_is_help=True)

PoolName = Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this pool.")]
Reason = Annotated[str | None, typer.Option(metavar="SLUG", help="Only those with this reason.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only those found since: RFC 3339 or epoch milliseconds.")
]


@app.command("list")
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
    settings = settings_of(kafka=kafka, topic=topic)
    import uvloop

    from standings.dead_letters import Filters, list_letters, show_listing
    from standings.run import configure_logging
    from standings.tables import print_json

    configure_logging()
    listing = uvloop.run(list_letters(settings, Filters.of(pool, reason, since), limit))
    (print_json if json else show_listing)(listing)


@app.command("show")
def show_dead_letter(
    place: Annotated[str, typer.Argument(metavar="[TOPIC/]PARTITION/OFFSET", help="Of the record.")],
    kafka: Kafka = None,
    topic: Topic = None,
) -> None:
    """Show one dead letter: why it is one, and the whole record where the log still has it."""
    settings = settings_of(kafka=kafka, topic=topic)
    import uvloop

    from standings.dead_letters import read_place, show_letter
    from standings.run import configure_logging

    configure_logging()
    uvloop.run(show_letter(settings, read_place(place, settings.topic)))


@app.command("replay")
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
    settings = settings_of(kafka=kafka, redis=redis, topic=topic, pools=pools)
    import uvloop

    from standings.dead_letters import Filters
    from standings.replay import replay, show_replayed
    from standings.run import configure_logging

    configure_logging()
    show_replayed(uvloop.run(replay(settings, Filters.of(pool, reason, since), dry_run)), dry_run)
