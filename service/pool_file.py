"""The pools file: TOML, checked as a whole when a part starts, every fault named with its line and key."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from service.match import MOST_ON_A_SIDE, MOST_SIDES
from service.matchups import create as create_policy
from service.pools import PROFILES, USUAL_SIDES, MatchupDefaults, Pool, Pools, Provisional
from service.problems import Problem
from service.ratings import RatingSystem, create

MOST_BYTES: Final = 1 << 20
MOST_SECTIONS: Final = 1_000
MOST_SHADOWS: Final = 7

_pattern = re.compile(r"(?:[A-Za-z0-9._*?-]|\[!?[A-Za-z0-9._-]+\]){1,256}")


class PoolsInvalid(Exception):
    """The pools file cannot be used; the message names file, line and key, and says what would be right."""


class _Shadow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    system: str
    parameters: dict[str, Any] = {}


class _Provisional(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    matches: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    deviation: Annotated[float, Meta(gt=0)] | None = None


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    profile: str = "ladder"
    system: str | None = None
    parameters: dict[str, Any] = {}
    shadows: Annotated[tuple[_Shadow, ...], Meta(max_length=MOST_SHADOWS)] = ()
    deviations: Annotated[float, Meta(ge=0, le=10)] | None = None
    provisional: _Provisional = _Provisional()
    most_sides: Annotated[int, Meta(ge=2, le=MOST_SIDES)] = USUAL_SIDES
    most_players: Annotated[int, Meta(ge=1, le=MOST_ON_A_SIDE)] = MOST_ON_A_SIDE
    pairs: bool | None = None
    first_at_home: bool = False
    matchups: MatchupDefaults = MatchupDefaults()


class _Wrong(Exception):
    """Something is wrong at a path of keys below the section."""

    def __init__(self, path: Sequence[str], message: str) -> None:
        super().__init__(message)
        self.path = path


def read_pools(path: Path | None) -> Pools:
    """Read a pools file.

    Parameters
    ----------
    path : Path, optional
        Without one the built-in configuration is in force.

    Raises
    ------
    PoolsInvalid
        It cannot be read, is no TOML, or says something that cannot be.
    """
    if path is None:
        return Pools()
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PoolsInvalid(f"cannot read the pools file {path}: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise PoolsInvalid(f"the pools file {path} is larger than {MOST_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise PoolsInvalid(f"cannot read the pools file {path}: it is not UTF-8 at byte {error.start}") from None
    return parse_pools(text, str(path))


def parse_pools(text: str, source: str) -> Pools:
    """Read the text of a pools file.

    Parameters
    ----------
    text : str
        TOML.
    source : str
        Its name, for messages.

    Raises
    ------
    PoolsInvalid

    Examples
    --------
    >>> pools = parse_pools('pools."chess.*".parameters.spread = 300', "pools.toml")
    >>> pools.configured("chess.blitz").live.spread, pools.configured("go").live.spread
    (300.0, 232.0)
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Beside what is no TOML, numbers of thousands of digits.
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise PoolsInvalid(f"{source}: {reason}") from None
    sections: list[Pool] = []
    try:
        for key in document:
            if key != "pools" or not isinstance(document[key], dict):
                raise _Wrong([key], "the file holds sections [pools.PATTERN] and nothing else")
        for pattern, given in document.get("pools", {}).items():
            try:
                sections.append(_section(pattern, given, sections))
            except _Wrong as wrong:
                raise _Wrong(["pools", pattern, *wrong.path], str(wrong)) from None
    except _Wrong as wrong:
        line = _line_of(text, wrong.path)
        raise PoolsInvalid(f"{source}, line {line}, {_spelled(wrong.path)}: {wrong}") from None
    return Pools(sections, source)


def _section(pattern: str, given: Any, before: Sequence[Pool]) -> Pool:
    if not _pattern.fullmatch(pattern):
        raise _Wrong([], "a pattern has letters, digits, '.', '_', '-', and '*', '?', '[...]' as wildcards")
    for earlier in before:
        if _takes_all_of(earlier.pattern, pattern):
            raise _Wrong([], f'never used: the section "{earlier.pattern}" stands before it; put that one after it')
    if len(before) == MOST_SECTIONS:
        raise _Wrong([], f"at most {MOST_SECTIONS:,} sections")
    try:
        section = msgspec.convert(given, _Section)
    except msgspec.ValidationError as error:
        raise _unfit(str(error)) from None
    if section.profile not in PROFILES:
        raise _Wrong(["profile"], f"no profile {section.profile!r}; there are: {', '.join(PROFILES)}")
    base = PROFILES[section.profile](pattern)
    live = _system(section.system or base.live.name, section.parameters, ["system"], ["parameters"])
    systems = [live]
    for index, shadow in enumerate(section.shadows):
        path = ["shadows", str(index)]
        system = _system(shadow.system, shadow.parameters, [*path, "system"], [*path, "parameters"])
        if any(other.name == system.name for other in systems):
            raise _Wrong([*path, "system"], f"{system.name!r} is there already; each system runs once in a pool")
        _check_shapes(path, live, system, section)
        systems.append(system)
    pairs = base.pairs if section.pairs is None else section.pairs
    _check_matchups(section.matchups, pairs)
    if section.first_at_home:
        _check_home(live)
    matches, deviation = section.provisional.matches, section.provisional.deviation
    return Pool(
        name=pattern,
        profile=section.profile,
        pattern=pattern,
        systems=tuple(systems),
        deviations=base.deviations if section.deviations is None else section.deviations,
        provisional=Provisional(base.provisional.matches if matches is None else matches, deviation),
        most_sides=section.most_sides,
        most_players=section.most_players,
        pairs=pairs,
        matchups=section.matchups,
        first_at_home=section.first_at_home,
    )


