"""What managedFields say of a Secret's keys."""

from __future__ import annotations

from typing import Any

import pytest

from beemflow_secrets.controllers.target import managed
from beemflow_secrets.controllers.target.ownership import Owner
from beemflow_secrets.model.names import FIELD_MANAGER, OWNER_LABEL, OWNER_NAME_ANNOTATION

OURS = Owner("slack", "uid-1")
FORMER = Owner("slack", "uid-0")


def entry(manager: str, *keys: str, operation: str = "Apply", **fields: Any) -> dict[str, Any]:
    data: dict[str, Any] = {".": {}, **{f"f:{key}": {} for key in keys}}
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:data": data, **fields}}


def secret(*entries: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "theirs", "managedFields": list(entries), **metadata}}


def test_keys_and_their_holders() -> None:
    found = secret(
        entry(OURS.manager, "a", "tls.crt"), entry("kubectl-edit", "a", operation="Update"), entry(FORMER.manager, "b")
    )
    assert managed.keys_of(found, OURS.manager) == {"a", "tls.crt"}
    assert managed.keys_of(found, "kubectl-edit") == frozenset()  # it applied nothing
    assert managed.holders(found, "a") == [(OURS.manager, "Apply"), ("kubectl-edit", "Update")]
    assert managed.holders(found, "c") == []
    assert managed.resources_in(found) == {OURS.uid, FORMER.uid}


def test_a_secret_that_nobody_manages_has_no_keys() -> None:
    assert managed.keys_of({"metadata": {}}, OURS.manager) == frozenset()
    assert managed.holders({"metadata": {}}, "a") == []


def test_what_a_resource_that_is_gone_left_behind_is_nobodys() -> None:
    theirs = entry("kubectl-create", "x", operation="Update")
    found = secret(theirs, entry(FORMER.manager, "a"))
    operations = managed.without_gone(found, {FORMER.uid})
    assert operations == [{"op": "add", "path": "/metadata/managedFields", "value": [theirs]}]
    assert managed.without_gone(found, set()) == []


def test_no_entry_at_all_is_told_by_an_empty_one() -> None:
    found = secret(entry(FORMER.manager, "a"))
    assert managed.without_gone(found, {FORMER.uid})[0]["value"] == [{}]


@pytest.mark.parametrize("holder", [None, {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}])
def test_a_secret_that_was_all_ours_keeps_what_is_not_ours(holder: dict[str, Any] | None) -> None:
    others = [holder] if holder else []
    ours = entry(
        FIELD_MANAGER,
        "a",
        operation="Update",
        **{"f:metadata": {"f:labels": {".": {}, "f:team/x": {}, f"f:{OWNER_LABEL}": {}}}, "f:type": {}},
    )
    found = secret(
        ours,
        labels={"team/x": "1", OWNER_LABEL: OURS.uid, "theirs": "2"},
        annotations={OWNER_NAME_ANNOTATION: "slack", "theirs": "3"},
        ownerReferences=[*others, OURS.reference()],
    )
    *operations, last = managed.handed_over(found, OURS)
    removed = {operation["path"] for operation in operations if operation["op"] == "remove"}
    assert removed == {
        "/metadata/labels/team~1x",
        f"/metadata/labels/{OWNER_LABEL.replace('/', '~1')}",
        f"/metadata/annotations/{OWNER_NAME_ANNOTATION.replace('/', '~1')}",
    }
    assert operations[-1] == {"op": "add", "path": "/metadata/ownerReferences", "value": others}
    (applied,) = last["value"]
    assert applied == entry(OURS.manager, "a")


def test_what_we_applied_and_what_we_patched_since_is_handed_over_at_once() -> None:
    # Two entries of one manager that applies cannot stand: the API server would keep the last alone.
    ours = [entry(FIELD_MANAGER, "a"), entry(FIELD_MANAGER, "b", operation="Update")]
    (applied,) = managed.handed_over(secret(*ours), OURS)[-1]["value"]
    assert applied == entry(OURS.manager, "a", "b")
