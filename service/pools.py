"""Pools: how each is configured, and the fingerprint of what decides its ratings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from service.columns import Floats
from service.match import MOST_ON_A_SIDE, Side
from service.ratings import RatingSystem, create

LIVE: Final = "kalman"
"""The live system of both profiles, and the one that rates where none is named."""

USUAL_SIDES: Final = 5_000
"""Sides of a match, at most, unless a pool says otherwise: what most systems take, so that they can be shadows."""

RULES_REVISION: Final = 2
"""Raised by every change of what is accepted as a match or how records become columns."""

SEEN_WINDOW: Final = 1_000_000
"""Offsets for which the id of an accepted match is remembered."""

DROPPED: Final = "dropped"
"""Stands in place of the fingerprint of a shadow that was taken away: its ratings lack the matches since."""

MOST_POOLS_KEPT: Final = 4_096
"""Configurations that are kept in memory by name; more pools than this only cost a little time."""


class Provisional(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a player's rating is not yet to be relied on.

    Attributes
    ----------
    matches : int
        With fewer matches.
    deviation : float, optional
        With a deviation above this.
    """

    matches: int = 10
    deviation: float | None = None

    def holds(self, matches: Floats, deviation: Floats) -> npt.NDArray[np.bool_]:
        """Which players are provisional, by what each has played and how unsure the rating is."""
        few = matches < self.matches
        return few if self.deviation is None else few | (deviation > self.deviation)


class MatchupDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How matchups of a pool are suggested where a request does not say.

    Attributes
    ----------
    policy : str, optional
        The policy's name; without it the one for the goal that is asked for.
    parameters : dict
        Its parameters.
    floor : float
        Chance, 0 to 1, that sides are taken uniformly instead.
    exposure : float, optional
        Whoever was suggested this many times as often as the least suggested candidate waits until others catch up.
    newcomers : bool
        Whether players that the pool does not know may be candidates.
    """

    policy: str | None = None
    parameters: dict[str, Any] = {}
    floor: Annotated[float, Meta(ge=0, le=1)] = 0.02
    exposure: Annotated[float, Meta(ge=1, le=1_000_000)] | None = None
    newcomers: bool = False


UNSAID: Final = MatchupDefaults()
"""How matchups are suggested in a pool of which nothing is said about them."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Configuration in force for one pool.

    Attributes
    ----------
    name : str
        The pool.
    profile : str
        The built-in configuration that it follows where nothing else is said.
    pattern : str
        The pattern of the pools file that took it.
    systems : tuple of RatingSystem
        The live one first, then the shadows.
    deviations : float
        The board is ordered by ``rating - deviations * deviation``.
    provisional : Provisional
        Whose rating is provisional.
    most_sides, most_players : int
        Sides of a match and players of a side, at most.
    pairs : bool
        Whether it is counted who was before whom how often: `service.pairs`.
    matchups : MatchupDefaults
        How matchups are suggested.
    first_at_home : bool
        Whether the side of a matchup that was shown first is rated as if it was at home: `service.shown`.
    """

    name: str
    profile: str
    pattern: str
    systems: tuple[RatingSystem, ...]
    deviations: float
    provisional: Provisional
    most_sides: int = USUAL_SIDES
    most_players: int = MOST_ON_A_SIDE
    pairs: bool = False
    matchups: MatchupDefaults = UNSAID
    first_at_home: bool = False

    @property
    def live(self) -> RatingSystem:
        """The system whose ratings are shown unless another is asked for."""
        return self.systems[0]

    @property
    def order(self) -> str:
        """What the board is ordered by, in words."""
        return "rating" if self.deviations == 0 else f"rating - {self.deviations:g} * deviation"

    def places(self, system: RatingSystem, skills: Floats) -> Floats:
        """Board values of stored rows, without any rest.

        By the row alone, not by what the pool has learned: that has moved on when a batch is written, and how
        batches are cut must move nobody.
        """
        rating, deviation = system.view(skills, system.opening(), np.zeros(len(skills)))
        return rating - self.deviations * deviation if self.deviations else rating

    def refusal(self, sides: Sequence[Side]) -> str | None:
        """Say why a match of these sides is not taken; None if it is. Shadows take what the live system takes."""
        if len(sides) > self.most_sides:
            return f"the pool takes at most {self.most_sides} sides, not {len(sides)}"
        if self.most_players < MOST_ON_A_SIDE and max(len(side.players) for side in sides) > self.most_players:
            return f"the pool takes at most {self.most_players} players a side"
        return self.live.refusal(sides)

    def fingerprint(self, system: RatingSystem) -> str:
        """Everything that decides a stored number of this pool under ``system``, as JSON.

        Examples
        --------
        >>> Pools().configured("chess").fingerprint(create("elo", {"k": 24}))[:77]
        '{"deviation":350.0,"deviations":0.0,"first_at_home":false,"home":0.0,"k":24.0'
        """
        decides = {
            "rules": RULES_REVISION,
            "window": SEEN_WINDOW,
            "system": system.name,
            "revision": system.revision,
            **msgspec.to_builtins(system),
            "deviations": self.deviations,
            "most_sides": self.most_sides,
            "most_players": self.most_players,
            "pairs": self.pairs,
            "first_at_home": self.first_at_home,
        }
        return msgspec.json.encode(decides, order="sorted").decode()

    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each of its systems, under ``pool/system``."""
        return {f"{self.name}/{system.name}": self.fingerprint(system) for system in self.systems}


