"""What requests bring in their bodies: JSON of a bounded size, every wrong field named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema

from service.api.answers import PROBLEM_MEDIA, problem_example
from service.api.inputs import nearest
from service.problems import PROBLEMS, FieldError, Problem

MOST_BYTES: Final = 1 << 20
TAGS: Final = ("(name)", "(party)")
"""Kinds of what may be given in several forms; pydantic names them in the place of an error."""
SHOWN: Final = 20
"""Wrong fields that an answer names."""

T = TypeVar("T", bound=BaseModel)
Place = Sequence[int | str]


async def read_body(request: Request) -> bytes:
    """Read the body of a request that says it is JSON, as a dependency.

    Raises
    ------
    Problem
        ``unsupported_media_type``, or ``too_large`` past `MOST_BYTES`, of which no more is read.
    """
    return await _read(request, MOST_BYTES)


async def _read(request: Request, most: int) -> bytes:
    said = request.headers.get("content-type", "")
    if said.partition(";")[0].strip().lower() != "application/json":
        raise Problem(
            "unsupported_media_type",
            f"the body is of type {said[:64]!r}; send JSON with 'Content-Type: application/json'",
        )
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Problem("too_large", f"the body is larger than {most:,} bytes")
    return bytes(body)


class JsonBody(Generic[T]):
    """Dependency that reads a body as a model; made by `json_body`.

    Parameters
    ----------
    model : type of BaseModel
        It forbids fields that it does not have.
    most : int
        Bytes, of which no more is read.
    """

    def __init__(self, model: type[T], most: int) -> None:
        self.model = model
        self.most = most

    async def __call__(self, request: Request) -> T:
        """Read and check.

        Raises
        ------
        Problem
            As of `read_body`; ``malformed``, or ``invalid_parameter`` with the fields.
        """
        body = await _read(request, self.most)
        try:
            return self.model.model_validate_json(body, strict=True)
        except ValidationError as error:
            raise _problem(self.model, error) from None


def json_body(model: type[T], most: int = MOST_BYTES) -> JsonBody[T]:
    """Make the dependency that reads a request's body: ``body: Annotated[Model, Depends(json_body(Model))]``."""
    return JsonBody(model, most)


def describe_bodies(app: FastAPI, document: dict[str, Any]) -> None:
    """Add to an OpenAPI document the bodies that are read by `json_body`, what is refused of them, and nulls.

    FastAPI leaves every null out of the document, also those in examples of answers, where they mean something.
    """
    schemas = document["components"]["schemas"]
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = document["paths"].get(route.path_format, {}).get(method.lower())
            if operation is None:
                continue
            for status, answer in (getattr(route, "responses", None) or {}).items():
                for media, content in answer.get("content", {}).items():
                    operation["responses"][str(status)]["content"][media] |= content
            for model in _models(getattr(route, "dependant", None)):
                _, definitions = models_json_schema(
                    [(model, "validation")], ref_template="#/components/schemas/{model}"
                )
                schemas.update(definitions["$defs"])
                schema = {"$ref": f"#/components/schemas/{model.__name__}"}
                operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
                for slug in ("too_large", "unsupported_media_type"):
                    refused = PROBLEMS[slug]
                    schema = {"$ref": "#/components/schemas/ProblemAnswer"}
                    operation["responses"][str(refused.status)] = {
                        "description": refused.title,
                        "content": {PROBLEM_MEDIA: {"schema": schema, "example": problem_example(slug)}},
                    }


def _models(dependant: Dependant | None) -> Iterator[type[BaseModel]]:
    if dependant is not None:
        if isinstance(dependant.call, JsonBody):
            yield dependant.call.model
        for inner in dependant.dependencies:
            yield from _models(inner)


def _problem(model: type[BaseModel], error: ValidationError) -> Problem:
    wrong = error.errors(include_url=False, include_input=False)
    if wrong[0]["type"] == "json_invalid":
        return Problem("malformed", f"the body is no JSON: {wrong[0]['ctx']['error']}")
    errors = tuple(_field_error(model, one["type"], one["loc"], one["msg"]) for one in wrong[:SHOWN])
    detail = "; ".join(f"{one.field}: {one.problem}" if one.field else one.problem for one in errors[:3])
    more = len(wrong) - 3
    return Problem("invalid_parameter", f"{detail}; and {more} more" if more > 0 else detail, errors)


def _field_error(model: type[BaseModel], kind: str, place: Place, message: str) -> FieldError:
    place = [step for step in place if step not in TAGS]
    field = _path(place)
    if kind == "missing":
        return FieldError(field, "missing", "give it; the body is described in /openapi.json")
    if kind == "extra_forbidden":
        return FieldError(field, "no such field", nearest(str(place[-1]), _known(model, place[:-1])))
    return FieldError(field, message[:1].lower() + message[1:], "the body is described in /openapi.json")


def _path(place: Place) -> str:
    """Write the place of a field as in the body.

    Examples
    --------
    >>> _path(("sides", 1, "players", 0))
    'sides[1].players[0]'
    """
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{str(step)[:64]}" for step in place)
    return text.removeprefix(".")


@lru_cache(64)
def _schema(model: type[BaseModel]) -> Mapping[str, Any]:
    return model.model_json_schema()


def _known(model: type[BaseModel], place: Place) -> list[str]:
    """Names of the fields of what stands at a place of the body."""
    whole = _schema(model)
    here: Any = whole
    for step in (*place, None):
        # What may be one of several is the one that has what is looked for.
        several = [_resolved(whole, one) for one in here.get("anyOf", here.get("oneOf", [here]))]
        inside = "items" if isinstance(step, int) else "properties"
        here = next(one for one in several if inside in one)[inside]
        here = here if step is None or isinstance(step, int) else here[step]
    return list(here)


def _resolved(whole: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return whole["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
