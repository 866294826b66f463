"""Which policy a request gets: the one that it names, or the one for its goal; refused where it cannot work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from service.matchups import Goal, Policy, create, policies
from service.problems import Problem, wrong_field

FOR_GOALS: Final[dict[Goal, str]] = {
    "full": "closest",
    "top_k": "thompson",
    "best": "top_two",
    "even": "closest",
    "cover": "least_played",
}
"""The policy of a goal where none is named; none of them needs pairs."""


def choose(
    name: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    goal: Goal | None = None,
    *,
    pairs: bool = False,
) -> Policy:
    """Make the policy that a request asks for.

    Parameters
    ----------
    name : str, optional
        Without it the goal decides; without either the goal is the full order.
    parameters : mapping, optional
        Of the policy that is named.
    goal : Goal, optional
        What the policy must be for; without it, whatever it is for.
    pairs : bool
        Whether the pool keeps pairs, and with them the joint posterior.

    Raises
    ------
    Problem
        ``unknown_name``, ``invalid_parameter`` or ``pairs_not_kept``.

    Examples
    --------
    >>> choose(goal="cover").name, choose("thompson", {"particles": 16}).particles
    ('least_played', 16)
    """
    if name is None:
        if parameters:
            raise wrong_field("invalid_parameter", "parameters", "they are of no policy", "name the policy")
        name = FOR_GOALS[goal or "full"]
    policy = create(name, parameters)
    if goal is not None and goal not in policy.goals:
        fit = ", ".join(kind.name for kind in policies().values() if goal in kind.goals)
        raise wrong_field("invalid_parameter", "policy", f"{name} is not for the goal {goal}", f"one of: {fit}")
    if policy.needs and not pairs:
        free = ", ".join(kind.name for kind in policies().values() if not kind.needs)
        raise Problem("pairs_not_kept", f"the policy {name} needs pairs; without them there are: {free}")
    return policy
