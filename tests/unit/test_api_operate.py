"""Probes, metrics, keys, problems, and what happens while Redis is away or holds what cannot be read."""

import asyncio
import re
import socket
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from service.api import observe
from service.api.app import create_app
from service.problems import PROBLEMS
from service.store.connection import Store, StoreUnavailable
from service.store.layout import LAYOUT
from standings.embedded import ValkeyServer
from tests.api import client, is_problem, serving, settings
from tests.conftest import Unique
from tests.league import duel

READS = ("/v1/pools", "/v1/pools/chess", "/v1/pools/chess/leaderboard", "/v1/pools/chess/players/ann")


@pytest.fixture
def nowhere() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"redis://127.0.0.1:{free.getsockname()[1]}/0"


def test_probes_of_a_working_service(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("operate")) as (league, ask):
            live = await ask.get("/livez")
            assert (live.status_code, live.text) == (200, "alive\n")
            ready = {"ready": True, "missing": []}
            assert await ask.read("/readyz") == ready
            await league.play(duel("chess", "ann", "bob"))
            assert await ask.read("/readyz") == ready

    asyncio.run(run())


def test_without_redis(nowhere: str, unique: Unique) -> None:
    async def run() -> None:
        async with client(settings(nowhere, unique("operate"))) as ask:
            for path in READS:
                response = await ask.get(path)
                body = is_problem(response, 503, "redis_unavailable")
                assert response.headers["retry-after"] == "1"
                # Where Redis is, is nobody's business.
                assert "127.0.0.1" not in response.text
                assert body["detail"] == "Redis did not answer in time"
            # No pool can have such a name, so Redis need not be asked.
            await ask.problem("/v1/pools/no%20slug", 404, "unknown_pool")
            ready = await ask.get("/readyz")
            assert ready.status_code == 503
            assert ready.json() == {
                "ready": False,
                "missing": [{"dependency": "redis", "reason": "Redis does not answer"}],
            }
            assert (await ask.get("/livez")).status_code == 200

    asyncio.run(run())


