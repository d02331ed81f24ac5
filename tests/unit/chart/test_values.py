"""What can be set, what a typing error is answered with, and that each flag of the operator can be set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import helm_python
import pytest
import typer
import yaml

from beemflow_secrets.cli.run import run
from e2e.chart import CHART, render
from tests.support.chart import EVERYTHING, SCOPED, SETS

if TYPE_CHECKING:
    from tests.support.chart import Values

NAMED = """
affinity crds.install extraArgs extraEnv extraVolumeMounts extraVolumes grafanaDashboard image imagePullSecrets
leaderElect log networkPolicy.egress networkPolicy.enabled nodeSelector podAnnotations podDisruptionBudget podLabels
podSecurityContext priorityClassName prometheusRule rbac.aggregate rbac.create rbac.rolloutRestart rbac.tokenRequest
replicaCount resources scopedNamespaces scopedRBAC securityContext serviceAccount.annotations serviceAccount.create
serviceAccount.name serviceMonitor tolerations topologySpreadConstraints
"""

MISTAKES: list[tuple[Values, str]] = [
    ({"replicas": 2}, "replicas"),
    ({"replicaCount": "2"}, "replicaCount"),
    ({"image": {"repo": "x"}}, "image"),
    ({"image": {"pullPolicy": "always"}}, "pullPolicy"),
    ({"image": {"digest": "0" * 64}}, "digest"),
    ({"crds": {"create": True}}, "crds"),
    ({"installCRDs": True}, "installCRDs"),
    ({"rbac": {"tokenRequests": True}}, "rbac"),
    ({"rbac": {"create": "yes"}}, "create"),
    ({"serviceAccount": {"annotations": {"x": 1}}}, "annotations"),
    ({"scopedNamespaces": "team-a"}, "scopedNamespaces"),
    ({"scopedNamespaces": ["Team"]}, "scopedNamespaces"),
    ({"scopedRBAC": True}, "scopedNamespaces"),
    ({"scopedNamespaceRoles": {"team-a": ["ops"]}}, "scopedNamespaces"),
    ({"scopedNamespaces": ["a"], "scopedNamespaceRoles": {"a": "ops"}}, "scopedNamespaceRoles"),
    ({"log": {"level": "verbose"}}, "level"),
    ({"log": {"timeEncoding": "iso8601"}}, "log"),
    ({"httpAddress": "8080"}, "httpAddress"),
    ({"concurrency": 0}, "concurrency"),
    ({"allowedEndpoints": ["vault.example.com"]}, "allowedEndpoints"),
    ({"envAllowedPrefixes": [""]}, "envAllowedPrefixes"),
    ({"fileAllowedRoots": ["etc"]}, "fileAllowedRoots"),
    ({"audit": {"sinks": ["syslog"]}}, "sinks"),
    ({"audit": {"sinks": []}}, "sinks"),
    ({"notify": {"webhook": "hooks.example.com"}}, "webhook"),
    ({"notify": {"webhook": "https://hooks.example.com/"}}, "notify.keyFile"),
    ({"extraEnv": {"A": "b"}}, "extraEnv"),
    ({"extraEnv": [{"name": "A", "vale": "b"}]}, "extraEnv"),
    ({"extraArgs": "--log-level=debug"}, "extraArgs"),
    ({"tolerations": {"key": "x"}}, "tolerations"),
    ({"affinity": {"nodeAfinity": {}}}, "affinity"),
    ({"resources": {"limit": {}}}, "resources"),
    ({"podDisruptionBudget": {"minAvailable": "half"}}, "minAvailable"),
    ({"networkPolicy": {"egress": {"to": []}}}, "egress"),
    ({"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1"]}}}, "cidrs"),
    ({"prometheusRule": {"enabled": True, "rules": []}}, "prometheusRule"),
    ({"prometheusRule": {"runbookUrl": "docs"}}, "runbookUrl"),
    ({"grafanaDashboard": {"sidecarLabelValue": 1}}, "sidecarLabelValue"),
    ({"serviceMonitor": True}, "serviceMonitor"),
    ({"serviceMonitor": {"interval": 30}}, "interval"),
]


def container(values: Values) -> dict[str, Any]:
    pod = yaml.safe_load(render(values)["deployment.yaml"])["spec"]["template"]["spec"]
    found: dict[str, Any] = pod["containers"][0]
    return found


def settings(flags: list[str]) -> dict[str, Any]:
    """Return what `run` makes of flags, by its parameters' names."""
    app = typer.Typer()
    app.command()(run)
    return dict(typer.main.get_command(app).make_context("run", list(flags)).params)


