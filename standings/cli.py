"""The command ``standings``: which commands there are, and how their errors are told."""

from __future__ import annotations

import os
import signal
import sys

import typer

from standings.commands import dead_letters, keys, matchups, offline, operate, run, simulate
from standings.errors import Mistake, Trouble

app = typer.Typer(
    help="Live ratings, rankings and matchups: results arrive on Kafka, ratings in Redis move at once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for part in (run, offline, matchups, simulate, operate):
    app.add_typer(part.app)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(keys.app, name="keys")


def main() -> None:
    """Run the command. Exit code 2 and one line for a user's mistake, 1 for the world's trouble."""
    if os.getpid() == 1:
        # A container's first process is deaf to signals that it does not handle: told to stop while it starts, a part
        # would work on until it is killed. Any other process ends by them.
        for signum in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(signum, lambda number, _: os._exit(128 + number))
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
