"""Stores: how they say they stand, and what their users see when one is missing, broken, mended, changed or deleted."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from tests.controlplane.conftest import entry, requests, spec, until
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao

pytestmark = pytest.mark.usefixtures("operator")

TOKEN = entry("token", "slack#token")


def message(found: Object) -> str:
    return str(condition(found)["message"])


def set_credential(ns: Namespace, name: str, secret_id: str) -> None:
    ns.api.patch(ns.secret_path(name), [{"op": "replace", "path": "/data", "value": None}])
    ns.api.patch(ns.secret_path(name), {"stringData": {"secretId": secret_id}})


def test_a_store_that_serves_says_so(control_plane: ControlPlane, ns: Namespace, store: str, canary: str) -> None:
    del canary
    found = ns.store_ready(store)
    status = found["status"]
    assert status["observedGeneration"] == condition(found)["observedGeneration"] == 1
    assert (condition(found)["reason"], len(status["conditions"])) == ("Valid", 1)
    [provider] = status["providers"]
    checked = datetime.fromisoformat(provider.pop("lastCheck"))
    assert timedelta(seconds=-2) < datetime.now(UTC) - checked < timedelta(minutes=1)
    assert provider == {"name": "prod", "driver": "vault", "state": "Healthy"}
    assert status["capabilities"] == ["Read", "List", "Write"]
    head, row = control_plane.kubectl("get", "bfss", "-n", ns.name).splitlines()
    assert head.split() == ["NAME", "DRIVER", "READY", "REASON", "AGE"]
    assert row.split()[:4] == ["prod", "vault", "True", "Valid"]
    control_plane.kubectl("wait", "--for=condition=Ready", f"bfss/{store}", "-n", ns.name, "--timeout=1s")


def test_a_store_may_come_after_its_users_who_then_sync_at_once(
    control_plane: ControlPlane,
    ns: Namespace,
    store_spec: Object,
    login: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    del login
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    told = message(ns.ready("slack", "False", reason="StoreNotFound"))
    assert f"{ns.name}/prod" in told
    assert "does not exist" in told
    # After three attempts the fourth is four seconds away.
    until(lambda: requests(control_plane, ns).count(("get", "beemflowsecretstores/prod")) >= 3)
    ns.add_store("prod", store_spec)
    ns.ready("slack", patience=2.5)


def test_a_store_that_comes_back_after_its_deletion_syncs_its_users_at_once(
    control_plane: ControlPlane,
    ns: Namespace,
    store: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    content = (ns.api.get(ns.store_path(store)) or {})["spec"]
    ns.api.delete(ns.store_path(store))
    ns.ready("slack", "False", reason="StoreNotFound")
    assert ns.data("slack") == {"token": canary}
    until(lambda: requests(control_plane, ns).count(("get", "beemflowsecretstores/prod")) >= 3)
    put("slack", token=f"{canary}-2")
    ns.add_store("prod", content)
    ns.ready("slack", patience=2.5)
    assert ns.data("slack") == {"token": f"{canary}-2"}


def test_a_credential_that_is_missing_holds_store_and_users_until_it_comes(
    ns: Namespace, store_spec: Object, bao: OpenBao, folder: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add_store("prod", store_spec)
    ns.add("slack", spec(TOKEN))
    found = ns.store_ready("prod", "False", reason="CredentialNotFound")
    assert f"Secret {ns.name}/login" in message(found)
    assert found["status"]["providers"][0]["state"] == "Down"
    assert "does not exist" in found["status"]["providers"][0]["lastError"]
    assert found["status"].get("capabilities", []) == []
    told = message(ns.ready("slack", "False", reason="StoreNotReady"))
    assert "CredentialNotFound" in told
    assert f"Secret {ns.name}/login" in told
    ns.add_secret("login", {"other": "x"})
    ns.api.wait(ns.store_path("prod"), lambda found: "has no key 'secretId'" in message(found or {}))
    set_credential(ns, "login", bao.secret_id(folder))
    ns.store_ready("prod")
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_a_credential_that_is_refused_is_the_reason_of_store_and_users_until_it_is_mended(
    ns: Namespace, store_spec: Object, bao: OpenBao, folder: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add_secret("login", {"secretId": f"{canary}-wrong"})
    ns.add_store("prod", store_spec)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    found = ns.store_ready("prod", "False", reason="AuthenticationFailed")
    assert "role id or the secret id" in message(found)
    ns.ready("slack", "False", reason="AuthenticationFailed")
    set_credential(ns, "login", bao.secret_id(folder))
    ns.ready("slack")
    ns.store_ready("prod")


def test_a_deleted_store_keeps_the_secrets(
    ns: Namespace, store: str, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    ns.ready("slack")
    secret = ns.api.get(ns.secret_path("slack"))
    ns.api.delete(ns.store_path(store))
    ns.ready("slack", "False", reason="StoreNotFound")
    asked = reads("slack")
    assert ns.api.get(ns.secret_path("slack")) == secret
    assert reads("slack") == asked


def test_a_changed_store_is_read_from_at_once(
    ns: Namespace, bao: OpenBao, store: str, folder: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    put("other/slack", token=f"{canary}-other")
    for name, interval in {"slow": "8760h", "never": 0}.items():
        ns.add(name, spec(TOKEN, refreshInterval=interval))
        ns.ready(name)
    ns.api.patch(ns.store_path(store), {"spec": {"prefix": "other/"}})
    for name in ("slow", "never"):
        ns.wait_data(name, {"token": f"{canary}-other"})
    found = ns.store_ready(store)
    assert found["status"]["observedGeneration"] == 2


def test_a_change_that_does_not_serve_is_told_by_the_store_itself(ns: Namespace, store: str, canary: str) -> None:
    del canary
    ns.store_ready(store)
    ns.api.patch(ns.store_path(store), {"spec": {"vault": {"roleId": "no-such-role"}}})
    ns.store_ready(store, "False", reason="AuthenticationFailed")


def test_another_store_of_the_spec_is_read_from(
    ns: Namespace, store: str, folder: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    put("second/slack", token=f"{canary}-second")
    content = (ns.api.get(ns.store_path(store)) or {})["spec"]
    ns.add_store("second", {**content, "vault": {**content["vault"], "path": f"secret/{folder}/second"}})
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"secretStoreRef": {"name": "second"}}})
    found = ns.ready("slack")
    assert ns.data("slack") == {"token": f"{canary}-second"}
    assert found["status"]["entries"][0]["provider"] == "second"
    # And the store that was left concerns it no more.
    ns.api.delete(ns.store_path(store))
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": "x"}}})
    ns.api.wait(ns.path("slack"), lambda found: (found or {})["status"].get("lastHandledRefresh") == "x")
    ns.ready("slack")


def test_env_is_not_lent_to_a_namespaced_store(ns: Namespace, canary: str) -> None:
    del canary
    ns.add_store("env", {"driver": "env"})
    found = ns.store_ready("env", "False", reason="InvalidSpec")
    assert "BeemFlowClusterSecretStore" in message(found)
    ns.add("slack", spec(entry("token", "ALLOWED_TOKEN"), store="env"))
    assert "InvalidSpec" in message(ns.ready("slack", "False", reason="StoreNotReady"))
    assert ns.data("slack") is None


def test_what_the_schema_cannot_see_the_store_says(ns: Namespace, store_spec: Object, login: str, canary: str) -> None:
    ns.add_store("prod", {**store_spec, "tls": {"caBundle": canary}})
    assert "spec.tls.caBundle: holds no PEM block" in message(ns.store_ready("prod", "False", reason="InvalidSpec"))
    ns.api.patch(ns.store_path("prod"), {"spec": {"tls": None}})
    ns.store_ready("prod")


CLUSTER_STORES = paths.resources(names.CLUSTER_STORE.plural)


@pytest.fixture
def cluster_store(ns: Namespace) -> Iterator[Callable[[Object], str]]:
    """Make a cluster store of the test's own, named as its namespace."""
    kind = {"apiVersion": names.API_VERSION, "kind": names.CLUSTER_STORE.name}

    def add(content: Object) -> str:
        ns.api.create(CLUSTER_STORES, {**kind, "metadata": {"name": ns.name}, "spec": content})
        return ns.name

    yield add
    if ns.api.get(f"{CLUSTER_STORES}/{ns.name}"):
        ns.api.delete(f"{CLUSTER_STORES}/{ns.name}")


