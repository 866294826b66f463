"""Lag up to the last stable offset, and how long a transaction has been in the way."""

from __future__ import annotations

from prometheus_client import REGISTRY

from consumers.lag import WAITING_S, Lag


def seen(name: str, partition: int) -> float | None:
    return REGISTRY.get_sample_value(name, {"partition": str(partition)})


def test_a_transaction_is_in_the_way_only_while_nothing_else_is() -> None:
    lag = Lag(501)
    later = WAITING_S + 1

    def look(applied: int, stable: int, end: int, now: float) -> tuple[bool, float | None, float | None]:
        waits = lag.look(applied, stable, end, now)
        return waits, seen("standings_lag_records", 501), seen("standings_transaction_seconds", 501)

    assert look(10, 30, 30, 0.0) == (False, 20, 0)
    # Behind for its own part, whatever lies beyond.
    assert look(10, 30, 90, 100.0) == (False, 20, 0)
    assert look(30, 30, 90, 200.0) == (False, 0, 0)
    assert look(30, 30, 95, 200.0 + WAITING_S) == (False, 0, WAITING_S)
    assert look(30, 30, 99, 200.0 + later) == (True, 0, later)
    # It ended, and another is open already.
    assert look(60, 60, 99, 300.0) == (False, 0, 0)
    assert look(60, 60, 99, 300.0 + later) == (True, 0, later)
    assert look(60, 99, 99, 400.0) == (False, 39, 0)
    assert look(99, 99, 99, 500.0) == (False, 0, 0)
    # The same offset again, of a log that went back: counted anew.
    assert look(60, 60, 99, 600.0) == (False, 0, 0)
    lag.forget()
    assert seen("standings_lag_records", 501) is None
    assert seen("standings_transaction_seconds", 501) is None
