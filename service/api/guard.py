"""Who may ask what: the keys in force, read anew when their file changes, and how often each may ask."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from service.keys import Key, KeysInvalid, Scope, read_keys, whose
from service.metrics import KEYS_REFUSED
from service.problems import Problem

LOOK_S: Final = 1.0
"""The keys file is looked at no more often."""

ROUNDED_S: Final = 1e-6
"""By so much may sums of fractions of seconds be wrong."""

_log = structlog.get_logger()


class Guard:
    """Lets requests in by their key; everybody where there is no keys file.

    Parameters
    ----------
    path : Path or None
        The keys file.

    Raises
    ------
    KeysInvalid
        It cannot be used. One that is spoiled later leaves the keys in force that were read before.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._looked = time.monotonic()
        self._seen = _signature(path)
        self._keys: Mapping[str, Key] = {} if path is None else read_keys(path)
        # By name, so that whoever changes the file gives nobody a new allowance; bounded by what a file may hold.
        self._spent: dict[str, float] = {}
        KEYS_REFUSED.set(0)

    @property
    def on(self) -> bool:
        """Whether keys are needed."""
        return self._path is not None

    def admit(self, authorization: bytes, scope: Scope) -> None:
        """Let a request in, or not.

        Parameters
        ----------
        authorization : bytes
            The header; empty where there is none.
        scope : {"read", "feed", "suggest", "operate"}
            That the request needs.

        Raises
        ------
        Problem
            ``no_key``, ``missing_scope``, ``rate_limited``.
        """
        if self._path is None:
            return
        now = time.monotonic()
        if now - self._looked >= LOOK_S:
            self._looked = now
            self._look(self._path)
        scheme, _, shown = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not shown:
            raise Problem("no_key", "the request shows no key")
        key = whose(self._keys, shown.strip())
        if key is None:
            raise Problem("no_key", "the key that the request shows is not known")
        if scope not in key.scopes:
            has = ", ".join(key.scopes)
            raise Problem("missing_scope", f"this needs the scope {scope!r}; the key {key.name!r} has: {has}")
        if key.rate is not None:
            self._spend(key.name, key.rate, now)

    def _spend(self, name: str, rate: int, now: float) -> None:
        """Take one token; a bucket holds what one second brings, and is kept as the moment when it is full again."""
        full = max(self._spent.get(name, now), now)
        if full - now > 1 - 1 / rate + ROUNDED_S:
            raise Problem("rate_limited", f"the key {name!r} may ask {rate:,} times a second of each process")
        self._spent[name] = full + 1 / rate

    def _look(self, path: Path) -> None:
        seen = _signature(path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys = read_keys(path)
        except KeysInvalid as error:
            KEYS_REFUSED.set(1)
            _log.error("keys file refused; the keys before stay in force", reason=str(error))
            return
        KEYS_REFUSED.set(0)
        self._spent = {name: full for name, full in self._spent.items() if name in self._keys}
        _log.info("keys read", keys=len(self._keys))


def _signature(path: Path | None) -> tuple[int, int, int] | None:
    """What changes when a file does; None where it cannot be looked at."""
    try:
        found = None if path is None else path.stat()
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_ino, found.st_size)
