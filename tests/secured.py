"""Kafka and Redis as they are run where others listen: TLS, and everybody under a name of their own."""

import re
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from standings.embedded import KafkaServer, ValkeyServer

HOST = "127.0.0.1"
PAGE = Path(__file__).parents[1] / "docs" / "security.md"
KAFKA_USER, KAFKA_PASSWORD = "standings", "kafka-geheim-1"
REDIS_PASSWORDS = {"serve": "redis-geheim-2", "ingest": "redis-geheim-3", "operate": "redis-geheim-4"}
SECRETS = (KAFKA_PASSWORD, *REDIS_PASSWORDS.values())


class Authority:
    """Who signs certificates, and one for this machine, as files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert(HOST)
        self.ca, self.certificate, self.key = folder / "ca.pem", folder / "certificate.pem", folder / "key.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        self.certificate.write_bytes(chain)
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        # The one form that Java reads.
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class SecuredKafka(KafkaServer):
    """A broker that is spoken to over TLS, with SCRAM; the fixture's own listener beside it says when it is up."""

    port_count = 3
    format_options = ("--add-scram", f"SCRAM-SHA-512=[name={KAFKA_USER},password={KAFKA_PASSWORD}]")

    def __init__(self, folder: Path, jars: Sequence[Path], authority: Authority) -> None:
        super().__init__(folder, jars)
        self._store = folder / "keystore.pem"
        self._store.write_bytes(authority.key.read_bytes() + authority.certificate.read_bytes())

    @property
    def secured(self) -> str:
        return f"{HOST}:{self._ports[2]}"

    def _write_properties(self, name: str, data: Path) -> Path:
        plain, controller, secured = self._ports
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        self._extra = {
            "listeners": f"PLAINTEXT://{HOST}:{plain},CONTROLLER://{HOST}:{controller},SASL_SSL://{HOST}:{secured}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{plain},SASL_SSL://{HOST}:{secured}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._store),
        }
        return super()._write_properties(name, data)


class SecuredRedis(ValkeyServer):
    """A Redis that speaks TLS alone, with the users of docs/security.md."""

    def __init__(self, folder: Path, program: Path, authority: Authority) -> None:
        super().__init__(folder, binary=program)
        self._authority = authority

    def secured(self, user: str) -> str:
        address = f"{user}:{REDIS_PASSWORDS[user]}@{HOST}:{self.port}"
        return f"rediss://{address}/0?ssl_ca_certs={self._authority.ca}"

    def _prepare(self, deadline: float) -> Sequence[str | Path]:
        users = self.folder / "users.acl"
        users.write_text("".join(f"{line}\n" for line in acl_lines()))
        given: dict[str, str | Path] = {
            "port": "0",
            "tls-port": str(self.port),
            "tls-cert-file": self._authority.certificate,
            "tls-key-file": self._authority.key,
            "tls-ca-cert-file": self._authority.ca,
            "tls-auth-clients": "no",
            "aclfile": users,
        }
        words: list[str | Path] = []
        for name, value in given.items():
            words += [f"--{name}", value]
        return [*super()._prepare(deadline), *words]

    def _ready(self, timeout: float) -> bool:
        context = ssl.create_default_context(cafile=self._authority.ca)
        with (
            socket.create_connection((HOST, self.port), timeout) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as connection,
        ):
            connection.sendall(b"PING\r\n")
            # The user of those who name none is off.
            return connection.recv(64).startswith(b"-NOAUTH")


def acl_lines() -> Sequence[str]:
    """The users as the page has them, with passwords."""
    found = re.findall(r"^user .*$", PAGE.read_text(), re.MULTILINE)
    assert [line.split()[1] for line in found] == ["default", "ingest", "serve", "operate"]
    return [line.replace(">PASSWORD", f">{REDIS_PASSWORDS.get(line.split()[1])}") for line in found]
