"""Addresses, names and secrets, from the command line or from ``STANDINGS_*`` in the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.partitioner import Partitioner

SECRETS: Final = Path("/run/secrets")
"""Where a container finds its secrets: files named as the variables, in small letters."""

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")]


class Settings(BaseSettings):
    """What every part of the service must be told; all of it has a default.

    Attributes
    ----------
    kafka : str
        ``HOST:PORT`` of the brokers, separated by commas.
    redis : SecretStr
        URL of Redis or Valkey; it may hold a password.
    topic, group : str
        The topic of matches; the consumer group of ingest.
    member : str, optional
        Name of this ingest process in its group, which no other may have: started again within 45 s it keeps its
        partitions, and the other members notice nothing.
    installation : str
        First part of every key, so that several installations can share a Redis.
    partitioner : {"murmur2", "crc32"}
        How the producers choose a partition by key.
    pools : Path, optional
        The pools file; without one the built-in configuration.
    batch : int
        Most records that are applied together.
    most_dead_share, most_dead_run : float, int, optional
        Dead letters among the last 1,000 records of a partition, as a share of them, and in a row: past either, ingest
        stops the partition.
    key : SecretStr, optional
        The key that clients of the API must show; needed to listen beyond this machine.
    """

    model_config = SettingsConfigDict(
        env_prefix="STANDINGS_",
        frozen=True,
        extra="ignore",
        # A folder that is not there would be warned of.
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
    )

    kafka: str = "127.0.0.1:9092"
    redis: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    topic: TopicName = "matches"
    group: str = "standings"
    member: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$")] | None = None
    installation: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "standings"
    partitioner: Partitioner = "murmur2"
    pools: Path | None = None
    batch: Annotated[int, Field(ge=1, le=5_000)] = 5_000
    most_dead_share: Annotated[float, Field(ge=0, le=1)] | None = None
    most_dead_run: Annotated[int, Field(ge=1)] | None = None
    key: SecretStr | None = None
