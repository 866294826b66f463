"""``standings doctor``: asks broker, Redis and configuration, each with a bounded wait, and says what is wrong."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Collection, Coroutine, Iterable
from typing import Any, Final

import msgspec
from rich.console import Console, RenderableType
from rich.console import Group as Stack
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from consumers.lag import WAITING_S
from service.broker import Group, Topic, count_brokers, count_members, describe_group, describe_topic
from service.brokers import Brokers
from service.log import LogUnavailable, dead_letters_topic
from service.records import Extent, look_at_newest, stable_ends
from service.settings import Settings
from service.store.connection import Store, StoreUnavailable
from service.store.group import noted_group
from service.store.inspect import read_servers
from service.store.layout import Keys
from service.store.node import CONNECTIONS
from service.store.partition import Loaded, look, read_fields
from service.store.partitions import LOOKED_AT
from standings.checks import Check, Fact, Unanswered, Verdict, clocks, configuration, ingest, log, producers, unknown
from standings.checks import store as redis
from standings.checks.configuration import Section, Setting
from standings.errors import Mistake

WAIT_S: Final = 10.0
"""For any one question; a server that is away is asked once or twice, so the whole takes a few times this at most."""

STORE_S: Final = 3.0
SAMPLE_S: Final = 5.0
SAMPLED: Final = 500
"""Newest records of a partition that are looked at."""

_STYLES: Final[dict[Verdict, str]] = {"problem": "bold red", "warning": "yellow", "unknown": "cyan", "ok": "green"}


class Report(msgspec.Struct, frozen=True):
    """What was found.

    Attributes
    ----------
    ok : bool
        Whether there is no problem.
    checks : list of Check
        In the order of the names.
    settings : list of Setting
        In force.
    pools : list of Section
        In force, in the order in which a name is tried; empty where the pools file cannot be used.
    """

    ok: bool
    checks: list[Check]
    settings: list[Setting]
    pools: list[Section]


async def examine(settings: Settings, options: Collection[str], environment: Collection[str]) -> Report:
    """Make every check; none stops the others.

    Parameters
    ----------
    settings : Settings
        In force.
    options : collection of str
        Names of those that the command line gave.
    environment : collection of str
        Names of the variables of the environment.

    Raises
    ------
    Mistake
        The address of Redis is none.
    """
    try:
        store = Store(settings.redis.get_secret_value(), STORE_S)
    except ValueError:
        # The error's own text may hold a part of the password.
        source = "--redis" if "redis" in options else "STANDINGS_REDIS"
        raise Mistake(f"{source}: not an address of Redis; it is redis://USER:PASSWORD@HOST:PORT/DB") from None
    written, pools = configuration.pools_file(settings)
    try:
        (log_checks, topic, extents), (store_checks, away) = await asyncio.gather(
            _examine_log(settings), _examine_store(settings, store)
        )
        count = topic.partitions if isinstance(topic, Topic) else 0
        stored = await _asked(_look(settings, store, count)) if away is None else away
        other = await _examine_group(settings, store, topic) if away is None else log.other_group("", away, 0)
    finally:
        await store.close()
    checks = [
        configuration.environment(environment),
        written,
        configuration.keys_file(settings),
        *log_checks,
        other,
        *store_checks,
        *redis.partitions(stored, topic, extents),
        *configuration.stored_pools(pools, stored),
    ]
    return Report(
        ok=all(check.verdict != "problem" for check in checks),
        checks=checks,
        settings=configuration.settings_in_force(settings, options),
        pools=configuration.sections_in_force(pools) if pools else [],
    )


async def _examine_log(
    settings: Settings,
) -> tuple[list[Check], Topic | Unanswered | None, dict[int, Extent] | Unanswered]:
    brokers, addresses = settings.brokers, list(log.addresses(settings.kafka))
    counts = await asyncio.gather(*(_asked(count_brokers(brokers.at(one))) for one in addresses))
    answers = dict(zip(addresses, counts, strict=True))
    reached = {address: number for address, number in answers.items() if isinstance(number, int)}
    count = max(reached.values(), default=0)
    kafka = brokers.at(",".join(reached))
    tally = producers.Producers(0, settings.partitioner)
    away: Topic | Unanswered | None = Unanswered("Kafka does not answer")
    topic, letters = away, away
    if reached:
        topic, letters = await asyncio.gather(
            _asked(describe_topic(kafka, settings.topic)),
            _asked(describe_topic(kafka, dead_letters_topic(settings.topic))),
        )
    missing = topic if isinstance(topic, Unanswered) else Unanswered("there is no topic")
    extents: dict[int, Extent] | Unanswered = missing
    group: Group | Unanswered = missing
    held: dict[int, int] | Unanswered = missing
    if isinstance(topic, Topic):
        tally.partitions = topic.partitions
        newest = look_at_newest(kafka, settings.topic, topic.partitions, SAMPLED, SAMPLE_S, tally.look)
        extents, group = await asyncio.gather(
            _asked(newest), _asked(describe_group(kafka, settings.topic, settings.group, topic.partitions))
        )
    if isinstance(extents, dict):
        held = await _asked(_held(kafka, settings.topic, extents))
    clock = clocks.records(tally.newest, tally.broker_clock, time.time())
    sampled = [*tally.checks(), clock]
    if isinstance(extents, Unanswered):
        sampled = unknown((check.name for check in sampled), extents.reason)
    checks = [
        log.brokers(answers),
        *log.topic(settings.topic, topic, count),
        log.beginning(extents),
        log.transactions(settings.topic, held),
        log.dead_letters(dead_letters_topic(settings.topic), letters),
        *sampled,
        log.group(settings.group, group, extents),
        ingest.states(group, extents, time.time()),
    ]
    return checks, topic, extents


async def _examine_store(settings: Settings, store: Store) -> tuple[list[Check], Unanswered | None]:
    """Examine the server; answers also why its partitions cannot be asked for, where they cannot."""
    address = configuration.without_secrets(settings.redis.get_secret_value())
    servers = await _asked(read_servers(store))
    if isinstance(servers, Unanswered):
        away = Unanswered("Redis does not answer")
        return [*redis.server(address, servers), *unknown(("redis.scripts", "clocks.redis"), away.reason)], away
    keys = Keys(settings.installation, settings.topic, 0)
    tried = await _asked(read_fields(store, keys, [(keys.state, ["position"])]))
    refused = tried if isinstance(tried, Unanswered) else None
    clock = redis.of_all(servers, lambda server: clocks.redis(server.ahead, server.within))
    return [*redis.server(address, servers), redis.scripts(refused), clock], None


async def _held(kafka: Brokers, topic: str, extents: dict[int, Extent]) -> dict[int, int]:
    """Find the transactions that are in the way now and still are after a while: where they begin, by partition."""
    found = await stable_ends(kafka, topic, len(extents))
    found = {partition: stable for partition, stable in found.items() if stable < extents[partition].end}
    if found:
        await asyncio.sleep(WAITING_S)
        later = await stable_ends(kafka, topic, len(extents))
        found = {partition: stable for partition, stable in found.items() if later[partition] == stable}
    return found


async def _examine_group(settings: Settings, store: Store, topic: Topic | Unanswered | None) -> Check:
    """Examine the group that is noted in Redis, where it is another."""
    noted = await _asked(noted_group(store, Keys(settings.installation, settings.topic, 0)))
    members: int | Unanswered = 0
    if noted not in ("", settings.group) and isinstance(noted, str):
        members = topic if isinstance(topic, Unanswered) else Unanswered("there is no topic")
        if isinstance(topic, Topic):
            members = await _asked(count_members(settings.brokers, settings.topic, noted))
    return log.other_group(settings.group, noted, members)


async def _look(settings: Settings, store: Store, partitions: int) -> list[Loaded]:
    """Read the partitions of the topic, and those that a topic of the same name had once."""
    free = asyncio.Semaphore(CONNECTIONS)

    async def one(partition: int) -> Loaded:
        async with free:
            return await look(store, Keys(settings.installation, settings.topic, partition))

    found = await _together_or_none(one(partition) for partition in range(max(partitions, LOOKED_AT)))
    known = max((loaded.partitions or 0 for loaded in found), default=0)
    return [*found, *await _together_or_none(one(partition) for partition in range(len(found), known))]


async def _together_or_none(questions: Iterable[Coroutine[Any, Any, Fact]]) -> list[Fact]:
    """Ask all at once; where one fails, the others are over before it is told, for the store is closed then."""
    tasks = [asyncio.create_task(question) for question in questions]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _asked(question: Awaitable[Fact]) -> Fact | Unanswered:
    try:
        async with asyncio.timeout(WAIT_S):
            return await question
    except TimeoutError:
        return Unanswered(f"no answer within {WAIT_S:g} s")
    except (LogUnavailable, StoreUnavailable) as error:
        return Unanswered(str(error))


def show(report: Report) -> None:
    """Print a report for eyes: what is wrong first, then what is in force."""
    console = Console()
    checks = Table.grid(padding=(0, 1))
    checks.add_column()
    checks.add_column(overflow="fold")
    order = list(_STYLES)
    for check in sorted(_together(report.checks), key=lambda check: order.index(check.verdict)):
        said = Text(check.name, "bold").append(f"  {check.found}", "not bold")
        if check.remedy:
            said.append(f"\n-> {check.remedy}", "not bold italic")
        checks.add_row(Text(check.verdict, _STYLES[check.verdict]), said)
    console.print(checks)
    console.print()
    console.print(_settings(report.settings))
    for section in report.pools:
        console.print(_section(section))
    tally = Counter(check.verdict for check in report.checks)
    console.print()
    console.print(", ".join(f"{tally[verdict]} {verdict}" for verdict in order))


def _together(checks: Iterable[Check]) -> list[Check]:
    """Name those that could not be made for one reason in one line."""
    found, names = [], defaultdict[str, list[str]](list)
    for check in checks:
        if check.verdict == "unknown":
            names[check.found].append(check.name)
        else:
            found.append(check)
    return [*found, *(Check(", ".join(those), "unknown", reason) for reason, those in names.items())]


def _settings(settings: Iterable[Setting]) -> Table:
    table = Table("setting", Column("value", overflow="fold"), "from")
    for setting in settings:
        table.add_row(setting.name, Text("-" if setting.value is None else str(setting.value)), setting.source)
    return table


def _section(section: Section) -> RenderableType:
    head = Text(f'\npools "{section.pattern}"', "bold").append(f"  {section.profile}, by {section.order}", "not bold")
    said = []
    for number, system in enumerate(section.systems):
        parameters = ", ".join(f"{name} = {value}" for name, value in system.parameters.items())
        said.append(f"{'shadow' if number else 'live'} {system.name}: {parameters}")
    provisional = f"below {section.provisional.matches:,} matches"
    if section.provisional.deviation is not None:
        provisional += f" or with a deviation above {section.provisional.deviation:g}"
    bounds = f"at most {section.most_sides:,} sides of {section.most_players:,}"
    kept = "pairs are kept" if section.pairs else "no pairs are kept"
    said.append(f"provisional {provisional}; {bounds}; {kept}")
    return Stack(head, *(Padding(Text(line), (0, 0, 0, 2)) for line in said))
