"""Places at which the sides of matchups are shown, and whether one is better than another.

The service draws the order in which a matchup's sides are shown, by chance alone and apart from who they are. So over
many matchups skill says nothing of a place, and where sides shown there do better than others, that is a bias. Matches
that were not suggested tell nothing of it: whoever writes them down may name the winner first.

References
----------
E. B. Wilson, Probable inference, the law of succession, and statistical inference, J. Am. Stat. Assoc. 22, 1927.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from service.match import Match

MOST_SHOWN: Final = 16
"""Sides of the largest matchup."""

NONE_SHOWN: Final = (0.0,) * (2 * MOST_SHOWN)
"""What is counted before the first result: of each place matches, then the sum of what `add_places` adds."""

Z: Final = 1.959963984540054
"""Deviations of a normal distribution that hold 95 % of it."""


class PlaceBias(NamedTuple):
    """How well sides did that were shown at one place.

    Attributes
    ----------
    matches : int
        Results in which there was a side at this place.
    before : float
        Share of the other sides that it came in before, a tie counting one half, in the mean; one half without a bias.
    low, high : float
        A 95 % interval of that: Wilson's, which is exact enough for duels without ties and too wide for the rest.
    """

    matches: int
    before: float
    low: float
    high: float


def is_shown(match: Match) -> bool:
    """Whether the order of a match's sides is the one in which a matchup was shown, and nothing else favours a side."""
    return match.matchup is not None and match.home is None and len(match.sides) <= MOST_SHOWN


def add_places(match: Match, counts: list[float]) -> None:
    """Count a match that was shown, in place.

    Parameters
    ----------
    match : Match
        One that `is_shown`.
    counts : list of 2 * MOST_SHOWN float
        As `NONE_SHOWN`.

    Examples
    --------
    >>> from service.match import Side
    >>> match = Match("1", "arena", 0, (Side(("ann",), rank=2), Side(("bob",), rank=1), Side(("cy",), rank=2)))
    >>> counts = list(NONE_SHOWN)
    >>> add_places(match, counts)
    >>> counts[:6]
    [1.0, 0.25, 1.0, 1.0, 1.0, 0.25]
    """
    # Each side has a rank, or each a score, of which the higher is the better.
    places = [side.rank or -(side.score or 0.0) for side in match.sides]
    rivals = len(places) - 1
    for shown, place in enumerate(places):
        behind = sum([place < other for other in places])
        level = places.count(place) - 1
        counts[2 * shown] += 1.0
        # One division of whole numbers, so that it is rounded once.
        counts[2 * shown + 1] += (2 * behind + level) / (2 * rivals)


def biases(counts: Sequence[float]) -> list[PlaceBias]:
    """Estimate the bias of each place, from the first to the last one that was ever shown.

    Examples
    --------
    >>> first, second = biases((100.0, 60.0, 100.0, 40.0, *NONE_SHOWN[4:]))
    >>> first.before, round(first.low, 3), round(first.high, 3), second.before
    (0.6, 0.502, 0.691, 0.4)
    """
    pairs = zip(counts[::2], counts[1::2], strict=True)
    return [_bias(matches, before) for matches, before in pairs if matches]


def _bias(matches: float, before: float) -> PlaceBias:
    share, widened = before / matches, 1.0 + Z * Z / matches
    middle = (share + Z * Z / (2.0 * matches)) / widened
    half = Z * math.sqrt(share * (1.0 - share) / matches + (Z / (2.0 * matches)) ** 2) / widened
    # At the ends, rounding must not lead out of what can be.
    return PlaceBias(int(matches), share, max(0.0, middle - half), min(1.0, middle + half))
