"""The chart on a real API server: taken with the values that people use, allowed where pods are restricted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from e2e.chart import render
from tests.support.api import condition
from tests.support.chart import SETS, made, of_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.chart import Object, Values


def known(values: Values) -> list[Object]:
    """Return the chart's objects, but those of kinds that only Prometheus's operator brings."""
    return [one for one in made(values, namespace="default") if "monitoring.coreos.com" not in one["apiVersion"]]


@pytest.fixture(scope="module")
def teams(control_plane: ControlPlane) -> Iterator[None]:
    """The namespaces that the scoped values name."""
    for team in ("team-a", "team-b"):
        control_plane.kubectl("create", "namespace", team)
    yield
    control_plane.kubectl("delete", "namespace", "team-a", "team-b", "--wait=false")


@pytest.mark.usefixtures("teams")
@pytest.mark.parametrize("values", SETS.values(), ids=list(SETS))
def test_a_strict_api_server_takes_all_of_it(control_plane: ControlPlane, values: Values) -> None:
    found = known(values)
    said = control_plane.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "-f", "-"),
        stdin=yaml.dump_all(found, Dumper=yaml.CSafeDumper),
    )
    assert len(said.splitlines()) == len(found)


def test_the_pod_is_allowed_where_pods_are_restricted(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "namespace", "hardened")
    control_plane.kubectl("label", "namespace", "hardened", "pod-security.kubernetes.io/enforce=restricted")
    try:
        (template,) = [one["spec"]["template"] for one in of_kind(known({}), "Deployment")]
        template["spec"].pop("serviceAccountName")
        test = yaml.safe_load(render()["tests/ready.yaml"])
        for name, spec in (("operator", template["spec"]), ("ready", test["spec"])):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "hardened"}, "spec": spec}
            assert "created" in control_plane.kubectl("create", "-f", "-", stdin=yaml.safe_dump(pod))
    finally:
        control_plane.kubectl("delete", "namespace", "hardened", "--wait=false")


def test_without_the_right_to_tokens_a_store_that_needs_one_says_so_and_the_others_serve(
    control_plane: ControlPlane, ns: Namespace, store: str, start_operator: Callable[..., Any]
) -> None:
    values = {"scopedNamespaces": [ns.name], "scopedRBAC": True, "rbac": {"tokenRequest": False}}
    rendered = render(values, namespace=ns.name)
    for name in ("serviceaccount.yaml", "rbac.yaml"):
        control_plane.apply(rendered[name])
    start_operator("--namespaces", ns.name, config=control_plane.kubeconfig_for("beemflow-secrets", ns.name))
    ns.add_store("mine", {"driver": "kubernetes", "kubernetes": {"serviceAccountRef": {"name": "default"}}})
    told = condition(ns.store_ready("mine", "False", reason="CredentialNotFound"))["message"]
    assert 'cannot create resource "serviceaccounts/token"' in told
    ns.store_ready(store)
