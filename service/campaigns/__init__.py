"""Campaigns: matches are played until a goal is certain enough, then there is a certificate.

A campaign is a policy over its own players and its own results: `law` says what to play next and
`service.matchups.draw` draws it; `certificate` says whether it has ended. Both look at counts alone, so a campaign has
no state but these. `Settle` serves every goal, `Knockout` the best one; `planner` tells beforehand what it will take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from service.campaigns.knockout import Knockout
from service.campaigns.settle import Settle
from service.registry import make

Campaign: TypeAlias = Settle | Knockout

KINDS: Final[Mapping[str, type[Campaign]]] = {kind.name: kind for kind in (Settle, Knockout)}
"""Kinds of campaigns by name."""


def create(name: str, parameters: Mapping[str, Any]) -> Campaign:
    """Make a campaign from its kind's name and parameters.

    Raises
    ------
    Problem
        ``unknown_name`` or ``invalid_parameter``, naming what is known or what is wrong.

    Examples
    --------
    >>> create("settle", {"players": ["ann", "bob", "cy"], "goal": "top_k", "k": 1}).budget
    100000
    """
    return make(KINDS, "campaign", name, parameters)
