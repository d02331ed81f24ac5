"""Which cluster the demo runs on: one that is there, kind, or a control plane of its own."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from e2e.clusters.cluster import Cluster, ClusterFailed, CommandFailed, run
from e2e.clusters.controlplane import ControlPlane

if TYPE_CHECKING:
    from pathlib import Path

_KIND = "beemflow-secrets-demo"


def default() -> str:
    """Return the name of the cluster to take when nobody says: kind where Docker answers, else a control plane."""
    return "kind" if shutil.which("kind") and _docker_answers() else "own"


def choose(name: str, state: Path) -> Cluster:
    """Return the cluster of a name: current, kind or own."""
    match name:
        case "current":
            return CurrentCluster(state)
        case "kind":
            return KindCluster(state)
        case "own":
            return ControlPlane(state, detached=True)
    raise ClusterFailed(f"CLUSTER is current, kind or own, not {name}")


def _docker_answers() -> bool:
    try:
        run(["docker", "info"])
    except CommandFailed:
        return False
    return True


class KindCluster(Cluster):
    """A kind cluster, made for the demo."""

    title = f"the kind cluster {_KIND}"

    def start(self, *manifests: Path) -> None:
        """Make the cluster; the first time kind fetches its image."""
        run(["kind", "create", "cluster", "--name", _KIND, "--kubeconfig", self.kubeconfig, "--wait", "2m"])
        for manifest in manifests:
            self.apply(manifest)

    def stop(self) -> None:
        """Delete the cluster, if it was made."""
        if self.kubeconfig.exists():
            run(["kind", "delete", "cluster", "--name", _KIND, "--kubeconfig", self.kubeconfig])


class CurrentCluster(Cluster):
    """The cluster of the current context; refused where beemflow-secrets is installed, which would serve the demo."""

    title = "the cluster of the current context"

    def start(self, *manifests: Path) -> None:
        """Apply the manifests, and note which, for `stop`."""
        # A copy, so that the demo stays with this cluster when the context changes.
        self.write_private(self.kubeconfig.name, run(["kubectl", "config", "view", "--minify", "--flatten", "--raw"]))
        if self.kubectl("get", "crd", "beemflowsecrets.secrets.beemflow.io", "--ignore-not-found"):
            raise ClusterFailed("beemflow-secrets is installed in the current context's cluster: choose another one")
        self._applied.write_text(json.dumps([str(manifest) for manifest in manifests]))
        for manifest in manifests:
            self.apply(manifest)

    def stop(self) -> None:
        """Delete what was applied, the resources of its kinds with it."""
        if self._applied.exists():
            for manifest in reversed(json.loads(self._applied.read_text())):
                self.kubectl("delete", "--ignore-not-found", "-f", manifest)
            self._applied.unlink()

    @property
    def _applied(self) -> Path:
        return self.state / "applied.json"
