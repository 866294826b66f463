"""The commands that need no server: ``rate``, ``evaluate``, ``performance``, ``plan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from standings.commands.file_options import takes_file
from standings.commands.options import Json, Parameters, systems_of

if TYPE_CHECKING:
    from standings.files.source import Source

app = typer.Typer()


@app.command()
@takes_file
def rate(
    source: Source,
    system: Annotated[str, typer.Option(metavar="NAME", help="The rating system.")] = "kalman",
    param: Parameters = None,
    json: Json = False,
) -> None:
    """Give the final ratings of a file, offline."""
    (chosen,) = systems_of([system], param)
    from standings.rating import rate_file
    from standings.tables import print_json, show_ratings

    (print_json if json else show_ratings)(rate_file(source, chosen))


@app.command()
@takes_file
def evaluate(
    source: Source,
    system: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Repeatable; all that take every match of the file unless named, or by: all"),
    ] = None,
    param: Parameters = None,
    shuffle: Annotated[
        int | None, typer.Option(min=0, metavar="SEED", help="Another order than the file's, the same for one seed.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw calibration and log-loss over time: .png or .svg.")
    ] = None,
    json: Json = False,
) -> None:
    """Predict, then update, through a file, offline: how good the predictions are; see docs/evaluate.md."""
    from service.ratings import systems
    from standings.evaluation import evaluations_of
    from standings.play import play_file
    from standings.plot import check_picture, draw
    from standings.tables import print_json, show_evaluations

    named = list(dict.fromkeys(system or ["all"]))
    every = "all" in named
    chosen = systems_of(list(systems()) if every else named, param)
    if plot is not None:
        check_picture(plot)
    played = play_file(source, chosen, fitting=every, shuffle=shuffle)
    answer = evaluations_of(played)
    (print_json if json else show_evaluations)(answer)
    if plot is not None:
        draw(plot, answer, played.course.blocks())


@app.command()
@takes_file
def performance(
    source: Source,
    results: Annotated[
        str, typer.Argument(metavar="RESULTS", help="CSV: opponent,result with won, tied or lost in each row.")
    ],
    system: Annotated[str, typer.Option(metavar="NAME", help="The rating system.")] = "kalman",
    param: Parameters = None,
    json: Json = False,
) -> None:
    """Rate results in one step against the players of a file as they stand at its end, offline; nothing is changed."""
    (chosen,) = systems_of([system], param)
    from standings.performance import performance_file
    from standings.tables import print_json, show_performance

    (print_json if json else show_performance)(performance_file(source, results, chosen))


@app.command()
def plan(
    win_chance: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="P", help="Tell two apart, of whom one wins so often; a tie is half."),
    ] = None,
    within: Annotated[
        float | None,
        typer.Option(min=0.001, max=0.5, metavar="X", help="Know a player's win chance to plus or minus X."),
    ] = None,
    delta: Annotated[float, typer.Option(metavar="D", help="Chance, at most, to be wrong.")] = 0.05,
    tolerance: Annotated[
        float, typer.Option(min=0, max=0.25, metavar="T", help="Win chances so near to one half count as even.")
    ] = 0.0,
    json: Json = False,
) -> None:
    """Say how many matches of two it takes, before any is played; see docs/campaigns.md."""
    from standings.plan import plan as plan_for
    from standings.tables import print_json, show_plan

    (print_json if json else show_plan)(plan_for(win_chance, within, delta, tolerance))
