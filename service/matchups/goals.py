"""Goals: which policy serves one, and whether a policy that was named can work where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from service.matchups import Goal, Policy, create, policies
from service.problems import wrong_field

FOR_GOALS: Final[dict[Goal, tuple[str, ...]]] = {
    "full": ("information_gain", "closest"),
    "top_k": ("information_gain", "closest"),
    "best": ("top_two",),
    "even": ("closest",),
    "cover": ("least_played",),
}
"""The policies of a goal where none is named, the best first; the last of each needs no pairs."""


def policy_for(
    goal: Goal | None = None,
    name: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    pairs: bool = False,
) -> Policy:
    """Make the policy that is asked for.

    Parameters
    ----------
    goal : Goal, optional
        What a policy that is named must be for. Without a name it decides; without either it is the full order.
    name : str, optional
    parameters : mapping, optional
        Of the policy that is named.
    pairs : bool
        Whether the pool keeps pairs, and with them the joint posterior.

    Raises
    ------
    Problem
        ``unknown_name``, ``invalid_parameter`` or ``pairs_not_kept``, naming the field and what would do.

    Examples
    --------
    >>> policy_for("cover").name, policy_for(name="thompson", parameters={"particles": 16}).particles
    ('least_played', 16)
    """
    if name is None:
        if parameters:
            raise wrong_field("invalid_parameter", "parameters", "no policy is named that they are of", "name it")
        known = (policies()[name] for name in FOR_GOALS[goal or "full"])
        return next(kind() for kind in known if pairs or not kind.needs)
    policy = create(name, parameters)
    fit = [kind for kind in policies().values() if goal in (None, *kind.goals)]
    if goal not in (None, *policy.goals):
        raise wrong_field("invalid_parameter", "policy", f"{name} is not for the goal {goal}", _one_of(fit))
    if policy.needs and not pairs:
        without = [kind for kind in fit if not kind.needs]
        raise wrong_field("pairs_not_kept", "policy", f"{name} needs to know who beat whom", _one_of(without))
    return policy


def _one_of(kinds: Sequence[type[Policy]]) -> str:
    return f"one of: {', '.join(kind.name for kind in kinds)}"