def _takes_all_of(first: str, second: str) -> bool:
    """Whether no pool is left for a pattern; sometimes not seen where there are wildcards of other kinds."""
    plain = "?" not in first and "[" not in first and ("[" not in second or first == "*")
    return plain and fnmatchcase(second, first)


def _system(name: str, parameters: Mapping[str, Any], at_name: list[str], at_parameters: list[str]) -> RatingSystem:
    with _checked(at_name, at_parameters):
        return create(name, parameters)


@contextmanager
def _checked(at_name: list[str], at_parameters: list[str]) -> Iterator[None]:
    """Say where in the file a name stands that is not known, or a parameter that cannot be used."""
    try:
        yield
    except Problem as problem:
        if problem.type.slug == "unknown_name":
            raise _Wrong(at_name, problem.detail) from None
        (wrong,) = problem.errors
        raise _Wrong([*at_parameters, wrong.field], f"{wrong.problem}; {wrong.remedy}") from None


def _check_matchups(said: MatchupDefaults, pairs: bool) -> None:
    if said.policy is None:
        if said.parameters:
            raise _Wrong(["matchups", "parameters"], "they are of no policy; name it as 'policy'")
        return
    with _checked(["matchups", "policy"], ["matchups", "parameters"]):
        policy = create_policy(said.policy, said.parameters)
    if policy.needs and not pairs:
        raise _Wrong(["matchups", "policy"], f"{said.policy!r} needs to know who beat whom: set pairs = true as well")


def _check_home(live: RatingSystem) -> None:
    if "home" not in live.pool_columns and getattr(live, "home", 0.0) == 0.0:
        raise _Wrong(
            ["first_at_home"],
            f"{live.name!r} gives a side at home nothing: set parameters.home to what the place is worth, or choose"
            " 'kalman', which learns it",
        )


def _check_shapes(path: list[str], live: RatingSystem, shadow: RatingSystem, section: _Section) -> None:
    """A shadow that takes less than the live system would leave matches out in silence."""
    for bound in ("most_sides", "most_players"):
        limit = getattr(section, bound)
        if getattr(shadow.shapes, bound) < min(getattr(live.shapes, bound), limit):
            allowed = getattr(shadow.shapes, bound)
            raise _Wrong(path, f"{shadow.name!r} takes less than {live.name!r}: set {bound} = {allowed} for the pool")
    if live.shapes.ties and not shadow.shapes.ties:
        raise _Wrong(path, f"{shadow.name!r} takes no ties, and {live.name!r} does")


def _unfit(message: str) -> _Wrong:
    """Turn a message of the decoder into one with the path of keys."""
    text, _, where = message.partition(" - at `$.")
    path = re.findall(r"[^.\[\]`]+", where)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", text):
        kinds = {(): _Section, ("provisional",): _Provisional, ("matchups",): MatchupDefaults}
        kind = kinds.get(tuple(path), _Shadow)
        known = kind.__struct_fields__
        (nearest,) = difflib.get_close_matches(unknown[1], known, 1, 0.0)
        return _Wrong([*path, unknown[1]], f"no such key, did you mean {nearest!r}? There are: {', '.join(known)}")
    return _Wrong(path, text)


def _spelled(path: Sequence[str]) -> str:
    """Write a path of keys as TOML does, and places in arrays in brackets."""
    text = ""
    for name in path:
        if name.isdecimal() and text.endswith(".shadows"):
            text += f"[{name}]"
        else:
            text += ("." if text else "") + (name if name.isidentifier() else f'"{name}"')
    return text


def _line_of(text: str, path: Sequence[str]) -> int:
    """Find the line of a key, or of the nearest thing around it."""
    best, deepest = 1, 0
    table: list[str] = []
    arrays: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        keys = _keys(line)
        if line.lstrip().startswith("["):
            table = []
            for place, key in enumerate(keys, 1):
                table.append(key)
                if place == len(keys) and line.lstrip().startswith("[["):
                    arrays[tuple(table)] = arrays.get(tuple(table), -1) + 1
                if tuple(table) in arrays:
                    table.append(str(arrays[tuple(table)]))
            keys = table
        elif keys:
            keys = [*table, *keys]
        # In a table of one line, all that is inside stands there.
        depth = next((depth for depth in range(len(keys), 0, -1) if keys[:depth] == list(path[:depth])), 0)
        if depth > deepest:
            best, deepest = number, depth
    return best


def _keys(line: str) -> list[str]:
    """Read the path of keys of a table's header or of an assignment; empty for anything else."""
    header = line.lstrip().startswith("[")
    try:
        found: Any = tomllib.loads(line if header else f"{line.partition('=')[0]} = 0" if "=" in line else "")
    except (ValueError, RecursionError):
        return []
    keys = []
    while isinstance(found, (dict, list)) and found:
        if isinstance(found, list):
            found = found[0]
            continue
        (key,) = found
        keys.append(key)
        found = found[key]
    return keys
