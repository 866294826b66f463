"""Rating systems: the contract, and the registry that finds them.

A system is one file in this folder with one class derived from `RatingSystem`. Its fields are its
parameters (typed and bounded, so that configuration, command line and catalog can check and show them);
its class variables say what it takes and what it promises; its methods work on columns. It does no I/O,
reads no clock and keeps nothing: state goes in and comes out as rows of floats.

A player has one row of floats (``skill_columns`` names them), a pool has one row for what the system
learns about all (``pool_columns``). `RatingSystem.update` walks the matches in order, one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec
import numpy as np

from service.columns import Floats, Matches
from service.match import MOST_ON_A_SIDE, Side
from service.problems import wrong_field
from service.ratings.link import Link
from service.registry import find, make, named

Promise = Literal["neutral_tie", "monotone_place", "monotone_margin", "zero_sum", "deviation_shrinks", "rest_grows"]
"""What a system's paper may promise; the checks in ``tests/property/test_ratings.py`` hold it to each.

neutral_tie
    A tie of sides of equal predicted strength at a neutral place moves no mean.
monotone_place, monotone_margin
    With all else fixed, a better place (or margin) never ends lower than a worse one.
zero_sum
    In matches of single players the moves of the means add up to nothing.
deviation_shrinks
    The deviation after a match is at most the drifted deviation before it.
rest_grows
    The deviation grows while a player rests.
"""


class Shapes(msgspec.Struct, frozen=True):
    """Which matches a system takes.

    Attributes
    ----------
    most_sides : int
        The largest match; 2 for systems of pairs alone.
    most_players : int
        Players of one side; 1 for systems without teams.
    ties : bool
        Whether sides may share a place.
    """

    most_sides: int
    most_players: int = MOST_ON_A_SIDE
    ties: bool = True


class Expected(NamedTuple):
    """What a system expected of ``m`` matches with ``s`` sides, each as it stood before its result was looked at.

    Attributes
    ----------
    location, variance : float64[s]
        Each side's performance; all of it is filled in.
    zone : float64[m]
        What makes ties, in the unit of the link; see `service.ratings.link`. It comes as NaN and stays so under a
        system without a model of ties: then one is learned from its predictions, see `service.score`.
    """

    location: Floats
    variance: Floats
    zone: Floats


def unexpected(matches: Matches) -> Expected:
    """Room for what is to be expected of matches."""
    sides = len(matches.rank)
    return Expected(np.empty(sides), np.empty(sides), np.full(len(matches.at), np.nan))


class RatingSystem(msgspec.Struct, frozen=True, kw_only=True):
    """What turns results into ratings.

    Class attributes
    ----------------
    name : str
        What it is called in configuration; the file's name.
    revision : int
        Raised by every change that changes a stored number: part of the fingerprint.
    shapes : Shapes
        The matches that it takes.
    promises : frozenset of Promise
        What its paper promises.
    link : {"logistic", "normal", "davidson"}
        A side's performance has a location and a variance; the chance that side i is before side q follows from
        ``(location[i] - location[q]) / sqrt(variance[i] + variance[q])``; see `service.ratings.link`.
    presets : mapping
        Parameters that go together, by the name under which users know them; `create` takes them by ``preset``.
    skill_columns, pool_columns : tuple of str
        Names of the floats in a player's and in the pool's row.
    """

    name: ClassVar[str]
    revision: ClassVar[int]
    shapes: ClassVar[Shapes]
    promises: ClassVar[frozenset[Promise]]
    link: ClassVar[Link]
    presets: ClassVar[Mapping[str, Mapping[str, float]]] = {}
    skill_columns: ClassVar[tuple[str, ...]]
    pool_columns: ClassVar[tuple[str, ...]] = ()

    def newcomer(self) -> Floats:
        """Row of a player before the first match, float64[len(skill_columns)]."""
        raise NotImplementedError

    def opening(self) -> Floats:
        """Row of a pool before the first match, float64[len(pool_columns)]."""
        return np.zeros(len(self.pool_columns))

    def seeded(self, rating: Floats, deviation: Floats, pool: Floats) -> Floats:
        """Rows of players who come with a rating from elsewhere.

        Parameters
        ----------
        rating, deviation : float64[n]
            As `view` is to show them without any rest.
        pool : float64[len(pool_columns)]

        Returns
        -------
        float64[n, len(skill_columns)]
        """
        raise NotImplementedError

    def update(self, matches: Matches, rest: Floats, skills: Floats, pool: Floats, expected: Expected) -> None:
        """Rate matches in order, in place.

        Parameters
        ----------
        matches : Matches
            ``m`` matches, ``s`` sides, ``p`` player slots.
        rest : float64[p]
            Days since the player's last match, 0 for a newcomer, never negative.
        skills : float64[n, len(skill_columns)]
            Rows of the players; updated.
        pool : float64[len(pool_columns)]
            Row of the pool; updated.
        expected : Expected
            Filled with what was to be expected of each match before it was rated.
        """
        raise NotImplementedError

    def view(self, skills: Floats, pool: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Rating and deviation as they are read, after ``rest`` days without a match.

        Parameters
        ----------
        skills : float64[n, len(skill_columns)]
        pool : float64[len(pool_columns)]
        rest : float64[n]
            Days since each player's last match.

        Returns
        -------
        rating, deviation : float64[n]
            Mean and standard deviation of the skill, in the system's own unit.
        """
        raise NotImplementedError

    def refusal(self, sides: Sequence[Side]) -> str | None:
        """Say why a match of these sides is not taken; None if it is."""
        shapes = self.shapes
        if len(sides) > shapes.most_sides:
            return f"{self.name} takes at most {shapes.most_sides} sides, not {len(sides)}"
        if shapes.most_players < MOST_ON_A_SIDE and max(len(side.players) for side in sides) > shapes.most_players:
            return f"{self.name} takes at most {shapes.most_players} players a side"
        if not shapes.ties and len({(side.rank, side.score) for side in sides}) < len(sides):
            return f"{self.name} takes no ties"
        return None


@cache
def systems() -> Mapping[str, type[RatingSystem]]:
    """Every rating system by its name, found by looking into this folder.

    Examples
    --------
    >>> systems()["elo"]().k
    32.0
    """
    return find(RatingSystem, __name__, __path__)


def create(name: str, parameters: Mapping[str, Any] | None = None) -> RatingSystem:
    """Make a system from its name and parameters.

    Parameters
    ----------
    name : str
        A key of `systems`.
    parameters : mapping, optional
        Values by name; text is read as the parameter's type. Those not named are as the ``preset`` says, if one is
        named, or have their defaults.

    Raises
    ------
    Problem
        ``unknown_name`` or ``invalid_parameter``, naming what is known or what is wrong.
    """
    kind = named(systems(), "rating system", name)
    given = dict(parameters or {})
    if (preset := given.pop("preset", None)) is not None:
        # A pools file may hold anything there, also what cannot be looked up.
        if not isinstance(preset, str) or preset not in kind.presets:
            known = f"one of: {', '.join(kind.presets)}" if kind.presets else f"{name} has none"
            raise wrong_field("invalid_parameter", "preset", f"no preset {preset!r} of {name}", known)
        given = {**kind.presets[preset], **given}
    return make(systems(), "rating system", name, given)
