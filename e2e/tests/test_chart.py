"""The chart, installed by Helm: what its values give the pod, and what is left when it goes."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helm_python import Config, HelmError

from e2e.chart import CHART
from e2e.tests.words import NAME, PATIENCE, digest, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.choose import ClusterWithNode
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
    "rbac": {"rolloutRestart": True},
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
RESTARTING = """
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowSecret
metadata: {name: flows}
spec:
  secretStoreRef: {name: mounted, kind: BeemFlowClusterSecretStore}
  refreshInterval: 2s
  rolloutRestart: [{kind: Deployment, name: flows}]
  data: [{secretKey: SLACK_TOKEN, remoteRef: {key: token}}]
---
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowSecret
metadata: {name: flows-dotenv}
spec:
  secretStoreRef: {name: mounted, kind: BeemFlowClusterSecretStore}
  target: {template: {data: {.env: "{{ secrets | dotenv }}"}}}
  data: [{secretKey: STRIPE_KEY, remoteRef: {key: stripe-key}}]
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


def test_a_second_release_for_all_namespaces_is_refused(cluster: ClusterWithNode, operator: Config, image: str) -> None:
    repository, _, tag = image.rpartition(":")
    values = {"image": {"repository": repository, "tag": tag}, "crds": {"install": False}}
    with Config(kubeconfig_path=cluster.kubeconfig, namespace="default") as second:
        with pytest.raises(HelmError, match="invalid ownership metadata"):
            second.install(CHART, NAME, values, namespace="default", wait="watcher", timeout=PATIENCE)
        second.uninstall(NAME, ignore_not_found=True)
    operator.test(NAME, timeout=PATIENCE)


def test_the_pods_environment_and_its_mounted_files_are_stores_and_a_change_of_the_files_is_followed(
    ns: Namespace, system: Namespace, canary: Callable[[], str]
) -> None:
    add(ns, "environment", store="environment", key="TOKEN")
    add(ns, "mounted", store="mounted", key="stripe-key")
    ns.ready("environment")
    ns.ready("mounted")
    assert ns.value("environment") == TOKEN
    assert ns.value("mounted") == KEY
    changed = canary()
    system.apply(BACKING, token=TOKEN, key=changed)
    until("the change of the mounted file is followed", lambda: ns.value("mounted") == changed)


def test_with_rollout_restart_a_rotation_reaches_the_environment(
    ns: Namespace, system: Namespace, pods: str, canary: Callable[[], str]
) -> None:
    ns.apply(RESTARTING)
    ns.run_flows(pods)
    assert ns.said()[0]["start"]["SLACK_TOKEN"] == digest(TOKEN)
    changed = canary()
    system.apply(BACKING, token=changed, key=KEY)
    until("a pod has started with the new value", lambda: ns.said()[0]["start"]["SLACK_TOKEN"] == digest(changed))
    ns.kubectl("rollout", "status", "deployment/flows", f"--timeout={PATIENCE}s")
    stamped = ns.get("deployment", "flows")["spec"]["template"]["metadata"]["annotations"]
    version = ns.get("beemflowsecret", "flows")["status"]["contentVersion"]
    assert stamped["secrets.beemflow.io/restarted-for"] == version


def test_kubectl_beemflow_says_why_a_secret_is_not_there(ns: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    add(ns, "missing", store="mounted", key="no-such-key")
    ns.ready("missing", "False")
    said = ns.cluster.kubectl("beemflow", "status", "missing", "-n", ns.name)
    assert "KeyNotFound" in said
    assert "no-such-key" in said


def test_with_the_leader_killed_the_other_replica_goes_on_and_the_secret_is_never_away(
    ns: Namespace, system: Namespace, canary: Callable[[], str]
) -> None:
    add(ns, "kept", store="mounted", key="token")
    ns.ready("kept")
    uid, before = ns.get("secret", "kept")["metadata"]["uid"], ns.value("kept")
    leader = holder(system)
    system.kubectl("delete", "pod", leader, "--grace-period=0", "--force")
    changed = canary()
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
    held = ns.value("orphan")
    operator.uninstall(NAME, wait="watcher", timeout=PATIENCE)
    assert ns.value("owned") == ns.value("orphan") == held
    ns.kubectl("delete", "beemflowsecret", "owned", "orphan")
    until(
        "the garbage collector takes what is owned", lambda: "owned" not in ns.kubectl("get", "secrets", "-o", "name")
    )
    assert ns.value("orphan") == held
