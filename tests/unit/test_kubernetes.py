"""The manifests in ``k8s/``, rendered: against Kubernetes' schemas, a linter, and the code that they run."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import kubernetes_validate  # type: ignore[import-untyped]  # it has no types
import pytest
from prometheus_client import REGISTRY
from ruamel.yaml import YAML

from consumers import client
from service.api import server
from service.broker import TOPIC_SETTINGS
from service.pool_file import read_pools
from service.settings import SECRETS, Settings
from tests.conftest import ROOT
from tests.unit.test_image import COMMANDS, IMAGE, PORTS, SERVICES

Object = dict[str, Any]

HOOK: Final = runpy.run_path(str(ROOT / "deploy" / "scaled_in.py"))
K8S: Final = ROOT / "k8s"
OVERLAYS: Final = tuple(path.name for path in sorted((K8S / "overlays").iterdir()))
COMPONENTS: Final = tuple(path.name for path in sorted((K8S / "components").iterdir()))
PARTS: Final = ("ingest", "serve", "refit")
OLDEST, NEWEST = "1.32", "1.37"
"""Of Kubernetes' versions: those that the package has schemas of and ``preStop.sleep`` works in."""

NOT_KUBERNETES: Final = {"ScaledObject": "keda.sh/v1alpha1", "ServiceMonitor": "monitoring.coreos.com/v1"}
"""Of these the operators bring the schemas."""

LEFT_OUT: Final = {
    "container-image-pull-policy": "a tag is one image for good, and a node of a test cluster is given it",
    "deployment-has-host-podantiaffinity": "topology spread does that, where there are nodes enough",
    "statefulset-has-host-podantiaffinity": "the same",
    "deployment-replicas": "one refit is enough",
}
"""What the linter asks for beyond what is right here, and why it is not."""

LEFT_OUT_IN_DEV: Final = {"container-security-context-user-group-id": "Kafka's and Redis' own images choose theirs"}

METRICS: Final = {sample.name for metric in REGISTRY.collect() for sample in metric.samples} | {
    metric.name for metric in REGISTRY.collect()
}
"""Names of families and of what is exposed of them."""


@pytest.fixture(scope="module")
def kubectl() -> str:
    """Give a kubectl whose Kustomize knows components."""
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("no kubectl on PATH, which renders k8s/")
    asked = subprocess.run([found, "version", "--client", "--output=json"], capture_output=True, text=True, check=True)
    version = json.loads(asked.stdout).get("kustomizeVersion", "none")
    if not version.startswith("v5."):
        pytest.skip(f"{found} has Kustomize {version}, and k8s/ needs version 5")
    return found


Render = Callable[[Path], list[Object]]


@pytest.fixture(scope="module")
def render(kubectl: str) -> Render:
    """Render a folder to objects, once."""

    @cache
    def once(folder: Path) -> list[Object]:
        ended = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        return list(YAML(typ="safe", pure=True).load_all(ended.stdout))

    return once


