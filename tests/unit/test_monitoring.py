"""Rules, dashboards and runbooks are held to each other, to the metrics, and to Prometheus' own checks."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from ruamel.yaml import YAML

from standings import cli
from tests.conftest import ROOT
from tests.monitoring import (
    ALERTS,
    BOARDS,
    MONITORING,
    RECORDED,
    RULES,
    Panel,
    boards,
    metric_of,
    metrics,
    names_in,
    panels,
    program,
    used,
)

GIVEN = {"instance", "pod", "job"}
"""Labels that Prometheus gives."""

PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()
COMMANDS = typer.main.get_command(cli.app)
PANELS = panels()
QUERIES = [*(query for panel in PANELS for query in panel.queries), *(rule["expr"] for rule in RULES)]


def promtool(*words: str) -> str:
    ended = subprocess.run([program("promtool"), *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_rules_are_rules() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(MONITORING / "rules.yml"))


def test_every_alert_fires_and_keeps_silent() -> None:
    promtool("test", "rules", str(MONITORING / "rules_test.yml"))
    cases: dict[str, set[bool]] = {}
    for test in YAML(typ="safe", pure=True).load(MONITORING / "rules_test.yml")["tests"]:
        for case in test["alert_rule_test"]:
            cases.setdefault(case["alertname"], set()).add(bool(case.get("exp_alerts")))
    assert cases == {name: {True, False} for name in ALERTS}


def test_each_panels_query_is_one(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": query}
        for number, query in enumerate(q for p in PANELS for q in p.queries)
    ]
    file = tmp_path / "panels.yml"
    YAML().dump({"groups": [{"name": "panels", "rules": rules}]}, file)
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))


@pytest.mark.parametrize("query", QUERIES)
def test_what_a_query_names_is_there(query: str) -> None:
    known = set(GIVEN)
    assert names_in(query)
    for name, chosen in used(query).items():
        labels = labels_of(name)
        assert chosen <= labels, f"{name} has no label {chosen - labels}"
        known |= labels
    kept = {label for labels in re.findall(r"\b(?:by|without|on) \(([^)]*)\)", query) for label in labels.split(", ")}
    assert kept <= known, f"nothing here has a label {kept - known}"


def labels_of(name: str) -> set[str]:
    """Labels that the series of a name may have, but for those that Prometheus gives."""
    if name in PROCESS:
        return set()
    if name in RECORDED:
        return {label for source in names_in(RECORDED[name]) for label in labels_of(source)}
    metric = metric_of(name)
    assert metric, f"no metric has a series {name}"
    return set(metric.labels)


def test_every_metric_is_used() -> None:
    """What no panel and no rule needs is to be named on the page; there is none."""
    seen = {metric.name for query in QUERIES for name in names_in(query) if (metric := metric_of(name))}
    assert set(metrics()) - seen == set()
    # What is recorded is for somebody, too.
    assert set(RECORDED) - {name for query in QUERIES for name in names_in(query)} == set()


def test_the_page_lists_every_metric() -> None:
    listed = set(re.findall(r"^\| `(standings_\w+)", (ROOT / "docs" / "watching.md").read_text(), re.MULTILINE))
    assert listed == {metric.name if len(metric.series) > 1 else min(metric.series) for metric in metrics().values()}


def test_the_dashboards_are_what_is_written(tmp_path: Path) -> None:
    folder = BOARDS if os.environ.get("STANDINGS_RENEW") else tmp_path
    subprocess.run([sys.executable, MONITORING / "dashboards.py", folder], check=True)
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert written == {path.name: path.read_text() for path in BOARDS.iterdir()}, (
        "where that is meant, run this test with STANDINGS_RENEW=1 in the environment and look at the difference"
    )


@pytest.mark.parametrize("name", boards())
def test_a_dashboard_can_be_kept_anywhere(name: str) -> None:
    board = boards()[name]
    assert board["uid"] == name
    (variable,) = board["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    sources = [part["datasource"] for panel in board["panels"] for part in (panel, *panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


@pytest.mark.parametrize("panel", PANELS, ids=str)
def test_a_panel_says_what_it_shows(panel: Panel) -> None:
    assert panel.unit
    assert panel.description.endswith(".")
    assert len({each.title for each in PANELS if each.board == panel.board}) == sum(
        each.board == panel.board for each in PANELS
    )


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    severity = alert["labels"]["severity"]
    assert severity in ("page", "ticket")
    # An anchor, as Markdown is shown, is the heading in small letters.
    assert alert["annotations"]["runbook_url"] == f"{{{{ $externalLabels.runbooks }}}}docs/runbooks.md#{name.lower()}"
    (section,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL)
    assert section.startswith(f"\n*{severity}.* ")
    assert "\nFine when: " in section
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    commands = [line.split() for line in block.splitlines() if line.startswith("standings ")]
    assert commands
    for _, *words in commands:
        _runs(words)


def test_no_runbook_is_for_nothing() -> None:
    assert re.findall(r"^## (.+)", RUNBOOKS, re.MULTILINE) == list(ALERTS)


def _runs(words: list[str]) -> None:
    """A command line that is understood, of a group or not."""
    command = COMMANDS
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    assert command.make_context(shlex.join(words), words).params is not None


def test_prometheus_loads_them() -> None:
    compose = YAML(typ="safe", pure=True).load(ROOT / "compose.yaml")["services"]["prometheus"]
    config = YAML(typ="safe", pure=True).load(ROOT / "deploy" / "prometheus.yml")
    (place,) = config["rule_files"]
    assert f"./deploy/monitoring/rules.yml:{place}:ro" in compose["volumes"]
    assert Path(place).is_relative_to("/etc/prometheus")
