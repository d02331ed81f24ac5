"""Whose a Secret is: what is somebody else's is never touched, and what was ours is ours again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests as http

from tests.controlplane.conftest import entry, spec, until
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace

pytestmark = pytest.mark.usefixtures("operator", "store")

TOKEN = entry("token", "slack#token")


def conflict(ns: Namespace, name: str) -> str:
    """Wait for a TargetConflict, and return what it says."""
    return str(condition(ns.ready(name, "False", reason="TargetConflict"))["message"])


def test_a_foreign_secret_is_not_touched_until_it_goes(
    ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    foreign = ns.add_secret("slack", {"password": "theirs"}, metadata={"labels": {"app": "theirs"}})
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    told = conflict(ns, "slack")
    assert "Secret slack exists" in told
    assert "not made by this resource" in told
    asked = reads("slack")
    until(lambda: reads("slack") >= asked + 2)
    assert ns.api.get(ns.secret_path("slack")) == foreign
    ns.api.delete(ns.secret_path("slack"))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_a_conflict_names_the_controller_that_the_secret_belongs_to(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    owner = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "name": "web", "uid": "u", "controller": True}
    # Its own label on somebody else's Secret does not make it ours either.
    made = ns.add("slack", spec(TOKEN, target={"name": "web"}, suspend=True))
    labels = {"secrets.beemflow.io/owner": made["metadata"]["uid"]}
    foreign = ns.add_secret("web", {"tls": "theirs"}, metadata={"ownerReferences": [owner], "labels": labels})
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": False}})
    told = conflict(ns, "slack")
    assert "Certificate web" in told
    found = ns.api.get(ns.secret_path("web"))
    # The garbage collector takes it in time: its owner is not there. Until then it is as it was.
    assert found in (None, foreign)


def test_the_first_writer_keeps_a_target(
    ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    put("other", token=f"{canary}-other")
    ns.add("first", spec(TOKEN, target={"name": "shared"}, refreshInterval="1s"))
    ns.ready("first")
    first = ns.api.get(ns.secret_path("shared"))
    ns.add("second", spec(entry("token", "other#token"), target={"name": "shared"}, refreshInterval="1s"))
    assert "BeemFlowSecret first" in conflict(ns, "second")
    asked = reads("slack"), reads("other")
    until(lambda: reads("slack") >= asked[0] + 2 and reads("other") >= asked[1] + 2)
    assert ns.api.get(ns.secret_path("shared")) == first
    ns.ready("first")
    ns.api.delete(ns.path("first"))
    ns.ready("second")
    assert ns.data("shared") == {"token": f"{canary}-other"}


def test_two_that_ask_for_one_target_at_once_end_with_one_writer(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    names = [f"rival-{number}" for number in range(5)]
    for name in names:
        ns.add(name, spec(TOKEN, target={"name": "shared"}))
    reasons = [condition(ns.api.wait(ns.path(name), lambda found: condition(found or {})))["reason"] for name in names]
    assert sorted(reasons) == ["Synced", *["TargetConflict"] * 4]


def test_a_resource_that_is_made_anew_takes_its_secret_over(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    old = ns.api.get(ns.secret_path("slack")) or {}
    control_plane.kubectl("delete", "bfs", "slack", "-n", ns.name, "--cascade=orphan")
    made = ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    new = ns.api.get(ns.secret_path("slack")) or {}
    assert new["metadata"]["uid"] == old["metadata"]["uid"]
    assert new["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    assert new["metadata"]["labels"]["secrets.beemflow.io/owner"] == made["metadata"]["uid"]


def test_a_restored_secret_that_names_a_uid_that_is_gone_is_taken_over(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    # A backup restores resource and Secret; the resource has another uid now, and the Secret names the old one.
    put("slack", token=canary)
    made = ns.add("slack", spec(TOKEN, suspend=True))
    gone = "00000000-0000-0000-0000-000000000000"
    owner = {
        "apiVersion": "secrets.beemflow.io/v1",
        "kind": "BeemFlowSecret",
        "name": "slack",
        "uid": gone,
        "controller": True,
    }
    marks = {
        "labels": {"app.kubernetes.io/managed-by": "beemflow-secrets", "secrets.beemflow.io/owner": gone},
        "annotations": {"secrets.beemflow.io/owner-name": "slack"},
    }
    ns.add_secret("slack", {"token": "old"}, metadata={**marks, "ownerReferences": [owner]})
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": False}})
    ns.ready("slack")
    found = ns.api.get(ns.secret_path("slack")) or {}
    assert ns.data("slack") == {"token": canary}
    assert [ref["uid"] for ref in found["metadata"]["ownerReferences"]] == [made["metadata"]["uid"]]


def test_other_owners_of_our_secret_stay(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    holder = ns.add_secret("holder", {})
    other = {"apiVersion": "v1", "kind": "Secret", "name": "holder", "uid": holder["metadata"]["uid"]}
    # With this merge our own reference goes: it comes back beside theirs.
    ns.api.patch(ns.secret_path("slack"), {"metadata": {"ownerReferences": [other]}})

    def both(found: object) -> bool:
        assert isinstance(found, dict)
        return [ref["name"] for ref in found["metadata"].get("ownerReferences", [])] == ["holder", "slack"]

    ns.api.wait(ns.secret_path("slack"), both)


def test_a_secret_that_was_made_immutable_says_so(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    ns.ready("slack")
    ns.api.patch(ns.secret_path("slack"), {"immutable": True})
    put("slack", token=f"{canary}-2")
    told = condition(ns.ready("slack", "False", reason="WriteRefused"))["message"]
    assert "immutable" in told
    assert ns.data("slack") == {"token": canary}
    with pytest.raises(http.HTTPError, match="immutable"):
        ns.api.patch(ns.secret_path("slack"), {"data": None})
