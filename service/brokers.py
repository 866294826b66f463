"""Kafka's brokers: where they are, and how they are reached: encrypted or not, and as whom."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import SecretStr

Security = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
"""Kafka's own names: whether it is spoken to over TLS (``SSL``), and whether one says who one is (``SASL``)."""

Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]

SASL: Final = frozenset({"SASL_PLAINTEXT", "SASL_SSL"})
TLS: Final = frozenset({"SSL", "SASL_SSL"})


@dataclass(frozen=True, slots=True)
class Brokers:
    """The brokers of one cluster.

    Attributes
    ----------
    addresses : str
        ``HOST:PORT``, several separated by commas.
    security : {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}
    ca : Path, optional
        Certificates of the authorities that are trusted, PEM; without it those of the machine.
    user, password : str and SecretStr, optional
        With SASL.
    mechanism : {"SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"}
        How the password is proved.

    Examples
    --------
    >>> Brokers("127.0.0.1:9092").arguments()
    {'bootstrap_servers': '127.0.0.1:9092', 'security_protocol': 'PLAINTEXT'}
    """

    addresses: str
    security: Security = "PLAINTEXT"
    ca: Path | None = None
    user: str | None = None
    password: SecretStr | None = None
    mechanism: Mechanism = "SCRAM-SHA-512"

    def at(self, addresses: str) -> Brokers:
        """Name some of the same brokers."""
        return replace(self, addresses=addresses)

    def arguments(self) -> dict[str, Any]:
        """Give what every client of aiokafka is made with.

        Raises
        ------
        OSError
            The file of certificates cannot be used.
        """
        found: dict[str, Any] = {"bootstrap_servers": self.addresses, "security_protocol": self.security}
        if self.security in TLS:
            found["ssl_context"] = tls_context(self.ca)
        if self.security in SASL and self.password is not None:
            found["sasl_mechanism"] = self.mechanism
            found["sasl_plain_username"] = self.user
            found["sasl_plain_password"] = self.password.get_secret_value()
        return found


@lru_cache(4)
def tls_context(ca: Path | None) -> ssl.SSLContext:
    """Make what TLS is spoken with: certificates and names are checked; read once, since it takes milliseconds.

    Raises
    ------
    OSError
        The file cannot be read, or holds no certificate.
    """
    return ssl.create_default_context(cafile=ca)
