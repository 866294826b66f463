"""Calls once whatever is compiled when it is first called, so that the image holds it compiled.

A test names what is missing here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from consumers.seen import SeenIds, entries_of
from service.campaigns import create as create_campaign
from service.match import Match
from service.matchups.draw import draw
from service.matchups.field import level
from service.matchups.queue import Pace, form
from service.ranks import rank_intervals
from service.ratings import create, systems
from service.warm import SHAPES, warm, warm_policies


def main() -> None:
    """Go through matches of every shape as every part would."""
    matches = [Match(str(number), "warm", number, sides) for number, sides in enumerate(SHAPES)]
    SeenIds(1_000, {}).admit(entries_of(matches, range(len(matches))))
    rating, deviation = np.array([1500.0, 1600.0]), np.array([50.0, 80.0])
    rank_intervals(rating, deviation, np.arange(1, 3), 2, rating, deviation)
    form(level(4), [[0], [1], [2], [3]], np.array([0.0, 1.0, 2.0, 200.0]), np.array([[0, 1]]), 2, 2, 1, Pace())
    form(level(4), [[0, 1], [2], [3]], np.zeros(3), np.array([[0, 1]]), 2, 2, 2, Pace())
    for name in systems():
        warm(create(name))
    warm_policies()
    campaign = create_campaign("settle", {"players": ["ann", "bob", "cy"]})
    for won in (0.0, 100.0):
        field = replace(level(3), wins=np.triu(np.full((3, 3), won), 1))
        draw(campaign, field, 2, 0.0, np.random.default_rng(0))
        campaign.certificate(field, int(won))


main()
