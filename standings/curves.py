"""The picture of a simulation: how the error of each policy's order falls with the matches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from standings.plot import write_picture
from standings.simulation import Simulated

POINTS: Final = 300
"""Of a curve, evenly in the logarithm of the matches."""


def draw_curves(path: Path, found: Sequence[Simulated]) -> None:
    """Draw error against matches into a file: a line for the mean over all trials, a band for their middle half.

    Parameters
    ----------
    path : Path
        See `standings.plot.check_picture`.
    found : sequence of Simulated
        Of the same budget, each trial played out.

    Raises
    ------
    Mistake
        The file cannot be written.
    """
    # The figure alone, without pyplot, which would look for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.2), layout="constrained")
    axes = figure.subplots()
    for one in found:
        curves = np.array([trial.errors for trial in one.trials]).reshape(len(one.trials), -1, 2)
        rounds = curves.shape[1]
        shown = np.unique(np.geomspace(1, max(1, rounds), POINTS).astype(np.int64))[:rounds] - 1
        matches, errors = curves[0, shown, 0], curves[:, shown, 1]
        (line,) = axes.plot(matches, errors.mean(axis=0), linewidth=1.4, label=one.answer.policy)
        low, high = np.quantile(errors, [0.25, 0.75], axis=0)
        axes.fill_between(matches, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(xscale="log", ylim=(0.0, 0.5), xlabel="matches", ylabel="share of pairs in the wrong order")
    axes.legend(frameon=False)
    write_picture(path, figure)
