"""Redis: the server, and what each partition says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from consumers import conditions
from consumers.takeover import Undecided, resume_at
from service.broker import Topic
from service.records import Extent
from service.store.inspect import Server
from service.store.layout import LAYOUT
from service.store.node import CLUSTER
from service.store.partition import Loaded
from standings.checks import Check, Unanswered, Verdict, counted, listed, unknown

OLDEST: Final = {"Redis": (6, 2), "Valkey": (7, 2)}
FULL: Final = 0.8

SERVER: Final = (
    "redis.version",
    "redis.policy",
    "redis.memory",
    "redis.persistence",
    "redis.role",
    "redis.cluster",
)
PARTITIONS: Final = ("topic.partitions", "stored.layout", "stored.torn", "stored.generation", "stored.position")

AGAIN: Final = "build it again: standings rebuild PARTITION"


WORST: Final[tuple[Verdict, ...]] = ("problem", "warning", "unknown", "ok")


def server(address: str, found: Sequence[Server] | Unanswered) -> list[Check]:
    """Judge the server, or every primary of a cluster; ``address`` is without its secrets."""
    if isinstance(found, Unanswered):
        remedy = "start it, or name its address, user and password with STANDINGS_REDIS or --redis"
        away = Check("redis", "problem", f"{address}: {found.reason}", remedy)
        return [away, *unknown(SERVER, "Redis does not answer")]
    return [
        Check("redis", "ok", f"reached at {address}"),
        of_all(found, _version),
        of_all(found, _policy),
        of_all(found, _memory),
        of_all(found, _persistence),
        of_all(found, _role),
        of_all(found, lambda one: _cluster(one, f"{CLUSTER}://" in address)),
    ]


def of_all(servers: Sequence[Server], judge: Callable[[Server], Check]) -> Check:
    """Give the worst that is true of any server, and where."""
    checks = [(one.address, judge(one)) for one in servers]
    worst = min((check for _, check in checks), key=lambda check: WORST.index(check.verdict))
    said = {check.found for _, check in checks}
    if len(said) == 1:
        return worst
    where = [f"{address}: {check.found}" for address, check in checks if check.verdict == worst.verdict]
    return msgspec.structs.replace(worst, found=listed(where))


def _version(found: Server) -> Check:
    said = f"{found.product} {found.version}"
    oldest = OLDEST[found.product]
    if tuple(int(part) for part in found.version.split(".")[:2]) < oldest:
        remedy = "upgrade to Redis 6.2 or later, or to Valkey"
        return Check("redis.version", "problem", f"{said}: older than {'.'.join(map(str, oldest))}", remedy)
    return Check("redis.version", "ok", said)


def _policy(found: Server) -> Check:
    if not found.policy:
        return Check("redis.policy", "unknown", "the server does not tell its maxmemory-policy")
    if fault := conditions.policy(found.policy):
        return Check("redis.policy", "problem", fault.found, fault.remedy)
    return Check("redis.policy", "ok", f"maxmemory-policy is {found.policy}")


def _memory(found: Server) -> Check:
    if not found.limit:
        return Check("redis.memory", "ok", f"{found.used:,} bytes used, maxmemory sets no limit")
    said = f"{found.used:,} of {found.limit:,} bytes used ({found.used / found.limit:.0%})"
    if found.used >= FULL * found.limit:
        return Check("redis.memory", "warning", said, "raise maxmemory: at its end nothing more is brought in")
    return Check("redis.memory", "ok", said)


def _persistence(found: Server) -> Check:
    name = "redis.persistence"
    if found.appends:
        said = f"append-only file, appendfsync {found.appendfsync or 'not told'}"
        if found.appendfsync == "no":
            remedy = (
                "appendfsync everysec: else a crash of the machine loses up to half a minute, and ingest repeats it"
            )
            return Check(name, "warning", said, remedy)
        return Check(name, "ok", said)
    if found.save:
        said = f"snapshots alone ({found.save}): after a crash the log brings back what came since"
        return Check(name, "ok", said)
    if found.save is None:
        return Check(name, "unknown", "no append-only file; CONFIG GET is not allowed, so snapshots are not known")
    said = "nothing is kept on disk: the log heals a rollback, but a restart loses all and costs a full rebuild"
    return Check(name, "warning", said, "appendonly yes, appendfsync everysec")


def _role(found: Server) -> Check:
    if found.role == "slave":
        remedy = f"name the primary, {found.primary}, with --redis"
        return Check("redis.role", "problem", f"a replica of {found.primary}: it takes no writes", remedy)
    if found.role != "master":
        return Check("redis.role", "unknown", f"the server says it is {found.role!r}")
    return Check("redis.role", "ok", "primary")


def _cluster(found: Server, followed: bool) -> Check:
    if not found.cluster:
        return Check("redis.cluster", "ok", "no cluster")
    said = f"a cluster of {counted(found.nodes, 'primary')}, state {found.cluster}".replace("primarys", "primaries")
    if found.cluster != "ok":
        remedy = "give every slot a node that is up: redis-cli --cluster check"
        return Check("redis.cluster", "problem", said, remedy)
    if found.nodes > 1 and not followed:
        remedy = "write redis+cluster:// in the address, or rediss+cluster://"
        return Check("redis.cluster", "problem", f"{said}: by redis:// one node alone is asked", remedy)
    return Check("redis.cluster", "ok", said)


def scripts(refused: Unanswered | None) -> Check:
    """Judge whether scripts may run."""
    if refused is None:
        return Check("redis.scripts", "ok", "scripts run")
    remedy = "allow the user EVALSHA, EVAL and what the scripts call"
    return Check("redis.scripts", "problem", f"scripts do not run: {refused.reason}", remedy)


def partitions(
    stored: Sequence[Loaded] | Unanswered,
    topic: Topic | Unanswered | None,
    extents: Mapping[int, Extent] | Unanswered,
) -> list[Check]:
    """Judge what is stored of each partition, against the topic where that is known."""
    if isinstance(stored, Unanswered):
        return unknown(PARTITIONS, stored.reason)
    begun = [loaded for loaded in stored if loaded.layout]
    if not begun:
        return [Check(name, "ok", "nothing is stored yet") for name in PARTITIONS]
    known = sorted({loaded.partitions for loaded in begun if loaded.partitions is not None})
    return [
        _counts(known, topic),
        _layout(begun),
        _torn(begun),
        _generation(begun),
        _positions(stored, extents),
    ]


def _counts(known: Sequence[int], topic: Topic | Unanswered | None) -> Check:
    name, said = PARTITIONS[0], f"Redis knows {listed(known)}"
    if not isinstance(topic, Topic):
        return Check(name, "unknown", f"{said}; the topic's are not known")
    if set(known) - {topic.partitions}:
        remedy = "use a new topic: pools would change their places in this one"
        return Check(name, "problem", f"the topic has {topic.partitions} partitions, {said}", remedy)
    return Check(name, "ok", f"{topic.partitions} in the topic and in Redis")


def _layout(begun: Sequence[Loaded]) -> Check:
    others = [f"partition {at.keys.partition} in layout {at.layout}" for at in begun if not at.readable]
    if others:
        remedy = f"go back to the version that wrote it, or {AGAIN}"
        return Check(PARTITIONS[1], "problem", f"{listed(others)}; this version reads {LAYOUT}", remedy)
    return Check(PARTITIONS[1], "ok", f"layout {LAYOUT} in {counted(len(begun), 'partition')}")


def _torn(begun: Sequence[Loaded]) -> Check:
    torn = [f"partition {at.keys.partition} (on its way to {at.torn})" for at in begun if at.torn]
    if torn:
        return Check(PARTITIONS[2], "problem", f"a script broke off half way: {listed(torn)}", AGAIN)
    return Check(PARTITIONS[2], "ok", "no partition is torn")


def _generation(begun: Sequence[Loaded]) -> Check:
    live = sorted({int(at.keys.generation) for at in begun})
    return Check(PARTITIONS[3], "ok", f"live: {listed(live)}")


def _positions(stored: Sequence[Loaded], extents: Mapping[int, Extent] | Unanswered) -> Check:
    name = PARTITIONS[4]
    if isinstance(extents, Unanswered):
        return Check(name, "unknown", extents.reason)
    behind, undecided = 0, []
    for loaded in stored:
        # The rest has checks of its own.
        if loaded.torn or not loaded.readable or not (extent := extents.get(loaded.keys.partition)):
            continue
        try:
            behind += extent.end - resume_at(loaded, extent.first, extent.end, len(extents), None)
        except Undecided as error:
            undecided.append(f"partition {loaded.keys.partition}: {error}")
    if undecided:
        remedy = "name the right --topic and --redis; or bring the log back; or delete the partition's keys"
        return Check(name, "problem", listed(undecided), remedy)
    return Check(name, "ok", f"Redis is {counted(behind, 'offset')} before the log's end")
