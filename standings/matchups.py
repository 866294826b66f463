"""``standings matchups``: what the API answers, without it: from Redis itself, accounted for in Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.api.shared import make_parts
from service.api.suggested import MatchupsAnswer, answer_of
from service.api.wanted import Wanted, ask_of
from service.fields import is_slug
from service.pool_file import PoolsInvalid
from service.problems import Problem
from service.settings import Settings
from service.store.connection import StoreUnavailable
from service.store.partitions import Unreadable
from standings.errors import Mistake, Trouble

OPTIONS: Final = {
    "side_count": "sides",
    "candidates": "candidate",
    "lease_seconds": "lease",
    "request_id": "request-id",
}
"""Options that are called otherwise than the fields of the API."""


async def suggest(settings: Settings, pool: str, given: Mapping[str, Any]) -> MatchupsAnswer:
    """Take matchups of a pool.

    Parameters
    ----------
    settings : Settings
    pool : str
    given : mapping
        Fields of `service.api.wanted.Wanted`.

    Raises
    ------
    Mistake, Problem
        What is wrong with the options.
    Trouble
        Kafka or Redis does not answer, or too much is asked of them.
    """
    if not is_slug(pool):
        raise Mistake(f"POOL {pool!r}: no pool's name; it has letters, digits, '.', '_' and '-'")
    try:
        wanted = Wanted.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0])
        raise Mistake(f"--{OPTIONS.get(field, field.replace('_', '-'))}: {first['msg']}") from None
    try:
        parts = make_parts(settings)
    except PoolsInvalid as error:
        raise Mistake(str(error)) from error
    except ValueError as error:
        raise Mistake("--redis: not an address of Redis; it is redis://USER:PASSWORD@HOST:PORT/DB") from error
    configured = parts.pools.configured(pool)
    try:
        ask = ask_of(configured, wanted)
        return answer_of(configured, ask, await parts.suggestions.suggest(configured, ask))
    except (StoreUnavailable, Unreadable) as error:
        raise Trouble(str(error)) from error
    except Problem as problem:
        if problem.type.status < 500:
            raise
        raise Trouble(problem.detail) from problem
    finally:
        await parts.close()


def show_matchups(answer: MatchupsAnswer) -> None:
    """Print a line for each matchup."""
    table = Table("id", "sides", "win", "tie", "propensity", "until", box=None, header_style="bold")
    for found in answer["matchups"]:
        sides = " - ".join(" + ".join(side["players"]) for side in found["sides"])
        win = " ".join(f"{chance:.2f}" for chance in found["prediction"]["win"])
        tie, propensity = found["prediction"]["tie"], found["propensity"]
        figures = (win, "" if tie is None else f"{tie:.2f}", "" if propensity is None else f"{propensity:.2g}")
        # As text: a name may look like rich's markup.
        table.add_row(*map(Text, (found["id"], sides, *figures, f"{found['lease_until']:%H:%M:%S}")))
    policy = answer["policy"]
    table.caption = f"{policy['name']}, floor {policy['floor']:g}, seed {answer['seed']}, position {answer['position']}"
    Console().print(table)
