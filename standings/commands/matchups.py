"""The command ``matchups``."""

from __future__ import annotations

from typing import Annotated

import typer

from standings.commands.options import Json, Kafka, PoolsFile, Redis, Topic, settings_of, values_of

app = typer.Typer()


@app.command()
def matchups(
    pool: Annotated[str, typer.Argument(metavar="POOL", help="The pool's name.")],
    count: Annotated[int, typer.Option(min=1, max=100, help="How many matchups.")] = 1,
    sides: Annotated[int, typer.Option(min=2, max=16, help="Sides of each.")] = 2,
    goal: Annotated[
        str | None, typer.Option(metavar="NAME", help="What for: full, top_k, best, even or cover.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="NAME", help="Without it the pool's, or the one for the goal.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the policy; repeatable.")
    ] = None,
    floor: Annotated[
        float | None, typer.Option(min=0, max=1, help="Chance of a uniform choice; the pool's unless given.")
    ] = None,
    candidate: Annotated[
        list[str] | None, typer.Option(metavar="PLAYER", help="Who may be chosen; repeatable. Else the whole pool.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="PLAYER", help="Who may not; repeatable.")] = None,
    newcomers: Annotated[
        bool | None, typer.Option(help="Whether players that the pool does not know may be named.")
    ] = None,
    lease: Annotated[int, typer.Option(min=1, max=86_400, metavar="SECONDS", help="Waited so long for results.")] = 600,
    request_id: Annotated[
        str | None, typer.Option(metavar="NAME", help="Said again, it gives the same matchups, while they are open.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**53 - 1, help="Of all chance.")] = None,
    kafka: Kafka = None,
    redis: Redis = None,
    topic: Topic = None,
    pools: PoolsFile = None,
    json: Json = False,
) -> None:
    """Say what to play next, and lease it; a result that carries the id closes the lease. See docs/matchups.md."""
    settings = settings_of(kafka=kafka, redis=redis, topic=topic, pools=pools)
    parameters = values_of("--param", "temperature=0.1", param)
    import uvloop

    from standings.matchups import show_matchups, suggest
    from standings.run import configure_logging
    from standings.tables import print_json

    configure_logging()
    wanted = {
        "count": count,
        "side_count": sides,
        "goal": goal,
        "policy": policy,
        "parameters": parameters or None,
        "floor": floor,
        "candidates": candidate or None,
        "exclude": exclude or [],
        "newcomers": newcomers,
        "lease_seconds": lease,
        "request_id": request_id,
        "seed": seed,
    }
    answer = uvloop.run(suggest(settings, pool, wanted))
    (print_json if json else show_matchups)(answer)
