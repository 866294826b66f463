"""The API answers whatever it is asked as /openapi.json says: no fault, no status, media type or shape but those named.

Every route is taken from the document itself, so a new one is tested without being named here.
"""

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis
import jsonschema_rs
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks
from schemathesis.core.result import Err
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    status_code_conformance,
)
from schemathesis.transport.asgi import ASGI_TRANSPORT

from service.api.app import create_app
from service.api.live import MOST_WAIT_S
from service.broker import ensure_topic
from service.brokers import Brokers
from service.keys import SCOPES
from standings.embedded import KafkaServer, ValkeyServer
from tests.api import client, keys_in, settings
from tests.league import TOPIC, duel, league, tie

SEED = int(os.environ.get("STANDINGS_SEED") or random.randrange(1 << 32))
EXAMPLES = 60
KEYED = 12
LONGEST_WAIT_S = 0.05

CHECKS = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
]
POOL, PLAYER, POSITION = "chess.blitz", "meta-llama/Llama-3.1-8B", "1-3-184468"
"""The document's own examples, so that they find something."""

Operation = schemathesis.APIOperation[Any, Any, Any, Any]
Case = schemathesis.Case[Any]


DOCUMENT = create_app(settings("redis://127.0.0.1:1", "none")).openapi()


def _operations() -> dict[str, Operation]:
    found = {}
    for result in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations():
        if isinstance(result, Err):
            raise result.err()
        operation = result.ok()
        # A stream has no end; its own tests read it.
        if "text/event-stream" not in str(operation.definition.raw):
            found[operation.label] = operation
    return found


OPERATIONS = _operations()


@pytest.fixture(scope="module")
def api(valkey: ValkeyServer, kafka: KafkaServer) -> Iterator[FastAPI]:
    installation = f"openapi-{SEED}"

    async def fill() -> None:
        async with league(valkey.url, installation, 2) as made:
            for pool in (POOL, "arena", "go"):
                await made.play(*(duel(pool, PLAYER, name) for name in ("ann", "bob", "cid", "dan", "a/b", "ü")))
                await made.play(tie(pool, [["ann", "bob"], ["cid"], ["dan", "eve"]]))
        async with client(settings(valkey.url, installation)) as ask:
            await ask.post("/v1/pools/arena/campaigns", {"request_id": "spring", "goal": "full"})
        await ensure_topic(Brokers(kafka.bootstrap), TOPIC, 2)

    asyncio.run(fill())
    yield create_app(settings(valkey.url, installation).model_copy(update={"kafka": kafka.bootstrap}))
    shutdown_lifespans()


@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_as_documented(api: FastAPI, label: str) -> None:
    operation = OPERATIONS[label]
    asked = [
        *operation.get_strategies_from_examples(),
        *(operation.as_strategy(mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)),
        operation.as_strategy(GenerationMode.POSITIVE, path_parameters=_known(operation)),
    ]
    statuses: Counter[int] = Counter()

    @hypothesis.seed(SEED)
    @hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @hypothesis.given(case=st.one_of(asked))
    def ask(case: Case) -> None:
        _ease(case)
        response = ASGI_TRANSPORT.send(case, app=api)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)
        _check_shape(operation, response)

    try:
        ask()
    finally:
        sys.stdout.write(f"STANDINGS_SEED={SEED} asks the same again; answers by status: {dict(statuses)}\n")
    assert any(200 <= status < 300 for status in statuses), "nothing that was asked could be answered"


@pytest.fixture(scope="module")
def guarded(
    valkey: ValkeyServer, api: FastAPI, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FastAPI, dict[str, dict[str, str]]]:
    """The same where keys are needed, and the header that shows each."""
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys = keys_in(path, *SCOPES)
    made = create_app(api.state.parts.settings.model_copy(update={"keys": path}))
    return made, keys | {"none": {}, "wrong": {"Authorization": "Bearer sk_a-read_0"}}


@pytest.mark.parametrize("label", OPERATIONS)
def test_with_keys_too(guarded: tuple[FastAPI, dict[str, dict[str, str]]], label: str) -> None:
    app, keys = guarded
    operation = OPERATIONS[label]
    needed = next((one["key"][0] for one in operation.definition.raw.get("security", ()) if one), None)

    @hypothesis.seed(SEED)
    @hypothesis.settings(max_examples=KEYED, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @hypothesis.given(case=operation.as_strategy(GenerationMode.POSITIVE), shown=st.sampled_from(sorted(keys)))
    def ask(case: Case, shown: str) -> None:
        _ease(case)
        case.headers.pop("Authorization", None)
        case.headers.update(keys[shown])
        response = ASGI_TRANSPORT.send(case, app=app)
        case.validate_response(response, checks=CHECKS)
        _check_shape(operation, response)
        refused = {"none": 401, "wrong": 401}.get(shown, 403 if needed not in (shown, None) else None)
        if needed is not None and refused is not None:
            assert response.status_code == refused
        else:
            assert response.status_code not in (401, 403)

    ask()


def _check_shape(operation: Operation, response: schemathesis.Response) -> None:
    # Not by Schemathesis, which reads tuples (`prefixItems`) of inlined schemas as another draft has them.
    (media,) = (value.partition(";")[0] for value in response.headers.get("content-type", [""]))
    if media.endswith("json"):
        answers = DOCUMENT["paths"][operation.path][operation.method]["responses"]
        status = str(response.status_code)
        schema = answers[status if status in answers else f"{status[0]}XX"]["content"][media]["schema"]
        jsonschema_rs.validator_for({**schema, "components": DOCUMENT["components"]}).validate(response.json())


def _known(operation: Operation) -> dict[str, Any]:
    """The path's parameters as the document has them for examples, so that something is found."""
    described = operation.definition.raw.get("parameters", ())
    return {one["name"]: one["schema"]["examples"][0] for one in described if one["in"] == "path"}


def _ease(case: Case) -> None:
    """Keep a wait that would be granted short, and leave out the example of a position, which is of another log."""
    query = case.query or {}
    wait = query.get("wait")
    if isinstance(wait, int | float) and LONGEST_WAIT_S < wait <= MOST_WAIT_S:
        query["wait"] = LONGEST_WAIT_S
    if query.get("after") == POSITION:
        del query["after"]
