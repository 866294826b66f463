"""The commands about keys of the API."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from standings.errors import Mistake

app = typer.Typer(help="Keys of the API.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Keys of the API; see docs/security.md."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is: small letters, digits, dashes.")],
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="SCOPE", help="read, feed, suggest or operate; repeatable.")
    ],
) -> None:
    """Make a key: on standard error the key, this once; on standard output its lines of the keys file.

    standings keys new dashboard --scope read >>keys.toml
    """
    from service.keys import KeysInvalid, new_key

    try:
        key, table = new_key(name, scope)
    except KeysInvalid as error:
        raise Mistake(str(error)) from error
    sys.stdout.write(table)
    sys.stderr.write(f"{key}\n")
