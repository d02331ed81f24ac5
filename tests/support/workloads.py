"""Workloads whose pods are restarted, and the right to do that. Their generation counts changes of their templates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from beemflow_secrets.kube import paths
from beemflow_secrets.model.names import RESTARTED_FOR_ANNOTATION

if TYPE_CHECKING:
    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object

MANIFEST = Path(__file__).parents[2] / "manifests" / "rollout-restart.yaml"


def may_restart(plane: ControlPlane, ns: Namespace) -> None:
    """Let the operator restart pods in this namespace: by the rule that is shipped, bound here alone."""
    shipped = {
        one["kind"]: one for one in yaml.safe_load_all(MANIFEST.read_text()) if one["kind"].startswith("Cluster")
    }
    metadata = {"name": "restarts", "namespace": ns.name}
    rules = [rule for rule in shipped["ClusterRole"]["rules"] if rule["apiGroups"] == ["apps"]]
    binding = shipped["ClusterRoleBinding"] | {"kind": "RoleBinding", "metadata": metadata}
    binding["roleRef"] |= {"kind": "Role", "name": "restarts"}
    role = {**shipped["ClusterRole"], "kind": "Role", "metadata": metadata, "rules": rules}
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all([role, binding]))


def add_workload(ns: Namespace, kind: str, name: str) -> None:
    """Make a workload whose template has an annotation of its own."""
    labels = {"app": name}
    containers = [{"name": "main", "image": "example.com/main"}]
    template = {"metadata": {"labels": labels, "annotations": {"mine": "stays"}}, "spec": {"containers": containers}}
    spec: Object = {"selector": {"matchLabels": labels}, "template": template}
    if kind != "DaemonSet":
        spec |= {"replicas": 0}
    if kind == "StatefulSet":
        spec |= {"serviceName": name}
    ns.api.create(
        _path(ns, kind, ""), {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    )


def stamp(ns: Namespace, kind: str, name: str) -> tuple[int, str | None]:
    """Return the generation of a workload, which each change of its template counts on, and what it is stamped with."""
    found = ns.api.get(_path(ns, kind, name)) or {}
    annotations = found["spec"]["template"]["metadata"]["annotations"]
    assert annotations["mine"] == "stays"
    return found["metadata"]["generation"], annotations.get(RESTARTED_FOR_ANNOTATION)


def _path(ns: Namespace, kind: str, name: str) -> str:
    return paths.workloads(f"{kind.lower()}s", ns.name, name)