@pytest.mark.parametrize("values", SETS.values(), ids=list(SETS))
def test_helm_finds_nothing_to_say(values: Values) -> None:
    report = helm_python.lint(CHART, values, strict=True)
    assert report["errors"] == []
    assert [message["error"] for message in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("name", NAMED.split())
def test_each_value_that_was_promised_is_there(name: str) -> None:
    value: Any = yaml.safe_load((CHART / "values.yaml").read_text())
    for part in name.split("."):
        assert part in value
        value = value[part]


@pytest.mark.parametrize(("values", "names"), MISTAKES, ids=[str(values) for values, _ in MISTAKES])
def test_a_typing_error_is_refused_by_name(values: Values, names: str) -> None:
    with pytest.raises(helm_python.HelmError, match=names):
        render(values)


def test_each_default_stands_in_the_schema_and_no_more() -> None:
    with helm_python.Chart.load(CHART) as chart:
        schema, values = chart.schema, chart.values
    assert schema is not None

    def compare(properties: dict[str, Any], found: dict[str, Any], where: str) -> None:
        assert set(properties) - {"global"} >= set(found), where
        for name, rule in properties.items():
            if name == "global" or (where == ".resources" and name == "claims"):
                continue
            if rule.get("additionalProperties") is False and where != ".affinity":
                compare(rule["properties"], found[name], f"{where}.{name}")
            else:
                assert where in {".affinity", ".resources"} or name in found, f"{where}.{name}"

    compare(schema["properties"], values, "")


def test_each_flag_of_the_operator_can_be_set() -> None:
    values = EVERYTHING | SCOPED | {"extraArgs": []}
    arguments = container(values)["args"]
    assert arguments[0] == "run"
    found, default = settings(arguments[1:]), settings([])
    assert [name for name, value in found.items() if value == default[name]] == []
    assert (found["http_address"], found["concurrency"]) == ("[::]:9090", 7)
    assert found["namespaces"] == ["team-a", "team-b"]
    assert found["namespace_roles"] == ["team-a=bots,ops"]
    assert found["audit_sink"] == EVERYTHING["audit"]["sinks"]
    assert found["allowed_endpoint"] == EVERYTHING["allowedEndpoints"]


def test_the_defaults_of_the_chart_are_the_operators() -> None:
    found, default = settings(container({})["args"][1:]), settings([])
    assert found.pop("audit_sink") == ["stdout"]  # which none given stands for
    default.pop("audit_sink")
    assert found == default


def test_what_is_added_comes_last() -> None:
    assert container(EVERYTHING)["args"][-1] == "--log-level=warning"
    assert [one["name"] for one in container(EVERYTHING)["env"]] == ["POD_NAMESPACE", "HTTPS_PROXY", "APP_TOKEN"]


def test_the_image_is_named_by_tag_or_digest() -> None:
    assert container({})["image"] == "beemflow-secrets:0.1.0"
    assert container({"image": {"tag": "2"}})["image"] == "beemflow-secrets:2"
    assert container(EVERYTHING)["image"] == f"registry.example.com/secrets@sha256:{'0' * 64}"


def test_the_port_follows_the_address() -> None:
    assert container(EVERYTHING)["ports"] == [{"name": "http", "containerPort": 9090}]
    assert yaml.safe_load(render(EVERYTHING)["service.yaml"])["spec"]["ports"][0]["port"] == 9090
