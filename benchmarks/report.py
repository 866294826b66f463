"""How figures are printed: median of the rounds, with the spread; and how tables come into a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median


def figure(name: str, values: Sequence[float], unit: str) -> None:
    """Print a row: median, least and most."""
    print(
        f"{name:<34} {_short(median(values)):>10} {unit:<11} {_short(min(values))} to {_short(max(values))}", flush=True
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def ratio(name: str, ours: Sequence[float], theirs: Sequence[float]) -> None:
    """Print the ratio round by round: each pair ran next to each other."""
    figure(name, [our / their for our, their in zip(ours, theirs, strict=True)], "x")


def into_page(page: Path, begin: str, end: str, tables: str) -> None:
    """Write tables into a page of the docs, between the two marks that stand there for them."""
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{tables}\n{end}{after}")
