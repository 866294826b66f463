"""What there is to choose from: rating systems and policies with their parameters, built-in profiles of pools."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Annotated, Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field, FiniteFloat
from typing_extensions import TypedDict

from service.api.documents import Document, cached, document
from service.api.inputs import resource
from service.matchups import Goal, Need, Policy, policies
from service.pools import PROFILES, built_in
from service.ratings import RatingSystem, systems
from service.ratings.link import Link

router = resource("catalog")

_parameter = re.compile(r"^(\w+) : .*\n((?:    .*\n?)+)", re.MULTILINE)


class ShapesAnswer(TypedDict):
    """Which matches a rating system takes."""

    most_sides: Annotated[int, Field(description="sides of the largest match")]
    most_players: Annotated[int, Field(description="players of one side")]
    ties: Annotated[bool, Field(description="whether sides may share a place")]


class SystemEntry(TypedDict):
    """A rating system."""

    system: str
    title: str
    revision: Annotated[int, Field(description="raised by every change that changes a stored rating")]
    shapes: ShapesAnswer
    promises: Annotated[list[str], Field(description="what its paper promises, and the tests hold it to")]
    link: Annotated[Link, Field(description="from a gap of predicted performances to the chances of each result")]
    presets: Annotated[
        dict[str, dict[str, FiniteFloat]], Field(description="parameters that go together, by what they are known as")
    ]
    parameters: Annotated[dict[str, Any], Field(description="JSON Schema of its parameters, with their defaults")]


class PolicyEntry(TypedDict):
    """A policy that chooses what to play next."""

    policy: str
    title: str
    goals: Annotated[list[Goal], Field(description="what it is for")]
    needs: Annotated[list[Need], Field(description="what only pools that keep pairs have")]
    unit: Annotated[str, Field(description="of the score that says why it chose a matchup")]
    parameters: Annotated[dict[str, Any], Field(description="JSON Schema of its parameters, with their defaults")]


class ProvisionalEntry(TypedDict):
    """With fewer matches or, where that is bounded, a larger deviation a player is provisional."""

    matches: int
    deviation: float | None


class ProfileEntry(TypedDict):
    """A built-in configuration of pools."""

    profile: str
    patterns: Annotated[list[str], Field(description="names of pools that follow it where no pools file says else")]
    system: str
    shadows: list[str]
    order: Annotated[str, Field(description="what the board is ordered by")]
    provisional: ProvisionalEntry
    pairs: Annotated[bool, Field(description="whether it is counted who was before whom")]
    most_sides: int
    most_players: int


class CatalogAnswer(TypedDict):
    """What there is to choose from."""

    systems: list[SystemEntry]
    policies: list[PolicyEntry]
    profiles: list[ProfileEntry]


@cache
def _catalog() -> Document:
    return document(
        CatalogAnswer(
            systems=[_system(kind) for kind in systems().values()],
            policies=[_policy(kind) for kind in policies().values()],
            profiles=_profiles(),
        )
    )


def _system(kind: type[RatingSystem]) -> SystemEntry:
    shapes = kind.shapes
    return SystemEntry(
        system=kind.name,
        title=_title(kind),
        revision=kind.revision,
        shapes=ShapesAnswer(most_sides=shapes.most_sides, most_players=shapes.most_players, ties=shapes.ties),
        promises=sorted(kind.promises),
        link=kind.link,
        presets={name: dict(preset) for name, preset in kind.presets.items()},
        parameters=parameters_schema(kind),
    )


def _policy(kind: type[Policy]) -> PolicyEntry:
    return PolicyEntry(
        policy=kind.name,
        title=_title(kind),
        goals=sorted(kind.goals),
        needs=sorted(kind.needs),
        unit=kind.unit,
        parameters=parameters_schema(kind),
    )


def _title(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def parameters_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON Schema of parameters: bounds and defaults by the fields of the system or policy, words by docstrings.

    Examples
    --------
    >>> parameters_schema(systems()["elo"])["properties"]["k"]["description"]
    'The step: points that a sure loser gains by a win.'
    >>> for name in ("weng_lin_bt", "weng_lin_pl"):
    ...     print(parameters_schema(systems()[name])["properties"]["margin"]["description"][:26])
    What a pair pulls is multi
    What two sides learn of th
    """
    (_,), components = msgspec.json.schema_components((kind,))
    said: dict[str, str] = {}
    # What systems have in common a base describes; whoever says it anew means it otherwise.
    for base in reversed(kind.__mro__):
        section = inspect.cleandoc(base.__doc__ or "").partition("Parameters\n----------\n")[2].partition("\n\n")[0]
        said |= {found[1]: " ".join(found[2].split()) for found in _parameter.finditer(section)}
    properties = {
        name: {"description": said[name], **schema} for name, schema in components[kind.__name__]["properties"].items()
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _profiles() -> list[ProfileEntry]:
    entries = []
    for name, make in PROFILES.items():
        pool = make("*")
        entries.append(
            ProfileEntry(
                profile=name,
                patterns=[section.pattern for section in built_in() if section.profile == name],
                system=pool.live.name,
                shadows=[system.name for system in pool.systems[1:]],
                order=pool.order,
                provisional=ProvisionalEntry(matches=pool.provisional.matches, deviation=pool.provisional.deviation),
                pairs=pool.pairs,
                most_sides=pool.most_sides,
                most_players=pool.most_players,
            )
        )
    return entries


@router.get(
    "/catalog",
    summary="What there is to choose from",
    response_model=CatalogAnswer,
    responses=cached(
        CatalogAnswer(
            systems=[_system(systems()["elo"])], policies=[_policy(policies()["thompson"])], profiles=_profiles()
        )
    ),
)
async def catalog(request: Request) -> Response:
    """Show rating systems and matchup policies with their parameters as JSON Schema, and built-in profiles of pools."""
    return _catalog().answer(request, "private", Vary="Authorization, Accept-Encoding")
