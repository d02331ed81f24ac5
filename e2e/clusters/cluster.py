"""A cluster as kubectl sees it, whoever made it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class ClusterFailed(Exception):
    """There is no cluster, or it does not do what it is asked; the first line says why."""


class CommandFailed(ClusterFailed):
    """A program, mostly kubectl, ended with an error; the text is what it said."""


class Cluster(ABC):
    """A cluster that a kubeconfig leads to, and what tests and the demo do with one."""

    title: ClassVar[str]
    """What kind of cluster it is, in a few words."""

    def __init__(self, state: Path, kubectl: str | Path = "kubectl") -> None:
        self.state = state
        self.kubeconfig = state / "kubeconfig"
        self._kubectl = kubectl

    @abstractmethod
    def start(self, *manifests: Path) -> None:
        """Make the cluster be there, with these manifests (files or folders) applied. Raises ClusterFailed."""

    @abstractmethod
    def stop(self) -> None:
        """Take away what `start` made; nothing where it made nothing."""

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl and return what it prints. Raises CommandFailed."""
        # A cache of its own: what kubectl knows of a server by its port would be wrong for the next one there.
        environment = {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": f"{self.state}/kubectl"}
        return run([self._kubectl, *arguments], stdin, environment)

    def apply(self, manifest: Path | str) -> str:
        """Apply a file or a folder, or a text that is a manifest: server-side, as crds/ are meant to be."""
        if isinstance(manifest, Path):
            return self.kubectl("apply", "--server-side", "-f", str(manifest))
        return self.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)

    def kubeconfig_for(self, service_account: str, namespace: str) -> Path:
        """Write a kubeconfig with the rights of a ServiceAccount, which it has for a day, and no others."""
        token = self.kubectl("create", "token", service_account, "-n", namespace, "--duration=24h").strip()
        config = json.loads(self.kubectl("config", "view", "--minify", "--flatten", "--raw", "-o", "json"))
        context = {"cluster": config["clusters"][0]["name"], "user": service_account, "namespace": namespace}
        config["users"] = [{"name": service_account, "user": {"token": token}}]
        config["contexts"] = [{"name": service_account, "context": context}]
        config["current-context"] = service_account
        return self.write_private(f"{namespace}-{service_account}.kubeconfig", json.dumps(config))

    def write_private(self, name: str, text: str) -> Path:
        """Write a file of the state that only its owner may read."""
        path = self.state / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path


def run(command: Sequence[str | Path], stdin: str = "", environment: dict[str, str] | None = None) -> str:
    """Run a program, with these variables on top of ours; return what it prints. Raises CommandFailed."""
    name = Path(command[0]).name
    if shutil.which(command[0]) is None:
        raise CommandFailed(f"{name} is not installed")
    ran = subprocess.run(
        command, env=os.environ | (environment or {}), input=stdin, text=True, capture_output=True, check=False
    )
    if ran.returncode:
        raise CommandFailed(ran.stderr.strip() or f"{name} ended with {ran.returncode}")
    return ran.stdout
