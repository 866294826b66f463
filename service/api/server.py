"""Serving the application: one process, on this machine alone unless keys guard it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

import structlog
import uvicorn

from service.api.app import create_app
from service.keys import KeysInvalid
from service.pool_file import PoolsInvalid
from service.settings import Settings
from service.warm import spare_collector, warm_policies

STOP_S: Final = 10
"""From SIGTERM to the end, at most: requests that are not answered by then are cut off."""

WAITING: Final = 1_024
"""Connections that may wait to be taken."""


class CannotServe(Exception):
    """What was asked for cannot be served; the message says in one line what to change."""


_log = structlog.get_logger()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a stream would never end by itself."""
        self._end_streams()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal and then return; uvicorn's own would raise the signal once more, at its caller."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for signum in signals:
            loop.add_signal_handler(signum, self.handle_exit, signum, None)
        yield
        for signum in signals:
            loop.remove_signal_handler(signum)


def serve(settings: Settings, host: str, port: int, *, without_keys: bool = False) -> None:
    """Serve the API until SIGTERM or SIGINT; a stop takes at most `STOP_S`.

    Parameters
    ----------
    settings : Settings
    host : str
        Name or address to listen at.
    port : int
        0 takes a free one.
    without_keys : bool
        Listen beyond this machine though there are no keys.

    Raises
    ------
    CannotServe
        Where the address is not this machine's own loopback and there are no keys, is taken or is none; where the
        address of Redis is none; where the file of pools or of keys cannot be used.
    """
    if without_keys and settings.keys is not None:
        raise CannotServe(f"--without-keys: {settings.keys} holds keys; leave out STANDINGS_KEYS, or the option")
    listener = _listen(host, port, anywhere=without_keys or settings.keys is not None)
    with listener:
        try:
            app = create_app(settings)
        except (PoolsInvalid, KeysInvalid) as error:
            raise CannotServe(str(error)) from error
        except ValueError as error:
            raise CannotServe(f"the address of Redis cannot be used: {error}") from error
        config = uvicorn.Config(
            app,
            loop="uvloop",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=WAITING,
            timeout_graceful_shutdown=STOP_S,
        )
        # At its first request it would let all others wait.
        warm_policies()
        spare_collector()
        _log.info("listening", host=host, port=listener.getsockname()[1])
        _Server(config, app.state.parts.changes.end).run([listener])


def _listen(host: str, port: int, *, anywhere: bool) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The address that is listened at is judged, not the name that was given for it.
        if not anywhere and not ipaddress.ip_address(address[0]).is_loopback:
            raise CannotServe(f"listening at {host} needs keys: set STANDINGS_KEYS, or listen at 127.0.0.1")
        return socket.create_server(address, family=family, backlog=WAITING)
    except OSError as error:
        raise CannotServe(f"cannot listen at {host}, port {port}: {error.strerror or error}") from error
