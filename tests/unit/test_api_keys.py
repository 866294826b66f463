"""Keys of the API: every route with none, with the wrong one, with the right one; changed while it runs; limits."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
from prometheus_client import REGISTRY

from service.api import guard
from service.api.app import create_app
from service.keys import SCOPES, Scope, new_key
from service.problems import Problem
from standings.embedded import ValkeyServer
from tests.api import NOWHERE, Client, client, is_problem, keys_in, settings
from tests.conftest import Unique
from tests.league import duel, league

OPEN = {"/livez", "/readyz", "/openapi.json", "/asyncapi.json", "/schemas/match.json", "/problems", "/problems/{slug}"}
DOCUMENT = create_app(settings(NOWHERE, "none")).openapi()
OPERATIONS = [(method, path) for path, operations in DOCUMENT["paths"].items() for method in operations]
GIVEN = {"pool": "chess", "player": "ann", "slug": "no_key", "method": "bradley_terry", "id": "1-0-mu-abc"}

KNOWN: dict[tuple[str, str], Scope] = {
    ("post", "/v1/matches"): "feed",
    ("post", "/v1/pools/{pool}/matchups"): "suggest",
    ("delete", "/v1/pools/{pool}/matchups/{id}"): "suggest",
    ("post", "/v1/pools/{pool}/campaigns"): "suggest",
    ("delete", "/v1/pools/{pool}/campaigns/{id}"): "suggest",
    ("post", "/v1/pools/{pool}/campaigns/{id}/matchups"): "suggest",
    ("get", "/v1/dead-letters"): "operate",
    ("get", "/metrics"): "operate",
}
"""What needs another scope than to read."""


def address(path: str) -> str:
    for name, value in GIVEN.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def needed(method: str, path: str) -> Scope | None:
    (scope,) = (one["key"][0] for one in DOCUMENT["paths"][path][method]["security"] if one)
    return scope  # type: ignore[no-any-return]  # JSON


def test_what_needs_no_key_is_known() -> None:
    free = {path for method, path in OPERATIONS if "security" not in DOCUMENT["paths"][path][method]}
    assert free == OPEN - {"/openapi.json"}
    found = {(method, path): needed(method, path) for method, path in OPERATIONS if path not in free}
    assert {place: scope for place, scope in found.items() if scope != "read"} == KNOWN


def test_every_route_asks_for_its_scope(valkey: ValkeyServer, unique: Unique, tmp_path: Path) -> None:
    keys = keys_in(tmp_path / "keys.toml", *SCOPES)
    installation = unique("keys")

    async def run() -> None:
        async with (
            league(valkey.url, installation) as made,
            client(settings(valkey.url, installation, keys=str(tmp_path / "keys.toml"))) as ask,
        ):
            await made.play(duel("chess", "ann", "bob"))
            for method, path in OPERATIONS:
                if path not in OPEN:
                    await check(ask, method, path, keys)
                elif not path.startswith("/problems/"):
                    assert (await ask.get(address(path))).status_code == 200
            # Nothing is said about a request before its key is seen.
            await ask.problem("/v1/pools", 401, "no_key", limit=0, limti=1)
            assert (await ask.get("/openapi.json")).status_code == 200

    asyncio.run(run())


async def check(ask: Client, method: str, path: str, keys: dict[str, dict[str, str]]) -> None:
    scope = needed(method, path)
    response = await ask.http.request(method, address(path))
    is_problem(response, 401, "no_key")
    assert response.headers["www-authenticate"] == "Bearer"
    for other in SCOPES:
        if other != scope:
            response = await ask.http.request(method, address(path), headers=keys[other])
            assert repr(scope) in is_problem(response, 403, "missing_scope")["detail"]
    # A stream has no end; of a pool that is not there is none.
    place = address(path) if "changes" not in path else "/v1/pools/none/changes"
    response = await ask.http.request(method, place, headers=keys[str(scope)])
    assert response.status_code not in (401, 403, 500), response.text


@pytest.mark.parametrize("scheme", ["", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer {}0", "Bearer sk_a-read_ü"])
def test_what_is_no_key(tmp_path: Path, scheme: str) -> None:
    shown = keys_in(tmp_path / "keys.toml", "read")["read"]["Authorization"].removeprefix("Bearer ")

    async def run() -> None:
        async with client(settings(NOWHERE, "none", keys=str(tmp_path / "keys.toml"))) as ask:
            response = await ask.http.get("/v1/pools", headers={b"Authorization": scheme.format(shown).encode()})
            assert shown not in is_problem(response, 401, "no_key")["detail"]
            # A scheme's name is read in any case.
            response = await ask.http.get("/v1/pools", headers={"Authorization": f"bEARER {shown}"})
            is_problem(response, 503, "redis_unavailable")

    asyncio.run(run())


class Time:
    """Stands where the guard takes ``time`` from."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(guard, "time", made)
    return made


