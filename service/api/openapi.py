"""The description of the interface (OpenAPI 3.1), as FastAPI makes it, with what FastAPI cannot know."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import FastAPI

from service.api.answers import PROBLEM_MEDIA
from service.api.bodies import describe_bodies
from service.match import Match

_PROBLEM: Final = {"$ref": "#/components/schemas/ProblemAnswer"}


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
                "key": {"type": "http", "scheme": "bearer", "description": "Needed where the service has a key."}
            }
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    if path.startswith("/v1/") or path == "/metrics":
                        operation["security"] = [{"key": []}, {}]
                    for response in operation["responses"].values():
                        content = response.get("content", {})
                        if content.get("application/json", {}).get("schema") == _PROBLEM:
                            content[PROBLEM_MEDIA] = content.pop("application/json")
        return super().openapi()
