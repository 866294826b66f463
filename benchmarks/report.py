"""How figures are printed: median of the rounds, with the spread."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def figure(name: str, values: Sequence[float], unit: str) -> None:
    """Print a row: median, least and most."""
    print(f"{name:<34} {median(values):>12,.3g} {unit:<12} {min(values):,.3g} to {max(values):,.3g}", flush=True)


def ratio(name: str, ours: Sequence[float], theirs: Sequence[float]) -> None:
    """Print the ratio round by round: each pair ran next to each other."""
    figure(name, [our / their for our, their in zip(ours, theirs, strict=True)], "x")
