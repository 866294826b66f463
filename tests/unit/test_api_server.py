"""The server itself: where it listens, what it makes of raw requests, how it stops."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import uvicorn

from service.api import server
from service.api.app import create_app
from service.api.server import CannotServe, serve
from service.settings import Settings
from standings.embedded import ValkeyServer
from tests.api import keys_in, settings
from tests.conftest import Unique
from tests.league import duel, league


async def ask(address: tuple[str, int], target: bytes) -> tuple[int, bytes]:
    """Status and body of a request whose target goes out as it stands."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


def test_raw_paths(valkey: ValkeyServer, unique: Unique) -> None:
    """What goes through a real server: nothing is normalised on the way."""
    installation = unique("server")
    names = {
        b"a/b": "a/b",
        b"a%2Fb": "a/b",
        b"a%2fb": "a/b",
        b"a//b": "a//b",
        b"..": "..",
        b"%2e%2e": "..",
        b"../../x": "../../x",
        b"a%20b": "a b",
        b"a+b": "a+b",
        "🎉".encode().hex("%").join(("%", "")).encode(): "🎉",
        b"%252F": "%2F",
        b"x" * 128: "x" * 128,
    }

    async def run() -> None:
        async with league(valkey.url, installation) as made:
            await made.play(*(duel("chess", name, "loser") for name in sorted(set(names.values()))))
            listener = socket.create_server(("127.0.0.1", 0))
            address = listener.getsockname()
            running = uvicorn.Server(uvicorn.Config(create_app(settings(valkey.url, installation)), log_config=None))
            task = asyncio.create_task(running.serve([listener]))
            try:
                for target, name in names.items():
                    status, body = await ask(address, b"/v1/pools/chess/players/" + target)
                    assert status == 200, (target, body)
                    assert f'"player":"{name}"'.encode() in body
                for target in (b"%FF", b"a%2F%FF", b"%ED%A0%80", b"%C3"):
                    status, body = await ask(address, b"/v1/pools/chess/players/" + target)
                    assert (status, b"/problems/malformed" in body) == (400, True)
                status, _ = await ask(address, b"/v1/pools/chess/players/\xff")
                assert status == 400
            finally:
                running.should_exit = True
                await task

    asyncio.run(run())


def must_not_run(*_: object) -> None:
    raise AssertionError("it serves")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", ""])
def test_beyond_this_machine_keys_are_needed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn.Server, "run", must_not_run)
    with pytest.raises(CannotServe) as raised:
        serve(Settings(keys=None), host, 0)
    assert "\n" not in str(raised.value)
    if host:
        assert str(raised.value) == f"listening at {host} needs keys: set STANDINGS_KEYS, or listen at 127.0.0.1"


def test_with_keys_it_listens_anywhere_and_without_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn.Server, "run", lambda _, listeners: listeners[0].getsockname())
    path = tmp_path / "keys.toml"
    serve(Settings(keys=None), "0.0.0.0", 0, without_keys=True)
    with pytest.raises(CannotServe, match=r"keys\.toml: No such file or directory$"):
        serve(Settings(keys=path), "0.0.0.0", 0)
    keys_in(path, "read")
    serve(Settings(keys=path), "0.0.0.0", 0)
    with pytest.raises(CannotServe, match=rf"^--without-keys: {path} holds keys; leave out STANDINGS_KEYS"):
        serve(Settings(keys=path), "0.0.0.0", 0, without_keys=True)
    with server._listen("0.0.0.0", 0, anywhere=True) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.9.9.9"])
def test_on_this_machine_none_is_needed(host: str) -> None:
    with server._listen(host, 0, anywhere=False) as listener:
        assert listener.getsockname()[1] > 0


def test_an_address_that_is_taken_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn.Server, "run", must_not_run)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotServe, match=rf"^cannot listen at 127.0.0.1, port {port}: Address already in use"):
            serve(Settings(), "127.0.0.1", port)
    with pytest.raises(CannotServe, match=r"^cannot listen at no host, port 0: "):
        serve(Settings(), "no host", 0)
    with pytest.raises(CannotServe, match=r"^the address of Redis cannot be used: "):
        serve(Settings.model_validate({"redis": "http://127.0.0.1"}), "127.0.0.1", 0)


SERVE = """
import sys
from service.api import server
from service.settings import Settings
listen = server._listen
def listening(host, port, *, anywhere):
    made = listen(host, port, anywhere=anywhere)
    print(made.getsockname()[1], flush=True)
    return made
server._listen = listening
server.serve(Settings(redis=sys.argv[1], installation=sys.argv[2]), "127.0.0.1", 0)
print("stopped", flush=True)
"""


@pytest.mark.parametrize("path", ["/livez", "/v1/pools/chess/changes"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_even_while_a_client_stays(
    valkey: ValkeyServer, unique: Unique, signum: signal.Signals, path: str
) -> None:
    """Quietly, and at once: neither a connection that is kept nor an open stream is waited for."""
    installation = unique("server")

    async def play() -> None:
        async with league(valkey.url, installation) as made:
            await made.play(duel("chess", "ann", "bob"))

    asyncio.run(play())
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVE, valkey.url, installation],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.settimeout(10)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: api\r\n\r\n".encode())
            assert client.recv(64).startswith(b"HTTP/1.1 200")
            os.kill(process.pid, signum)
            out, errors = process.communicate(timeout=server.STOP_S / 2)
        assert (process.returncode, errors) == (0, "")
        assert out.endswith("stopped\n")
    finally:
        process.kill()
        process.communicate()
