"""The points in the way of a record at which a fault can be made to come."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from consumers.client import STOP_S
from tests.faults.proxy import Moment, Proxy, Trap, asks, runs
from tests.faults.scene import Recovery, Scene
from tests.faults.table import POINTS
from tests.ingesting import Ingesting

WITH_RECORDS = 1_500
"""Bytes of a batch, or of an answer, that has records in it."""

REACHED_S = 20.0

FETCH, PRODUCE, COMMIT, LEAVE = 1, 0, 8, 13
"""Kafka's numbers of requests."""


@dataclass(frozen=True)
class Ways:
    """Where the traps are set."""

    scene: Scene
    to_store: Proxy
    to_broker: Proxy

    def trap(self, point: str, then: Callable[[], object] = lambda: None, cut: bool = True) -> Trap:
        """Set the trap of a point."""
        apply = runs("apply_batch", WITH_RECORDS)
        letter = asks(PRODUCE, b".dead-letters")
        proxy, seen, moment = {
            "inside the assignment": (self.to_store, runs("load_partition"), Moment.ASKED),
            "before decode": (self.to_broker, asks(FETCH), Moment.ANSWERED),
            "decoded": (self.to_store, apply, Moment.ASKED),
            "script sent, answer lost": (self.to_store, apply, Moment.ANSWERED),
            "applied, not committed": (self.to_store, apply, Moment.PASSED),
            "committed": (self.to_broker, asks(COMMIT), Moment.PASSED),
            "inside a dead letter's send": (self.to_broker, letter, Moment.ASKED),
            "dead letter sent, answer lost": (self.to_broker, letter, Moment.ANSWERED),
            "during the stop": (self.to_broker, asks(LEAVE), Moment.ASKED),
        }[point]
        trap = Trap(seen, moment, then, cut=cut)
        if point == "before decode":
            trap.told = lambda answer: len(answer) >= WITH_RECORDS
        return proxy.set(trap)

    def reach(self, point: str, trap: Trap, ingest: Ingesting, stack: ExitStack) -> None:
        """Bring ingest to the point where the trap springs."""
        if ingest.process is None:
            stack.enter_context(ingest)
        self.scene.send()
        if point == "during the stop":
            assert ingest.process is not None
            ingest.process.terminate()
        assert trap.over.wait(REACHED_S), f"{point} was not reached: {ingest.ready()}\n{ingest.said()}"


def whole(scene: Scene, ingest: Ingesting) -> None:
    scene.wait(ingest)
    ingest.wait_ready(lambda said: bool(said["ready"]))


def ended_at_every_point(ways: Ways, recovery: Recovery, end: Callable[[Ingesting], object], code: int) -> None:
    """End the process at each point; it is started again at once, which is what the time is taken of."""
    scene = ways.scene
    ingest = scene.ingest()
    with ExitStack() as stack:
        for point in POINTS:
            trap = ways.trap(point, partial(end, ingest), cut=code != 0)
            ways.reach(point, trap, ingest, stack)
            assert ingest.process is not None
            assert ingest.process.wait(STOP_S) == code, ingest.said()
            ingest = scene.ingest()
            with recovery.measured(point):
                stack.enter_context(ingest)
                whole(scene, ingest)
            scene.check()


def broken_at_every_point(
    ways: Ways, recovery: Recovery, fault: Callable[[], object], cut: Callable[[str], bool]
) -> None:
    """Break something at each point of one process's life; it goes on by itself, and ends in order."""
    scene = ways.scene
    with ExitStack() as stack:
        ingest = scene.ingest()
        for point in POINTS:
            ways.reach(point, ways.trap(point, fault, cut(point)), ingest, stack)
            if point == "during the stop":
                assert ingest.process is not None
                assert ingest.process.wait(STOP_S) == 0, ingest.said()
                ingest = scene.ingest()
            with recovery.measured(point):
                if ingest.process is None:
                    stack.enter_context(ingest)
                whole(scene, ingest)
            scene.check()
