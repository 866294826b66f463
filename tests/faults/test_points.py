"""Each fault at each point in the way of a record: after it, what is stored is the oracle's, bit for bit."""

from __future__ import annotations

from standings.embedded import ValkeyServer
from tests.faults.points import Ways, broken_at_every_point, ended_at_every_point
from tests.faults.scene import Recovery
from tests.ingesting import Ingesting


def test_killed_at_every_point(ways: Ways, recovery: Recovery) -> None:
    ended_at_every_point(ways, recovery, Ingesting.kill, -9)


def test_store_killed_at_every_point(ways: Ways, store: ValkeyServer, recovery: Recovery) -> None:
    def kill() -> None:
        store.kill()
        store.start()

    broken_at_every_point(ways, recovery, kill, lambda point: False)


def test_connection_cut_at_every_point(ways: Ways, recovery: Recovery) -> None:
    broken_at_every_point(ways, recovery, lambda: None, lambda point: True)
