"""Kafka over TLS with SCRAM, Redis over TLS with users: the whole way of a match, and each wrong setting by name."""

import base64
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop
from redis import Redis
from redis.exceptions import NoPermissionError

from service.broker import count_brokers, ensure_topic
from service.log import LogUnavailable
from service.settings import Settings
from service.store.connection import Store, StoreUnavailable
from standings.commands.options import settings_of
from standings.errors import Mistake
from tests.api import keys_in
from tests.ingesting import free_port, wait_for
from tests.league import duel
from tests.secured import KAFKA_PASSWORD, KAFKA_USER, REDIS_PASSWORDS, SECRETS, Authority, SecuredKafka, SecuredRedis

COUNT = 50


@dataclass
class Secured:
    """The two servers, and how each part reaches them."""

    kafka: SecuredKafka
    redis: SecuredRedis
    authority: Authority

    def variables(self, part: str, **more: str) -> dict[str, str]:
        given = {
            "kafka": self.kafka.secured,
            "kafka_security": "SASL_SSL",
            "kafka_ca": str(self.authority.ca),
            "kafka_user": KAFKA_USER,
            "kafka_password": KAFKA_PASSWORD,
            "redis": self.redis.secured(part),
            "topic": "matches",
        }
        return given | more

    def settings(self, part: str, **more: str) -> Settings:
        return Settings.model_validate(self.variables(part, **more))

    def start(
        self, part: str, words: list[str], log: Path, command: Sequence[str] = ("-m", "standings"), **more: str
    ) -> "subprocess.Popen[bytes]":
        variables = {f"STANDINGS_{name.upper()}": value for name, value in self.variables(part, **more).items()}
        with log.open("wb") as out:
            return subprocess.Popen(
                [sys.executable, *command, *words], env=os.environ | variables, stdout=out, stderr=out
            )


