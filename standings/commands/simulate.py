"""The commands that judge matchup policies: ``simulate``, ``evaluate-policy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from standings.commands.options import Json, Parameters, systems_of, values_of
from standings.errors import Mistake

app = typer.Typer()

PolicyParameters = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the policy; repeatable.")
]
Floor = Annotated[float, typer.Option(min=0, max=1, help="Share of matches that are uniform instead.")]

ARENA: Final = "The arena"


@app.command("simulate")
def simulate_policies(
    policy: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Repeatable; uniform unless given. All play the same seeds."),
    ] = None,
    policy_param: PolicyParameters = None,
    floor: Floor = 0.0,
    system: Annotated[str, typer.Option(metavar="NAME", help="The rating system.")] = "kalman",
    param: Parameters = None,
    goal: Annotated[
        str,
        typer.Option(
            metavar="exact|TAU|best|top_K",
            help="Kendall tau between the current order and the true one, exact being 1;"
            " or that the true best, or first K, are the current ones.",
        ),
    ] = "exact",
    held: Annotated[
        int, typer.Option(min=1, max=1000, help="Rounds in a row for which the goal must stand; the first counts.")
    ] = 1,
    budget: Annotated[int, typer.Option(min=1, max=1_000_000, help="Matches of a seed, at most.")] = 20_000,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Arenas, numbered from 0.")] = 20,
    at_once: Annotated[
        int, typer.Option(min=1, max=1000, help="Matches of a round: all are taken before the first result comes in.")
    ] = 1,
    players: Annotated[int, typer.Option(min=2, max=1000, rich_help_panel=ARENA)] = 50,
    sides: Annotated[int, typer.Option(min=2, max=16, help="Of a match, one player each.", rich_help_panel=ARENA)] = 4,
    noise: Annotated[
        float, typer.Option(min=0, max=100, help="Sd of one performance; that of skills is 1.", rich_help_panel=ARENA)
    ] = 0.0,
    flip: Annotated[
        float, typer.Option(min=0, max=1, help="Share of results that are a random order.", rich_help_panel=ARENA)
    ] = 0.0,
    drift: Annotated[
        float,
        typer.Option(min=0, max=100, help="Sd of the step of every skill with each match.", rich_help_panel=ARENA),
    ] = 0.0,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw error against matches: .png or .svg.")] = None,
    json: Json = False,
) -> None:
    """Count the matches that a policy needs in synthetic arenas until the order is the true one; see docs/simulate.md.

    With --plot every seed plays its budget out.
    """
    names = list(dict.fromkeys(policy or ["uniform"]))
    if json and len(names) > 1:
        raise Mistake("--json: it answers for one --policy; the figures of several are the same one by one")
    if sides > players:
        raise Mistake(f"--sides {sides}: there are {players} players")
    if at_once > budget:
        raise Mistake(f"--at-once {at_once}: the budget is {budget} matches")
    (rated,) = systems_of([system], param)
    given = values_of("--policy-param", "alpha=1", policy_param)
    from service.matchups import create
    from standings.arena import Arena
    from standings.curves import draw_curves
    from standings.plot import check_picture
    from standings.simulation import simulate
    from standings.tables import print_json, show_simulations
    from standings.targets import target_of
    from standings.trial import Setting

    if plot is not None:
        check_picture(plot)
    arena = Arena(players=players, sides=sides, noise=noise, flip=flip, drift=drift)
    settings = [
        Setting(arena=arena, system=rated, policy=create(name, given), floor=floor, at_once=at_once) for name in names
    ]
    found = simulate(settings, target_of(goal, players), budget=budget, seeds=seeds, held=held, whole=plot is not None)
    if json:
        print_json(found[0].answer)
    else:
        show_simulations([one.answer for one in found], budget)
    if plot is not None:
        draw_curves(plot, found)


@app.command()
def evaluate_policy(
    log: Annotated[
        str,
        typer.Argument(
            metavar="LOG",
            help="NDJSON: records of the topics of matchups and of matches; .gz, or - for standard input.",
        ),
    ],
    policy: Annotated[str, typer.Option(metavar="NAME", help="What would have been suggested instead.")],
    policy_param: PolicyParameters = None,
    floor: Floor = 0.0,
    reward: Annotated[
        str, typer.Option(metavar="upset|information", help="What a matchup is worth by its result.")
    ] = "upset",
    clip: Annotated[float, typer.Option(min=1, max=1e6, help="The largest weight of a matchup.")] = 100.0,
    json: Json = False,
) -> None:
    """Estimate what a policy would have been worth, from the log of the matchups of others; see docs/simulate.md."""
    from service.matchups.evaluate import REWARDS
    from service.matchups.goals import policy_for
    from standings.policy_value import evaluate_policy
    from standings.tables import print_json, show_policy_value

    if reward not in REWARDS:
        raise Mistake(f"--reward {reward}: one of: {', '.join(REWARDS)}")
    judged = policy_for(name=policy, parameters=values_of("--policy-param", "temperature=0.1", policy_param))
    (print_json if json else show_policy_value)(evaluate_policy(log, judged, floor, reward, clip))
