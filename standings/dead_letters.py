"""``standings dead-letters list`` and ``show``: what could not be used, and why."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.dead_letters import Found, Letter, Letters, newest_letters
from service.fields import is_slug, moment
from service.log import LogUnavailable
from service.problems import PROBLEMS, Problem
from service.records import Place, read_records
from service.settings import Settings
from standings.errors import Mistake, Trouble

MOST_LOOKED_AT: Final = 100_000
"""Newest letters of each partition that are looked at."""

READ_S: Final = 60.0
"""Time that Kafka has for them."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which dead letters are meant; None where any is.

    Attributes
    ----------
    pool, reason : str, optional
    since : datetime, optional
        When the letter was first sent, at the earliest.
    """

    pool: str | None = None
    reason: str | None = None
    since: datetime | None = None

    @classmethod
    def of(cls, pool: str | None, reason: str | None, since: str | None) -> Self:
        """Read the options of the command.

        Raises
        ------
        Mistake

        Examples
        --------
        >>> Filters.of("chess", "wrong_key", "2026-11-21").since
        datetime.datetime(2026, 11, 21, 0, 0, tzinfo=datetime.timezone.utc)
        """
        if pool is not None and not is_slug(pool):
            raise Mistake(f"--pool: {pool!r} is no pool's name: letters, digits, '.', '_' and '-'")
        if reason is not None and reason not in PROBLEMS:
            (nearest,) = difflib.get_close_matches(reason, PROBLEMS, 1, 0.0)
            raise Mistake(f"--reason: no dead letter has {reason!r}, did you mean {nearest!r}?")
        if since is None:
            return cls(pool, reason)
        try:
            at = moment(int(since) if since.removeprefix("-").isdecimal() else since)
        except Problem as problem:
            (wrong,) = problem.errors
            raise Mistake(f"--since: {wrong.problem}; {wrong.remedy}") from None
        return cls(pool, reason, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at))

    def take(self, letter: Letter) -> bool:
        """Whether a letter is meant."""
        return (
            self.pool in (None, letter.pool)
            and self.reason in (None, letter.reason)
            and (self.since is None or letter.found_at >= self.since)
        )


class Listing(msgspec.Struct, frozen=True):
    """The newest dead letters.

    Attributes
    ----------
    topic : str
        Of matches.
    reasons : dict
        How many there are of each reason, those that are not listed too.
    older : int
        Letters that lie before those that were looked at.
    dead_letters : list of Letter
        The newest first, each record once.
    """

    topic: str
    reasons: dict[str, int]
    older: int
    dead_letters: list[Letter]


async def list_letters(settings: Settings, filters: Filters, limit: int) -> Listing:
    """Read the newest dead letters.

    Parameters
    ----------
    settings : Settings
    filters : Filters
    limit : int
        Letters that are listed; all are counted.

    Raises
    ------
    Trouble
        Kafka does not answer.
    """
    read = await newest(settings)
    letters = [found.letter for found in read.found if filters.take(found.letter)]
    reasons = dict(Counter(letter.reason for letter in letters).most_common())
    return Listing(settings.topic, reasons, read.older, letters[:limit])


async def newest(settings: Settings) -> Letters:
    """Read all that the commands look at.

    Raises
    ------
    Trouble
        Kafka does not answer.
    """
    try:
        return await newest_letters(settings.brokers, settings.topic, MOST_LOOKED_AT, READ_S)
    except LogUnavailable as error:
        raise Trouble(f"{error} at {settings.kafka}") from error


def show_listing(listing: Listing) -> None:
    """Print a list of dead letters for eyes."""
    console = Console()
    table = Table("partition/offset", "found", "pool", "reason", "detail")
    for letter in listing.dead_letters:
        at = letter.found_at.isoformat(" ", "seconds").removesuffix("+00:00")
        names = (f"{letter.partition}/{letter.offset}", at, letter.pool or "-", letter.reason, letter.detail)
        # As text: what a record holds may look like rich's markup.
        table.add_row(*(Text(readable(name), overflow="fold") for name in names))
    if listing.dead_letters:
        console.print(table)
    total = sum(listing.reasons.values())
    if total > len(listing.dead_letters):
        console.print(f"{total - len(listing.dead_letters):,} more: --limit shows them")
    counts = ", ".join(f"{count:,} {reason}" for reason, count in listing.reasons.items())
    console.print(f"{total:,} dead letters of {listing.topic}" + (f": {counts}" if counts else ""), highlight=False)
    if listing.older:
        console.print(f"{listing.older:,} older ones were not looked at")


def read_place(text: str, topic: str) -> Place:
    """Read where a record lies.

    Parameters
    ----------
    text : str
        ``TOPIC/PARTITION/OFFSET`` or ``PARTITION/OFFSET``.
    topic : str
        The topic that is set.

    Raises
    ------
    Mistake

    Examples
    --------
    >>> read_place("3/17", "matches") == read_place("matches/3/17", "matches")
    True
    """
    parts = text.split("/")
    name, *numbers = parts if len(parts) == 3 else [topic, *parts]
    if len(numbers) != 2 or not all(one.isascii() and one.isdecimal() and len(one) < 19 for one in numbers):
        raise Mistake(f"{text!r} is no place: TOPIC/PARTITION/OFFSET or PARTITION/OFFSET, such as {topic}/0/17")
    if name != topic:
        raise Mistake(f"{text!r} is of another topic than {topic!r}: name it with --topic")
    return Place(topic, int(numbers[0]), int(numbers[1]))


async def show_letter(settings: Settings, place: Place) -> None:
    """Print one dead letter: why it is one, and its record, whole where the log still has it.

    Raises
    ------
    Mistake
        There is no such letter.
    Trouble
        Kafka does not answer.
    """
    read = await newest(settings)
    found = next((one for one in read.found if one.letter.place == place), None)
    if found is None:
        more = f"; {read.older:,} older ones were not looked at" if read.older else ""
        raise Mistake(
            f"no dead letter of {'/'.join(map(str, place))}: `standings dead-letters list` has them all{more}"
        )
    try:
        records = await read_records(settings.brokers, [place, found.lies], READ_S)
    except LogUnavailable as error:
        raise Trouble(f"{error} at {settings.kafka}") from error
    original = records.get(place)
    if original is not None and not found.is_of(original):
        original = None
    letter = records.get(found.lies)
    headers = [] if original is None else [(name, value.decode(errors="replace")) for name, value in original.headers]
    record = original or letter
    _print(found, original is not None, headers, None if record is None else record.value)


def _print(found: Found, whole: bool, headers: list[tuple[str, str]], value: bytes | None) -> None:
    letter, console = found.letter, Console()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    rows = [
        ("record", "/".join(map(str, letter.place))),
        ("recorded", "outside the years 1 to 9999" if letter.recorded_at is None else letter.recorded_at.isoformat()),
        ("found", letter.found_at.isoformat()),
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("field", letter.field),
        ("remedy", PROBLEMS[letter.reason].remedy if letter.reason in PROBLEMS else None),
        ("key", letter.key),
        ("pool", letter.pool),
        ("in the log", "yes" if whole else "no longer; from the letter" + (", cut" if letter.cut else "")),
        *((f"header {name}", text) for name, text in headers),
        ("value", "none" if letter.bytes is None else f"{letter.bytes:,} bytes"),
    ]
    for name, text in rows:
        if text is not None:
            grid.add_row(Text(readable(name)), Text(readable(text)))
    console.print(grid)
    if value is None:
        return
    console.print(readable(_laid_out(value)), markup=False, highlight=False, soft_wrap=True)
    if letter.cut and not whole:
        console.print(f"cut: the letter keeps {len(value):,} of {letter.bytes:,} bytes, and the log none of them")


def _laid_out(value: bytes) -> str:
    try:
        return msgspec.json.format(value.decode(), indent=2)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value.decode(errors="backslashreplace")


def readable(text: str) -> str:
    r"""Escape what a terminal would obey rather than show.

    Examples
    --------
    >>> readable("ann\x1b[31m\nbob")
    'ann\\x1b[31m\nbob'
    """
    return "".join(one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in text)
