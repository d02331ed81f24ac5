"""What somebody did to our Secret is put right at once, and only a change of content is called one."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from tests.controlplane.conftest import entry, spec, until, writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object

pytestmark = pytest.mark.usefixtures("operator", "store")

BY_HAND = b64encode(b"by hand").decode()
OWNER, VERSION, NAME = (f"secrets.beemflow.io/{name}" for name in ("owner", "content-version", "owner-name"))

DAMAGE: dict[str, Object] = {
    "edited value": {"data": {"token": BY_HAND}},
    "added key": {"data": {"theirs": BY_HAND}},
    "all data gone": {"data": None},
    "owner label gone": {"metadata": {"labels": {OWNER: None}}},
    "owner label of somebody else": {"metadata": {"labels": {OWNER: "x"}}},
    "managed-by gone": {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}},
    "template label edited": {"metadata": {"labels": {"team": "x"}}},
    "all labels gone": {"metadata": {"labels": None}},
    "template annotation gone": {"metadata": {"annotations": {"note": None}}},
    "content version edited": {"metadata": {"annotations": {VERSION: "x"}}},
    "content version gone": {"metadata": {"annotations": {VERSION: None}}},
    "owner name gone": {"metadata": {"annotations": {NAME: None}}},
    "owner reference gone": {"metadata": {"ownerReferences": None}},
    "no controller": {"metadata": {"ownerReferences": [{"controller": False}]}},
    "everything at once": {"data": {"token": BY_HAND}, "metadata": {"labels": None, "annotations": None}},
}


def essence(found: Object | None) -> Object:
    """Return what of a Secret is ours to keep."""
    metadata = (found or {}).get("metadata", {})
    kept = {name: metadata.get(name) for name in ("labels", "annotations", "ownerReferences")}
    return {**kept, "type": (found or {}).get("type"), "data": (found or {}).get("data")}


@pytest.fixture
def synced(ns: Namespace, put: Callable[..., int], canary: str) -> Object:
    """A resource `slack` in sync, which would not be due for a year; its Secret."""
    put("slack", token=canary)
    template = {"metadata": {"labels": {"team": "flows"}, "annotations": {"note": "x"}}}
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="8760h", target={"template": template}))
    ns.ready("slack")
    return ns.api.get(ns.secret_path("slack")) or {}


def follows(ns: Namespace, name: str) -> Object:
    """Wait until the status points to the Secret as it is, and return the resource."""

    def current(found: Object | None) -> bool:
        metadata = (ns.api.get(ns.secret_path(name)) or {}).get("metadata", {})
        ref = (found or {}).get("status", {}).get("secretRef", {})
        return bool(metadata) and [ref["uid"], ref["resourceVersion"]] == [metadata["uid"], metadata["resourceVersion"]]

    return ns.api.wait(ns.path(name), current)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_repaired_and_is_no_change_of_content(ns: Namespace, synced: Object, damage: str) -> None:
    before = ns.api.get(ns.path("slack")) or {}
    patch = DAMAGE[damage]
    if damage == "no controller":
        patch = {"metadata": {"ownerReferences": [{**synced["metadata"]["ownerReferences"][0], "controller": False}]}}
    assert ns.api.patch(ns.secret_path("slack"), patch)["metadata"]["uid"] == synced["metadata"]["uid"]
    ns.api.wait(ns.secret_path("slack"), lambda found: essence(found) == essence(synced), patience=5)
    after = follows(ns, "slack")
    for field in ("contentVersion", "lastChangeTime"):
        assert after["status"][field] == before["status"][field]
    assert ns.events("slack") == []


def test_a_deleted_secret_is_made_again_and_is_no_change_of_content(ns: Namespace, synced: Object) -> None:
    before = ns.api.get(ns.path("slack")) or {}
    ns.api.delete(ns.secret_path("slack"))
    made = ns.api.wait(ns.secret_path("slack"), lambda found: essence(found) == essence(synced), patience=5)
    assert made["metadata"]["uid"] != synced["metadata"]["uid"]
    after = follows(ns, "slack")
    assert after["status"]["contentVersion"] == before["status"]["contentVersion"]
    assert ns.events("slack") == []


def test_what_is_not_ours_is_left_as_it_is_and_the_status_follows(
    control_plane: ControlPlane, ns: Namespace, synced: Object
) -> None:
    theirs = {"metadata": {"labels": {"theirs": "x"}, "annotations": {"theirs": "x"}}}
    done = writes(control_plane, ns)
    changed = ns.api.patch(ns.secret_path("slack"), theirs)
    follows(ns, "slack")
    assert ns.api.get(ns.secret_path("slack")) == changed
    assert writes(control_plane, ns)[len(done) :] == [("patch", "beemflowsecrets/slack/status")]


def test_a_repair_writes_what_the_backend_holds_now_and_calls_that_a_change(
    ns: Namespace, synced: Object, put: Callable[..., int], canary: str
) -> None:
    before = ns.api.get(ns.path("slack")) or {}
    put("slack", token=f"{canary}-2")
    ns.api.patch(ns.secret_path("slack"), {"data": {"token": BY_HAND}})
    ns.wait_data("slack", {"token": f"{canary}-2"})
    after = follows(ns, "slack")
    assert after["status"]["contentVersion"] != before["status"]["contentVersion"]
    secret = ns.api.get(ns.secret_path("slack")) or {}
    assert secret["metadata"]["annotations"][VERSION] == after["status"]["contentVersion"]


@pytest.mark.parametrize("change", ["edited", "deleted"])
def test_drift_is_repaired_where_nothing_is_refreshed(
    ns: Namespace, put: Callable[..., int], canary: str, change: str
) -> None:
    put("once", token=canary)
    ns.add("once", spec(entry("token", "once#token"), refreshInterval=0))
    ns.ready("once")
    if change == "deleted":
        ns.api.delete(ns.secret_path("once"))
    else:
        ns.api.patch(ns.secret_path("once"), {"data": {"token": BY_HAND}})
    ns.wait_data("once", {"token": canary})


def test_our_own_writes_are_no_drift(
    control_plane: ControlPlane,
    ns: Namespace,
    synced: Object,
    put: Callable[..., int],
    reads: Callable[[str], int],
    canary: str,
) -> None:
    put("clock", token=canary)
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))
    ns.ready("clock")
    done, asked, ticks = writes(control_plane, ns), reads("slack"), reads("clock")
    until(lambda: reads("clock") >= ticks + 2)
    assert asked == 1, [done, ns.events("slack"), ns.events("prod")]
    assert reads("slack") == asked
    assert writes(control_plane, ns) == done
