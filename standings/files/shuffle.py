"""A file's matches in another order, where neighbours tell of each other, such as votes on one question."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from service.match import Match
from standings.errors import Mistake
from standings.files.rows import Row

MOST_BYTES: Final = 128 << 20
"""Of rows as JSON, since all of them are held in memory at once: some 700,000 votes, which take 0.6 GB."""

BLOCK: Final = 1_000


def shuffled(blocks: Iterable[Sequence[Row]], seed: int, name: str) -> Iterator[list[Row]]:
    """Give the rows that are no matches as they come, then all matches in an order that the seed decides.

    Parameters
    ----------
    blocks : iterable of sequences of Row
        A whole file.
    seed : int
        The same seed gives the same order.
    name : str
        Of the file, for messages.

    Raises
    ------
    Mistake
        The file is larger than `MOST_BYTES`.
    """
    matches: list[Row] = []
    size = 0
    for block in blocks:
        found = [row for row in block if isinstance(row.found, Match)]
        size += sum(len(row.value) for row in found)
        if size > MOST_BYTES:
            raise Mistake(f"--shuffle holds {MOST_BYTES >> 20} MiB of matches in memory, and {name} has more")
        matches += [row._replace(value=b"") for row in found]
        yield [row for row in block if not isinstance(row.found, Match)]
    random.Random(seed).shuffle(matches)
    for start in range(0, len(matches), BLOCK):
        yield matches[start : start + BLOCK]
