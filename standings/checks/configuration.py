"""The configuration: settings and where each comes from, the pools file, and whether what is stored fits it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from pydantic import SecretStr

from service.keys import SCOPES, KeysInvalid, read_keys
from service.pool_file import PoolsInvalid, read_pools
from service.pools import Pool, Pools, Provisional, built_in
from service.settings import Settings
from service.store.partition import Loaded
from standings.checks import Check, Unanswered, counted, listed

ELSEWHERE: Final = ("STANDINGS_HOME", "STANDINGS_NO_SKIP", "STANDINGS_REDIS_SERVER")
"""Read by the embedded servers and by the tests, not as settings."""

HIDDEN: Final = "***"


class Setting(msgspec.Struct, frozen=True):
    """A setting in force.

    Attributes
    ----------
    name : str
        As an option; in the environment it is ``STANDINGS_NAME``.
    value : str, int or None
        Without its secrets.
    source : {"default", "environment", "option"}
        Where it comes from; ``from`` in JSON.
    """

    name: str
    value: str | int | None
    source: Literal["default", "environment", "option"] = msgspec.field(name="from")


class System(msgspec.Struct, frozen=True):
    """A rating system of a section, with every parameter in force."""

    name: str
    parameters: dict[str, Any]


class Section(msgspec.Struct, frozen=True):
    """What is in force for the pools that a pattern takes; the first system is the live one."""

    pattern: str
    profile: str
    systems: list[System]
    order: str
    provisional: Provisional
    pairs: bool
    most_sides: int
    most_players: int


def settings_in_force(settings: Settings, options: Collection[str]) -> list[Setting]:
    """List every setting with where it comes from.

    Parameters
    ----------
    settings : Settings
    options : collection of str
        Names of those that the command line gave.
    """
    found = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = without_secrets(value.get_secret_value()) if name == "redis" else HIDDEN
        elif not isinstance(value, int | None):
            value = str(value)
        given: Literal["option", "environment"] = "option" if name in options else "environment"
        found.append(Setting(name, value, given if name in settings.model_fields_set else "default"))
    return found


def without_secrets(url: str) -> str:
    """Give a URL without its user's password, wherever it stands.

    Examples
    --------
    >>> without_secrets("redis://app:geheim@db:6379/0"), without_secrets("redis://db:6379/0?password=geheim")
    ('redis://app:***@db:6379/0', 'redis://db:6379/0?password=***')
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    login, at, host = parts.netloc.rpartition("@")
    if not parts.scheme or "@" in parts.path + parts.query + parts.fragment:
        # A password with a slash in it, or no URL at all: what is secret of it cannot be told.
        return HIDDEN
    if ":" in login:
        login = f"{login.partition(':')[0]}:{HIDDEN}"
    secret = [(name, HIDDEN if "password" in name else value) for name, value in parse_qsl(parts.query)]
    return parts._replace(netloc=f"{login}{at}{host}", query=urlencode(secret, safe="*/:")).geturl()


def environment(names: Collection[str]) -> Check:
    """Judge the names of the environment's variables: one that no setting has is a typing error."""
    known = [f"STANDINGS_{name.upper()}" for name in Settings.model_fields]
    wrong = [name for name in sorted(names) if name.upper().startswith("STANDINGS_")]
    wrong = [name for name in wrong if name.upper() not in known and name not in ELSEWHERE]
    if wrong:
        nearest = [difflib.get_close_matches(name.upper(), known, 1, 0.0)[0] for name in wrong]
        remedy = f"did you mean {listed(nearest)}? There are: {', '.join(known)}"
        return Check("settings", "warning", f"no setting reads {listed(wrong)}", remedy)
    return Check("settings", "ok", "every STANDINGS_ variable is a setting")


def pools_file(settings: Settings) -> tuple[Check, Pools | None]:
    """Read the pools file; where it cannot be used, there are no pools to go on with."""
    try:
        pools = read_pools(settings.pools)
    except PoolsInvalid as error:
        remedy = "put it right: ingest and serve start with none but a right file"
        return Check("pools.file", "problem", str(error), remedy), None
    if not pools.source:
        return Check("pools.file", "ok", "no file: what is built in is in force"), pools
    return Check("pools.file", "ok", f"{pools.source}: {counted(len(pools.sections), 'section')}"), pools


def keys_file(settings: Settings) -> Check:
    """Read the keys file as it stands now; a part that runs may have one in force from before it was spoiled."""
    if settings.keys is None:
        return Check("keys.file", "ok", "no keys: the API answers everybody, on its own machine alone")
    try:
        keys = read_keys(settings.keys)
    except KeysInvalid as error:
        remedy = "put it right: serve does not start with it, and goes on with the keys that it had"
        return Check("keys.file", "problem", str(error), remedy)
    granted = {scope for key in keys.values() for scope in key.scopes}
    none = [scope for scope in SCOPES if scope not in granted]
    found = f"{settings.keys}: {counted(len(keys), 'key')}"
    return Check("keys.file", "ok", f"{found}; none has the scope {listed(none)}" if none else found)


def sections_in_force(pools: Pools) -> list[Section]:
    """List every section, in the order in which a pool's name is tried."""
    return [_section(pool) for pool in (*pools.sections, *built_in())]


def _section(pool: Pool) -> Section:
    return Section(
        pattern=pool.pattern,
        profile=pool.profile,
        systems=[System(system.name, msgspec.to_builtins(system)) for system in pool.systems],
        order=pool.order,
        provisional=pool.provisional,
        pairs=pool.pairs,
        most_sides=pool.most_sides,
        most_players=pool.most_players,
    )


def stored_pools(pools: Pools | None, stored: Sequence[Loaded] | Unanswered) -> list[Check]:
    """Judge whether what is stored was made as it is configured now, and which patterns nothing stored matches."""
    names = ("pools.stored", "pools.patterns")
    if pools is None or isinstance(stored, Unanswered):
        reason = "the pools file cannot be used" if isinstance(stored, Sequence) else stored.reason
        return [Check(name, "unknown", reason) for name in names]
    fingerprints: Mapping[str, str] = {
        field: fingerprint for loaded in stored for field, fingerprint in loaded.fingerprints.items()
    }
    conflicts = pools.conflicts(fingerprints)
    known = {field.rpartition("/")[0] for field in fingerprints}
    if conflicts:
        fits = Check(names[0], "problem", "; ".join(conflicts[:3]) + _more(conflicts[3:]), "see each")
    else:
        fits = Check(names[0], "ok", f"{counted(len(known), 'stored pool')}, rated as configured")
    used = {pools.configured(name).pattern for name in known}
    unused = [f'"{section.pattern}"' for section in pools.sections if section.pattern not in used]
    said = f"no stored pool is taken by {listed(unused)}" if unused else "every section takes a stored pool"
    return [fits, Check(names[1], "ok", said if pools.sections else "no section but those built in")]


def _more(others: Sequence[str]) -> str:
    return f"; and {counted(len(others), 'more conflict')}" if others else ""
