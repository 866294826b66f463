"""The catalog: all that can be configured is in it, and what it says of parameters is what is taken."""

import asyncio
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from service.api.catalog import parameters_schema
from service.matchups import policies
from service.pool_file import PoolsInvalid, parse_pools
from service.pools import PROFILES
from service.problems import Problem
from service.ratings import create, systems
from service.registry import make
from standings.embedded import ValkeyServer
from tests.api import client, is_problem, keys_in, serving, settings
from tests.conftest import Unique


def test_every_system_and_profile_is_in_it(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("catalog")) as (_, ask):
            body = await ask.read("/v1/catalog")
            assert [entry["system"] for entry in body["systems"]] == list(systems())
            for entry in body["systems"]:
                kind = systems()[entry["system"]]
                assert (entry["revision"], entry["link"]) == (kind.revision, kind.link)
                assert entry["promises"] == sorted(kind.promises)
                assert entry["shapes"]["most_sides"] == kind.shapes.most_sides
                assert entry["title"].endswith(".")
            assert [entry["policy"] for entry in body["policies"]] == list(policies())
            for entry in body["policies"]:
                policy = policies()[entry["policy"]]
                assert (entry["goals"], entry["needs"]) == (sorted(policy.goals), sorted(policy.needs))
                assert entry["unit"] == policy.unit
                assert entry["title"].endswith(".")
            assert [entry["profile"] for entry in body["profiles"]] == list(PROFILES)
            for entry in body["profiles"]:
                for pattern in entry["patterns"]:
                    pool = await ask.http.get(f"/v1/pools/{pattern.replace('*', 'x')}")
                    is_problem(pool, 404, "unknown_pool")
                    assert parse_pools("", "").configured(pattern.replace("*", "x")).profile == entry["profile"]

    asyncio.run(run())


@pytest.mark.parametrize("name", [*systems(), *policies()])
def test_parameters_are_described_as_they_are_taken(name: str) -> None:
    kind = {**systems(), **policies()}[name]
    schema = parameters_schema(kind)
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.validator_for(schema)
    assert list(schema["properties"]) == list(kind.__struct_fields__)
    for parameter, said in schema["properties"].items():
        assert re.fullmatch(r"[A-Z].*\.", said["description"]), parameter
        assert said["default"] == getattr(kind(), parameter)
        for edge in [said[word] for word in said if word in ("minimum", "maximum", "exclusiveMinimum")]:
            for value in (edge, edge - 1e-3 * max(1.0, abs(edge)), edge + 1e-3 * max(1.0, abs(edge))):
                assert validator.is_valid({parameter: value}) is _taken(name, {parameter: value}), (parameter, value)
    assert not validator.is_valid({"no such": 1.0})


def _taken(name: str, parameters: dict[str, Any]) -> bool:
    try:
        make({**systems(), **policies()}, "kind", name, parameters)
    except Problem:
        return False
    return True


def test_a_pools_file_can_be_written_from_it() -> None:
    for name, kind in systems().items():
        given = {key: said["default"] for key, said in parameters_schema(kind)["properties"].items()}
        lines = "".join(f"{key} = {value}\n" for key, value in given.items())
        pools = parse_pools(f'[pools."x"]\nsystem = "{name}"\n[pools."x".parameters]\n{lines}', "pools.toml")
        assert pools.configured("x").live == create(name)
    with pytest.raises(PoolsInvalid):
        parse_pools('[pools."x"]\nsystem = "no such"', "pools.toml")


def test_it_is_kept_by_its_tag_and_needs_a_key(valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    headers = keys_in(tmp_path / "keys.toml", "read")["read"]

    async def run() -> None:
        made = settings(valkey.url, unique("catalog"), keys=str(tmp_path / "keys.toml"))
        async with client(made, headers) as ask:
            first = await ask.get("/v1/catalog")
            assert first.headers["cache-control"].startswith("private, max-age=")
            tag = first.headers["etag"]
            for shown in (tag, f'"other", {tag}', f"W/{tag}", "*"):
                again = await ask.http.get("/v1/catalog", headers={"If-None-Match": shown})
                assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
            other = await ask.http.get("/v1/catalog", headers={"If-None-Match": '"other"'})
            assert (other.status_code, other.content) == (200, first.content)
            is_problem(await ask.http.get("/v1/catalog", headers={"Authorization": "Bearer no"}), 401, "no_key")
            await ask.problem("/v1/catalog", 422, "invalid_parameter", limit=1)

    asyncio.run(run())
