"""``python -m tests.stuck FAULT ingest ...``: the command with a fault of Kafka's client, or of ours, in it.

FAULT is ``fetch=N`` (the first N consumers get nothing more of a partition once they got some of it) or ``loop`` (the
event loop is blocked). The bounds are short, so that nobody has to wait for minutes.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from aiokafka import AIOKafkaConsumer

from consumers import watchdog
from consumers.watch import Watch
from standings.cli import main

PROGRESS_S = 4.0
BLOCKED_S = 2.0


def hang(first: int) -> None:
    """Let the calls of the first consumers never come back, as a fault of aiokafka's would."""
    real = AIOKafkaConsumer.getmany
    known: list[AIOKafkaConsumer] = []
    served = set[tuple[int, Any]]()

    async def getmany(self: AIOKafkaConsumer, *partitions: Any, **how: Any) -> Any:
        if self not in known:
            known.append(self)
        number = known.index(self)
        if number < first and (number, partitions) in served:
            await asyncio.Event().wait()
        found = await real(self, *partitions, **how)
        if found:
            served.add((number, partitions))
        return found

    AIOKafkaConsumer.getmany = getmany


async def block(self: Watch) -> None:
    time.sleep(60)  # noqa: ASYNC251  # the fault itself


if __name__ == "__main__":
    fault, _, count = sys.argv.pop(1).partition("=")
    watchdog.PROGRESS_S = PROGRESS_S  # type: ignore[misc]  # a constant but for this
    if fault == "fetch":
        hang(int(count))
    else:
        watchdog.BLOCKED_S = BLOCKED_S  # type: ignore[misc]  # as above
        Watch.see_store = block  # type: ignore[method-assign]  # the fault
    main()
