"""Policies that choose what to play next: the contract, and the registry that finds them.

A policy is one file in this folder with one class derived from `Policy`. Its fields are its parameters; its `law`
looks at a `Field` of candidates and says with which chance each is taken next, given those taken before. All chance
is drawn in `service.matchups.draw`, from the law as it stands, so that the propensity which is reported is exact.
A policy does no I/O, reads no clock and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Literal, Protocol

import msgspec
import numpy as np

from service.columns import Floats
from service.matchups.field import Field
from service.registry import find, make

Goal = Literal["full", "top_k", "best", "even", "cover"]
"""What matches are played for.

full, top_k, best
    The whole order, who the first k are, who the first one is: with as few matches as may be.
even
    Matches whose outcome is open.
cover
    Everybody plays equally often.
"""

Need = Literal["pairs", "posterior"]
"""What of a `Field` a policy cannot do without; only pools that keep pairs have it."""


class Law(Protocol):
    """Chances by which the sides of one matchup are drawn, one after the other."""

    def chances(self, taken: Sequence[int]) -> Floats:
        """Chance of each candidate to be taken next.

        Parameters
        ----------
        taken : sequence of int
            Candidates taken already, in order; fewer than there are candidates.

        Returns
        -------
        float64[n]
            Not negative, 0 for those taken; they add up to 1.
        """
        ...

    def score(self, taken: Sequence[int]) -> float:
        """What speaks for a whole matchup, in the policy's ``unit``; more speaks for it more."""
        ...


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How matchups are chosen.

    Class attributes
    ----------------
    name : str
        What it is called in requests and configuration; the file's name.
    goals : frozenset of Goal
        What it is for; a benchmark holds it to beat `uniform` at each.
    needs : frozenset of Need
        What of the field it cannot do without.
    spreads : bool
        Whether a pair is less likely once it is under way, so that many who ask at once get different matchups. Where
        not, particles or the floor keep them apart.
    unit : str
        Unit of its laws' scores, such as ``bits``.
    """

    name: ClassVar[str]
    goals: ClassVar[frozenset[Goal]]
    needs: ClassVar[frozenset[Need]] = frozenset()
    spreads: ClassVar[bool] = False
    unit: ClassVar[str]

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """Say how the sides of the next matchup are drawn.

        Parameters
        ----------
        field : Field
            At least two candidates, with what the policy needs.
        rng : numpy.random.Generator
            For a policy that has no closed form: it draws particles here, and its law is exact given them.
        """
        raise NotImplementedError


@cache
def policies() -> Mapping[str, type[Policy]]:
    """Every policy by its name, found by looking into this folder.

    Examples
    --------
    >>> sorted(policies()["uniform"].goals)
    ['cover']
    """
    return find(Policy, __name__, __path__)


def create(name: str, parameters: Mapping[str, Any] | None = None) -> Policy:
    """Make a policy from its name and parameters.

    Raises
    ------
    Problem
        ``unknown_name`` or ``invalid_parameter``, naming what is known or what is wrong.
    """
    return make(policies(), "policy", name, parameters or {})
