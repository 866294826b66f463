"""What Prometheus and Grafana are given, read as they would read it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

import httpx
import pytest
from prometheus_client.metrics import MetricWrapperBase
from ruamel.yaml import YAML

import service.metrics
from standings.embedded.process import ServerProcess
from tests.conftest import ROOT

MONITORING: Final = ROOT / "deploy" / "monitoring"
BOARDS: Final = MONITORING / "dashboards"
RULES: Final[list[dict[str, Any]]] = [
    rule for group in YAML(typ="safe", pure=True).load(MONITORING / "rules.yml")["groups"] for rule in group["rules"]
]
ALERTS: Final = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED: Final = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}


@dataclass(frozen=True)
class Panel:
    """One panel of a dashboard."""

    board: str
    title: str
    description: str
    unit: str
    queries: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.board}: {self.title}"


def boards() -> dict[str, Any]:
    """Each dashboard as it is kept, by its file's name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(BOARDS.iterdir())}


def panels() -> list[Panel]:
    return [
        Panel(
            name,
            panel["title"],
            panel["description"],
            panel["fieldConfig"]["defaults"]["unit"],
            tuple(target["expr"] for target in panel["targets"]),
        )
        for name, board in boards().items()
        for panel in board["panels"]
    ]


@dataclass(frozen=True)
class Metric:
    """A metric as the registry has it: the names of its series, and the labels that the service gives them."""

    name: str
    series: frozenset[str]
    labels: frozenset[str]


@cache
def metrics() -> dict[str, Metric]:
    """All metrics of the service, by name."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",), "gauge": ("",)}
    given = {"info": {"version"}, "histogram": {"le"}}
    found = {}
    for metric in vars(service.metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            series = frozenset(family.name + ending for ending in endings[family.type])
            labels = frozenset({*metric._labelnames, *given.get(family.type, ())})
            found[family.name] = Metric(family.name, series, labels)
    return found


def metric_of(name: str) -> Metric | None:
    """The metric that a series belongs to."""
    return next((metric for metric in metrics().values() if name in metric.series), None)


def names_in(expression: str) -> set[str]:
    """Names of all series in a query, ours or recorded."""
    return set(re.findall(r"\b(?:standings[_:]|process_)[a-z0-9_:]+", expression))


def used(expression: str) -> dict[str, set[str]]:
    """Labels by which a query chooses or keeps series, by the name of each series in it."""
    found: dict[str, set[str]] = {name: set() for name in names_in(expression)}
    for name, matchers in re.findall(
        r"\b((?:standings[_:]|process_)[a-z0-9_:]+)\{((?:[^}\"]|\"[^\"]*\")*)\}", expression
    ):
        found[name] |= set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", matchers))
    return found


def program(name: str) -> str:
    """A program of Prometheus' package."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on PATH; Debian's package prometheus brings it")
    return found


class Prometheus(ServerProcess):
    """Prometheus itself, with the rules; it scrapes every second.

    Parameters
    ----------
    folder : Path
    targets : mapping
        Ports of this machine by job.
    """

    name: ClassVar[str] = "Prometheus"

    def __init__(self, folder: Path, targets: Mapping[str, int]) -> None:
        super().__init__(folder)
        self._targets = targets

    def _prepare(self, deadline: float) -> Sequence[str | Path]:
        scraped = [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for job, port in self._targets.items()
        ]
        pace = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        file = self.folder / "prometheus.yml"
        rules = [str(MONITORING / "rules.yml")]
        YAML().dump({"global": pace, "rule_files": rules, "scrape_configs": scraped}, file)
        return [
            program("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def _ready(self, timeout: float) -> bool:
        try:
            return httpx.get(self._url("/-/ready"), timeout=timeout).status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, query: str) -> list[Any]:
        """What a query finds now; an error fails."""
        answer = self.get("/api/v1/query", query=query)
        assert answer["resultType"] in ("vector", "scalar")
        found: list[Any] = answer["result"]
        return found

    def get(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(self._url(path), params=parameters, timeout=10).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"
