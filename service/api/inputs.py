"""What requests bring: the key, names, parameters; each checked, each refusal naming the field."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.routing import APIRoute

from service.api.answers import PROBLEM_MEDIA, PROBLEM_SCHEMA, problem_example
from service.api.route import Route
from service.api.shared import Shared
from service.fields import NAME_BYTES, is_slug
from service.keys import Scope
from service.pools import Pool
from service.problems import FieldError, Problem, wrong_field
from service.ratings import RatingSystem
from service.store.partitions import unknown_pool


@dataclass(frozen=True, eq=False)
class Needs:
    """The dependency that refuses a request whose key has not the scope of its method.

    Parameters
    ----------
    scopes : mapping
        The scope of each method.
    """

    scopes: Mapping[str, Scope]

    async def __call__(self, request: Request, shared: Shared) -> None:
        """Let the request in, or not."""
        # Headers are bytes; Starlette reads them as Latin-1.
        shared.guard.admit(request.headers.get("authorization", "").encode("latin-1"), self.scopes[request.method])


async def readable(request: Request) -> None:
    """Refuse what is not UTF-8, which decoded would name somebody else with U+FFFD, and undocumented parameters."""
    query = request.scope["query_string"]
    for part, text in (("path", request.scope["raw_path"]), ("query", query)):
        try:
            if b"%" in text or not text.isascii():
                unquote_to_bytes(text).decode()
        except UnicodeDecodeError as error:
            raise Problem("malformed", f"the {part} is not UTF-8 at byte {error.start} (percent-decoded)") from None
    if query:
        _check_parameters(request)


def _check_parameters(request: Request) -> None:
    app: FastAPI = request.app
    operation = app.openapi()["paths"][request.scope["route"].path_format][request.method.lower()]
    known = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        errors = tuple(FieldError(name, "no such parameter", nearest(name, known)) for name in unknown)
        raise Problem("invalid_parameter", f"no such parameter: {', '.join(map(repr, unknown))}", errors)


def nearest(name: str, known: list[str]) -> str:
    """Say which name may have been meant."""
    if not known:
        return "none is taken here"
    (one,) = difflib.get_close_matches(name, known, 1, 0.0)
    return f"did you mean {one!r}? There are: {', '.join(known)}"


_TITLES: Final = {
    400: ("malformed", "Not readable"),
    401: ("no_key", "A key is needed"),
    403: ("missing_scope", "The key has not the scope"),
    404: ("unknown_pool", "No such pool, player or name"),
    409: ("not_applied_yet", "The state has not come as far as `after`, or its results are not fitted yet"),
    422: ("invalid_parameter", "A parameter cannot be used"),
    429: ("rate_limited", "The key asks more often than it may"),
    503: ("redis_unavailable", "Redis does not answer, or what is stored cannot be read"),
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document that a route answers with problems of these statuses."""
    return {
        status: {
            "description": title,
            "content": {PROBLEM_MEDIA: {"schema": PROBLEM_SCHEMA, "example": problem_example(slug)}},
        }
        for status, (slug, title) in _TITLES.items()
        if status in statuses
    }


def resource(name: str, **scopes: Scope) -> APIRouter:
    """Make the router of a resource: it needs a key, reads UTF-8, takes only the parameters it documents.

    Parameters
    ----------
    name : str
    **scopes : str
        The scope that each method needs, such as ``POST="feed"``; GET needs ``read`` unless it says otherwise.
    """
    return APIRouter(
        prefix="/v1",
        tags=[name],
        dependencies=[Depends(Needs({"GET": "read", **scopes})), Depends(readable)],
        responses=problems(*_TITLES),
        route_class=Route,
        generate_unique_id_function=by_name,
    )


def by_name(route: APIRoute) -> str:
    """Name an operation as its handler is named."""
    return route.name


def system_of(pool: Pool, name: str | None) -> RatingSystem:
    """Choose a pool's system: the live one unless another is named.

    Raises
    ------
    Problem
        ``unknown_name``, with those that the pool has.
    """
    if name is None:
        return pool.live
    for system in pool.systems:
        if system.name == name:
            return system
    known = ", ".join(system.name for system in pool.systems)
    raise Problem("unknown_name", f"the pool {pool.name!r} has no rating system {name!r}; it has: {known}")


def check_player(field: str, name: str) -> str:
    """Refuse a name that no player can have."""
    size = len(name.encode())
    if not 0 < size <= NAME_BYTES:
        raise wrong_field("invalid_parameter", field, f"{size} bytes", f"a name of 1 to {NAME_BYTES} bytes of UTF-8")
    return name


async def _pool(
    shared: Shared, pool: Annotated[str, Path(description="the pool's name", examples=["chess.blitz"])]
) -> Pool:
    if not is_slug(pool):
        raise unknown_pool(pool)
    return shared.pools.configured(pool)


async def now() -> datetime:
    """Read the clock: the moment to which deviations are grown."""
    return datetime.now(UTC)


NamedPool = Annotated[Pool, Depends(_pool)]
Now = Annotated[datetime, Depends(now)]
Limit = Annotated[int, Query(ge=1, le=1000, description="most entries of the page")]
Cursor = Annotated[str | None, Query(description="`next` of the page before", max_length=512)]
SystemName = Annotated[str | None, Query(description="a rating system of the pool; without it the live one")]
