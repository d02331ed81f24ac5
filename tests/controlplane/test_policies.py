"""Whose the Secret is: the resource's, nobody's, or none at all. And whom a cluster store serves."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from tests.controlplane.conftest import entry, spec
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.api import Api, Namespace, Object

pytestmark = pytest.mark.usefixtures("operator", "store")

TOKEN = entry("token", "slack#token")
UID = "secrets.beemflow.io/owner"


def policy(name: str, **fields: Any) -> Object:
    return spec(TOKEN, target={"creationPolicy": name}, **fields)


def secret(ns: Namespace, name: str) -> Object:
    found = ns.api.get(ns.secret_path(name))
    assert found is not None
    return found


# --- Orphan


def test_an_orphan_has_no_owner_and_stays(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", policy("Orphan"))
    found = ns.ready("slack")
    made = secret(ns, "slack")
    assert "ownerReferences" not in made["metadata"]
    assert made["metadata"]["labels"][UID] == found["metadata"]["uid"]
    ns.api.delete(ns.path("slack"))
    # One that is owned goes within a moment of this one's deletion; when it has, this one has stayed.
    ns.add("owned", policy("Owner"))
    ns.ready("owned")
    ns.api.delete(ns.path("owned"))
    ns.api.wait(ns.secret_path("owned"), lambda secret: secret is None)
    assert secret(ns, "slack")["metadata"]["uid"] == made["metadata"]["uid"]


def test_an_orphan_is_repaired_and_taken_over_by_a_resource_made_anew(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", policy("Orphan"))
    ns.ready("slack")
    ns.api.patch(ns.secret_path("slack"), {"data": {"foreign": "eA=="}})
    ns.wait_data("slack", {"token": canary})
    before = secret(ns, "slack")["metadata"]
    ns.api.delete(ns.path("slack"))
    ns.api.wait(ns.path("slack"), lambda found: found is None)
    found = ns.add("slack", policy("Orphan"))
    ns.ready("slack")
    after = secret(ns, "slack")["metadata"]
    assert (after["uid"], after["labels"][UID]) == (before["uid"], found["metadata"]["uid"])


def test_an_orphan_stays_when_the_name_changes_and_an_owned_one_goes_whatever_the_new_policy_is(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    steps = [("one", "Orphan"), ("two", "Orphan"), ("three", "Owner"), ("four", "Orphan"), ("five", "Owner")]
    ns.add("slack", spec(TOKEN, target={"name": "one", "creationPolicy": "Orphan"}))
    for name, wanted in steps:
        ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": name, "creationPolicy": wanted}}})
        ns.ready("slack")
        assert ns.data(name) == {"token": canary}
    assert [name for name, _ in steps if ns.data(name) is not None] == ["one", "two", "four", "five"]
    # It is still known as ours, and goes on as such when the name returns.
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": "one"}}})
    ns.ready("slack")
    assert ns.data("five") is None


def test_owner_and_orphan_may_be_changed_into_each_other(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", policy("Owner"))
    ns.ready("slack")
    version = secret(ns, "slack")["metadata"]["annotations"]["secrets.beemflow.io/content-version"]
    for wanted, owners in (("Orphan", 0), ("Owner", 1)):
        ns.api.patch(ns.path("slack"), {"spec": {"target": {"creationPolicy": wanted}}})
        ns.ready("slack")
        metadata = secret(ns, "slack")["metadata"]
        assert len(metadata.get("ownerReferences", [])) == owners
        assert metadata["annotations"]["secrets.beemflow.io/content-version"] == version


# --- None


def test_none_reads_and_reports_and_writes_nothing(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add_secret("slack", {"token": "somebody else's"})
    ns.add("slack", policy("None"))
    found = ns.ready("slack", reason="Synced")
    assert ns.data("slack") == {"token": "somebody else's"}
    assert found["status"]["entries"][0]["version"] == "1"
    assert not {"secretRef", "contentVersion", "lastChangeTime"} & found["status"].keys()
    assert "writes nothing" in condition(found)["message"]


def test_none_follows_versions_and_says_what_is_missing(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    ns.add("slack", policy("None", refreshInterval="1s"))
    ns.ready("slack", "False", reason="KeyNotFound")
    put("slack", token=canary)
    ns.ready("slack")
    put("slack", token=canary)
    ns.api.wait(ns.path("slack"), lambda found: found and found["status"]["entries"][0]["version"] == "2")


def test_a_secret_that_is_no_longer_asked_for_stays(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", policy("Owner"))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"creationPolicy": "None"}}})
    found = ns.ready("slack")
    assert "secretRef" not in found["status"]
    assert ns.data("slack") == {"token": canary}
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"creationPolicy": "Owner"}}})
    assert ns.ready("slack")["status"]["secretRef"]["name"] == "slack"


# --- the namespaces of a cluster store


@pytest.fixture
def cluster_store(ns: Namespace, api: Api, store: str) -> Iterator[Callable[..., str]]:
    """Make a cluster store that serves what it is given, with the login of the namespace's store."""
    made: list[str] = []

    def make(**namespaces: object) -> str:
        found = api.get(ns.store_path(store))
        assert found is not None
        vault = {**found["spec"]["vault"], "secretId": {"secretKeyRef": {"name": "prod-login", "key": "secretId"}}}
        vault["secretId"]["secretKeyRef"]["namespace"] = ns.name
        name = f"test-{secrets.token_hex(4)}"
        body = {"kind": names.CLUSTER_STORE.name, "apiVersion": names.API_VERSION, "metadata": {"name": name}}
        body["spec"] = {**found["spec"], "vault": vault, **({"namespaces": namespaces} if namespaces else {})}
        api.create(paths.resources(names.CLUSTER_STORE.plural), body)
        made.append(name)
        return name

    yield make
    for name in made:
        api.delete(paths.resources(names.CLUSTER_STORE.plural, "", name))


def from_cluster(name: str) -> Object:
    return {"secretStoreRef": {"name": name, "kind": names.CLUSTER_STORE.name}, "data": [TOKEN]}


@pytest.mark.parametrize("served", ["all", "names", "regexes", "selector", "one of them"])
def test_a_cluster_store_serves_whom_it_names(
    ns: Namespace, put: Callable[..., int], cluster_store: Callable[..., str], served: str, canary: str
) -> None:
    put("slack", token=canary)
    by_label = {"matchLabels": {"kubernetes.io/metadata.name": ns.name}}
    choices: dict[str, dict[str, object]] = {
        "all": {},
        "names": {"names": [ns.name]},
        "regexes": {"regexes": ["no", f"{ns.name[:-2]}.."]},
        "selector": {"selector": by_label},
        "one of them": {"names": ["no"], "regexes": ["no.*"], "selector": by_label},
    }
    name = cluster_store(**choices[served])
    ns.add("slack", from_cluster(name))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


@pytest.mark.parametrize("served", ["names", "a part of the name", "selector"])
def test_another_namespaces_read_is_denied(
    ns: Namespace, put: Callable[..., int], cluster_store: Callable[..., str], served: str, canary: str
) -> None:
    put("slack", token=canary)
    labelled = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["flows"]}]}
    choices: dict[str, dict[str, object]] = {
        "names": {"names": ["elsewhere"]},
        "a part of the name": {"regexes": [ns.name[1:], ns.name[:-1], "test"]},
        "selector": {"selector": labelled},
    }
    name = cluster_store(**choices[served])
    ns.add("slack", from_cluster(name))
    found = ns.ready("slack", "False", reason="AccessDenied")
    assert f"does not serve namespace {ns.name}" in condition(found)["message"]
    assert ns.data("slack") is None
