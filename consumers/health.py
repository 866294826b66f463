"""The states of a running part and of each of its partitions, as shown at /readyz and in the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, get_args

import structlog

from service.metrics import PARTITIONS

State = Literal["starting", "running", "waiting_for_broker", "waiting_for_redis", "recovering", "stopped"]
"""``stopped`` needs an operator; all others pass by themselves."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Health:
    """What a part says of itself.

    Attributes
    ----------
    state, reason
        Of the process as a whole.
    partitions : dict
        State and reason of each partition that it owns.
    """

    state: State = "starting"
    reason: str = ""
    partitions: dict[int, tuple[State, str]] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether the process and every partition of it are running."""
        return self.state == "running" and all(state == "running" for state, _ in self.partitions.values())

    def become(self, state: State, reason: str = "") -> None:
        """Change the state of the process; each change is logged once."""
        if state != self.state:
            _log.info(state, reason=reason)
        self.state, self.reason = state, reason

    def partition(self, partition: int, state: State, reason: str = "") -> None:
        """Change the state of a partition; each change is logged once."""
        if partition not in self.partitions or self.partitions[partition][0] != state:
            (_log.error if state == "stopped" else _log.info)(state, partition=partition, reason=reason)
        self.partitions[partition] = (state, reason)
        self._export()

    def forget(self, partition: int) -> None:
        """Drop a partition that is no longer owned."""
        self.partitions.pop(partition, None)
        self._export()

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
        counts = Counter(state for state, _ in self.partitions.values())
        for state in get_args(State):
            PARTITIONS.labels(state).set(counts[state])
