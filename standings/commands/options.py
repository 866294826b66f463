"""Options that several commands share, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from standings.errors import Mistake

if TYPE_CHECKING:
    from service.ratings import RatingSystem
    from service.settings import Settings

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


def settings_of(**given: Any) -> Settings:
    """Settings as the options say and, where they say nothing, the environment.

    Raises
    ------
    Mistake
        Naming the option or the variable.
    """
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


def systems_of(names: Sequence[str], parameters: Sequence[str] | None) -> list[RatingSystem]:
    """Rating systems of these names, each with the same parameters, given as ``NAME=VALUE``.

    Raises
    ------
    Mistake, Problem
    """
    from service.ratings import create

    given = values_of("--param", "k=32", parameters)
    return [create(name, given) for name in names]


def values_of(option: str, example: str, texts: Sequence[str] | None) -> dict[str, str]:
    """Parameters that an option gives as ``NAME=VALUE``, by name.

    Raises
    ------
    Mistake
    """
    given = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise Mistake(f"{option} {text}: a parameter is given as NAME=VALUE, such as {example}")
        given[name] = value
    return given
