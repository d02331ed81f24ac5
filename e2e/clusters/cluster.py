"""A cluster as kubectl sees it, whoever made it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path


class KubectlFailed(Exception):
    """kubectl ended with an error; the text is what it said."""


class Cluster:
    """A cluster that a kubeconfig leads to, and what tests and the demo do with one."""

    def __init__(self, state: Path, kubeconfig: Path, kubectl: str | Path = "kubectl") -> None:
        self.state = state
        self.kubeconfig = kubeconfig
        self._kubectl = kubectl

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it prints. Raises KubectlFailed."""
        ran = subprocess.run(
            [self._kubectl, *arguments],
            # A cache of its own: what kubectl knows of a server by its port would be wrong for the next one there.
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": f"{self.state}/kubectl"},
            input=stdin or "",
            text=True,
            capture_output=True,
            check=False,
        )
        if ran.returncode:
            raise KubectlFailed(ran.stderr.strip() or f"kubectl {' '.join(arguments)} ended with {ran.returncode}")
        return ran.stdout

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
        path = self.state / f"{namespace}-{service_account}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path