class Pools:
    """What every pool's configuration is.

    Parameters
    ----------
    sections : sequence of Pool
        Each named by its pattern; the first whose pattern matches a name decides. The built-in ones follow:
        ``arena`` and ``arena.*`` are arenas (few players, dense), everything else is a ladder (many, sparse).
    source : str
        Where the sections come from, for messages.

    Examples
    --------
    >>> Pools().configured("arena.models").order
    'rating - 2 * deviation'
    """

    def __init__(self, sections: Sequence[Pool] = (), source: str = "") -> None:
        self.sections = sections
        self.source = source
        self.configured = lru_cache(MOST_POOLS_KEPT)(self._configured)
        """The configuration of a pool by its name."""

    def _configured(self, name: str) -> Pool:
        for section in (*self.sections, *built_in()):
            if fnmatchcase(name, section.pattern):
                return replace(section, name=name)
        raise AssertionError("the last pattern takes every name")

    def systems(self) -> list[RatingSystem]:
        """Every rating system that a pool may have, each configuration of it once."""
        every = (system for section in (*self.sections, *built_in()) for system in section.systems)
        return list(dict.fromkeys(every))

    def conflicts(self, stored: Mapping[str, str]) -> list[str]:
        """Say which pools' stored ratings were made otherwise than they are configured now.

        Parameters
        ----------
        stored : mapping
            ``pool/system`` to the fingerprint as it is stored.

        Returns
        -------
        list of str
            One line for each pool and system, with what to do; empty where all fit.
        """
        by_pool: dict[str, dict[str, str]] = {}
        for field, fingerprint in stored.items():
            name, _, system = field.rpartition("/")
            by_pool.setdefault(name, {})[system] = fingerprint
        return [line for name, known in by_pool.items() for line in _conflicts(self.configured(name), known)]


def _conflicts(pool: Pool, stored: Mapping[str, str]) -> Iterator[str]:
    where = f"pool {pool.name!r} (section {pool.pattern!r})"
    if pool.live.name not in stored:
        rated = next(iter(stored))
        yield (
            f"{where}: rated under {rated!r}, and {pool.live.name!r} would begin without its matches:"
            f" keep {rated!r} as its system and name {pool.live.name!r} among its shadows"
        )
    for system in pool.systems:
        fingerprint, now = stored.get(system.name), pool.fingerprint(system)
        if fingerprint == DROPPED:
            yield f"{where}: {system.name!r} was taken away for a while and lacks matches: leave it out"
        elif fingerprint not in (None, now):
            yield (
                f"{where}: {system.name!r} was rated with {_difference(fingerprint, now)}: restore that,"
                " or rate it again from the log: standings rebuild"
            )


def _difference(stored: str, configured: str) -> str:
    """Say what differs between two fingerprints.

    Examples
    --------
    >>> _difference('{"k":32.0,"scale":400.0}', '{"k":24.0,"scale":400.0}')
    'k = 32.0 (now 24.0)'
    """
    try:
        before, now = (msgspec.json.decode(text, type=dict[str, object]) for text in (stored, configured))
    except msgspec.DecodeError:
        return "parameters that this version cannot read"
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return ", ".join(f"{name} = {before.get(name)} (now {now.get(name)})" for name in names)


@lru_cache(1)
def built_in() -> tuple[Pool, ...]:
    """The sections that stand after those of every pools file."""
    arena = PROFILES["arena"]
    return (arena("arena"), arena("arena.*"), PROFILES["ladder"]("*"))


def _ladder(pattern: str) -> Pool:
    return Pool(pattern, "ladder", pattern, (create(LIVE),), 0.0, Provisional(matches=10))


def _arena(pattern: str) -> Pool:
    return Pool(pattern, "arena", pattern, (create(LIVE),), 2.0, Provisional(matches=30), pairs=True)


PROFILES: Final = {"ladder": _ladder, "arena": _arena}
"""Built-in configurations by name, each for a pattern."""
