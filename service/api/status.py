"""How the installation is: each partition, how far it is, and what became of its records."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi.responses import Response
from pydantic import Field
from typing_extensions import TypedDict

from service.api.answers import AsOf, PositionText, example, json_response
from service.api.inputs import Now, resource
from service.api.live import LIVE_HEADERS
from service.api.shared import Shared
from service.api.standing import moment
from service.log import LogUnavailable
from service.records import Extent, extents
from service.store.layout import Keys
from service.store.partition import Loaded, look
from service.store.partitions import Position

LOG_S: Final = 2.0
"""Time that Kafka has to say where its log ends."""

router = resource("status")


class PartitionStatus(TypedDict):
    """A partition as it stands in Redis, beside its log."""

    partition: int
    state: Annotated[
        Literal["readable", "empty", "torn", "other_layout"],
        Field(description="`torn`: a write broke off half way; `other_layout`: another version wrote it"),
    ]
    position: PositionText
    end: Annotated[int | None, Field(description="where its log ends; null where Kafka does not answer")]
    lag: Annotated[int | None, Field(description="records between the two")]
    applied: Annotated[int, Field(description="matches and seeds that were applied")]
    duplicates: int
    dead_letters: Annotated[dict[str, int], Field(description="records that could not be used, by reason")]
    last_record_at: Annotated[datetime | None, Field(description="timestamp of the last record that is in")]


class StatusAnswer(TypedDict):
    """How the installation is."""

    topic: str
    kafka: Literal["answers", "does not answer"]
    partitions: Annotated[list[PartitionStatus], Field(description="none before the first record is in")]
    as_of: AsOf


_EXAMPLE: Final = {
    "topic": "matches",
    "kafka": "answers",
    "partitions": [
        {
            "partition": 0,
            "state": "readable",
            "position": "1-0-184468",
            "end": 184470,
            "lag": 2,
            "applied": 184401,
            "duplicates": 60,
            "dead_letters": {"invalid_match": 7},
            "last_record_at": "2026-11-21T10:00:00Z",
        }
    ],
    "as_of": "2026-11-21T10:00:07Z",
}


@router.get("/status", summary="How the installation is", response_model=StatusAnswer, responses=example(_EXAMPLE))
async def status(shared: Shared, as_of: Now) -> Response:
    """Say how far each partition is, what became of its records, and how far its log goes on."""
    settings = shared.settings
    numbers = range(await shared.partitions.count())
    keys = [Keys(settings.installation, settings.topic, number) for number in numbers]
    found = await asyncio.gather(*(look(shared.store, one) for one in keys))
    logs: dict[int, Extent] | None = None
    try:
        async with asyncio.timeout(LOG_S):
            logs = await extents(settings.brokers, settings.topic, len(keys))
    except (LogUnavailable, TimeoutError):
        # Ratings are read without Kafka.
        pass
    answer = StatusAnswer(
        topic=settings.topic,
        kafka="does not answer" if logs is None else "answers",
        partitions=[
            _partition(one, None if logs is None else logs[number].end)
            for number, one in zip(numbers, found, strict=True)
        ],
        as_of=as_of,
    )
    return json_response(answer, headers=LIVE_HEADERS)


def _partition(found: Loaded, end: int | None) -> PartitionStatus:
    position = found.position or 0
    dead = {name.removeprefix("dead/"): count for name, count in found.counts.items() if name.startswith("dead/")}
    state: Literal["readable", "empty", "torn", "other_layout"] = "readable" if found.layout else "empty"
    if found.torn:
        state = "torn"
    elif not found.readable:
        state = "other_layout"
    return PartitionStatus(
        partition=found.keys.partition,
        state=state,
        position=str(Position(found.keys.generation, found.keys.partition, position)),
        end=end,
        lag=None if end is None else max(0, end - position),
        applied=found.counts.get("applied", 0),
        duplicates=found.counts.get("duplicate", 0),
        dead_letters=dead,
        last_record_at=None if found.anchor is None else moment(found.anchor.timestamp),
    )
