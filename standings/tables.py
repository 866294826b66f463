"""What the offline commands print: one JSON document for programs, tables for eyes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from standings.offline import Evaluation, Evaluations, Ratings
from standings.performance import Performed

SHOWN: Final = 50
"""Players in a table; the JSON has them all."""


def print_json(answer: msgspec.Struct) -> None:
    """Print an answer as one JSON document on one line."""
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def show_ratings(answer: Ratings) -> None:
    """Print the first `SHOWN` players, with their pools where there are several."""
    players = answer.players
    several = any(isinstance(player.pool, str) for player in players)
    table = _table(["pool", "player"] if several else ["player"], ["rating", "deviation", "matches"])
    for player in players[:SHOWN]:
        figures = (f"{player.rating:.1f}", f"{player.deviation:.1f}", f"{player.matches:,}")
        names = [str(player.pool), player.player] if several else [player.player]
        # As text: a name may look like rich's markup.
        table.add_row(*map(Text, [*names, *figures]))
    if len(players) > SHOWN:
        table.caption = f"{len(players) - SHOWN:,} more players: --json has them all"
    Console().print(table)


def show_performance(answer: Performed) -> None:
    """Print the one line of a rating in one step; a bound that is open is left blank."""
    table = _table(["system"], ["results", "score", "rating", "deviation", "at least", "at most"])
    figures = (answer.rating, answer.deviation, *answer.interval)
    shown = ("" if figure is None else f"{figure:.1f}" for figure in figures)
    table.add_row(answer.system, f"{answer.results:,}", f"{answer.score:g}", *shown)
    Console().print(table)


def show_evaluations(answer: Evaluations) -> None:
    """Print the scores of every system, then how its predicted chances compare with what was seen."""
    console = Console()
    table = _table(["system"], ["matches", "scored", "log-loss", "Brier", "accuracy", "matches/s"])
    for found in answer.systems:
        speed = found.matches_per_second
        table.add_row(
            found.system,
            f"{found.matches:,}",
            f"{found.scored:,}",
            *("-" if score is None else f"{score:.4f}" for score in (found.log_loss, found.brier, found.accuracy)),
            "-" if speed is None else f"{speed:,.0f}",
        )
    console.print(table)
    for found in answer.systems:
        console.print(_calibration(found))


def _calibration(found: Evaluation) -> Table:
    table = _table([f"chance by {found.system}"], ["weight", "predicted", "seen"])
    for one in found.calibration:
        if one.predicted is not None and one.seen is not None:
            figures = (f"{one.weight:,.0f}", f"{one.predicted:.3f}", f"{one.seen:.3f}")
            table.add_row(f"{one.low:.1f} to {one.high:.1f}", *figures)
    return table


def _table(names: Sequence[str], figures: Sequence[str]) -> Table:
    table = Table()
    for name in names:
        table.add_column(name)
    for figure in figures:
        table.add_column(figure, justify="right")
    return table
