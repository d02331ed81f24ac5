"""What BeemFlow's pods see of a synced Secret."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from e2e.tests.words import PATIENCE, ROOT, until

if TYPE_CHECKING:
    from e2e.tests.words import Namespace, OpenBao

STORE = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: flows}
---
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowSecretStore
metadata: {name: prod}
spec:
  driver: vault
  tls: {allowPlaintext: true}
  vault:
    address: $address
    path: secret/$namespace
    authMethod: kubernetes
    role: $namespace
    serviceAccountRef: {name: flows}
"""
SECRETS = """
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowSecret
metadata: {name: flows}
spec:
  secretStoreRef: {name: prod}
  refreshInterval: 2s
  data:
    - {secretKey: SLACK_TOKEN, remoteRef: {key: slack, property: token}}
---
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowSecret
metadata: {name: flows-dotenv}
spec:
  secretStoreRef: {name: prod}
  refreshInterval: 2s
  target:
    template: {data: {.env: "{{ secrets | dotenv }}"}}
  data:
    - {secretKey: STRIPE_KEY, remoteRef: {key: slack, property: stripe}}
"""


@pytest.fixture(scope="module")
def operator(by_manifests: Namespace) -> Namespace:
    return by_manifests


def digest(value: str) -> str:
    return sha256(value.encode()).hexdigest()


def test_a_secret_reaches_pods_as_environment_as_files_and_as_dotenv_and_a_rotation_reaches_the_files(
    ns: Namespace, openbao: OpenBao, pods: str
) -> None:
    token, stripe, rotated = (secrets.token_hex(16) for _ in range(3))
    openbao.admit(ns.name, "flows")
    openbao.put(f"{ns.name}/slack", token=token, stripe=stripe)
    ns.apply(STORE + "---" + SECRETS, address=openbao.address, namespace=ns.name)
    ns.ready("flows")
    ns.ready("flows-dotenv")
    ns.apply((ROOT / "e2e/pods/flows.yaml").read_text(), image=pods)
    ns.kubectl("rollout", "status", "deployment/flows", f"--timeout={PATIENCE}s")
    until("the pod says what it sees", ns.said)
    first = ns.said()[0]
    assert first["start"]["SLACK_TOKEN"] == digest(token)
    assert first["start"]["STRIPE_KEY"] == digest(stripe)
    assert first["files"] == {"SLACK_TOKEN": digest(token), ".env:STRIPE_KEY": digest(stripe)}

    openbao.put(f"{ns.name}/slack", token=rotated, stripe=rotated)
    both = {"SLACK_TOKEN": digest(rotated), ".env:STRIPE_KEY": digest(rotated)}
    until("the rotation is in the files", lambda: ns.said()[-1]["files"] == both)
    assert ns.said()[-1]["start"] == first["start"]  # a process's environment is what it was at its start
