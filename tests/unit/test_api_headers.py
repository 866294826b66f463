"""What every answer tells browsers, and how long a request may take."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.api import route
from service.api.headers import DATA, PAGE
from standings.embedded import ValkeyServer
from tests.api import NOWHERE, Client, client, is_problem, settings
from tests.conftest import Unique
from tests.league import duel, league

HTML = {"Accept": "text/html"}


def asking(run: Callable[[Client], Any]) -> None:
    async def asked() -> None:
        async with client(settings(NOWHERE, "none")) as ask:
            await run(ask)

    asyncio.run(asked())


def policy(response: httpx.Response) -> bytes:
    return response.headers["content-security-policy"].encode()


def test_every_answer_is_for_nothing_else_and_kept_nowhere() -> None:
    async def run(ask: Client) -> None:
        for path in ("/livez", "/readyz", "/metrics", "/openapi.json", "/v1/pools", "/v1/none", "/none"):
            response = await ask.get(path)
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["referrer-policy"] == "no-referrer"
            assert response.headers["cross-origin-resource-policy"] == "same-origin"
            assert response.headers.get_list("cache-control") == ["no-store"]
            assert policy(response) == DATA[1]
        page = await ask.http.get("/problems", headers=HTML)
        assert policy(page) == PAGE[1]
        # What may be kept says so itself.
        assert page.headers.get_list("cache-control") == ["public, max-age=300"]

    asking(run)


def test_a_read_keeps_its_own_word_on_caching(valkey: ValkeyServer, unique: Unique) -> None:
    installation = unique("headers")

    async def run() -> None:
        async with league(valkey.url, installation) as made, client(settings(valkey.url, installation)) as ask:
            await made.play(duel("chess", "ann", "bob"))
            response = await ask.get("/v1/pools/chess/leaderboard")
            assert response.headers.get_list("cache-control") == ["private, no-cache"]
            assert policy(response) == DATA[1]

    asyncio.run(run())


def test_no_page_of_another_origin_may_read() -> None:
    async def run(ask: Client) -> None:
        for method in ("GET", "POST", "OPTIONS"):
            for path in ("/v1/pools", "/v1/matches", "/livez", "/none"):
                asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
                response = await ask.http.request(method, path, headers=asked)
                assert not [name for name in response.headers if name.startswith("access-control")]
                assert method != "OPTIONS" or response.status_code in (404, 405)

    asking(run)


def test_a_request_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its body does not come."""
    monkeypatch.setattr(route, "MOST_S", 0.05)

    async def never() -> Any:
        yield b"{"
        await asyncio.Event().wait()

    async def run(ask: Client) -> None:
        json = {"Content-Type": "application/json"}
        response = await ask.http.post("/v1/matches", content=never(), headers=json)
        assert "0.05 s" in is_problem(response, 503, "timed_out")["detail"]
        assert response.headers["retry-after"] == "1"

    asking(run)
