"""BeemFlowClusterSecrets as tests write and read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from tests.support.fixtures import entry, spec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.api import Namespace, Object

TOKEN = entry("token", "slack#token")


def label(ns: Namespace, team: str | None) -> None:
    ns.api.patch(f"/api/v1/namespaces/{ns.name}", {"metadata": {"labels": {"team": team}}})


def reading(ns: Namespace, *entries: Object, **fields: Any) -> Object:
    """Return the spec of a BeemFlowSecret that reads from `shared`."""
    ref = {"name": ns.name, "kind": names.CLUSTER_STORE.name}
    return spec(*(entries or (TOKEN,)), secretStoreRef=ref, **fields)


def stamped(ns: Namespace, **fields: Any) -> Object:
    """Return the spec of a BeemFlowClusterSecret for the test's team."""
    selector = {"selector": {"matchLabels": {"team": ns.name}}}
    return {"secretName": "slack", "secretSpec": reading(ns), "namespaces": selector, **fields}


def provisioned(found: Object | None) -> list[str]:
    return list((found or {}).get("status", {}).get("provisionedNamespaces", []))


def failed(found: Object | None) -> dict[str, str]:
    told = (found or {}).get("status", {}).get("failedNamespaces", [])
    return {item["namespace"]: item["reason"] for item in told}


def stands_in(ns: Namespace, *those: Namespace, failing: Iterable[Namespace] = ()) -> Object:
    """Wait until the status names exactly these namespaces, and `failing` as those in which it does not stand.

    What was another's comes free by the garbage collector: half a minute at times.
    """
    path = paths.resources(names.CLUSTER_SECRET.plural, "", ns.name)
    expected = sorted(one.name for one in those), sorted(one.name for one in failing)
    return ns.api.wait(path, lambda found: (provisioned(found), sorted(failed(found))) == expected, patience=60)


def is_gone(one: Namespace, name: str = "slack") -> None:
    one.api.wait(one.path(name), lambda found: found is None)


def uid(one: Namespace, name: str = "slack") -> str:
    found = one.api.get(one.path(name))
    assert found is not None
    return str(found["metadata"]["uid"])