def of_cluster(name: str, *entries: Object) -> Object:
    return {**spec(*entries), "secretStoreRef": {"name": name, "kind": "BeemFlowClusterSecretStore"}}


def test_a_cluster_store_lends_the_environment_below_the_allowed_prefix(
    control_plane: ControlPlane, ns: Namespace, cluster_store: Callable[[Object], str], canary: str
) -> None:
    del canary
    name = cluster_store({"driver": "env"})
    ns.add("allowed", of_cluster(name, entry("token", "ALLOWED_TOKEN")))
    ns.add("mapped", of_cluster(name, entry("token", "allowed/token")))
    ns.add("other", of_cluster(name, entry("path", "PATH")))
    ns.add("missing", of_cluster(name, entry("token", "ALLOWED_MISSING")))
    found = ns.ready("allowed")
    assert ns.data("allowed") == {"token": "t"}
    assert [told["provider"] for told in found["status"]["entries"]] == [name]
    ns.ready("mapped")
    assert ns.data("mapped") == {"token": "t"}
    assert "--env-allowed-prefix" in message(ns.ready("other", "False", reason="AccessDenied"))
    ns.ready("missing", "False", reason="KeyNotFound")
    control_plane.kubectl("wait", "--for=condition=Ready", f"bfcss/{name}", "--timeout=5s")
    assert control_plane.kubectl("get", "bfcss", name).splitlines()[1].split()[:4] == [name, "env", "True", "Valid"]


