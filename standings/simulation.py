"""What ``standings simulate`` answers: how many matches each policy needed, over many trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from rich.console import Console
from scipy.stats import binom

from standings.targets import Target
from standings.trial import Setting, Trial, attempt

CONFIDENCE: Final = 0.95


class Simulation(msgspec.Struct, frozen=True):
    """What ``standings simulate`` answers for one policy.

    Attributes
    ----------
    policy, goal : str
    matches : list of (int or None)
        Of each seed: how many led to the goal; None where the budget ran out, which counts as more than any number.
    median, low, high : float or None
        Median, and its 95 % interval by order statistics; None is past the budget. Of fewer than six seeds, which
        have no such interval, ``low`` and ``high`` are the least and the most.
    """

    policy: str
    goal: str
    matches: list[int | None]
    median: float | None
    low: int | None
    high: int | None


class Simulated(NamedTuple):
    """One policy's answer, and the trials that it sums up."""

    answer: Simulation
    trials: list[Trial]


def simulate(
    settings: Sequence[Setting], target: Target, *, budget: int, seeds: int, held: int = 1, whole: bool = False
) -> list[Simulated]:
    """Play every setting with the same seeds, with a bar on standard error where that is a terminal.

    Parameters
    ----------
    settings : sequence of Setting
    target, budget, held, whole
        As for `standings.trial.attempt`.
    seeds : int
        They are numbered from 0.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found = []
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        for setting in settings:
            name = setting.policy.name
            task = progress.add_task(name, total=seeds)
            trials = []
            for seed in range(seeds):
                trials.append(attempt(setting, target, budget, seed, held=held, whole=whole))
                progress.advance(task)
            found.append(Simulated(summed_up(name, target.name, [one.reached for one in trials]), trials))
    return found


def summed_up(policy: str, goal: str, reached: Sequence[int | None]) -> Simulation:
    """Median and interval of the matches of all seeds, at least one.

    Examples
    --------
    >>> found = summed_up("uniform", "exact", [9, 7, None, 8, 6, 5, None, 4])
    >>> found.median, found.low, found.high
    (7.5, 4, None)
    """
    ordered = sorted(math.inf if one is None else one for one in reached)
    count = len(ordered)
    # The smallest k such that fewer than k of the values are below the median with more than 2.5 %.
    rank = max(1, int(binom.ppf((1.0 - CONFIDENCE) / 2.0, count, 0.5)))
    median = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2.0
    low, high = ordered[rank - 1], ordered[count - rank]
    return Simulation(
        policy,
        goal,
        list(reached),
        median if math.isfinite(median) else None,
        int(low) if math.isfinite(low) else None,
        int(high) if math.isfinite(high) else None,
    )
