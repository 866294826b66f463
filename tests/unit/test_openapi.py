"""The interface as it is documented: it changes only on purpose, and says all that a client needs."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from service.api.app import create_app
from tests.api import settings

SNAPSHOT = Path(__file__).parents[1] / "snapshots" / "openapi.json"


def described() -> Any:
    """The document as a client gets it; nothing is connected to."""
    return json.loads(json.dumps(create_app(settings("redis://127.0.0.1:1", "none")).openapi()))


DOCUMENT = described()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def test_it_changes_only_on_purpose() -> None:
    text = json.dumps(DOCUMENT, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if os.environ.get("STANDINGS_RENEW"):
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(text)
    known = SNAPSHOT.read_text() if SNAPSHOT.exists() else ""
    assert text == known, (
        "the interface is not as in tests/snapshots/openapi.json: where that is meant, run this test with"
        " STANDINGS_RENEW=1 in the environment and look at the difference; inside /v1 changes only add"
    )


def _content(operation: Any) -> Iterator[tuple[str, str, Any]]:
    """Status or ``body``, media type and description of all that an operation takes and gives."""
    parts = {"body": operation["requestBody"]} if "requestBody" in operation else {}
    for name, part in (parts | operation["responses"]).items():
        for media, content in part.get("content", {}).items():
            yield name, media, content


def _examples(content: Any) -> list[Any]:
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    given = [content["example"]] if "example" in content else []
    return [*given, *(one["value"] for one in content.get("examples", {}).values()), *schema.get("examples", ())]


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_operation_says_what_a_client_needs(label: str) -> None:
    operation = OPERATIONS[label]
    assert operation["summary"]
    assert operation["tags"]
    assert operation["description"]
    for parameter in operation.get("parameters", ()):
        assert parameter.get("description"), f"{parameter['name']} has no description"
        assert not parameter["required"] or parameter["schema"]["examples"], f"{parameter['name']} has no example"
    for name, media, content in _content(operation):
        assert "HTTPValidationError" not in str(content), "a problem is documented that is never given"
        assert media in ("application/json", "application/problem+json", "text/html", "text/plain", "text/event-stream")
        if name == "body":
            assert _examples(content), "the body has no example"
    if label.partition(" ")[2].startswith("/v1/"):
        assert {"401", "422", "503"} <= set(operation["responses"])


@pytest.mark.parametrize("label", OPERATIONS)
def test_examples_are_as_their_schemas_say(label: str) -> None:
    for name, media, content in _content(OPERATIONS[label]):
        if media.endswith("json"):
            schema = {**content["schema"], "components": DOCUMENT["components"]}
            validator = jsonschema_rs.validator_for(schema, validate_formats=True)
            for example in _examples(content):
                error = next(validator.iter_errors(example), None)
                assert error is None, f"{name} {media}: {error}"


def test_schemas_are_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_nothing_is_referred_to_that_is_not_there() -> None:
    def references(value: Any) -> Iterator[str]:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if key == "$ref":
                yield inner
            elif isinstance(inner, dict | list) and key != "example":
                yield from references(inner)

    for reference in references(DOCUMENT):
        found = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            assert step in found, reference
            found = found[step]
