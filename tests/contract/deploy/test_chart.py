"""The Helm chart: its values, and what helm makes of them."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from riskrelay.settings import Settings
from support.at_length import deploy_check

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy/helm/riskrelay"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
URL = {"publicUrl": "https://risk.example.com"}
POSTGRESQL: dict[str, Any] = {
    **URL,
    "database": {"kind": "postgresql", "existingSecret": "riskrelay-database"},
    "masterKey": {"existingSecret": "riskrelay-master-key"},
    "ingress": {"enabled": True, "tlsSecret": "risk-tls", "className": "nginx", "trustedProxies": ["10.244.0.0/16"]},
    "networkPolicy": {"privateTargets": ["10.20.0.0/16"], "databaseTo": [{"podSelector": {"matchLabels": {"a": "b"}}}]},
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "settings": {"RISKRELAY_RETENTION_DAYS": "14"},
    "podAnnotations": {"example.com/team": "security"},
    "imagePullSecrets": [{"name": "registry"}],
}
KINDS = {"sqlite": URL, "postgresql": POSTGRESQL}


def merged(default: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The values that helm uses."""
    found = dict(default)
    for name, value in given.items():
        nested = isinstance(value, dict) and isinstance(default.get(name), dict)
        found[name] = merged(default[name], value) if nested else value
    return found


def fault(given: dict[str, Any]) -> str:
    """What the schema says of these values; empty: nothing."""
    values = merged(yaml.safe_load((CHART / "values.yaml").read_text()), given)
    found = sorted(jsonschema.Draft7Validator(SCHEMA).iter_errors(values), key=lambda error: list(error.path))
    return "; ".join(f"{'.'.join(map(str, error.path))}: {error.message}" for error in found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_are_valid(kind: str) -> None:
    """The schema is a schema, and accepts what the tests deploy."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert fault(KINDS[kind]) == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "publicUrl"),
        ({"publicUrl": "http://risk.example.com"}, "publicUrl"),
        ({"publicUrl": "https://risk.example.com/path"}, "publicUrl"),
        ({**URL, "publicURL": "x"}, "publicURL"),
        ({**URL, "settings": {"RISKRELAY_MASTER_KEY": "secret"}}, "settings"),
        ({**URL, "settings": {"RISKRELAY_RETENTION_DAYS": 14}}, "settings"),
        ({**URL, "ingress": {"enabled": True}}, "ingress"),
        ({**URL, "serve": {"replicas": 0}}, "serve"),
    ],
)
def test_wrong_values_are_refused(given: dict[str, Any], said: str) -> None:
    """The name of the value is in the message. No secret can be written into the values."""
    assert said in fault(given)


def test_postgresql_requires_its_secrets() -> None:
    """The chart creates no secret and has none by default."""
    assert "masterKey" in fault({**POSTGRESQL, "masterKey": {}})
    assert "database" in fault({**POSTGRESQL, "database": {"kind": "postgresql"}})


def test_the_versions_are_those_of_the_package() -> None:
    """Chart and image."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_every_value_is_in_the_schema_and_is_used() -> None:
    """And the templates use no other."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(values) == set(SCHEMA["properties"]) - {"global"}
    templates = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    used = set(re.findall(r"\.Values\.(\w+)", templates))
    assert used == set(values)


def rendered(kind: str, tmp_path: Path) -> list[dict[str, Any]]:
    """The objects that helm makes."""
    helm = shutil.which("helm", path=f"{ROOT}/.local/deploy-tools/bin{os.pathsep}{os.environ['PATH']}")
    if helm is None:
        pytest.skip("helm is not installed; with Go, `make deploy-check` builds it")
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(KINDS[kind]))
    command = [helm, "template", "risk", str(CHART), "--namespace", "security", "--values", str(values)]
    command += ["--kube-version", "1.33.0"]
    subprocess.run([helm, "lint", "--strict", str(CHART), "--values", str(values)], check=True, capture_output=True)
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return [found for found in yaml.safe_load_all(made.stdout) if found is not None]


@deploy_check
@pytest.mark.parametrize("kind", KINDS)
def test_the_objects_are_those_of_kubernetes(kind: str, tmp_path: Path) -> None:
    """Each is valid by the schemas of Kubernetes; a ServiceMonitor is none of its own."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    found = rendered(kind, tmp_path)
    for one in found:
        if one["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(one, "1.33", strict=True)
    kinds = sorted(one["kind"] for one in found)
    if kind == "sqlite":
        assert kinds == ["NetworkPolicy", "Service", "Service", "ServiceAccount", "StatefulSet"]
    else:
        assert kinds == sorted(
            ["Deployment"] * 2
            + ["Ingress", "NetworkPolicy"]
            + ["PodDisruptionBudget"] * 2
            + ["Service"] * 3
            + ["ServiceAccount", "ServiceMonitor"]
        )
    assert len({(one["kind"], one["metadata"]["name"]) for one in found}) == len(found)


@deploy_check
@pytest.mark.parametrize("kind", KINDS)
def test_the_pods_are_confined_and_find_each_other(kind: str, tmp_path: Path) -> None:
    """No privileges, a read-only file system, probes, no service account token; services select the pods."""
    found = rendered(kind, tmp_path)
    settings = {f"RISKRELAY_{name.upper()}" for name in Settings.model_fields}
    pods = [one["spec"] for one in found if one["kind"] in ("Deployment", "StatefulSet")]
    for spec in pods:
        labels, pod = spec["template"]["metadata"]["labels"], spec["template"]["spec"]
        assert spec["selector"]["matchLabels"].items() <= labels.items()
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False  # RISKRELAY_PORT would be the address of the service
        assert pod["securityContext"]["runAsNonRoot"] is True
        volumes = {volume["name"] for volume in pod["volumes"]} | ({"data"} if kind == "sqlite" else set())
        for container in (*pod["initContainers"], *pod["containers"]):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert {variable["name"] for variable in container["env"]} <= settings
        assert all({"startupProbe", "livenessProbe"} <= set(container) for container in pod["containers"])
    services = [one for one in found if one["kind"] == "Service" and not one["metadata"]["name"].endswith("-nothing")]
    for service in services:
        selected = [
            spec
            for spec in pods
            if service["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()
        ]
        ports = {port["name"] for spec in selected for port in spec["template"]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
