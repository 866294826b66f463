"""The states of ingest and of each of its partitions: at /readyz, in the metrics, and beside the committed offsets."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import msgspec
import structlog

from consumers.watchdog import Watchdog
from service.metrics import PARTITIONS, READINESS, STATE

State = Literal[
    "starting",
    "running",
    "waiting_for_transaction",
    "waiting_for_broker",
    "waiting_for_redis",
    "recovering",
    "stopped_by_operator_decision",
]
"""``stopped_by_operator_decision`` waits for an operator to decide; all others pass by themselves."""

REASON: Final = 500
"""Characters of a reason that are told beside a committed offset; Kafka takes 4,096 bytes."""

READY: Final = ("running", "waiting_for_transaction")
"""A transaction that a producer leaves open is no fault of this process, and no restart ends it."""

_log = structlog.get_logger()


class Told(msgspec.Struct, frozen=True):
    """What an owner says of its partition beside the offset that it commits.

    Attributes
    ----------
    state : str
    reason : str
    at : float
        Epoch seconds.
    """

    state: State
    reason: str
    at: float

    def pack(self) -> str:
        """Write it as Kafka keeps it."""
        return msgspec.json.encode(self).decode()


def heard(text: str) -> Told | None:
    """Read what an owner said; None where it said nothing, or in words of another version.

    Examples
    --------
    >>> heard(Told("running", "", 0.0).pack())
    Told(state='running', reason='', at=0.0)
    >>> heard("")
    """
    try:
        return msgspec.json.decode(text, type=Told)
    except msgspec.DecodeError:
        return None


@dataclass(slots=True)
class Health:
    """What a part says of itself.

    Attributes
    ----------
    part
        Which part it is, as the metrics name it.
    state, reason
        Of the process as a whole.
    partitions : dict
        State and reason of each partition that it owns.
    watchdog : Watchdog
        Knows whether all of it gets on.
    """

    part: Literal["ingest", "refit"] = "ingest"
    state: State = "starting"
    reason: str = ""
    partitions: dict[int, tuple[State, str]] = field(default_factory=dict)
    watchdog: Watchdog = field(default_factory=lambda: Watchdog(time.monotonic))

    def __post_init__(self) -> None:
        self._export()

    @property
    def ready(self) -> bool:
        """Whether the process and every partition of it are running."""
        return self.state == "running" and all(state in READY for state, _ in self.partitions.values())

    def become(self, state: State, reason: str = "") -> None:
        """Change the state of the process; each change is logged once."""
        if state != self.state:
            _log.info(state, reason=reason)
        self.state, self.reason = state, reason
        self._export()

    def partition(self, partition: int, state: State, reason: str = "") -> None:
        """Change the state of a partition; each change is logged once."""
        if partition not in self.partitions or self.partitions[partition][0] != state:
            log = _log.error if state == "stopped_by_operator_decision" else _log.info
            log(state, partition=partition, reason=reason)
        self.partitions[partition] = (state, reason)
        self._export()

    def forget(self, partition: int) -> None:
        """Drop a partition that is no longer owned."""
        self.partitions.pop(partition, None)
        self._export()

    def told(self, partition: int) -> str:
        """What is said of a partition beside its committed offset; nothing of one that is not owned."""
        if partition not in self.partitions:
            return ""
        state, reason = self.partitions[partition]
        return Told(state, reason[:REASON], time.time()).pack()

    def report(self) -> dict[str, object]:
        """What /readyz shows."""
        return {
            "ready": self.ready,
            "state": self.state,
            "reason": self.reason,
            "partitions": [
                {"partition": partition, "state": state, "reason": reason}
                for partition, (state, reason) in sorted(self.partitions.items())
            ],
        }

    def _export(self) -> None:
        READINESS.labels(self.part).set(self.ready)
        if self.part != "ingest":
            return
        counts = Counter(state for state, _ in self.partitions.values())
        for state in get_args(State):
            PARTITIONS.labels(state).set(counts[state])
            STATE.labels(state).set(state == self.state)
