"""What e2e tests say and ask, by kubectl alone."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import yaml

from e2e.clusters.cluster import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.choose import ClusterWithNode

ROOT = Path(__file__).parents[2]
PATIENCE = 120
"""Seconds to wait for what takes a few on a machine that does nothing else."""
SYSTEM, NAME = "beemflow-system", "beemflow-secrets"


def until(what: str, condition: Callable[[], object]) -> None:
    """Wait until a condition holds; what kubectl refuses meanwhile counts as not yet."""
    deadline = time.monotonic() + PATIENCE
    last = ""
    while True:
        try:
            if condition():
                return
        except CommandFailed as failed:
            last = str(failed)
        assert time.monotonic() < deadline, f"{what}: not after {PATIENCE} s. {last}"
        time.sleep(0.2)


class OpenBao:
    """OpenBao in the cluster: KV2 at `secret/`, and a login with a ServiceAccount's token."""

    address = "http://openbao.openbao.svc:8200"

    def __init__(self, cluster: ClusterWithNode) -> None:
        self._cluster = cluster
        self.values: list[str] = []
        """All that was ever stored here."""

    def bao(self, *arguments: str, stdin: str = "") -> str:
        """Run its command line beside it."""
        return self._cluster.kubectl(
            "exec", "-i", "-n", "openbao", "deploy/openbao", "--", "bao", *arguments, stdin=stdin
        )

    def put(self, key: str, **fields: str) -> None:
        """Write a version of a secret."""
        self.values += fields.values()
        self.bao("kv", "put", f"secret/{key}", "-", stdin=json.dumps(fields))

    def admit(self, namespace: str, account: str) -> None:
        """Let a ServiceAccount read what lies below the name of its namespace, as the role of that name."""
        self.bao(
            "policy", "write", namespace, "-", stdin=f'path "secret/data/{namespace}/*" {{ capabilities = ["read"] }}'
        )
        bound = {"bound_service_account_names": account, "bound_service_account_namespaces": namespace}
        self.bao(
            "write", f"auth/kubernetes/role/{namespace}", "-", stdin=json.dumps({**bound, "token_policies": namespace})
        )


class Namespace:
    """The resources of one namespace, by the few words that tests need."""

    def __init__(self, cluster: ClusterWithNode, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in this namespace."""
        return self.cluster.kubectl("-n", self.name, *arguments)

    def apply(self, text: str, **values: str) -> None:
        """Apply manifests, with `$name` in them replaced."""
        objects = list(yaml.safe_load_all(Template(text).substitute(values)))
        for found in objects:
            found["metadata"].setdefault("namespace", self.name)
        self.cluster.apply(yaml.safe_dump_all(objects))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object."""
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def ready(self, name: str, status: str = "True") -> None:
        """Wait until a BeemFlowSecret is Ready, or is not."""
        self.kubectl("wait", f"--for=condition=Ready={status}", f"beemflowsecret/{name}", f"--timeout={PATIENCE}s")

    def value(self, secret: str) -> str:
        """Return what a native Secret holds as `value`."""
        return b64decode(self.get("secret", secret)["data"]["value"]).decode()

    def said(self) -> list[dict[str, dict[str, str]]]:
        """Return what the newest pod of flows.yaml has said."""
        lines = self.kubectl("logs", "deploy/flows", "--tail=-1").splitlines()
        return [json.loads(line) for line in lines]
