"""One picture of how systems predicted: how true their chances were, and how their losses went over time."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from standings.course import TWO_WAY, Blocks
from standings.errors import Mistake
from standings.evaluation import Evaluations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES: Final = (".png", ".svg")
POINTS: Final = 30
"""Of the losses over time, each for as many matches as the others: years of a few matches would only be noise."""

LEAST_WEIGHT: Final = 25.0
"""Of a tenth of the chances with fewer predictions, what was seen is an accident."""

_STYLES: Final = ("-", "--", ":")
_COLOURS: Final = 10


def check_picture(path: Path) -> None:
    """See that a picture can be drawn there, before the work that it is to show.

    Raises
    ------
    Mistake
        It has another suffix, or matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise Mistake(f"--plot {path}: a picture is a {' or '.join(SUFFIXES)} file")
    try:
        import matplotlib  # noqa: F401  is it there
    except ImportError:
        raise Mistake("--plot needs matplotlib: pip install 'standings[plot]'") from None
    if not path.parent.is_dir():
        raise Mistake(f"--plot {path}: there is no folder {path.parent}")


def draw(path: Path, answer: Evaluations, blocks: Blocks) -> None:
    """Draw calibration and log-loss over time into a file.

    Parameters
    ----------
    path : Path
        ``.png`` or ``.svg``; see `check_picture`.
    answer : Evaluations
    blocks : Blocks
        Losses of the same systems.

    Raises
    ------
    Mistake
        The file cannot be written.
    """
    # The figure alone, without pyplot, which would look for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _calibration(left, answer)
    _losses(right, answer, blocks)
    handles, names = right.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=6, frameon=False)
    write_picture(path, figure)


def write_picture(path: Path, figure: Figure) -> None:
    """Write a picture into a file; see `check_picture`.

    Raises
    ------
    Mistake
        The file cannot be written.
    """
    picture = BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower(), dpi=120)
    try:
        path.write_bytes(picture.getvalue())
    except OSError as error:
        raise Mistake(f"--plot {path}: {error.strerror}") from None


def _calibration(axes: Axes, answer: Evaluations) -> None:
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    for index, found in enumerate(answer.systems):
        points = [
            (one.predicted, one.seen)
            for one in found.calibration
            if one.weight >= LEAST_WEIGHT and one.predicted is not None and one.seen is not None
        ]
        axes.plot(*np.array(points).reshape(-1, 2).T, _style(index), color=_colour(index), marker=".", linewidth=1.2)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="predicted", ylabel="seen", title="Calibration")


def _losses(axes: Axes, answer: Evaluations, blocks: Blocks) -> None:
    counts, sums = blocks.counts[TWO_WAY], blocks.sums[TWO_WAY]
    point = (np.cumsum(counts) - counts / 2) // max(1.0, counts.sum() / POINTS)
    first = np.flatnonzero(np.diff(point, prepend=-1.0))
    matches = np.maximum(1.0, np.add.reduceat(counts, first))
    middle = np.add.reduceat(counts * blocks.start, first) / matches
    for index, found in enumerate(answer.systems):
        means = np.add.reduceat(sums[:, index], first) / matches
        axes.plot(middle, means, _style(index), color=_colour(index), linewidth=1.2, label=found.system)
    axes.set(xlabel="year" if blocks.by == "year" else "matches before", ylabel="log-loss", title="Log-loss over time")
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")


def _style(index: int) -> str:
    return _STYLES[index // _COLOURS % len(_STYLES)]


def _colour(index: int) -> str:
    return f"C{index % _COLOURS}"
