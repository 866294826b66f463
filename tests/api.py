"""The application in a test: a client of it, with the store that it reads."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from service.api.app import create_app
from service.keys import Scope, new_key
from service.settings import Settings
from tests.league import TOPIC, League, league

NOWHERE = "redis://127.0.0.1:1/0"
"""Where no Redis is."""


class Clock:
    """Stands where the service takes ``datetime`` from to read the clock.

    In use after ``monkeypatch.setattr(service.api.inputs, "datetime", Clock(moment))``.
    """

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self, _: tzinfo) -> datetime:
        return self.moment


class Client:
    """Asks the application."""

    def __init__(self, app: FastAPI, http: httpx.AsyncClient) -> None:
        self.app = app
        self.http = http

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self.http.get(path, params=parameters or None)

    async def read(self, path: str, **parameters: Any) -> Any:
        """The JSON of an answer that must be there."""
        response = await self.get(path, **parameters)
        assert response.status_code == 200, response.text
        return response.json()

    async def problem(self, path: str, status: int, slug: str, **parameters: Any) -> Any:
        """The problem that must be the answer."""
        response = await self.get(path, **parameters)
        return is_problem(response, status, slug)

    async def post(self, path: str, body: Any, **parameters: Any) -> httpx.Response:
        return await self.http.post(path, json=body, params=parameters or None)


def is_problem(response: httpx.Response, status: int, slug: str) -> Any:
    body = response.json()
    assert (response.status_code, body["type"], body["status"]) == (status, f"/problems/{slug}", status), body
    assert response.headers["content-type"] == "application/problem+json"
    assert body["title"]
    assert len(body["trace_id"]) == 32
    return body


def settings(url: str, installation: str, **more: str) -> Settings:
    return Settings.model_validate({"redis": url, "installation": installation, "topic": TOPIC, **more})


def keys_in(path: Path, *scopes: Scope, **more: int) -> dict[str, dict[str, str]]:
    """Write a keys file, a key a scope; answers the header that shows each."""
    made = {scope: new_key(f"a-{scope}", [scope]) for scope in scopes}
    extra = "".join(f"{name} = {value}\n" for name, value in more.items())
    path.write_text("\n".join(f"{table}{extra}" for _, table in made.values()))
    return {scope: {"Authorization": f"Bearer {key}"} for scope, (key, _) in made.items()}


@asynccontextmanager
async def client(made: Settings, headers: dict[str, str] | None = None) -> AsyncIterator[Client]:
    app = create_app(made)
    # Faults are answered, not raised: what a client sees is what is tested.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as http,
    ):
        yield Client(app, http)


@asynccontextmanager
async def connected(made: Settings) -> AsyncIterator[Client]:
    """A client over a connection to a server in this process, for what the application alone cannot show."""
    app = create_app(made)
    running = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5))
    # Only where the protocol is named does asyncio send small answers without delay.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        task = asyncio.create_task(running.serve([listener]))
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as http:
                yield Client(app, http)
        finally:
            running.should_exit = True
            await task


@asynccontextmanager
async def serving(url: str, installation: str, partitions: int = 1) -> AsyncIterator[tuple[League, Client]]:
    """A league to play in, and a client of the API that shows it."""
    async with league(url, installation, partitions) as made, client(settings(url, installation)) as asking:
        yield made, asking
