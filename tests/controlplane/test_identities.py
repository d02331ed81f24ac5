"""Stores that read this cluster, or log in as somebody of it: whom the operator lends its identity, and whom not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.model import names
from tests.controlplane.conftest import entry, spec
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.api import Namespace
    from tests.support.operator import Operator

ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/{}"


@pytest.fixture
def reader(ns: Namespace, canary: str) -> str:
    """A ServiceAccount that may read `source`, and nothing else."""
    ns.add_secret("source", {"token": canary})
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "reader"}})
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["source"]}
    ns.api.create(ROLES.format(ns.name, "roles"), {"metadata": {"name": "reader"}, "rules": [rule]})
    ns.api.create(
        ROLES.format(ns.name, "rolebindings"),
        {
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": ns.name}],
        },
    )
    return "reader"


def store(ns: Namespace, **block: Any) -> dict[str, Any]:
    return {
        "driver": "kubernetes",
        "retry": {"attempts": 1},
        "kubernetes": {"namespace": ns.name, **block},
    }


def test_a_namespaced_store_reads_as_its_own_service_account(
    operator: Operator, ns: Namespace, reader: str, canary: str
) -> None:
    ns.add_secret("other", {"token": canary})
    ns.add_store("here", store(ns, serviceAccountRef={"name": reader}))
    ns.store_ready("here")
    ns.add("copy", spec(entry("token", "source#token"), store="here"))
    ns.ready("copy")
    assert ns.data("copy") == {"token": canary}
    ns.add("stolen", spec(entry("token", "other#token"), store="here"))
    ns.ready("stolen", "False", reason="AccessDenied")
    assert ns.data("stolen") is None


def test_no_identity_is_lent_to_a_namespaced_store(operator: Operator, ns: Namespace, canary: str) -> None:
    ns.add_secret("source", {"token": canary})
    ns.add_store("bare", store(ns))
    found = ns.store_ready("bare", "False", reason="InvalidSpec")
    assert "no identity is lent" in condition(found)["message"]
    ns.add("copy", spec(entry("token", "source#token"), store="bare"))
    ns.ready("copy", "False", reason="StoreNotReady")
    assert ns.data("copy") is None


def test_a_missing_service_account_is_named_and_its_coming_is_seen(
    operator: Operator, ns: Namespace, canary: str
) -> None:
    ns.add_store("here", store(ns, serviceAccountRef={"name": "later"}))
    found = ns.store_ready("here", "False", reason="CredentialNotFound")
    assert f"ServiceAccount {ns.name}/later does not exist" in condition(found)["message"]
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "later"}})
    ns.store_ready("here")


def test_a_wrong_audience_is_a_refused_login(operator: Operator, ns: Namespace, reader: str) -> None:
    ns.add_store("here", store(ns, serviceAccountRef={"name": reader, "audiences": ["elsewhere"]}))
    found = ns.store_ready("here", "False", reason="AuthenticationFailed")
    assert "audiences elsewhere" in condition(found)["message"]


@pytest.fixture
def cluster_store(ns: Namespace) -> Iterator[str]:
    """A cluster store that reads the test's namespace as the operator."""
    with ns.cluster_store(store(ns)) as name:
        yield name


def test_a_cluster_store_reads_as_the_operator(
    operator: Operator, ns: Namespace, cluster_store: str, canary: str
) -> None:
    ns.add_secret("source", {"token": canary})
    ref = {"name": cluster_store, "kind": names.CLUSTER_STORE.name}
    ns.add("copy", spec(entry("token", "SOURCE#token"), secretStoreRef=ref))
    ns.ready("copy")
    assert ns.data("copy") == {"token": canary}
