"""Which cluster the demo and e2e/tests run on: one that is there, kind, or one of its own."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from e2e.clusters.cluster import Cluster, ClusterFailed, CommandFailed, run
from e2e.clusters.controlplane import ControlPlane
from e2e.clusters.images import saved
from e2e.clusters.node import Node

if TYPE_CHECKING:
    from pathlib import Path


def default() -> str:
    """Return the name of the cluster to take when nobody says: kind where Docker answers, else one of our own."""
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


def with_node(state: Path) -> ClusterWithNode:
    """Return a cluster that runs pods: kind where Docker answers, else one of our own."""
    return KindCluster(state, "beemflow-secrets-e2e") if default() == "kind" else Node(state)


def _docker_answers() -> bool:
    try:
        run(["docker", "info"])
    except CommandFailed:
        return False
    return True


class KindCluster(Cluster):
    """A kind cluster, made for the demo or for tests."""

    title = "a kind cluster"

    def __init__(self, state: Path, name: str = "beemflow-secrets-demo") -> None:
        super().__init__(state)
        self._name = name

    def start(self, *manifests: Path) -> None:
        """Make the cluster; the first time kind fetches its image."""
        run(["kind", "create", "cluster", "--name", self._name, "--kubeconfig", self.kubeconfig, "--wait", "2m"])
        for manifest in manifests:
            self.apply(manifest)

    def stop(self) -> None:
        """Delete the cluster, if it was made."""
        if self.kubeconfig.exists():
            run(["kind", "delete", "cluster", "--name", self._name, "--kubeconfig", self.kubeconfig])

    def load(self, image: str) -> str:
        """Give the cluster an image that `make image` made; return its name there."""
        with saved(image, self.state) as (name, archive):
            run(["kind", "load", "image-archive", archive, "--name", self._name])
        return name


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


ClusterWithNode = KindCluster | Node
"""A cluster that runs pods, and takes images."""
