"""`--namespaces`: rights in some namespaces are all that is needed, and nothing is done elsewhere."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from beemflow_secrets.model import names
from tests.controlplane.conftest import entry, spec
from tests.support.api import Namespace, condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Api, Object
    from tests.support.operator import Operator

TOKEN = entry("token", "slack#token")
RBAC = "rbac.authorization.k8s.io"
OF_CLUSTERS = {"namespaces", names.CLUSTER_STORE.plural, f"{names.CLUSTER_STORE.plural}/status"}


def rules() -> list[Object]:
    """Return the rules that the operator is shipped with, without those for what lies in no namespace."""
    documents = yaml.safe_load_all(Path("manifests/rbac.yaml").read_text())
    shipped = next(document for document in documents if document["kind"] == "ClusterRole")["rules"]
    kept = [{**rule, "resources": sorted(set(rule["resources"]) - OF_CLUSTERS)} for rule in shipped]
    return [rule for rule in kept if rule["resources"]]


@pytest.fixture
def beside(api: Api, ns: Namespace) -> Iterator[Namespace]:
    """Another namespace."""
    name = f"{ns.name}-{secrets.token_hex(2)}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield Namespace(api, name)
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def scoped(control_plane: ControlPlane, ns: Namespace, beside: Namespace) -> Path:
    """A kubeconfig with rights in these two namespaces alone."""
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "scoped"}})
    account = {"kind": "ServiceAccount", "name": "scoped", "namespace": ns.name}
    for namespace in (ns, beside):
        path = f"/apis/{RBAC}/v1/namespaces/{namespace.name}"
        ns.api.create(f"{path}/roles", {"metadata": {"name": "scoped"}, "rules": rules()})
        role = {"apiGroup": RBAC, "kind": "Role", "name": "scoped"}
        binding = {"metadata": {"name": "scoped"}, "roleRef": role, "subjects": [account]}
        ns.api.create(f"{path}/rolebindings", binding)
    return control_plane.kubeconfig_for("scoped", ns.name)


def test_it_serves_these_namespaces_with_rights_in_them_alone(
    control_plane: ControlPlane,
    start_operator: Callable[..., Operator],
    ns: Namespace,
    beside: Namespace,
    scoped: Path,
    store_spec: Object,
    login: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    put("slack", token=canary)
    credential = ns.api.get(ns.secret_path(login))
    assert credential is not None
    beside.api.create(f"/api/v1/namespaces/{beside.name}/secrets", {**credential, "metadata": {"name": login}})
    for namespace in (ns, beside):
        namespace.add_store("prod", store_spec)
        namespace.add("early", spec(TOKEN))
    running = start_operator("--namespaces", f"{ns.name},{beside.name}", config=scoped)
    for namespace in (ns, beside):
        namespace.ready("early")
        namespace.add("late", spec(TOKEN))
        namespace.ready("late")
        # Drift is seen in each of them.
        namespace.api.patch(namespace.secret_path("late"), {"data": {"foreign": "eA=="}})
        namespace.wait_data("late", {"token": canary})
        namespace.api.delete(namespace.path("late"))
        namespace.api.wait(namespace.secret_path("late"), lambda found: found is None)
    assert running.get("/readyz")[0] == 200
    mine = f"system:serviceaccount:{ns.name}:scoped"
    refused = [event["requestURI"] for event in control_plane.requests(mine) if event["responseStatus"]["code"] == 403]
    assert refused == []


def test_other_namespaces_and_cluster_stores_are_left_alone(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    beside: Namespace,
    store: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    put("slack", token=canary)
    start_operator(env={"BEEMFLOW_SECRETS_NAMESPACES": beside.name})
    ns.add("slack", spec(TOKEN, store=store))
    cluster_store = {"name": "company", "kind": names.CLUSTER_STORE.name}
    beside.add("slack", {**spec(TOKEN), "secretStoreRef": cluster_store})
    found = beside.ready("slack", "False", reason="StoreNotFound")
    assert "--namespaces" in condition(found)["message"]
    untouched = ns.api.get(ns.path("slack"))
    assert untouched is not None
    assert "status" not in untouched
    assert ns.data("slack") is None
