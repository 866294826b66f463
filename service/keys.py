"""The keys of the API: what each may do, how they are made, and the file that holds their digests."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import msgspec

Scope = Literal["read", "feed", "suggest", "operate"]

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

MOST_KEYS: Final = 1_000
MOST_BYTES: Final = 1 << 18
"""Of the file."""

MOST_RATE: Final = 100_000

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_NOBODY: Final = bytes(32)


class KeysInvalid(Exception):
    """The keys file cannot be used; one line says where and why, and shows nothing of what stands there."""


class Key(msgspec.Struct, frozen=True):
    """What is known of a key: all but the key.

    Attributes
    ----------
    name : str
        Also the second part of the key itself, by which it is looked up.
    scopes : collection of str
        What it may do.
    digest : bytes
        SHA-256 of the key.
    rate : int, optional
        Requests a second that each process answers.
    """

    name: str
    scopes: Collection[Scope]
    digest: bytes
    rate: int | None = None


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    scopes: list[str]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    requests_per_second: Annotated[int, msgspec.Meta(ge=1, le=MOST_RATE)] | None = None


def new_key(name: str, scopes: Collection[str]) -> tuple[str, str]:
    """Make a key.

    Parameters
    ----------
    name : str
        1 to 40 small letters, digits and dashes.
    scopes : collection of str
        Of `SCOPES`.

    Returns
    -------
    tuple of str
        The key, and the table of the keys file that stands for it.

    Raises
    ------
    KeysInvalid

    Examples
    --------
    >>> key, table = new_key("dashboard", ["read"])
    >>> key[:13], len(key), "sha256" in table, key in table
    ('sk_dashboard_', 77, True, False)
    """
    _check(name, scopes)
    key = f"sk_{name}_{secrets.token_hex(32)}"
    quoted = ", ".join(f'"{scope}"' for scope in SCOPES if scope in scopes)
    return key, f'[{name}]\nscopes = [{quoted}]\nsha256 = "{_digest(key.encode()).hex()}"\n'


def read_keys(path: Path) -> Mapping[str, Key]:
    """Read a keys file.

    Parameters
    ----------
    path : Path
        TOML, a table a key: ``scopes``, ``sha256`` and, if wanted, ``requests_per_second``.

    Returns
    -------
    mapping
        Keys by name; at least one.

    Raises
    ------
    KeysInvalid

    Examples
    --------
    >>> import tempfile
    >>> key, table = new_key("arena", ["feed", "read"])
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     _ = file.write(table)
    ...     file.flush()
    ...     keys = read_keys(Path(file.name))
    >>> keys["arena"].scopes
    ('read', 'feed')
    >>> whose(keys, key.encode()) is keys["arena"], whose(keys, b"sk_arena_guessed")
    (True, None)
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise KeysInvalid(f"{path}: larger than {MOST_BYTES:,} bytes")
        tables = tomllib.loads(content.decode())
    except OSError as error:
        raise KeysInvalid(f"{path}: {error.strerror or type(error).__name__}") from error
    except UnicodeDecodeError as error:
        raise KeysInvalid(f"{path}: not UTF-8 at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        # Of its text the place alone: the rest may quote what stands there.
        place = re.search(r"\(at (.*)\)$", str(error))
        raise KeysInvalid(f"{path}: no TOML{f' at {place[1]}' if place else ''}") from None
    if not tables:
        raise KeysInvalid(f"{path}: no key in it; 'standings keys new NAME --scope read' makes one")
    if len(tables) > MOST_KEYS:
        raise KeysInvalid(f"{path}: more than {MOST_KEYS:,} keys")
    keys = {}
    for number, (name, table) in enumerate(tables.items(), 1):
        try:
            keys[name] = _key(name, table)
        except KeysInvalid as error:
            shown = f"[{name}]" if _NAME.fullmatch(name) else f"table {number}"
            raise KeysInvalid(f"{path}: {shown}: {error}") from None
    return keys


def whose(keys: Mapping[str, Key], shown: bytes) -> Key | None:
    """Find whose key it is that a client shows; None where nobody's.

    A key is 256 random bits, so that a fast digest is as good as a slow one: there is no guess to slow down.
    """
    name = shown.split(b"_", 2)[1].decode("ascii", "replace") if shown.count(b"_") == 2 else ""
    found = keys.get(name)
    # Compared whoever it is, in a time that says nothing of how much of it was right.
    same = hmac.compare_digest(_digest(shown), found.digest if found else _NOBODY)
    return found if same else None


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _key(name: str, table: object) -> Key:
    try:
        found = msgspec.convert(table, _Table)
    except msgspec.ValidationError as error:
        raise KeysInvalid(str(error)) from None
    scopes = _check(name, found.scopes)
    return Key(name, scopes, bytes.fromhex(found.sha256), found.requests_per_second)


def _check(name: str, scopes: Collection[str]) -> Collection[Scope]:
    if not _NAME.fullmatch(name):
        raise KeysInvalid("a name is 1 to 40 small letters, digits and dashes, and begins with no dash")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise KeysInvalid(f"a key has scopes, each one of {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in scopes)
