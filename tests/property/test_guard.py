"""The guard against a model in memory: two owners, late scripts, lost answers, rollbacks, in any order."""

from __future__ import annotations

import hashlib
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from service.store.apply import Applied, Change, Moved, Refused, Section, apply
from service.store.layout import Keys
from service.store.partition import Loaded, load, read_fields
from tests.unit.test_scripts import FakeStore

T = TypeVar("T")

KEYS = Keys("guarded", "matches", 0)
ROWS, BOARD = KEYS.rows("pool", "elo"), KEYS.board("pool", "elo")
PRINTS = {"pool/elo": "one"}


def rated(value: bytes, offset: int) -> bytes:
    """What one record makes of a rating: whatever is lost, repeated or put in another place shows."""
    return hashlib.blake2b(value + b"%d" % offset, digest_size=8).digest()


def replayed(position: int) -> bytes:
    value = b""
    for offset in range(position):
        value = rated(value, offset)
    return value


@dataclass(frozen=True)
class Owner:
    """What an owner believes: where Redis stands, and the rating as it has it in memory."""

    position: int | None
    value: bytes


@dataclass(frozen=True)
class Script:
    """A batch that an owner has sent: it may arrive late, twice or never, and its answer may be lost."""

    owner: int
    change: Change
    value: bytes


class Guard(RuleBasedStateMachine):
    """Owners rate from memory; Redis must never hold anything but the replay up to its position."""

    scripts: Bundle[Script] = Bundle("scripts")
    backups: Bundle[dict[bytes, bytes]] = Bundle("backups")

    @initialize()
    def begin(self) -> None:
        self.store = FakeStore()
        self.owners = [self.loaded(), self.loaded()]
        self.model: int | None = None
        """Where the store must stand."""

    @rule(target=scripts, owner=st.integers(0, 1), count=st.integers(0, 3))
    def send(self, owner: int, count: int) -> Script:
        """Rate the next records, of none too, from what is in memory."""
        known = self.owners[owner]
        start = known.position or 0
        value = known.value
        for offset in range(start, start + count):
            value = rated(value, offset)
        row = Section(ROWS, "HSET", ("ann", value))
        board = Section(BOARD, "ZADD", (repr(float(int.from_bytes(value[:4]))), "ann"))
        sections = (row, board) if count else ()
        change = Change(known.position, start + count, PRINTS, {"count/applied": start + count}, sections)
        return Script(owner, change, value)

    @rule(target=scripts, script=consumes(scripts), lost=st.booleans(), again=st.booleans())
    def arrive(self, script: Script, lost: bool, again: bool) -> Any:
        """Run a script: now or late, perhaps to come once more; its answer may not reach the owner."""
        answer = self.run(apply(self.store, KEYS, script.change))
        if script.change.start == self.model:
            assert answer == Applied()
            self.model = script.change.end
            self.owners[script.owner] = Owner(script.change.end, script.value)
        else:
            assert answer == Moved(self.model)
        if lost or isinstance(answer, Moved):
            self.owners[script.owner] = self.loaded()
        return script if again else multiple()

    @rule(owner=st.integers(0, 1))
    def read_again(self, owner: int) -> None:
        """As at an assignment."""
        self.owners[owner] = self.loaded()

    @rule(target=backups)
    def back_up(self) -> dict[bytes, bytes]:
        keys = cast("list[bytes]", self.store.fake.keys())
        return {key: cast("bytes", self.store.fake.dump(key)) for key in keys}

    @rule(backup=backups)
    def set_back(self, backup: dict[bytes, bytes]) -> None:
        """As a failover to a replica that was behind; owners do not learn of it."""
        self.store.fake.flushall()
        for key, value in backup.items():
            self.store.fake.restore(key, 0, value)
        self.model = self.read().position

    @rule()
    def empty(self) -> None:
        self.store.fake.flushall()
        self.model = None

    @rule(script=scripts)
    def other_configuration(self, script: Script) -> None:
        """One that is set up otherwise is refused where anything was rated, and writes nothing."""
        if self.model is not None and script.change.start == self.model:
            other = replace(script.change, fingerprints={"pool/elo": "other"})
            assert self.run(apply(self.store, KEYS, other)) == Refused("fingerprint", "pool/elo")

    @invariant()
    def stands_for_its_position(self) -> None:
        """What is stored is the replay of what lies before the position."""
        found = self.read()
        assert (found.position, found.torn) == (self.model, "")
        expected = replayed(self.model or 0)
        assert (self.store.fake.hget(ROWS, "ann") or b"") == expected
        if expected:
            assert self.store.fake.zscore(BOARD, "ann") == float(int.from_bytes(expected[:4]))
        assert found.counts.get("applied", 0) == (self.model or 0)

    def loaded(self) -> Owner:
        fields = self.run(read_fields(self.store, KEYS, [(ROWS, ["ann"])]))
        return Owner(fields.position, fields.values[0][0] or b"")

    def read(self) -> Loaded:
        return self.run(load(self.store, KEYS))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run what never waits, for its store is in this process: thousands of event loops would be slow."""
        try:
            work.send(None)
        except StopIteration as end:
            result: T = end.value
            return result
        raise AssertionError("it waits for something")


TestGuard = Guard.TestCase
TestGuard.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
