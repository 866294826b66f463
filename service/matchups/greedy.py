"""Matches of a queue, one after the other: of all those that can be formed always the one that is worth most."""

from __future__ import annotations

import heapq
from typing import Final

import numba
import numpy as np

from service.columns import Floats, Integers
from service.matchups.lineup import even_sides, lopsided, packable

WINDOW: Final = 8
"""Free parties that are looked at on either side of one that seeks a match, next to as many as it needs."""

NOBODY: Final = -1


@numba.njit(cache=True)
def match_up(
    link: int,
    size: Integers,
    location: Floats,
    variance: Floats,
    waited: Floats,
    allowed: Floats,
    rank: Integers,
    met_start: Integers,
    met_with: Integers,
    most_wait: float,
    spread: float,
    count: int,
    side_count: int,
    side_size: int,
) -> tuple[Integers, Integers, Floats]:
    """Form matches of parties on a line from the weakest to the strongest.

    Parameters
    ----------
    link : int
    size : int64[p]
    location, variance : float64[p]
        Sums over each party's players.
    waited, allowed : float64[p]
        Seconds, and how far from even its match may be.
    rank : int64[p]
        Decides between equals, the lowest first.
    met_start, met_with : int64[p + 1], int64[...]
        Whom each party met lately.
    most_wait, spread, count, side_count, side_size
        As in `service.matchups.queue`.

    Returns
    -------
    members, side : int64[m, players]
        Of each match its parties, then -1, and the side of each.
    off : float64[m]
        How far it is from even.
    """
    parties, places = len(size), side_count * side_size
    mean, noise = location / size, variance / size
    # Free parties in a ring; `parties` stands between the strongest and the weakest.
    after, before = np.arange(1, parties + 2), np.arange(-1, parties)
    after[parties], before[0] = 0, parties
    free = np.ones(parties, np.bool_)
    members, side = np.full((count, places), NOBODY), np.zeros((count, places), np.int64)
    off = np.empty(count)
    formed = 0
    overdue = [(-waited[0], rank[0], 0) for _ in range(0)]
    others = [(-allowed[0], rank[0], 0) for _ in range(0)]
    for party in range(parties):
        if waited[party] >= most_wait:
            overdue.append((-waited[party], rank[party], party))
        else:
            # No match is further within what is allowed than an even one.
            others.append((-allowed[party], rank[party], party))
    heapq.heapify(overdue)
    heapq.heapify(others)
    while formed < count and (overdue or others):
        row, lines = members[formed], side[formed]
        late = len(overdue) > 0
        worth, decides, seeker = heapq.heappop(overdue) if late else heapq.heappop(others)
        if not free[seeker]:
            continue
        found = 0
        # Whoever waited too long looks at everybody, and then also at those whom it met lately.
        for attempt in range(3 if late else 1):
            near = _near(seeker, before, after, mean, noise, WINDOW + places if attempt == 0 else parties)
            found = _gather(near, size, met_start, met_with, attempt == 2, side_count, side_size, row, lines)
            if found > 0:
                break
        if found == 0:
            continue
        apart = spread * lopsided(link, mean[row[:found]], noise[row[:found]])
        some = row[:found]
        # Most lineups are even enough at first sight; the evenest is sought of those that are played.
        uneven = even_sides(link, size[some], location[some], variance[some], lines[:found], side_count, apart)
        far = max(apart, uneven)
        if not late:
            if far > allowed[seeker]:
                continue
            worth = far - allowed[seeker]
            if len(others) > 0 and (worth, decides, seeker) > others[0]:
                # Others may be worth more by now; its turn comes again.
                heapq.heappush(others, (worth, decides, seeker))
                continue
        off[formed] = max(
            apart, even_sides(link, size[some], location[some], variance[some], lines[:found], side_count, 0.0)
        )
        for party in some:
            free[party] = False
            after[before[party]], before[after[party]] = after[party], before[party]
        row[found:] = NOBODY
        formed += 1
    return members[:formed], side[:formed], off[:formed]


@numba.njit(cache=True)
def _near(seeker: int, before: Integers, after: Integers, mean: Floats, noise: Floats, window: int) -> Integers:
    """The seeker, then free parties on either side, up to so many each, the nearest first."""
    near = np.empty(2 * window + 1, np.int64)
    gaps = np.empty(2 * window + 1)
    near[0], gaps[0], found = seeker, -1.0, 1
    for line in (before, after):
        party = line[seeker]
        for _ in range(window):
            if party == len(mean):
                break
            gap = mean[party] - mean[seeker]
            near[found], gaps[found] = party, gap * gap / (noise[party] + noise[seeker])
            party, found = line[party], found + 1
    return near[:found][np.argsort(gaps[:found], kind="mergesort")]


@numba.njit(cache=True)
def _gather(
    near: Integers,
    size: Integers,
    met_start: Integers,
    met_with: Integers,
    again: bool,
    side_count: int,
    side_size: int,
    members: Integers,
    side: Integers,
) -> int:
    """Fill a match with the nearest that fit; answers how many parties it took, 0 where no match can be filled.

    Each is put where those after it can still fill up the rest, so that with ``again`` whatever can be filled is.
    """
    room, sizes = np.full(side_count, side_size), np.zeros(side_size + 1, np.int64)
    for party in near:
        sizes[size[party]] += 1
    left, taken = side_count * side_size, 0
    for party in near:
        sizes[size[party]] -= 1
        if not again and _met_any(party, members[:taken], met_start, met_with):
            continue
        for to in range(side_count):
            if room[to] < size[party]:
                continue
            room[to] -= size[party]
            if packable(room, sizes):
                members[taken], side[taken] = party, to
                left, taken = left - size[party], taken + 1
                break
            room[to] += size[party]
        if left == 0:
            return taken
        if taken == 0:
            return 0
    return 0


@numba.njit(cache=True)
def _met_any(party: int, others: Integers, met_start: Integers, met_with: Integers) -> bool:
    for slot in range(met_start[party], met_start[party + 1]):
        for other in others:
            if met_with[slot] == other:
                return True
    return False
