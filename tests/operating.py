"""The commands that operate a partition, as processes, and the oracle's word on any generation."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis

from service.settings import Settings
from service.store.layout import Keys
from standings.errors import Mistake
from tests.ingesting import Ingesting, wait_for
from tests.replay import Replay
from tests.stored import check

DEADLINE_S = 90.0


def live_keys(here: Replay, client: Redis, partition: int) -> Keys:
    keys = here.place.keys(partition)
    live = client.get(keys.live)
    return keys if live is None else replace(keys, generation=live.decode())  # type: ignore[union-attr]  # no coroutine


def check_live(here: Replay) -> None:
    """Compare the live generation of every partition with the oracle."""
    with here.place.client() as client:
        check(client, {number: live_keys(here, client, number) for number in here.log}, here.expected, here.window)


def position(client: Redis, keys: Keys) -> int:
    found = client.hget(keys.state, "position")
    return int(found or 0)


def wait_live(here: Replay, *processes: Ingesting) -> None:
    """Wait until every partition's live generation stands at the log's end."""
    with here.place.client() as client:

        def stand() -> list[int]:
            return [position(client, live_keys(here, client, number)) for number in range(here.place.partitions)]

        wait_for(lambda: stand() == here.ends, lambda: f"{stand()}, not {here.ends}", *processes)


def start(here: Replay, command: str, *arguments: object, pools: Path | None = None) -> subprocess.Popen[str]:
    """Start ``standings COMMAND`` for this installation."""
    place = here.place
    words = ["--kafka", place.kafka, "--redis", place.redis, "--topic", place.topic, *map(str, arguments)]
    environment = {**os.environ, "STANDINGS_INSTALLATION": place.installation}
    if pools or here.pools:
        environment["STANDINGS_POOLS"] = str(pools or here.pools)
    return subprocess.Popen(
        [sys.executable, "-m", "standings", command, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def run(here: Replay, command: str, *arguments: object, code: int = 0, pools: Path | None = None) -> tuple[str, str]:
    """Run it to its end; answers what it printed on both outputs."""
    process = start(here, command, *arguments, pools=pools)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
    assert "Traceback" not in err
    return out, err


def verified(here: Replay, partition: int, code: int = 0) -> dict[str, Any]:
    """What ``standings verify --json`` found."""
    out, _ = run(here, "verify", partition, "--json", code=code)
    found: dict[str, Any] = json.loads(out)
    assert found["equal"] == (code == 0)
    return found


def mistake(here: Replay, command: Callable[[Settings], Coroutine[Any, Any, object]]) -> str:
    """What a command says of a user's mistake, in this process: starting one takes seconds."""
    place = here.place
    settings = Settings(
        kafka=place.kafka,
        redis=SecretStr(place.redis),
        topic=place.topic,
        installation=place.installation,
        pools=here.pools,
    )
    with pytest.raises(Mistake) as raised:
        asyncio.run(command(settings))
    return str(raised.value)
