"""A member that was taken for dead and is not: its last script arrives late, and is refused."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from standings.embedded import KafkaServer, ValkeyServer
from tests.conftest import Unique
from tests.faults.proxy import HOST, Moment, Proxy, Trap, runs
from tests.faults.scene import PARTITIONS, Recovery, prepare
from tests.ingesting import DEADLINE_S, Ingesting

REFUSED = ("moved", "no_answer")
"""Of a late script it depends on who wakes up first, the answer or the clock of the call."""


def owns(count: int) -> Any:
    """Whether a member is ready and owns so many partitions."""
    return lambda said: bool(said["ready"]) and len(said["partitions"]) == count


def send_signal(ingest: Ingesting, signum: int) -> None:
    assert ingest.process is not None
    ingest.process.send_signal(signum)


def test_stopped_for_longer_than_its_session(
    kafka: KafkaServer, store: ValkeyServer, to_store: Proxy, unique: Unique, tmp_path: Path, recovery: Recovery
) -> None:
    """Its script lies in the network meanwhile, and arrives when another member has gone on."""
    scene = prepare(kafka.bootstrap, store.url, unique, tmp_path, 71)
    group = unique("group")
    scene.send()
    with ExitStack() as stack:
        slow = scene.ingest(group)
        slow.place = replace(scene.here.place, redis=f"redis://{HOST}:{to_store.port}/0")
        stack.enter_context(slow)
        scene.wait(slow)
        taken_over = threading.Event()

        def stop() -> None:
            send_signal(slow, signal.SIGSTOP)
            assert taken_over.wait(DEADLINE_S)

        trap = to_store.set(Trap(runs("apply_batch", 1_500), Moment.ASKED, stop, cut=False))
        try:
            scene.send(300)
            assert trap.sprung.wait(DEADLINE_S)
            other = stack.enter_context(scene.ingest(group))
            scene.wait(other)
            other.wait_ready(owns(PARTITIONS))
            scene.check()
        finally:
            taken_over.set()
            assert trap.over.wait(DEADLINE_S)
        # Redis has the late script now, and has refused it.
        scene.check()
        with recovery.measured():
            send_signal(slow, signal.SIGCONT)
            scene.send(300)
            scene.wait(slow, other)
            for one in (slow, other):
                one.wait_ready(lambda said: bool(said["ready"]) and 0 < len(said["partitions"]) < PARTITIONS)
        assert sum(slow.metric(f'standings_guard_refusals_total{{kind="{kind}"}}') for kind in REFUSED) > 0
    scene.check()
