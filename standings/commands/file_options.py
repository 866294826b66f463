"""The options that say how a file is read: one definition for every command that takes a file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec, get_type_hints

import typer

if TYPE_CHECKING:
    from standings.files.source import Source

Rest = ParamSpec("Rest")

PANEL: Final = "How the file is read"


def takes_file(command: Callable[Concatenate[Source, Rest], None]) -> Callable[..., None]:
    """Give a command FILE and the options of `Source` in place of its first parameter."""

    @wraps(command)
    def run(**given: Any) -> None:
        from standings.files.source import Source

        source = Source(side=tuple(given.pop("side") or ()), **{name: given.pop(name) for name in singles})
        command(source, **given)  # type: ignore[call-arg]  # the rest is the command's own

    own, shared = _parameters(command, {"Source": object})[1:], _parameters(_options, {})
    singles = [parameter.name for parameter in shared if parameter.name != "side"]
    together = [*shared[:1], *own, *shared[1:]]
    # From here typer knows what the command takes.
    run.__signature__ = inspect.Signature(together)  # type: ignore[attr-defined]  # a name of the inspect module
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in together}
    return run


def _options(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="NDJSON, one match a line, or CSV by its name; .gz is unpacked, - is standard input."
        ),
    ],
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="votes, contests, teams: see docs/files.md.", rich_help_panel=PANEL),
    ] = None,
    side: Annotated[
        list[str] | None,
        typer.Option(metavar="PLAYER:SCORE", help="The columns of a side; once for each.", rich_help_panel=PANEL),
    ] = None,
    winner: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Instead of scores: who won.", rich_help_panel=PANEL)
    ] = None,
    loser: Annotated[str | None, typer.Option(metavar="COLUMN", help="And who lost.", rich_help_panel=PANEL)] = None,
    tie: Annotated[
        str | None,
        typer.Option(metavar="COLUMN=VALUE", help="Rows that are a tie of the two.", rich_help_panel=PANEL),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="COLUMN|TIME", help="When: RFC 3339 or epoch milliseconds.", rich_help_panel=PANEL),
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The pool; the file's name unless given.", rich_help_panel=PANEL),
    ] = None,
    id: Annotated[  # noqa: A002 - the option's name
        str | None, typer.Option(metavar="COLUMN", help="Ids; made from content unless given.", rich_help_panel=PANEL)
    ] = None,
    home: Annotated[
        int | None, typer.Option(metavar="N", help="Which --side is at home, from 0.", rich_help_panel=PANEL)
    ] = None,
    neutral: Annotated[
        str | None, typer.Option(metavar="COLUMN=VALUE", help="Rows without a home.", rich_help_panel=PANEL)
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End at the first bad row, with exit code 2.", rich_help_panel=PANEL)
    ] = False,
) -> None:
    """Hold the parameters; their names are the fields of `Source`."""


def _parameters(function: Callable[..., None], names: dict[str, Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(function, localns=names, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    return [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in parameters
    ]