def test_readiness_asks_redis_each_time(valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where nothing is stored and nothing would have to be read."""

    async def run() -> None:
        async with serving(valkey.url, unique("operate")) as (_, ask):
            assert (await ask.get("/readyz")).status_code == 200

            async def away(*_: Any) -> None:
                raise StoreUnavailable("away")

            monkeypatch.setattr(Store, "ask", away)
            assert (await ask.get("/readyz")).status_code == 503

    asyncio.run(run())


def test_another_layout_is_not_served(redis_server: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(redis_server.url, unique("operate"), partitions=2) as (league, ask):
            await league.play(duel("chess", "ann", "bob"), duel("go", "ann", "bob"))
            for partition in range(2):
                await league.store.command("HSET", league.keys(partition).state, "layout", "0")
            for path in READS:
                body = await ask.problem(path, 503, "unreadable")
                assert body["detail"].endswith(f"is stored in layout 0, this version reads {LAYOUT}")
            ready = await ask.get("/readyz")
            assert (ready.status_code, ready.json()["missing"][0]["dependency"]) == (503, "layout")

    asyncio.run(run())


def test_a_torn_partition_is_not_served_and_others_are(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("operate"), partitions=2) as (league, ask):
            await league.play(*(duel(pool, "ann", "bob") for pool in ("a", "b", "c", "d")))
            await league.store.command("HSET", league.keys(0).state, "torn", "9")
            found = {pool: (await ask.get(f"/v1/pools/{pool}")).status_code for pool in ("a", "b", "c", "d")}
            assert set(found.values()) == {200, 503}
            torn = next(pool for pool, status in found.items() if status == 503)
            body = await ask.problem(f"/v1/pools/{torn}/players/ann", 503, "unreadable")
            assert body["detail"] == "partition 0 is torn: a write broke off on its way to 9"
            # What mends it is an operator, not another replica of the API.
            assert (await ask.get("/readyz")).status_code == 200

    asyncio.run(run())


def test_metrics_tell_time_by_route_and_never_a_name(valkey: ValkeyServer, unique: Unique) -> None:
    def count(route: str, status: int) -> float:
        labels = {"route": route, "status": str(status)}
        return REGISTRY.get_sample_value("standings_request_seconds_count", labels) or 0.0

    async def run() -> None:
        async with serving(valkey.url, unique("operate")) as (league, ask):
            await league.play(duel("chess", "secret/name", "bob"))
            asked = (
                ("/v1/pools/chess/players/secret/name", "/v1/pools/{pool}/players/{player}", 200),
                ("/v1/pools/chess/players/secret-other", "/v1/pools/{pool}/players/{player}", 404),
                ("/v1/pools/chess/leaderboard?limit=0", "/v1/pools/{pool}/leaderboard", 422),
                ("/v1/pools", "/v1/pools", 200),
                ("/secret/path", "none", 404),
            )
            for path, route, status in asked:
                before = count(route, status)
                assert (await ask.get(path)).status_code == status
                assert count(route, status) == before + 1
            text = (await ask.get("/metrics")).text
            assert "secret" not in text
            names = {family.name for family in text_string_to_metric_families(text)}
            assert {"standings_records", "standings_request_seconds"} <= names

    asyncio.run(run())


def test_what_the_framework_refuses_is_a_problem_too(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("operate")) as (_, ask):
            for path in ("/", "/v1", "/v1/", "/v1/pools/", "/v2/pools", "/docs", "/redoc", "/v1/pools/chess/"):
                await ask.problem(path, 404, "not_found")
            response = await ask.http.post("/v1/pools")
            is_problem(response, 405, "method_not_allowed")
            assert response.headers["allow"] == "GET"

    asyncio.run(run())


def test_a_fault_is_answered_without_its_reason(
    valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("operate")) as (_, ask):

            async def fault() -> int:
                raise RuntimeError("a secret of the inside")

            monkeypatch.setattr(ask.app.state.parts.partitions, "count", fault)
            with structlog.testing.capture_logs() as logs:
                response = await ask.get("/v1/pools")
            body = is_problem(response, 500, "internal")
            assert not re.search("secret|Runtime|Traceback", response.text)
            (entry,) = logs
            assert entry["trace_id"] == body["trace_id"]
            assert entry["exc_info"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
        ("4bf92f3577b34da6a3ce929d0e0e4736", None),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None),
    ],
)
def test_a_callers_trace_goes_on(valkey: ValkeyServer, unique: Unique, given: str, kept: str | None) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("operate")) as (_, ask):
            response = await ask.http.get("/v1/pools/chess", headers={"traceparent": given})
            trace_id = is_problem(response, 404, "unknown_pool")["trace_id"]
            assert trace_id == kept if kept else trace_id not in given

    asyncio.run(run())


def test_past_the_bound_requests_are_refused_and_probes_are_not(
    valkey: ValkeyServer, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "MOST_REQUESTS", 2)

    async def run() -> None:
        async with serving(valkey.url, unique("operate")) as (_, ask):
            held, inside, free = asyncio.Event(), asyncio.Semaphore(0), [2]

            async def wait() -> int:
                # One that comes after the two is not held, so that it shows.
                if free[0]:
                    free[0] -= 1
                    inside.release()
                    await held.wait()
                return 0

            monkeypatch.setattr(ask.app.state.parts.partitions, "count", wait)
            waiting = [asyncio.create_task(ask.get("/v1/pools")) for _ in range(2)]
            for _ in waiting:
                await inside.acquire()
            response = await ask.get("/v1/pools")
            is_problem(response, 503, "too_busy")
            assert response.headers["retry-after"] == "1"
            for _ in range(3):
                assert (await ask.get("/livez")).status_code == 200
            held.set()
            assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200]
            assert (await ask.get("/v1/pools")).status_code == 200

    asyncio.run(run())


def test_each_problem_has_a_page(valkey: ValkeyServer, unique: Unique) -> None:
    async def run() -> None:
        async with serving(valkey.url, unique("operate")) as (_, ask):
            for slug, kind in PROBLEMS.items():
                assert await ask.read(f"/problems/{slug}") == {
                    "type": f"/problems/{slug}",
                    "title": kind.title,
                    "status": kind.status,
                    "remedy": kind.remedy,
                }
            body = await ask.problem("/problems/nothing", 404, "unknown_name")
            assert "cursor_expired" in body["detail"]

    asyncio.run(run())


def test_the_interface_is_described(nowhere: str) -> None:
    app = create_app(settings(nowhere, "described"))
    described = app.openapi()
    assert app.openapi() is described
    paths = described["paths"]
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}}
    for path, operations in paths.items():
        for operation in operations.values():
            assert ("security" in operation) == (path.startswith("/v1/") or path == "/metrics")
            for status, response in operation["responses"].items():
                if status[0] in "45" and path.startswith("/v1/"):
                    assert response["content"].keys() == problem.keys(), (path, status)
    for path in READS:
        operation = paths[path.replace("chess", "{pool}").replace("ann", "{player}")]["get"]
        assert {"400", "401", "404", "409", "422", "503"} <= operation["responses"].keys()
        assert "schema" in operation["responses"]["200"]["content"]["application/json"]
        assert "example" in operation["responses"]["200"]["content"]["application/json"]
    assert paths["/v1/pools/{pool}/leaderboard"]["get"]["responses"]["410"]["content"] == problem
    assert paths["/readyz"]["get"]["responses"]["503"]["content"].keys() == {"application/json"}
    limit = next(p for p in paths["/v1/pools"]["get"]["parameters"] if p["name"] == "limit")
    assert limit["schema"] | {"title": ""} == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
        "default": 50,
        "title": "",
        "description": "most entries of the page",
    }


def test_an_answer_reads_back_as_its_bits(valkey: ValkeyServer, unique: Unique) -> None:
    """Numbers are the shortest text that is the same float again."""

    async def run() -> None:
        async with serving(valkey.url, unique("operate")) as (league, ask):
            await league.play(duel("chess", "ann", "bob"), duel("chess", "bob", "cid"))
            response: httpx.Response = await ask.get("/v1/pools/chess/players/bob")
            for text in re.findall(r"[:\[,](-?\d+\.\d+(?:e-?\d+)?)[,}\]]", response.text):
                assert repr(float(text)) == text

    asyncio.run(run())
