"""How figures are printed: median of the rounds, with the spread; and how tables are made and come into a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from scipy.stats import binomtest

from standings.simulation import Simulation


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


def figures(summed: Simulation, budget: int) -> list[str]:
    """Cells of a median and its interval."""
    low, high = (f"over {budget:,}" if end is None else f"{end:,}" for end in (summed.low, summed.high))
    median = f"over {budget:,}" if summed.median is None else f"{summed.median:,g}"
    return [median, f"{low} to {high}"]


def fewer(reached: Sequence[int | None], base: Sequence[int | None]) -> str:
    """On how many seeds, and whether that could be chance (sign test)."""
    pairs = [tuple(math.inf if end is None else end for end in pair) for pair in zip(reached, base, strict=True)]
    fewer, more = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
    chance = binomtest(fewer, fewer + more).pvalue if fewer + more else 1.0
    return f"{fewer} of {len(pairs)}, p {chance:.1g}"


def table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table with its title."""
    lines = [names, ["---"] * len(names), *rows]
    return f"{title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