@pytest.fixture(scope="module")
def secured(
    compiled: None, jars: tuple[Path, ...], redis_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority = Authority(folder)
    for name in ("kafka", "redis"):
        (folder / name).mkdir()
    with (
        SecuredKafka(folder / "kafka", jars, authority) as kafka,
        SecuredRedis(folder / "redis", redis_program, authority) as redis,
    ):
        yield Secured(kafka, redis, authority)


def ask(port: int, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_from_a_file_to_the_leaderboard(secured: Secured, tmp_path: Path) -> None:
    """Also a suggestion, which is leased in Redis and accounted for in Kafka; then the commands of an operator."""
    uvloop.run(ensure_topic(secured.settings("ingest").brokers, "matches", 1))
    games = tmp_path / "games.ndjson"
    lines = [json.dumps({"id": f"m{number}", "at": number, **duel("arena", "ann", "bob")}) for number in range(COUNT)]
    games.write_text("\n".join(lines))
    api, ops = free_port(), free_port()
    parts = {
        "ingest": secured.start("ingest", ["ingest", "--ops-port", str(ops)], tmp_path / "ingest.log"),
        "serve": secured.start("serve", ["serve", "--port", str(api)], tmp_path / "serve.log"),
    }
    try:
        feed = secured.start("ingest", ["feed", str(games)], tmp_path / "feed.log")
        assert feed.wait(60) == 0, (tmp_path / "feed.log").read_text()

        def applied() -> bool:
            try:
                return bool(sum(one["applied"] for one in ask(api, "/v1/status")["partitions"]) == COUNT)
            except OSError:
                return False

        wait_for(applied, lambda: (tmp_path / "ingest.log").read_text() + (tmp_path / "serve.log").read_text())
        assert [row["player"] for row in ask(api, "/v1/pools/arena/leaderboard")["players"]] == ["ann", "bob"]
        (matchup,) = ask(api, "/v1/pools/arena/matchups", {"policy": "uniform"})["matchups"]
        assert len(ask(api, "/v1/pools/arena/matchups")["matchups"]) == 1
        # Its result closes the lease, which ingest deletes.
        result = {"id": "last", "at": COUNT, "matchup": matchup["id"], **duel("arena", "ann", "bob")}
        assert ask(api, "/v1/matches?wait=10", result)["matches"][0]["outcome"] == "applied"
        assert ask(api, "/v1/pools/arena/matchups")["matchups"] == []
        begun = ask(api, "/v1/pools/arena/campaigns", {"request_id": "spring", "goal": "best", "budget": 1})
        assert ask(api, f"/v1/pools/arena/campaigns/{begun['id']}")["state"] == "open"
        doctor(secured, tmp_path)
        for command in ("rebuild", "verify"):
            operate(secured, [command, "0"], tmp_path)
    finally:
        for process in parts.values():
            process.terminate()
        for process in parts.values():
            assert process.wait(30) == 0
    said = "".join(path.read_text() for path in tmp_path.glob("*.log"))
    assert "NOPERM" not in said
    assert not any(secret in said for secret in SECRETS)


def operate(secured: Secured, words: list[str], folder: Path) -> str:
    log = folder / "operate.log"
    code = secured.start("operate", words, log).wait(60)
    assert code == 0, log.read_text()
    return log.read_text()


def doctor(secured: Secured, folder: Path) -> None:
    checks = {check["name"]: check for check in json.loads(operate(secured, ["doctor", "--json"], folder))["checks"]}
    assert not [check for check in checks.values() if check["verdict"] in ("problem", "unknown")]


def test_nobody_may_more_than_is_needed(secured: Secured) -> None:
    key = "{standings/matches/0}/1/rows/arena/kalman"
    refused = {
        "serve": [("HSET", key, "ann", "0"), ("DEL", key), ("SET", "{standings/matches/0}/live", "9"), ("INFO",)],
        "ingest": [("UNLINK", key), ("CONFIG", "GET", "save"), ("GET", "other"), ("KEYS", "*")],
        "operate": [("FLUSHALL",), ("CONFIG", "SET", "save", ""), ("GET", "other"), ("ACL", "LIST")],
    }
    for user, commands in refused.items():
        with Redis.from_url(secured.redis.secured(user)) as client:
            for words in commands:
                with pytest.raises(NoPermissionError):
                    client.execute_command(*words)


LOUD = """
import logging
from standings import cli, run
configure = run.configure_logging
def loudly():
    configure()
    for name in (None, *logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.DEBUG)
run.configure_logging = loudly
cli.main()
"""
"""The command, with every logger of every library at its most talkative."""


def test_no_secret_is_ever_told(secured: Secured, tmp_path: Path) -> None:
    """Neither right nor wrong ones, in logs, answers or reports, while all that can be refused is refused."""
    keys = keys_in(tmp_path / "keys.toml", "read", "operate")
    wrong = {
        "kafka_password": "falsch-kafka-5",
        "redis": secured.redis.secured("serve").replace(REDIS_PASSWORDS["serve"], "falsch-redis-6"),
        "keys": str(tmp_path / "keys.toml"),
    }
    api, ops = free_port(), free_port()
    loud = ["-c", LOUD]
    parts = {
        "serve": (["serve", "--port", str(api)], {"redis": wrong["redis"], "keys": wrong["keys"]}),
        "ingest": (["ingest", "--ops-port", str(ops)], {"kafka_password": wrong["kafka_password"]}),
        "operate": (["doctor", "--json"], wrong),
    }
    running = {
        part: secured.start(part, words, tmp_path / f"{part}.log", command=loud, **more)
        for part, (words, more) in parts.items()
    }
    answers = []

    def said(port: int, path: str, headers: Mapping[str, str] = {}) -> str:
        with suppress(httpx.TransportError):
            response = httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=20)
            answers.append(response.text + str(response.headers))
            return response.text
        return ""

    try:
        wait_for(lambda: "redis" in said(api, "/readyz"), (tmp_path / "serve.log").read_text)
        for path in ("/v1/status", "/v1/pools", "/v1/dead-letters", "/metrics", "/openapi.json"):
            for shown in ({}, *keys.values(), {"Authorization": "Bearer sk_a-read_falsch-key-7"}):
                assert said(api, path, shown)
        refused = "Kafka refuses the user or the password"
        wait_for(lambda: refused in said(ops, "/readyz"), (tmp_path / "ingest.log").read_text)
        assert "standings_ingest_state" in said(ops, "/metrics")
        assert running["operate"].wait(90) == 1
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(30)
    told = [*answers, *(path.read_text() for path in tmp_path.glob("*.log"))]
    assert refused in (tmp_path / "operate.log").read_text()
    assert "invalid username-password pair" in (tmp_path / "operate.log").read_text()
    made = [value["Authorization"].rpartition("_")[2] for value in keys.values()]
    for secret in (*SECRETS, "falsch-kafka-5", "falsch-redis-6", "falsch-key-7", *made):
        assert not [text for text in told if secret in text or base64.b64encode(secret.encode()).decode() in text]


WRONG_KAFKA: Mapping[str, tuple[Mapping[str, str], str]] = {
    "password": ({"kafka_password": "no"}, "Kafka refuses the user or the password"),
    "user": ({"kafka_user": "no"}, "Kafka refuses the user or the password"),
    "mechanism": ({"kafka_mechanism": "PLAIN"}, "Kafka does not take this SASL mechanism"),
    "authority": ({"kafka_ca": "other"}, "Kafka's certificate is not accepted: "),
    "no TLS": ({"kafka_security": "SASL_PLAINTEXT"}, "Kafka breaks off what begins as SASL_PLAINTEXT"),
    "TLS without need": ({"kafka": "plain"}, "Kafka breaks off what begins as SASL_SSL"),
    "SASL without need": (
        {"kafka": "plain", "kafka_security": "SASL_PLAINTEXT", "kafka_ca": ""},
        "Kafka asks for no user",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_KAFKA)
def test_what_kafka_refuses_is_named(secured: Secured, tmp_path: Path, wrong: str) -> None:
    changed, said = WRONG_KAFKA[wrong]
    more = dict(changed)
    if more.get("kafka_ca") == "other":
        more["kafka_ca"] = str(Authority(tmp_path).ca)
    if more.get("kafka") == "plain":
        more["kafka"] = secured.kafka.bootstrap
    given = secured.variables("ingest", **more)
    if "PLAINTEXT" in given["kafka_security"]:
        del given["kafka_ca"]
    with pytest.raises(LogUnavailable) as raised:
        uvloop.run(count_brokers(Settings.model_validate(given).brokers))
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


def test_what_redis_refuses_is_named(secured: Secured, tmp_path: Path) -> None:
    url = secured.redis.secured("serve")
    wrong = {
        url.replace(REDIS_PASSWORDS["serve"], "no"): "invalid username-password pair or user is disabled",
        url.replace(str(secured.authority.ca), str(Authority(tmp_path).ca)): "certificate verify failed",
        url.replace("rediss", "redis").partition("?")[0]: "",
    }

    async def tried(address: str) -> str:
        store = Store(address)
        try:
            await store.ping()
        except StoreUnavailable as error:
            return str(error)
        finally:
            await store.close()
        return "answered"

    async def run() -> None:
        for address, said in wrong.items():
            found = await tried(address)
            assert said in found
            assert found.startswith("Redis: ")
            assert "\n" not in found
        assert await tried(url) == "answered"

    uvloop.run(run())


def test_secrets_may_be_files(tmp_path: Path) -> None:
    given = {
        "kafka_security": "SASL_SSL\n",
        "kafka_user": "app\n",
        "kafka_password": "geheim\n",
        "redis": "redis://:x@db\n",
    }
    for name, value in given.items():
        (tmp_path / f"standings_{name}").write_text(value)
    found = Settings(_secrets_dir=tmp_path)
    assert found.kafka_password is not None
    assert (found.kafka_user, found.kafka_password.get_secret_value()) == ("app", "geheim")
    assert found.redis.get_secret_value() == "redis://:x@db"
    assert "geheim" not in f"{found} {found!r} {found.brokers!r}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"KAFKA_SECURITY": "TLS"}, r"STANDINGS_KAFKA_SECURITY: Input should be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT'"),
        ({"KAFKA_SECURITY": "SASL_SSL"}, r"STANDINGS_KAFKA_USER: missing; STANDINGS_KAFKA_SECURITY=SASL_SSL needs"),
        ({"KAFKA_SECURITY": "SASL_SSL", "KAFKA_USER": "a"}, r"STANDINGS_KAFKA_PASSWORD: missing"),
        ({"KAFKA_USER": "a"}, r"STANDINGS_KAFKA_USER: not used without SASL"),
        ({"KAFKA_CA": "ca.pem"}, r"STANDINGS_KAFKA_CA: not used without TLS"),
        ({"KAFKA_SECURITY": "SSL", "KAFKA_CA": "no.pem"}, r"STANDINGS_KAFKA_CA: no.pem: No such file or directory$"),
        ({"KAFKA_SECURITY": "SSL", "KAFKA_CA": __file__}, r"STANDINGS_KAFKA_CA: .* holds no certificate in PEM$"),
        (
            {"KAFKA_SECURITY": "SASL_PLAINTEXT", "KAFKA_USER": "a", "KAFKA_PASSWORD": "b", "KAFKA_MECHANISM": "PLAIN"},
            r"STANDINGS_KAFKA_MECHANISM: PLAIN sends the password as it is",
        ),
    ],
)
def test_settings_that_do_not_fit_are_named(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"STANDINGS_{name}", value)
    with pytest.raises(Mistake, match=f"^{said}"):
        settings_of()
