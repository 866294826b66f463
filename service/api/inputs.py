"""What requests bring: the key, names, parameters, and what handlers need of the application."""

from __future__ import annotations

import difflib
import hmac
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.api.answers import ProblemAnswer
from service.match import NAME_BYTES, is_slug
from service.pools import Pool, configured
from service.problems import FieldError, Problem, wrong_field
from service.ratings import RatingSystem
from service.settings import Settings
from service.store.board import Boards
from service.store.partitions import Partitions, unknown_pool

_bearer = HTTPBearer(auto_error=False, description="Needed where the service has a key.")


def key_needed(request: Request, shown: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> None:
    """Refuse a request without the key, where one is configured."""
    settings: Settings = request.app.state.settings
    if not settings.key:
        return
    if shown is None:
        raise Problem("no_key", "the request shows no key")
    # Headers are bytes; Starlette reads them as Latin-1.
    if not hmac.compare_digest(shown.credentials.encode("latin-1"), settings.key.get_secret_value().encode()):
        raise Problem("no_key", "the key that the request shows is not known")


def readable(request: Request) -> None:
    """Refuse a path or a query that is not UTF-8: decoded, it would name somebody else with U+FFFD."""
    for part, text in (("path", request.scope["raw_path"]), ("query", request.scope["query_string"])):
        try:
            unquote_to_bytes(text).decode()
        except UnicodeDecodeError as error:
            raise Problem("malformed", f"the {part} is not UTF-8 at byte {error.start} (percent-decoded)") from None


def known_parameters(request: Request) -> None:
    """Refuse query parameters that the route does not document."""
    app: FastAPI = request.app
    operation = app.openapi()["paths"][request.scope["route"].path_format][request.method.lower()]
    known = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        errors = tuple(FieldError(name, "no such parameter", _nearest(name, known)) for name in unknown)
        raise Problem("invalid_parameter", f"no such parameter: {', '.join(map(repr, unknown))}", errors)


def _nearest(name: str, known: list[str]) -> str:
    if not known:
        return "this address takes no parameters"
    (nearest,) = difflib.get_close_matches(name, known, 1, 0.0)
    return f"did you mean {nearest!r}? There are: {', '.join(known)}"


_TITLES: Final = {
    400: "Not readable",
    401: "A key is needed",
    404: "No such pool, player or name",
    422: "A parameter cannot be used",
    503: "Redis does not answer, or what is stored cannot be read",
}
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ProblemAnswer, "description": title} for status, title in _TITLES.items()
}


def resource() -> APIRouter:
    """Make the router of a resource: it needs the key, reads UTF-8, takes only the parameters it documents."""
    checks = [Depends(key_needed), Depends(readable), Depends(known_parameters)]
    return APIRouter(prefix="/v1", dependencies=checks, responses=_PROBLEMS)


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


def _pool(pool: Annotated[str, Path(description="the pool's name", examples=["chess.blitz"])]) -> Pool:
    if not is_slug(pool):
        raise unknown_pool(pool)
    return configured(pool)


def _partitions(request: Request) -> Partitions:
    partitions: Partitions = request.app.state.partitions
    return partitions


def _boards(request: Request) -> Boards:
    boards: Boards = request.app.state.boards
    return boards


def now() -> datetime:
    """Read the clock: the moment to which deviations are grown."""
    return datetime.now(UTC)


NamedPool = Annotated[Pool, Depends(_pool)]
StoredPartitions = Annotated[Partitions, Depends(_partitions)]
StoredBoards = Annotated[Boards, Depends(_boards)]
Now = Annotated[datetime, Depends(now)]
Limit = Annotated[int, Query(ge=1, le=1000, description="most entries of the page")]
Cursor = Annotated[str | None, Query(description="`next` of the page before", max_length=512)]
SystemName = Annotated[str | None, Query(description="a rating system of the pool; without it the live one")]