def test_two_names_of_one_variable_in_one_resource_are_a_mistake(
    ns: Namespace, cluster_store: Callable[[Object], str], canary: str
) -> None:
    # One of them means another secret.
    del canary
    name = cluster_store({"driver": "env"})
    ns.add("both", of_cluster(name, entry("token", "ALLOWED_TOKEN"), entry("mapped", "allowed/token")))
    assert "ALLOWED_TOKEN" in message(ns.ready("both", "False", reason="InvalidSpec"))


def test_a_cluster_store_reads_its_credential_where_it_says(
    ns: Namespace,
    cluster_store: Callable[[Object], str],
    store_spec: Object,
    login: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    put("slack", token=canary)
    reference = {"secretKeyRef": {"name": login, "namespace": ns.name, "key": "secretId"}}
    name = cluster_store({**store_spec, "vault": {**store_spec["vault"], "secretId": reference}})
    # A store of the namespace with the same name is another one.
    ns.add("slack", of_cluster(name, TOKEN))
    ns.add("own", spec(TOKEN, store=name))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}
    assert f"BeemFlowSecretStore {ns.name}/{name}" in message(ns.ready("own", "False", reason="StoreNotFound"))
    ns.api.delete(f"{CLUSTER_STORES}/{name}")
    told = message(ns.ready("slack", "False", reason="StoreNotFound"))
    assert f"BeemFlowClusterSecretStore {name}" in told
    assert ns.data("slack") == {"token": canary}


def test_a_store_that_is_away_is_the_reason_and_its_users_are_back_with_it(
    ns: Namespace, store: str, proxy: FaultProxy, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, refreshInterval="8760h"))
    ns.ready("slack")
    put("slack", token=f"{canary}-2")
    proxy.down()
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": "x"}}})
    ns.ready("slack", "False", reason="BackendUnavailable")
    found = ns.store_ready(store, "False", reason="BackendUnavailable")
    assert ns.data("slack") == {"token": canary}
    # Down is no mistake of the spec: what it can do stands.
    assert found["status"]["capabilities"] == ["Read", "List", "Write"]
    began = time.monotonic()
    proxy.up()
    ns.store_ready(store)
    ns.ready("slack")
    # A store that is down is probed every 2 to 5 s.
    assert time.monotonic() - began < 8
    assert ns.data("slack") == {"token": f"{canary}-2"}


def test_a_probe_is_left_out_where_a_read_has_just_worked(
    ns: Namespace, store_spec: Object, login: str, proxy: FaultProxy, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add_store("prod", store_spec | {"healthCheck": {"interval": "5s"}})
    ns.store_ready("prod")
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    ns.ready("slack")

    def asked(for_what: str) -> int:
        return sum(for_what in request.path for request in tuple(proxy.requests))

    before, probes = asked("/data/"), asked("/internal/ui/mounts/")
    until(lambda: asked("/data/") >= before + 7)
    assert asked("/internal/ui/mounts/") == probes
    ns.api.delete(ns.path("slack"))
    until(lambda: asked("/internal/ui/mounts/") > probes)


def test_what_is_mended_in_the_backend_is_seen_without_an_edit(ns: Namespace, bao: OpenBao, canary: str) -> None:
    mount = ns.name
    bao.mount(mount, version=1)
    bao.policy(mount, {f"{mount}/*": ["read"]})
    ns.add_secret("login", {"token": bao.token([mount])})
    token = {"secretKeyRef": {"name": "login", "key": "token"}}
    vault = {"address": bao.address, "path": mount, "kvVersion": 2, "token": token}
    ns.add_store("prod", {"driver": "vault", "healthCheck": {"interval": "1s"}, "vault": vault})
    assert "vault.kvVersion is 2" in message(ns.store_ready("prod", "False", reason="InvalidSpec"))
    bao.upgrade(mount)
    ns.store_ready("prod")
    bao.unmount(mount)


def test_a_store_without_its_critical_keys_is_not_ready_and_its_users_read_on(
    ns: Namespace, store: str, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    health = {"interval": "1s", "criticalKeys": ["slack", "billing"]}
    ns.api.patch(ns.store_path(store), {"spec": {"healthCheck": health}})
    told = message(ns.store_ready(store, "False", reason="CriticalKeyMissing"))
    assert "billing: no such key" in told
    assert "slack" not in told
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}
    put("billing", token=canary)
    ns.store_ready(store)
    # They are looked at although other reads work.
    before = reads("billing")
    until(lambda: reads("billing") > before)