def refused() -> float | None:
    return REGISTRY.get_sample_value("standings_keys_file_refused")


def test_keys_are_rotated_without_a_restart(tmp_path: Path, clock: Time) -> None:
    path = tmp_path / "keys.toml"
    old, old_table = new_key("app", ["read"])
    new, new_table = new_key("app-2", ["read"])
    path.write_text(old_table)
    made = guard.Guard(path)

    def let_in(key: str) -> bool:
        try:
            made.admit(f"Bearer {key}".encode(), "read")
        except Problem:
            return False
        return True

    path.write_text(old_table + new_table)
    # Looked at once a second, however many ask.
    clock.now += 0.99
    assert (let_in(old), let_in(new)) == (True, False)
    clock.now += 0.02
    assert (let_in(old), let_in(new)) == (True, True)
    path.write_text(new_table)
    clock.now += 1
    assert (let_in(old), let_in(new)) == (False, True)
    for spoiled in ("[app", "", old_table + "scope = 3"):
        path.write_text(spoiled)
        clock.now += 1
        with structlog.testing.capture_logs() as said:
            assert (let_in(old), let_in(new)) == (False, True)
            clock.now += 1
            assert let_in(new)
        assert [line["event"] for line in said] == ["keys file refused; the keys before stay in force"]
        assert refused() == 1
    path.write_text(old_table)
    clock.now += 1
    assert (let_in(old), let_in(new), refused()) == (True, False, 0)
    path.unlink()
    clock.now += 1
    assert (let_in(old), let_in(new), refused()) == (True, False, 1)
    path.write_text(new_table)
    clock.now += 1
    assert (let_in(old), let_in(new), refused()) == (False, True, 0)


def test_a_key_asks_no_more_often_than_it_may(tmp_path: Path, clock: Time) -> None:
    path = tmp_path / "keys.toml"
    shown = keys_in(path, "read", "feed", requests_per_second=10)
    made = guard.Guard(path)

    def answered(count: int, scope: Scope = "read") -> int:
        got = 0
        for _ in range(count):
            with suppress(Problem):
                made.admit(shown[scope]["Authorization"].encode(), scope)
                got += 1
        return got

    assert answered(50) == 10
    # Another key has an allowance of its own.
    assert answered(50, "feed") == 10
    clock.now += 0.35
    assert answered(50) == 3
    clock.now += 3_600
    assert answered(50) == 10
    # A change of the file gives nobody a new one.
    path.write_text(f"# again\n{path.read_text()}")
    clock.now += 1
    assert answered(50) == 10
    assert answered(50) == 0


def test_whoever_asks_too_often_is_told_when_to_ask_again(tmp_path: Path) -> None:
    headers = keys_in(tmp_path / "keys.toml", "read", requests_per_second=1)["read"]

    async def run() -> None:
        async with client(settings(NOWHERE, "none", keys=str(tmp_path / "keys.toml")), headers) as ask:
            is_problem(await ask.get("/v1/pools"), 503, "redis_unavailable")
            begun = time.monotonic()
            response = await ask.get("/v1/pools")
            if time.monotonic() - begun < 0.5:
                assert "'a-read'" in is_problem(response, 429, "rate_limited")["detail"]
                assert response.headers["retry-after"] == "1"

    asyncio.run(run())