@pytest.fixture(scope="module", params=[*OVERLAYS, "all"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give every overlay, and the base with every component."""
    if request.param != "all":
        return K8S / "overlays" / str(request.param)
    made = tmp_path_factory.mktemp("all").resolve()
    near = os.path.relpath(K8S, made)
    words: Object = {"resources": [f"{near}/base"], "components": [f"{near}/components/{name}" for name in COMPONENTS]}
    words["images"] = [{"name": "standings", "newTag": "0.1.0"}]
    (made / "kustomization.yaml").write_text(json.dumps(words))
    return made


@pytest.fixture(scope="module")
def rendered(folder: Path, render: Render) -> list[Object]:
    return render(folder)


def of(objects: list[Object], kind: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def workloads(objects: list[Object]) -> dict[str, Object]:
    return {name: one for kind in ("StatefulSet", "Deployment", "Job") for name, one in of(objects, kind).items()}


def pod(workload: Object) -> Object:
    found: Object = workload["spec"]["template"]["spec"]
    return found


def parts(objects: list[Object]) -> Iterator[tuple[str, Object, Object]]:
    """Name, pod and container of each part of ours."""
    for name in PARTS:
        found = pod(workloads(objects)[name])
        (container,) = found["containers"]
        yield name, found, container


def variables(objects: list[Object]) -> dict[str, str]:
    (found,) = (one for name, one in of(objects, "ConfigMap").items() if name.startswith("standings-"))
    data: dict[str, str] = found["data"]
    return data


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector takes what has these labels."""
    assert selector.keys() <= {"matchLabels", "matchExpressions"}
    expressions = selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in expressions)
    equal = selector.get("matchLabels", {}).items() <= labels.items()
    return equal and all(labels.get(one["key"]) in one["values"] for one in expressions)


def allowed(objects: list[Object], name: str, way: str) -> set[int]:
    """Numbers of the TCP ports that the policies leave open to a workload: ``Ingress`` or ``Egress``."""
    template = workloads(objects)[name]["spec"]["template"]
    named = {port["name"]: port["containerPort"] for one in workloads(objects).values() for port in ports(pod(one))}
    own = {port["name"]: port["containerPort"] for port in ports(template["spec"])}
    found = set()
    for policy in of(objects, "NetworkPolicy").values():
        spec = policy["spec"]
        if way in spec["policyTypes"] and selects(spec["podSelector"], template["metadata"]["labels"]):
            for rule in spec.get(way.lower(), []):
                for port in rule["ports"]:
                    if port["protocol"] == "TCP":
                        number = port["port"]
                        found.add(number if isinstance(number, int) else (own if way == "Ingress" else named)[number])
    return found


def ports(spec: Object) -> list[Object]:
    return [port for container in spec["containers"] for port in container.get("ports", [])]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_is_what_its_schema_asks_for(rendered: list[Object], version: str) -> None:
    for one in rendered:
        if one["kind"] in NOT_KUBERNETES:
            assert one["apiVersion"] == NOT_KUBERNETES[one["kind"]]
        else:
            assert kubernetes_validate.validate(one, version, strict=True) == version


def test_the_linter_finds_nothing(kubectl: str, folder: Path) -> None:
    linter = shutil.which("kube-score")
    if linter is None:
        pytest.skip("no kube-score on PATH, which lints k8s/")
    left_out = [*LEFT_OUT, *(LEFT_OUT_IN_DEV if folder.name == "dev" else ())]
    words = [f"--ignore-test={name}" for name in left_out]
    # A process uses one core at most; a limit would only take from it what nobody else wants.
    words += ["--ignore-container-cpu-limit", f"--kubernetes-version=v{OLDEST}", "--exit-one-on-warning", "-"]
    manifests = subprocess.run([kubectl, "kustomize", folder], capture_output=True, check=True)
    ended = subprocess.run([linter, "score", *words], input=manifests.stdout, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stdout.decode() + ended.stderr.decode()


def test_every_variable_is_a_setting(rendered: list[Object]) -> None:
    named = set(variables(rendered))
    for _, _, container in parts(rendered):
        assert [one["configMapRef"]["name"].rpartition("-")[0] for one in container["envFrom"]] == ["standings"]
        named |= {one["name"] for one in container.get("env", [])}
    assert named >= {"STANDINGS_KAFKA", "STANDINGS_TOPIC", "STANDINGS_MEMBER"}
    assert named <= {f"STANDINGS_{field.upper()}" for field in Settings.model_fields}


def test_every_name_of_a_secret_or_a_metric_exists() -> None:
    """In comments and on the page as well."""
    words = " ".join(path.read_text() for path in (*K8S.rglob("*.yaml"), ROOT / "docs" / "kubernetes.md"))
    named = set(re.findall(r"\bstandings_[a-z_]+", words))
    assert "standings_kafka_password" in named
    assert named <= METRICS | {f"standings_{field}" for field in Settings.model_fields}


def test_metrics_in_queries_exist(rendered: list[Object]) -> None:
    queries = [
        trigger["metadata"]["query"]
        for one in of(rendered, "ScaledObject").values()
        for trigger in one["spec"]["triggers"]
    ]
    named = set(re.findall(r"\bstandings_\w+", " ".join(queries)))
    assert named <= METRICS
    assert bool(named) == bool(queries)


def test_the_member_is_the_pod(rendered: list[Object]) -> None:
    (_, _, container), *_ = parts(rendered)
    assert container["env"] == [{"name": "STANDINGS_MEMBER", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    ingest = of(rendered, "StatefulSet")["ingest"]
    assert (ingest["spec"]["serviceName"], ingest["spec"]["podManagementPolicy"]) == ("ingest", "Parallel")


def test_commands_are_understood_and_run_by_the_image(rendered: list[Object]) -> None:
    for name, _, container in parts(rendered):
        command, *words = container["args"]
        assert command == name
        assert COMMANDS[command].make_context(command, words).params
        assert "command" not in container


def test_probes_ask_for_pages_that_exist_where_they_are(rendered: list[Object]) -> None:
    """That the pages exist, the test of the image asks; the probes of all parts are one file's."""
    for name, _, container in parts(rendered):
        assert container["ports"] == [{"name": "http", "containerPort": PORTS[name]}]
        asked = {what: container[f"{what}Probe"]["httpGet"] for what in ("startup", "liveness", "readiness")}
        assert asked["startup"] == asked["liveness"] == {"path": "/livez", "port": "http"}
        assert asked["readiness"] == {"path": "/readyz", "port": "http"}
        start = container["startupProbe"]
        # Without the image's cache all is compiled first.
        assert start["periodSeconds"] * start["failureThreshold"] >= 120


def test_services_lead_to_the_parts(rendered: list[Object]) -> None:
    for name in PARTS:
        service = of(rendered, "Service")[name]["spec"]
        labels = workloads(rendered)[name]["spec"]["template"]["metadata"]["labels"]
        assert service["selector"].items() <= labels.items()
        assert [port["targetPort"] for port in service["ports"]] == ["http"]


def test_a_stop_takes_less_than_the_time_until_a_pod_is_killed(rendered: list[Object]) -> None:
    stops = {"ingest": client.STOP_S + 2, "serve": server.STOP_S, "refit": 5}
    for name, found, container in parts(rendered):
        hook = container.get("lifecycle", {}).get("preStop", {})
        before = hook["sleep"]["seconds"] if "sleep" in hook else 3 * HOOK["ASK_S"] if "exec" in hook else 0
        assert found["terminationGracePeriodSeconds"] > before + stops[name]


def test_the_hook_is_in_the_image_and_may_ask_its_one_question(rendered: list[Object]) -> None:
    (_, found, container), *others = parts(rendered)
    python, script, pid, given = container["lifecycle"]["preStop"]["exec"]["command"]
    assert IMAGE.sources.count("deploy/scaled_in.py") == 1
    assert (python, script) == ("/opt/standings/bin/python", "/opt/standings/scaled_in.py")
    # The image's script gives its place to the command.
    assert pid == "1"
    assert "exec /opt/standings/bin/standings" in (ROOT / "deploy" / "standings.sh").read_text()
    (mounted,) = (one["name"] for one in container["volumeMounts"] if one["mountPath"] == given)
    (volume,) = (one["projected"] for one in found["volumes"] if one["name"] == mounted)
    files = {
        item["path"] for source in volume["sources"] for one in source.values() for item in one.get("items", [one])
    }
    assert files == {"token", "ca.crt", "namespace"}
    (role,) = of(rendered, "Role").values()
    asks = {"apiGroups": ["apps"], "resources": ["statefulsets/scale"], "resourceNames": ["ingest"], "verbs": ["get"]}
    assert role["rules"] == [asks]
    (binding,) = of(rendered, "RoleBinding").values()
    assert [one["name"] for one in binding["subjects"]] == [found["serviceAccountName"]]
    assert all("serviceAccountName" not in spec for _, spec, _ in others)


def test_every_pod_is_confined_and_bounded(rendered: list[Object]) -> None:
    for name, workload in workloads(rendered).items():
        found = pod(workload)
        assert found["automountServiceAccountToken"] is False
        assert found["enableServiceLinks"] is False, "STANDINGS_... of a service would be taken for settings"
        context = found["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        user = f"{context['runAsUser']}:{context['runAsGroup']}"
        assert name not in PARTS or user == IMAGE.last["USER"]
        for container in (*found["containers"], *found.get("initContainers", [])):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(container["resources"]["requests"]) == {"cpu", "memory", "ephemeral-storage"}
            assert set(container["resources"]["limits"]) == {"memory", "ephemeral-storage"}
        for volume in found.get("volumes", []):
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"]


def test_what_must_be_writable_is_and_settings_are_where_they_are_looked_for(rendered: list[Object]) -> None:
    for _, found, container in parts(rendered):
        volumes = {one["name"]: one for one in found["volumes"]}
        mounted = {
            one["mountPath"]: (volumes[one["name"]], one.get("readOnly", False)) for one in container["volumeMounts"]
        }
        assert mounted["/tmp"] == ({"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}, False)
        secrets, read_only = mounted[str(SECRETS)]
        assert read_only
        assert re.fullmatch(r"standings(-\w{10})?", secrets["secret"]["secretName"])
        folder, _, file = variables(rendered)["STANDINGS_POOLS"].rpartition("/")
        pools, read_only = mounted[folder]
        assert read_only
        assert file in of(rendered, "ConfigMap")[pools["configMap"]["name"]]["data"]
        # Nothing can be mounted inside what cannot be written to.
        assert not any(path.startswith(f"{SECRETS}/") for path in mounted)


def test_the_pools_file_is_one(tmp_path: Path) -> None:
    assert read_pools(K8S / "base" / "pools.toml").systems() == read_pools(None).systems()


def test_parts_are_spread_and_drained_one_at_a_time(rendered: list[Object]) -> None:
    for name, found, _ in parts(rendered):
        labels = workloads(rendered)[name]["spec"]["template"]["metadata"]["labels"]
        spread = found["topologySpreadConstraints"]
        assert {one["topologyKey"] for one in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        budget = of(rendered, "PodDisruptionBudget")[name]["spec"]
        assert budget["maxUnavailable"] == 1
        assert all(selects(one, labels) for one in (budget["selector"], *(one["labelSelector"] for one in spread)))
        assert not any(
            selects(budget["selector"], {"app.kubernetes.io/name": other}) for other in PARTS if other != name
        )


def test_the_autoscalers_have_their_replicas_to_themselves(rendered: list[Object]) -> None:
    (scaler,) = of(rendered, "HorizontalPodAutoscaler").values()
    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "serve"}
    assert "replicas" not in of(rendered, "Deployment")["serve"]["spec"]
    for keda in of(rendered, "ScaledObject").values():
        target = keda["spec"]["scaleTargetRef"]
        assert "replicas" not in of(rendered, target["kind"])[target["name"]]["spec"]


def test_the_network_lets_through_what_is_needed_and_nothing_else(rendered: list[Object]) -> None:
    everything = [one["spec"] for one in of(rendered, "NetworkPolicy").values() if not one["spec"]["podSelector"]]
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in everything
    kafka = {int(address.rpartition(":")[2]) for address in variables(rendered)["STANDINGS_KAFKA"].split(",")}
    secured = variables(rendered).get("STANDINGS_KAFKA_SECURITY", "PLAINTEXT") != "PLAINTEXT"
    kafka = {9093} if secured else kafka
    names, redis, api_server = {53}, {6379}, {443, 6443}
    assert allowed(rendered, "ingest", "Egress") == names | redis | kafka | api_server
    assert allowed(rendered, "serve", "Egress") == names | redis | kafka
    assert allowed(rendered, "refit", "Egress") == names | redis
    scraped = bool(of(rendered, "ServiceMonitor"))
    for name in PARTS:
        assert allowed(rendered, name, "Ingress") == ({PORTS[name]} if scraped or name == "serve" else set())


def test_prometheus_finds_every_part_and_shows_the_key_where_it_is_asked_for(rendered: list[Object]) -> None:
    for monitor in of(rendered, "ServiceMonitor").values():
        endpoints = {one["port"]: one for one in monitor["spec"]["endpoints"]}
        for name in PARTS:
            service = of(rendered, "Service")[name]
            assert selects(monitor["spec"]["selector"], service["metadata"]["labels"])
            (port,) = service["spec"]["ports"]
            assert endpoints[port["name"]]["path"] == "/metrics"
            assert ("authorization" in endpoints[port["name"]]) == (name == "serve")
        assert endpoints["http"]["authorization"]["credentials"] == {"name": "standings", "key": "prometheus_key"}


def test_the_topic_keeps_what_ingest_needs(render: Render) -> None:
    objects = render(K8S / "overlays" / "dev")
    (container,) = pod(of(objects, "Job")["topic"])["containers"]
    given = dict(
        word.removeprefix("--").split("=", 1) for word in container["args"] if word.startswith(("--topic", "--part"))
    )
    kept = dict(word.removeprefix("--config=").split("=") for word in container["args"] if word.startswith("--config"))
    assert kept == TOPIC_SETTINGS
    assert given["topic"] == variables(objects)["STANDINGS_TOPIC"]
    # More would have nothing to do.
    assert of(objects, "StatefulSet")["ingest"]["spec"]["replicas"] <= int(given["partitions"])


def test_the_dev_overlay_has_the_servers_of_the_compose_file(render: Render) -> None:
    objects = render(K8S / "overlays" / "dev")
    images = {name: pod(one)["containers"][0]["image"] for name, one in workloads(objects).items() if name not in PARTS}
    assert images == {name: SERVICES[name]["image"] for name in ("kafka", "redis", "topic")}
    assert variables(objects)["STANDINGS_KAFKA"] == "kafka:9092"


def test_a_redis_that_is_brought_along_is_found_lets_the_parts_in_and_drops_nothing(rendered: list[Object]) -> None:
    brought = {name: one for name, one in of(rendered, "StatefulSet").items() if name.startswith("redis")}
    named = urlsplit(variables(rendered).get("STANDINGS_REDIS", ""))
    assert brought.keys() == ({named.hostname} if named.hostname else set())
    for name, workload in brought.items():
        (container,) = pod(workload)["containers"]
        assert container["image"] == SERVICES["redis"]["image"]
        assert "--maxmemory-policy noeviction --appendonly yes" in " ".join(container["args"])
        assert [port["port"] for port in of(rendered, "Service")[name]["spec"]["ports"]] == [named.port]
        labels = workload["spec"]["template"]["metadata"]["labels"]
        rules = [
            rule
            for policy in of(rendered, "NetworkPolicy").values()
            if policy["spec"]["podSelector"] and selects(policy["spec"]["podSelector"], labels)
            for rule in policy["spec"].get("ingress", [])
        ]
        for part in PARTS:
            own = workloads(rendered)[part]["spec"]["template"]["metadata"]["labels"]
            assert any(selects(one["podSelector"], own) for rule in rules for one in rule["from"])


def test_all_images_have_exact_versions(rendered: list[Object]) -> None:
    images = [one["image"] for found in workloads(rendered).values() for one in pod(found)["containers"]]
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in images), images
