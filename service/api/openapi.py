"""The description of the interface (OpenAPI 3.1), as FastAPI makes it, with what FastAPI cannot know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from service.api.answers import PROBLEM_MEDIA, PROBLEM_SCHEMA
from service.api.bodies import describe_bodies
from service.api.inputs import Needs
from service.match import Match


class Application(FastAPI):
    """FastAPI whose description has the bodies that resources read, the key, and the media type of problems."""

    def openapi(self) -> dict[str, Any]:
        """Describe the interface, once."""
        if self.openapi_schema is None:
            document = super().openapi()
            describe_bodies(self, document)
            components = document["components"]
            _, records = msgspec.json.schema_components((Match,), ref_template="#/components/schemas/{name}")
            components["schemas"].update(records)
            components["securitySchemes"] = {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Needed where the service has keys; an operation names the scope that it needs.",
                }
            }
            for route in iter_route_contexts(self.routes):
                for needs in _needs(getattr(route, "dependant", None)):
                    for method in route.methods or ():
                        operation = document["paths"][route.path_format][method.lower()]
                        operation["security"] = [{"key": [needs.scopes[method]]}, {}]
            for operations in document["paths"].values():
                for operation in operations.values():
                    for response in operation["responses"].values():
                        content = response.get("content", {})
                        if content.get("application/json", {}).get("schema") == PROBLEM_SCHEMA:
                            content[PROBLEM_MEDIA] = content.pop("application/json")
        return super().openapi()


def _needs(dependant: Dependant | None) -> Iterator[Needs]:
    for inner in dependant.dependencies if dependant else ():
        if isinstance(inner.call, Needs):
            yield inner.call
