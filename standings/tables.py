"""What the offline commands print: one JSON document for programs, tables for eyes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from standings.evaluation import Difference, Evaluation, Evaluations
from standings.performance import Performed
from standings.plan import Plan
from standings.policy_value import PolicyValue
from standings.rating import Ratings
from standings.simulation import Simulation

SHOWN: Final = 50
"""Players in a table; the JSON has them all."""


def print_json(answer: msgspec.Struct | Mapping[str, Any]) -> None:
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


def show_plan(answer: Plan) -> None:
    """Print how many matches each of what is to be known takes."""
    table = _table(["to know"], ["matches"])
    if answer.to_tell is not None:
        even = f", {answer.tolerance:g} counting as even" if answer.tolerance else ""
        table.add_row(f"who is stronger, at a win chance of {answer.win_chance:g}{even}", f"{answer.to_tell:,}")
    if answer.to_reach is not None:
        table.add_row(
            f"a win chance near {answer.win_chance:g}, plus or minus {answer.within:g}", f"{answer.to_reach:,}"
        )
    table.caption = f"with a chance of at most {answer.delta:g} to be wrong, however often one looks"
    Console().print(table)


def show_evaluations(answer: Evaluations) -> None:
    """Print every system's scores; of one its calibration, of several by how much they are worse than the best."""
    console = Console()
    table = _table(["system"], ["log-loss", "three-way", "Brier", "accuracy", "matches/s"])
    for found in answer.systems:
        scores = (found.log_loss, found.three_way_log_loss, found.brier, found.accuracy)
        speed = found.matches_per_second
        shown = ("-" if score is None else f"{score:.4f}" for score in scores)
        table.add_row(found.system, *shown, "-" if speed is None else f"{speed:,.0f}")
        table.caption = f"{found.matches:,} matches, {found.scored:,} scored"
    console.print(table)
    if len(answer.systems) == 1:
        console.print(_calibration(answer.systems[0]))
    of = "years" if answer.blocks.by == "year" else "blocks of consecutive matches"
    for name, differences in (("log-loss", answer.differences), ("three-way", answer.three_way_differences)):
        if differences:
            console.print(_differences(name, differences, f"{answer.blocks.count:,} {of} resampled"))


def show_policy_value(found: PolicyValue) -> None:
    """Print what a policy would have been worth, and what was played was."""
    table = _table([found.reward], ["mean", "95 % low", "high"])
    for name, one in ((found.policy, found), ("what was played", found.played)):
        table.add_row(name, *(f"{figure:.4f}" for figure in (one.value, one.low, one.high)))
    worth = f"{found.matchups:,} matchups, worth {found.effective:,.0f}"
    table.caption = f"{worth}; support {found.support:.0%}, {found.clipped:,} weights clipped"
    Console().print(table)


def show_simulations(answers: Sequence[Simulation], budget: int) -> None:
    """Print how many matches each policy needed; what the budget did not reach is more than it."""
    table = _table(["policy"], ["median", "95 % low", "high", "reached"])
    for found in answers:
        reached = sum(one is not None for one in found.matches)
        shown = (f"> {budget:,}" if one is None else f"{one:,.10g}" for one in (found.median, found.low, found.high))
        table.add_row(found.policy, *shown, f"{reached} of {len(found.matches)}")
        table.caption = f"matches to the goal: {found.goal}"
    Console().print(table)


def _differences(name: str, differences: Sequence[Difference], caption: str) -> Table:
    table = _table(["system"], [f"{name} above that of {differences[0].against}", "95 % low", "high"])
    for one in differences:
        ends = ("-" if end is None else f"{end:+.4f}" for end in (one.low, one.high))
        table.add_row(one.system, f"{one.log_loss:+.4f}", *ends)
    table.caption = caption
    return table


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
