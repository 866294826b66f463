"""What fields of a record may hold: names, slugs, times. The first that is wrong is named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Final

from msgspec import Meta

from service.problems import Problem, wrong_field

NAME_BYTES: Final = 128
EARLIEST_MS: Final = -62_135_596_800_000
"""0001-01-01, where RFC 3339 begins."""
LATEST_MS: Final = 253_402_300_799_999
"""9999-12-31, where RFC 3339 ends."""
TIME_LENGTH: Final = 64
"""Characters of a time: RFC 3339 has no bound for the digits behind its seconds."""

Name = Annotated[str, Meta(min_length=1, max_length=NAME_BYTES, description="1 to 128 bytes, no control characters")]
Slug = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_BYTES,
        description="letters, digits, '.', '_' and '-', at most 128",
        extra_json_schema={"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"},
    ),
]

_slug = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_control = re.compile("[\x00-\x1f\x7f-\x9f]")
_full_date = re.compile(r"(?a)\d{4}-\d{2}-\d{2}")
_time_is = "an RFC 3339 date or time such as 2026-11-21 or 2026-11-21T10:00:00Z, or epoch milliseconds"
_date_time = re.compile(r"(?ai)\d{4}-\d{2}-\d{2}[t ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:z|[+-]\d{2}:[0-5]\d)")


@lru_cache(1024)
def is_slug(name: str) -> bool:
    """Whether a name can be a pool's."""
    return _slug.fullmatch(name) is not None


def wrong(field: str, problem: str, remedy: str) -> Problem:
    """Build the problem of a record with one wrong field."""
    return wrong_field("invalid_match", field, problem, remedy)


def check_name(field: str, name: str) -> None:
    """Refuse a name that is too long or holds control characters."""
    if len(name.encode()) > NAME_BYTES:
        raise wrong(field, f"{len(name.encode())} bytes", f"1 to {NAME_BYTES} bytes of UTF-8")
    if found := _control.search(name):
        raise wrong(field, f"control character U+{ord(found[0]):04X}", "no control characters")


def all_fit(names: Sequence[str]) -> bool:
    r"""Whether `check_name` would refuse none of these names, at once; it may say no where it would not.

    Examples
    --------
    >>> all_fit(["ann", "bob"]), all_fit(["ann", "b\nb"])
    (True, False)
    """
    # No letter takes more than four bytes.
    return max(map(len, names), default=0) <= NAME_BYTES // 4 and not _control.search("".join(names))


def check_pool(pool: str) -> None:
    """Refuse what cannot be a pool's name."""
    if not is_slug(pool):
        raise wrong("pool", f"{pool!r} is no slug", "letters, digits, '.', '_' and '-', a letter or digit first")


def moment(at: int | str) -> int:
    """Read a time as epoch milliseconds."""
    if isinstance(at, str):
        if len(at) > TIME_LENGTH:
            raise wrong("at", f"{len(at)} characters", f"at most {TIME_LENGTH}: {_time_is}")
        at = _parse_time(at)
    if not EARLIEST_MS <= at <= LATEST_MS:
        raise wrong(
            "at", f"{str(at)[:64]} is outside the years 1 to 9999", "epoch milliseconds, not micro- or nanoseconds"
        )
    return at


@lru_cache(4096)
def _parse_time(text: str) -> int:
    try:
        if _full_date.fullmatch(text):
            day = date.fromisoformat(text)
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        elif _date_time.fullmatch(text):
            moment = datetime.fromisoformat(text.upper())
        else:
            raise ValueError("neither a date nor a time with its zone")
    except ValueError as error:
        raise wrong("at", f"{text!r}: {error}", _time_is) from None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
