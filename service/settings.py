"""Addresses, names and secrets, from the command line or from ``STANDINGS_*`` in the environment."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.brokers import SASL, TLS, Brokers, Mechanism, Security, tls_context
from service.partitioner import Partitioner

SECRETS: Final = Path("/run/secrets")
"""Where a container finds its secrets: files named as the variables, in small letters."""

KEYS: Final = "keys.toml"
"""Name of the keys file among them."""

Given = TypeVar("Given")

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")]


def _mounted_keys() -> Path | None:
    path = SECRETS / KEYS
    return path if path.exists() else None


def _readable(ca: Path | None, info: ValidationInfo) -> Path | None:
    if ca is not None:
        if info.data.get("kafka_security") not in TLS:
            raise _wrong("not used without TLS: set STANDINGS_KAFKA_SECURITY=SASL_SSL or SSL, or leave it out")
        try:
            tls_context(ca)
        except OSError as error:
            why = "holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
            raise _wrong(f"{ca}: {why}") from error
    return ca


def _of_sasl(value: Given, info: ValidationInfo) -> Given:
    security = info.data.get("kafka_security")
    if security in SASL and value is None:
        raise _wrong(f"missing; STANDINGS_KAFKA_SECURITY={security} needs a user and a password")
    if security not in SASL and value is not None:
        raise _wrong("not used without SASL: set STANDINGS_KAFKA_SECURITY=SASL_SSL, or leave it out")
    return value


def _hidden(mechanism: Mechanism, info: ValidationInfo) -> Mechanism:
    if mechanism == "PLAIN" and info.data.get("kafka_security") == "SASL_PLAINTEXT":
        raise _wrong("PLAIN sends the password as it is: only with STANDINGS_KAFKA_SECURITY=SASL_SSL")
    return mechanism


def _wrong(why: str) -> PydanticCustomError:
    # A ValueError's text would have words of Pydantic before it.
    return PydanticCustomError("setting", "{why}", {"why": why})


class Settings(BaseSettings):
    """What every part of the service must be told; all of it has a default.

    Attributes
    ----------
    kafka : str
        ``HOST:PORT`` of the brokers, separated by commas.
    kafka_security, kafka_ca, kafka_user, kafka_password, kafka_mechanism
        How they are reached; see `Brokers`.
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
    keys : Path, optional
        The keys file, by which clients of the API are let in; without one everybody on this machine is.
    """

    model_config = SettingsConfigDict(
        env_prefix="STANDINGS_",
        frozen=True,
        extra="ignore",
        # A folder that is not there would be warned of.
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
    )

    kafka: str = "127.0.0.1:9092"
    kafka_security: Security = "PLAINTEXT"
    kafka_ca: Annotated[Path | None, AfterValidator(_readable)] = None
    kafka_user: Annotated[str | None, AfterValidator(_of_sasl)] = Field(None, validate_default=True)
    kafka_password: Annotated[SecretStr | None, AfterValidator(_of_sasl)] = Field(None, validate_default=True)
    kafka_mechanism: Annotated[Mechanism, AfterValidator(_hidden)] = "SCRAM-SHA-512"
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
    keys: Path | None = Field(default_factory=_mounted_keys)

    @property
    def brokers(self) -> Brokers:
        """Kafka, and how it is reached."""
        return Brokers(
            self.kafka,
            self.kafka_security,
            self.kafka_ca,
            self.kafka_user,
            self.kafka_password,
            self.kafka_mechanism,
        )
