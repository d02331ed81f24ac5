"""What e2e tests say and ask, by kubectl alone."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import yaml

from e2e.clusters.cluster import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.choose import ClusterWithNode

ROOT = Path(__file__).parents[2]
PODS = ROOT / "e2e" / "pods"
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


def with_image(manifests: str, image: str) -> list[dict[str, Any]]:
    """Return the objects of manifests, with this image in their Deployments."""
    objects = list(yaml.safe_load_all(manifests))
    for found in objects:
        if found["kind"] == "Deployment":
            found["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return objects


def install(image: str) -> str:
    """Return manifests/install.yaml with the image that was built."""
    return yaml.safe_dump_all(with_image((ROOT / "manifests" / "install.yaml").read_text(), image))


def digest(value: str) -> str:
    """Return what pods/flows.py says of a value."""
    return sha256(value.encode()).hexdigest()


class OpenBao:
    """OpenBao in the cluster: KV2 at `secret/`, and a login with a ServiceAccount's token."""

    address = "http://openbao.openbao.svc:8200"

    def __init__(self, cluster: ClusterWithNode) -> None:
        self._cluster = cluster

    def bao(self, *arguments: str, stdin: str = "") -> str:
        """Run its command line beside it."""
        return self._cluster.kubectl(
            "exec", "-i", "-n", "openbao", "deploy/openbao", "--", "bao", *arguments, stdin=stdin
        )

    def put(self, key: str, **fields: str) -> None:
        """Write a version of a secret."""
        self.bao("kv", "put", f"secret/{key}", "-", stdin=json.dumps(fields))

    def get(self, key: str) -> dict[str, Any]:
        """Return the newest version of a secret: its `metadata`, and its `data`, which is None if it is deleted."""
        found: dict[str, Any] = json.loads(self.bao("kv", "get", "-format=json", f"secret/{key}"))["data"]
        return found

    def serve(self, ns: Namespace) -> None:
        """Make a store `prod` in a namespace, which reads what lies below the namespace's name."""
        path = f"secret/data/{ns.name}/*"
        self.bao("policy", "write", ns.name, "-", stdin=f'path "{path}" {{ capabilities = ["read"] }}')
        role = {
            "bound_service_account_names": "flows",
            "bound_service_account_namespaces": ns.name,
            "token_policies": ns.name,
        }
        self.bao("write", f"auth/kubernetes/role/{ns.name}", "-", stdin=json.dumps(role))
        ns.apply((PODS / "store.yaml").read_text(), address=self.address, namespace=ns.name)


class Namespace:
    """The resources of one namespace, by the few words that tests need."""

    def __init__(self, cluster: ClusterWithNode, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl in this namespace."""
        return self.cluster.kubectl("-n", self.name, *arguments, stdin=stdin)

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

    def run_flows(self, image: str) -> None:
        """Start what takes `flows` and `flows-dotenv` as BeemFlow does; wait until it has said something."""
        self.ready("flows")
        self.ready("flows-dotenv")
        self.apply((PODS / "flows.yaml").read_text(), image=image)
        self.kubectl("rollout", "status", "deployment/flows", f"--timeout={PATIENCE}s")
        until("the pod says what it sees", self.said)

    def said(self) -> list[dict[str, dict[str, str]]]:
        """Return what a pod of flows.yaml has said."""
        lines = self.kubectl("logs", "deploy/flows", "--tail=-1").splitlines()
        return [json.loads(line) for line in lines]
