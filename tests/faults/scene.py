"""One installation that keeps getting records while things break, and how long it took to be whole again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import Unique
from tests.faults.table import MATRIX
from tests.ingesting import Ingesting, Place
from tests.made_up import mixture
from tests.oracle import partition_of
from tests.replay import Replay
from tests.topics import Item, make, produce

PARTITIONS = 3
SMALL = 20
"""Records of a batch: small enough for many batches, so that there is always one on its way."""

RECORDS = 1_200
"""Of a scene that begins with some."""

MEASURED = Path(__file__).with_name("measured.json")


@dataclass
class Scene:
    """Records sent bit by bit, and where they end; the rest is a `Replay`."""

    here: Replay
    items: Iterator[Item]
    ends: list[int] = field(default_factory=lambda: [0] * PARTITIONS)

    def send(self, count: int = 60) -> None:
        """Write more records."""
        items = [next(self.items) for _ in range(count)]
        for one in items:
            assert one.partition is not None or one.key is not None
            place = partition_of(one.key.decode(), PARTITIONS) if one.partition is None and one.key else one.partition
            assert place is not None
            self.ends[place] += 1
        produce(self.here.place.kafka, self.here.place.topic, PARTITIONS, items)

    def ingest(self, group: str | None = None, batch: int = SMALL) -> Ingesting:
        return self.here.ingest(group, batch)

    def wait(self, *processes: Ingesting) -> None:
        """Wait until all that was sent is in Redis."""
        self.here.place.wait(self.ends, *processes)

    def check(self) -> None:
        """Compare every stored number with the oracle's."""
        here = self.here.reread()
        assert here.ends == self.ends
        here.check()


def prepare(kafka: str, redis: str, unique: Unique, folder: Path, seed: int) -> Scene:
    """Make an empty topic and the records to come."""
    place = Place(kafka, redis, unique("matches"), PARTITIONS, unique("installation"))
    make(kafka, place.topic, PARTITIONS)
    return Scene(Replay(place, {}, {}, unique, folder), iter(mixture(seed, 12_000, PARTITIONS)))


class Recovery:
    """Takes the time of the rows that a test shows, and holds it to what the table says.

    Parameters
    ----------
    test : str
        As pytest names it.
    taken : dict
        Where the seconds are noted, by the row's name.
    """

    def __init__(self, test: str, taken: dict[str, float]) -> None:
        self._rows = {row.name: row for rows in MATRIX.values() for row in rows if row.test == test}
        assert self._rows, f"no row of the table names {test}"
        self._shown: set[str] = set()
        self._taken = taken

    @contextmanager
    def measured(self, point: str | None = None) -> Iterator[None]:
        """Around what follows the end of a fault until all is applied; names the point where a test shows several."""
        begun = time.monotonic()
        yield
        self.took(time.monotonic() - begun, point)

    def took(self, seconds: float, point: str | None = None) -> None:
        """Hold seconds that were measured to what the table says, and note them."""
        (row,) = (row for row in self._rows.values() if point in (None, row.point))
        self._shown.add(row.name)
        print(f"{row.name}: {seconds:.2f} s")  # noqa: T201  # for a reader of the test's output
        assert row.within is not None
        assert seconds < row.within, f"took {seconds:.1f} s, at most {row.within:g} s were promised"
        self._taken[row.name] = round(seconds, 1)

    def finish(self) -> None:
        """See that every row of the test was shown."""
        timed = {name for name, row in self._rows.items() if row.within is not None}
        assert self._shown == timed, f"not shown: {timed - self._shown}"


def note(taken: dict[str, float]) -> None:
    """Write the seconds down for the page."""
    known: dict[str, float] = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    MEASURED.write_text(json.dumps(dict(sorted((known | taken).items())), indent=1, ensure_ascii=False) + "\n")


def waits(said: dict[str, Any]) -> bool:
    return any(one["state"] == "waiting_for_redis" for one in said["partitions"])


def whole_again(scene: Scene, recovery: Recovery, ingest: Ingesting) -> None:
    """Take the time from here until all is applied and ingest says that it is ready."""
    with recovery.measured():
        scene.wait(ingest)
        ingest.wait_ready(lambda said: bool(said["ready"]))
