"""The chart installed, upgraded and taken away by Helm itself, on a control plane of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import helm_python
import pytest
import yaml

from beemflow_secrets.model import names
from e2e.chart import CHART
from e2e.clusters.cluster import CommandFailed
from e2e.clusters.controlplane import ControlPlane
from tests.controlplane.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterator

CRDS = {f"{kind.plural}.{names.GROUP}" for kind in names.KINDS}
ROLES = "secrets.beemflow.io/roles"

GRANT = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NAME}
rules:
  - {apiGroups: [""], resources: [namespaces], verbs: [get, create, patch]}
EXTRA---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: NAME}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAME}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: NAME}]
"""
ASSIGN = "  - {apiGroups: [secrets.beemflow.io], resources: [roles], verbs: [assign]}\n"
STORE = """
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowSecretStore
metadata: {name: prod, namespace: default}
spec: {driver: kubernetes, kubernetes: {serviceAccountRef: {name: reader}}}
"""


@pytest.fixture(autouse=True)
def no_defect() -> None:
    """No operator runs here."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("helm")) as plane:
        yield plane


@pytest.fixture(scope="module")
def helm(plane: ControlPlane) -> Iterator[helm_python.Config]:
    """Helm with the release `beemflow-secrets` as the README installs it."""
    with helm_python.Config(kubeconfig_path=plane.kubeconfig, namespace="beemflow-system") as helm:
        helm.install(CHART, "beemflow-secrets", namespace="beemflow-system", create_namespace=True)
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        yield helm


def crds(plane: ControlPlane) -> set[str]:
    return set(plane.kubectl("get", "crd", "-o", "jsonpath={.items[*].metadata.name}").split())


def refused(plane: ControlPlane, *command: str, stdin: str = "") -> str:
    """Return why a command is refused; nothing if it is not."""
    try:
        plane.kubectl(*command, stdin=stdin)
    except CommandFailed as failed:
        return str(failed)
    return ""


def may(plane: ControlPlane, user: str, verb: str, kind: str) -> bool:
    return not refused(plane, "auth", "can-i", verb, f"{kind}.{names.GROUP}", "-n", "default", "--as", user)


def test_a_namespaces_roles_are_for_those_to_give_who_have_the_right(plane: ControlPlane, helm: object) -> None:
    for name, extra in (("labeller", ""), ("assigner", ASSIGN)):
        plane.apply(GRANT.replace("NAME", name).replace("EXTRA", extra))
    annotate = ("annotate", "--overwrite", "namespace", "default", "--as")
    # A policy is in force a moment after it stands there.
    until(lambda: "only who may assign roles" in refused(plane, *annotate, "labeller", f"{ROLES}=admin"))
    plane.kubectl(*annotate, "labeller", "example.com/other=admin")
    plane.kubectl(*annotate, "assigner", f"{ROLES}=bots")
    plane.kubectl(*annotate, "labeller", "example.com/other=more")
    assert "only who may assign roles" in refused(plane, *annotate, "labeller", f"{ROLES}-")
    plane.kubectl(*annotate, "assigner", f"{ROLES}-")
    own = f"{{apiVersion: v1, kind: Namespace, metadata: {{name: mine, annotations: {{{ROLES}: admin}}}}}}"
    assert "only who may assign roles" in refused(plane, "create", "--as", "labeller", "-f", "-", stdin=own)
    plane.kubectl("create", "--as", "assigner", "-f", "-", stdin=own)


def test_view_and_edit_of_the_cluster_reach_our_kinds(plane: ControlPlane, helm: object) -> None:
    for role in ("view", "edit"):
        plane.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}er", "-n", "default")
    until(
        lambda: may(plane, "viewer", "get", names.SECRET.plural) and may(plane, "editer", "patch", names.SECRET.plural)
    )
    assert not may(plane, "viewer", "patch", names.SECRET.plural)
    assert not may(plane, "editer", "patch", names.CLUSTER_STORE.plural)


def test_a_second_release_is_refused_and_one_without_the_kinds_goes_beside(
    plane: ControlPlane, helm: helm_python.Config
) -> None:
    plane.kubectl("create", "namespace", "team-a")
    scoped: dict[str, Any] = {"scopedNamespaces": ["team-a"], "scopedRBAC": True}
    with helm_python.Config(kubeconfig_path=plane.kubeconfig, namespace="team-a") as other:
        with pytest.raises(helm_python.HelmError, match=r"CustomResourceDefinition.*cannot be imported"):
            other.install(CHART, "second", scoped, namespace="team-a")
        other.uninstall("second", ignore_not_found=True)
        assert crds(plane) == CRDS
        other.install(CHART, "beside", scoped | {"crds": {"install": False}}, namespace="team-a")
        other.uninstall("beside")
    assert crds(plane) == CRDS


def test_the_kinds_follow_an_upgrade_and_stay_when_the_release_goes(
    plane: ControlPlane, helm: helm_python.Config
) -> None:
    plane.apply(STORE)
    # A release of an older version: a kind that lacks what the chart's has.
    kind = f"{names.STORE.plural}.{names.GROUP}"
    column = '[{"op": "remove", "path": "/spec/names/shortNames"}]'
    plane.kubectl("patch", "crd", kind, "--type=json", "-p", column)
    helm.upgrade(CHART, "beemflow-secrets", {"log": {"level": "debug"}}, namespace="beemflow-system")
    found = yaml.safe_load(plane.kubectl("get", "crd", kind, "-o", "yaml"))
    assert found["spec"]["names"]["shortNames"] == ["bfss"]
    helm.uninstall("beemflow-secrets")
    assert (
        plane.kubectl(
            "get",
            "deployments,clusterroles,serviceaccounts",
            "-A",
            "-o",
            "name",
            "-l",
            "app.kubernetes.io/name=beemflow-secrets",
        )
        == ""
    )
    assert crds(plane) == CRDS
    assert "prod" in plane.kubectl("get", "bfss", "prod")
    helm.install(CHART, "beemflow-secrets", namespace="beemflow-system")  # the same release takes its kinds again
