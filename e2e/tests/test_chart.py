"""The chart, installed by Helm: what its values give the pod, and what is left when it goes."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.tests.words import NAME, PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from helm_python import Config

    from e2e.tests.words import Namespace

TOKEN, KEY = secrets.token_hex(16), secrets.token_hex(16)
BACKING = """
apiVersion: v1
kind: Secret
metadata: {name: backing}
stringData: {token: $token, "stripe-key": $key}
"""
VALUES = {
    "replicaCount": 2,
    "extraEnv": [{"name": "FLOWS_TOKEN", "valueFrom": {"secretKeyRef": {"name": "backing", "key": "token"}}}],
    "envAllowedPrefixes": ["FLOWS_"],
    "extraVolumes": [{"name": "backing", "secret": {"secretName": "backing"}}],
    "extraVolumeMounts": [{"name": "backing", "mountPath": "/backing", "readOnly": True}],
    "fileAllowedRoots": ["/backing"],
}
STORES = """
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowClusterSecretStore
metadata: {name: environment}
spec: {driver: env, prefix: FLOWS_}
---
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowClusterSecretStore
metadata: {name: mounted}
spec: {driver: file, file: {path: /backing}}
"""
SECRET = """
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowSecret
metadata: {name: $name}
spec:
  secretStoreRef: {name: $store, kind: BeemFlowClusterSecretStore}
  refreshInterval: 2s
  target: {creationPolicy: $policy}
  data: [{secretKey: value, remoteRef: {key: $key}}]
"""


@pytest.fixture(scope="module")
def operator(system: Namespace, by_chart: Callable[..., Config]) -> Config:
    system.apply(BACKING, token=TOKEN, key=KEY)
    helm = by_chart(**VALUES)
    system.cluster.apply(STORES)
    return helm


def add(ns: Namespace, name: str, *, store: str, key: str, policy: str = "Owner") -> None:
    ns.apply(SECRET, name=name, store=store, key=key, policy=policy)


def test_helms_own_test_passes(operator: Config) -> None:
    operator.test(NAME, timeout=PATIENCE)


def test_the_pods_environment_and_its_mounted_files_are_stores_and_a_change_of_the_files_is_followed(
    ns: Namespace, system: Namespace
) -> None:
    add(ns, "environment", store="environment", key="TOKEN")
    add(ns, "mounted", store="mounted", key="stripe-key")
    ns.ready("environment")
    ns.ready("mounted")
    assert ns.value("environment") == TOKEN
    assert ns.value("mounted") == KEY
    changed = secrets.token_hex(16)
    system.apply(BACKING, token=TOKEN, key=changed)
    until("the change of the mounted file is followed", lambda: ns.value("mounted") == changed)


def test_kubectl_beemflow_says_why_a_secret_is_not_there(ns: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    add(ns, "missing", store="mounted", key="no-such-key")
    ns.ready("missing", "False")
    said = ns.cluster.kubectl("beemflow", "status", "missing", "-n", ns.name)
    assert "KeyNotFound" in said
    assert "no-such-key" in said


def test_with_the_leader_killed_the_other_replica_goes_on_and_the_secret_is_never_away(
    ns: Namespace, system: Namespace
) -> None:
    add(ns, "kept", store="mounted", key="token")
    ns.ready("kept")
    uid, before = ns.get("secret", "kept")["metadata"]["uid"], ns.value("kept")
    leader = holder(system)
    system.kubectl("delete", "pod", leader, "--grace-period=0", "--force")
    changed = secrets.token_hex(16)
    system.apply(BACKING, token=changed, key=KEY)

    def followed() -> bool:
        assert ns.get("secret", "kept")["metadata"]["uid"] == uid
        found = ns.value("kept")
        assert found in {before, changed}
        return found == changed

    until("another replica leads", lambda: holder(system) not in {"", leader})
    until("the change is followed by who leads now", followed)
    assert ns.get("beemflowsecret", "kept")["status"]["conditions"][0]["status"] == "True"


def holder(system: Namespace) -> str:
    """Return the pod that leads."""
    identity: str = system.get("lease", NAME)["spec"]["holderIdentity"]
    return identity.rpartition("_")[0]


def test_uninstalled_it_leaves_every_secret_and_each_goes_or_stays_with_its_resource_as_its_policy_says(
    ns: Namespace, operator: Config
) -> None:
    add(ns, "owned", store="environment", key="TOKEN")
    add(ns, "orphan", store="environment", key="TOKEN", policy="Orphan")
    ns.ready("owned")
    ns.ready("orphan")
    operator.uninstall(NAME, wait="watcher", timeout=PATIENCE)
    assert ns.value("owned") == ns.value("orphan") == TOKEN
    ns.kubectl("delete", "beemflowsecret", "owned", "orphan")
    until(
        "the garbage collector takes what is owned", lambda: "owned" not in ns.kubectl("get", "secrets", "-o", "name")
    )
    assert ns.value("orphan") == TOKEN
