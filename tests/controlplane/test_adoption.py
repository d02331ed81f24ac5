"""A Secret of somebody else's is taken over where a person says so on it, and by nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.kube import paths
from tests.controlplane.conftest import entry, spec, writes
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy

pytestmark = pytest.mark.usefixtures("operator", "store")

TOKEN = entry("token", "slack#token")
ADOPT, OWNER = "secrets.beemflow.io/adopt", "secrets.beemflow.io/owner"
VERSION, NAME = "secrets.beemflow.io/content-version", "secrets.beemflow.io/owner-name"


def conflict(ns: Namespace, name: str) -> str:
    return str(condition(ns.ready(name, "False", reason="TargetConflict"))["message"])


def annotate(ns: Namespace, secret: str, adopter: str | None) -> None:
    ns.api.patch(ns.secret_path(secret), {"metadata": {"annotations": {ADOPT: adopter}}})


def messages(ns: Namespace, name: str, reason: str) -> list[str]:
    found = ns.api.get(paths.events(ns.name), fieldSelector=f"involvedObject.name={name}") or {"items": []}
    return [event["message"] for event in found["items"] if event["reason"] == reason]


def controller(ns: Namespace, name: str) -> Object:
    """Make a ConfigMap; return a controller reference to it, as another operator would set one."""
    made = ns.api.create(f"/api/v1/namespaces/{ns.name}/configmaps", {"metadata": {"name": name}})
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": name,
        "uid": made["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def test_a_conflict_tells_how_to_solve_it_and_the_annotation_solves_it(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    foreign = ns.add_secret(
        "slack", {"password": "theirs"}, metadata={"labels": {"app": "theirs"}, "annotations": {"note": "theirs"}}
    )
    made = ns.add("slack", spec(TOKEN))
    assert f"{ADOPT}=slack" in conflict(ns, "slack")
    annotate(ns, "slack", "slack")
    # Noticed by the next try, at most a minute later.
    found = ns.ready("slack", patience=65)
    secret = ns.api.get(ns.secret_path("slack")) or {}
    assert ns.data("slack") == {"token": canary}
    assert secret["metadata"]["uid"] == foreign["metadata"]["uid"] == found["status"]["secretRef"]["uid"]
    assert [ref["uid"] for ref in secret["metadata"]["ownerReferences"]] == [made["metadata"]["uid"]]
    # What others put there stays; what asked for the adoption has done its work, and does it for nobody else.
    assert (secret["metadata"]["labels"]["app"], secret["metadata"]["annotations"]["note"]) == ("theirs", "theirs")
    assert ADOPT not in secret["metadata"]["annotations"]
    ns.wait_event("slack", "Normal", "SecretAdopted")
    assert messages(ns, "slack", "SecretAdopted") == ["Secret slack was taken over from nobody"]


@pytest.mark.parametrize("policy", ["Owner", "Orphan"])
def test_a_foreign_controller_is_replaced_and_named_and_other_owners_stay(
    ns: Namespace, put: Callable[..., int], canary: str, policy: str
) -> None:
    put("slack", token=canary)
    holder = {**controller(ns, "holder"), "controller": False, "blockOwnerDeletion": False}
    references = [controller(ns, "operator"), holder]
    ns.add_secret("slack", {"a": "b"}, metadata={"ownerReferences": references, "annotations": {ADOPT: "slack"}})
    ns.add("slack", spec(TOKEN, target={"creationPolicy": policy}))
    ns.ready("slack")
    found = (ns.api.get(ns.secret_path("slack")) or {})["metadata"]["ownerReferences"]
    assert [ref["name"] for ref in found] == ["holder", *(["slack"] if policy == "Owner" else [])]
    ns.wait_event("slack", "Normal", "SecretAdopted")
    assert messages(ns, "slack", "SecretAdopted") == ["Secret slack was taken over from ConfigMap operator"]


def test_an_annotation_for_another_resource_is_told_and_nothing_is_touched(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    foreign = ns.add_secret("slack", {"a": "b"}, metadata={"annotations": {ADOPT: "other"}})
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    assert f"its annotation {ADOPT} names other" in conflict(ns, "slack")
    assert ns.api.get(ns.secret_path("slack")) == foreign


def test_nothing_is_changed_before_a_read_succeeds(
    ns: Namespace, put: Callable[..., int], proxy: FaultProxy, canary: str
) -> None:
    put("slack", token=canary)
    foreign = ns.add_secret("slack", {"a": "b"}, metadata={"annotations": {ADOPT: "slack"}})
    ns.add("slack", spec(entry("token", "missing#token"), refreshInterval="1s"))
    ns.ready("slack", "False", reason="KeyNotFound")
    assert ns.api.get(ns.secret_path("slack")) == foreign
    ns.api.patch(ns.path("slack"), {"spec": {"data": [TOKEN]}})
    ns.wait_data("slack", {"token": canary})


def test_a_secret_moves_from_one_living_resource_to_another_and_does_not_go_back(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    put("other", token=f"{canary}-other")
    ns.add("first", spec(TOKEN, target={"name": "shared"}, refreshInterval="1s"))
    ns.ready("first")
    second = ns.add("second", spec(entry("token", "other#token"), target={"name": "shared"}, refreshInterval="1s"))
    conflict(ns, "second")
    annotate(ns, "shared", "second")
    ns.ready("second")
    assert "BeemFlowSecret second" in conflict(ns, "first")
    assert ns.data("shared") == {"token": f"{canary}-other"}
    secret = ns.api.get(ns.secret_path("shared")) or {}
    assert [ref["uid"] for ref in secret["metadata"]["ownerReferences"]] == [second["metadata"]["uid"]]
    ns.wait_event("second", "Normal", "SecretAdopted")
    assert messages(ns, "second", "SecretAdopted") == ["Secret shared was taken over from BeemFlowSecret first"]
    # The first one's end is none of the Secret's.
    ns.api.delete(ns.path("first"))
    ns.api.wait(ns.path("first"), lambda found: found is None)
    done = writes(control_plane, ns)
    put("other", token=f"{canary}-3")
    ns.wait_data("shared", {"token": f"{canary}-3"})
    assert writes(control_plane, ns)[len(done) :][0] == ("patch", "secrets/shared")


def test_the_annotation_on_a_secret_that_is_ours_already_changes_nothing(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    ns.ready("slack")
    annotate(ns, "slack", "slack")
    put("slack", token=f"{canary}-2")
    ns.wait_data("slack", {"token": f"{canary}-2"})
    # Who keeps it in Git would else put it back for ever.
    assert (ns.api.get(ns.secret_path("slack")) or {})["metadata"]["annotations"][ADOPT] == "slack"
    assert messages(ns, "slack", "SecretAdopted") == []


def test_one_of_another_type_is_made_anew_under_the_new_owner(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add_secret("slack", {"a": "b"}, type="example.com/theirs", metadata={"annotations": {ADOPT: "slack"}})
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    secret = ns.api.get(ns.secret_path("slack")) or {}
    assert (secret["type"], ns.data("slack")) == ("Opaque", {"token": canary})
    assert OWNER in secret["metadata"]["labels"]
    ns.wait_event("slack", "Normal", "SecretAdopted")
    ns.wait_event("slack", "Normal", "SecretRecreated")


@pytest.mark.parametrize("how", ["adopted", "restored"])
def test_one_that_holds_already_what_it_shall_is_all_ours_all_the_same(
    ns: Namespace, put: Callable[..., int], canary: str, how: str
) -> None:
    put("slack", token=canary)
    labels, annotations = {"team": "flows"}, {VERSION: "5f0c"}
    if how == "adopted":
        annotations |= {ADOPT: "slack"}
    else:
        labels, annotations = labels | {OWNER: "gone"}, annotations | {NAME: "slack"}
    ns.add_secret("slack", {"token": canary}, metadata={"labels": labels, "annotations": annotations})
    ns.add("slack", spec(TOKEN, target={"template": {"metadata": {"labels": {"team": "flows"}}}}))
    assert ns.ready("slack")["status"]["contentVersion"] == "5f0c"
    # So a label goes with the template, and the Secret with its name.
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"template": None}}})
    ns.api.wait(ns.secret_path("slack"), lambda found: "team" not in (found or {})["metadata"]["labels"])
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": "next"}}})
    ns.api.wait(ns.secret_path("slack"), lambda found: found is None)
    assert ns.ready("slack")["status"]["contentVersion"] == "5f0c"
    assert ns.data("next") == {"token": canary}
