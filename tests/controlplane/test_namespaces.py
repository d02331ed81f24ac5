"""Whom a cluster store serves: followed when the labels of a namespace change, and not otherwise."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from tests.controlplane.conftest import entry, spec
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Api, Namespace, Object
    from tests.support.operator import Operator

AT_ONCE = 5.0
"""Seconds. A busy machine takes its time; the refreshInterval here is an hour."""


def label(ns: Namespace, **labels: str | None) -> None:
    ns.api.patch(f"/api/v1/namespaces/{ns.name}", {"metadata": {"labels": labels}})


@pytest.fixture
def cluster_store(operator: Operator, api: Api, ns: Namespace, store_spec: Object, login: str) -> Iterator[str]:
    """A cluster store that serves what is labelled `team: <the test's namespace>`."""
    store_spec["vault"]["secretId"]["secretKeyRef"]["namespace"] = ns.name
    body = {
        "apiVersion": names.API_VERSION,
        "kind": names.CLUSTER_STORE.name,
        "metadata": {"name": ns.name},
        "spec": {**store_spec, "namespaces": {"selector": {"matchLabels": {"team": ns.name}}}},
    }
    path = paths.resources(names.CLUSTER_STORE.plural)
    api.create(path, body)
    api.wait(f"{path}/{ns.name}", lambda found: found and condition(found).get("status") == "True")
    yield ns.name
    api.delete(f"{path}/{ns.name}")


def reading(store: str, *entries: Any, **fields: Any) -> Object:
    ref = {"name": store, "kind": names.CLUSTER_STORE.name}
    return spec(*entries, secretStoreRef=ref, refreshInterval="1h", **fields)


def turned_at_once(ns: Namespace, name: str, status: str, reason: str) -> None:
    began = time.monotonic()
    ns.ready(name, status, reason=reason)
    assert time.monotonic() - began < AT_ONCE


def test_a_label_gives_a_store_and_takes_it_at_once(
    ns: Namespace, cluster_store: str, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", reading(cluster_store, entry("token", "slack#token")))
    refused = ns.ready("slack", "False", reason="AccessDenied")
    assert f"does not serve namespace {ns.name}" in condition(refused)["message"]
    assert reads("slack") == 0
    for _ in range(2):
        label(ns, team=ns.name)
        turned_at_once(ns, "slack", "True", "Synced")
        assert ns.data("slack") == {"token": canary}
        seen = reads("slack")
        label(ns, team="another")
        turned_at_once(ns, "slack", "False", "AccessDenied")
        assert reads("slack") == seen  # refused before the backend is asked
        assert ns.data("slack") == {"token": canary}  # what is there stays


def test_a_store_beside_the_resources_own_is_followed_too(
    ns: Namespace, cluster_store: str, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    label(ns, team=ns.name)
    source = {"sourceRef": {"storeRef": {"name": cluster_store, "kind": names.CLUSTER_STORE.name}}}
    one, other = entry("one", "slack#token"), {**entry("two", "slack#token"), **source}
    ns.add("both", spec(one, other, store=store, refreshInterval="1h"))
    ns.ready("both")
    label(ns, team=None)
    turned_at_once(ns, "both", "False", "AccessDenied")


def test_other_labels_and_other_namespaces_disturb_nobody(
    control_plane: ControlPlane,
    ns: Namespace,
    cluster_store: str,
    store: str,
    put: Callable[..., int],
    reads: Callable[[str], int],
    canary: str,
) -> None:
    put("slack", token=canary)
    put("own", token=canary)
    label(ns, team=ns.name)
    ns.add("slack", reading(cluster_store, entry("token", "slack#token")))
    ns.add("own", spec(entry("token", "own#token"), store=store, refreshInterval="1h"))
    for name in ("slack", "own"):
        ns.ready(name)
    before = {name: reads(name) for name in ("slack", "own")}
    control_plane.kubectl("label", "namespace", "default", f"team={ns.name}", "--overwrite")
    for number in range(20):
        label(ns, unrelated=f"v{number}")
    label(ns, team=None)  # the mark: when this has been seen, all before it has
    turned_at_once(ns, "slack", "False", "AccessDenied")
    assert {name: reads(name) for name in ("slack", "own")} == before
    control_plane.kubectl("label", "namespace", "default", "team-")


def test_a_namespace_that_is_made_again_is_judged_anew(
    control_plane: ControlPlane,
    api: Api,
    ns: Namespace,
    cluster_store: str,
    put: Callable[..., int],
    reads: Callable[[str], int],
    canary: str,
) -> None:
    put("slack", token=canary)
    other = type(ns)(api, f"{ns.name}-b")
    control_plane.kubectl("create", "namespace", other.name)
    try:
        label(other, team=ns.name)
        other.add("slack", reading(cluster_store, entry("token", "slack#token")))
        other.ready("slack")
        control_plane.kubectl("delete", "namespace", other.name, "--wait=false")
        api.wait(f"/api/v1/namespaces/{other.name}", lambda found: found is None, patience=60)
        seen = reads("slack")
        control_plane.kubectl("create", "namespace", other.name)
        other.add("slack", reading(cluster_store, entry("token", "slack#token")))
        other.ready("slack", "False", reason="AccessDenied")
        assert (reads("slack"), other.data("slack")) == (seen, None)
        label(other, team=ns.name)
        turned_at_once(other, "slack", "True", "Synced")
    finally:
        control_plane.kubectl("delete", "namespace", other.name, "--wait=false", "--ignore-not-found")
