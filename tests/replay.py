"""A log, what the oracle makes of it, and an installation that is to come to the same."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.conftest import Unique
from tests.ingesting import Ingesting, Place
from tests.oracle import WINDOW, Configuration, Expected, Oracle, built_in, replay
from tests.stored import check
from tests.topics import Item, Log, make, produce, read_back


@dataclass(frozen=True)
class Replay:
    """A topic as it was read back, the oracle's replay of it, and where ingest is to bring it."""

    place: Place
    log: Log
    expected: dict[int, Expected]
    unique: Unique
    folder: Path
    window: int = WINDOW
    configuration: Configuration = built_in
    pools: Path | None = None
    """The pools file, which must say what ``configuration`` says."""
    numbers: Iterable[int] = field(default_factory=itertools.count)

    @property
    def ends(self) -> list[int]:
        return [self.log[number].end for number in range(self.place.partitions)]

    def ingest(self, group: str | None = None, batch: int = 5_000) -> Ingesting:
        """Make a process, in a consumer group of its own unless told which; enter it to start it."""
        if group is None:
            self.place.forget_group()
        log = self.folder / f"ingest-{next(iter(self.numbers))}.log"
        return Ingesting(self.place, log, group or self.unique("group"), batch, self._command())

    def _command(self) -> tuple[str, ...]:
        start = (sys.executable, "-m", "standings", "ingest")
        return start if self.pools is None else ("env", f"STANDINGS_POOLS={self.pools}", *start)

    def wait(self, *processes: Ingesting) -> None:
        self.place.wait(self.ends, *processes)

    def check(self) -> None:
        with self.place.client() as client:
            check(client, {number: self.place.keys(number) for number in self.log}, self.expected, self.window)

    def check_as_far_as_it_is(self, oracles: dict[int, Oracle] | None = None) -> int:
        """Compare with the oracle's replay of what lies before each stored position; answers their sum.

        For the time after a kill: nobody writes any more but the script that was on its way. Who checks again and
        again gives the same ``oracles`` each time, at first an empty one: they go on where they were.
        """
        oracles = {} if oracles is None else oracles
        for number in self.log.keys() - oracles.keys():
            oracles[number] = Oracle(number, len(self.log), self.window, self.configuration)
        with self.place.client() as client:
            while True:
                positions = self.place.positions(client)
                expected = {
                    number: oracle.advance(
                        [one for one in self.log[number].records if oracle.position <= one.offset < positions[number]],
                        positions[number],
                    )
                    for number, oracle in oracles.items()
                }
                try:
                    keys = {number: self.place.keys(number) for number in expected}
                    check(client, keys, expected, self.window)
                except AssertionError:
                    if self.place.positions(client) == positions:
                        raise
                    continue
                if self.place.positions(client) == positions:
                    return sum(positions)

    def elsewhere(self, redis: str | None = None) -> Replay:
        """The same log for another installation, so that it is brought in anew."""
        place = replace(self.place, installation=self.unique("again"), redis=redis or self.place.redis)
        return replace(self, place=place)

    def longer(self, items: Iterable[Item]) -> Replay:
        """The same with more records."""
        produce(self.place.kafka, self.place.topic, self.place.partitions, items)
        return self.reread()

    def reread(self) -> Replay:
        """The same with what was written to the topic since."""
        log = read_back(self.place.kafka, self.place.topic)
        return replace(self, log=log, expected=expect(log, self.window, self.configuration))

    def configured(self, pools: Path, configuration: Configuration) -> Replay:
        """The same log for another installation, with a pools file."""
        expected = expect(self.log, self.window, configuration)
        return replace(self.elsewhere(), pools=pools, configuration=configuration, expected=expected)

    @property
    def outcomes(self) -> set[str]:
        """What the oracle says became of the records."""
        return {outcome for state in self.expected.values() for outcome in state.counts}


def expect(log: Log, window: int = WINDOW, configuration: Configuration = built_in) -> dict[int, Expected]:
    return {
        number: replay(read.records, read.end, number, len(log), window, configuration) for number, read in log.items()
    }


def begin(
    kafka: str,
    redis: str,
    unique: Unique,
    folder: Path,
    partitions: int,
    items: Iterable[Item] = (),
    pools: Path | None = None,
    configuration: Configuration = built_in,
) -> Replay:
    """Make a topic of these records for an installation of its own, perhaps with a pools file."""
    topic = unique("matches")
    make(kafka, topic, partitions, items)
    log = read_back(kafka, topic)
    place = Place(kafka, redis, topic, partitions, unique("installation"))
    expected = expect(log, configuration=configuration)
    return Replay(place, log, expected, unique, folder, configuration=configuration, pools=pools)
