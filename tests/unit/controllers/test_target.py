"""The patch from what is there to what shall be."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from beemflow_secrets.controllers.target import patches, target
from beemflow_secrets.controllers.target.ownership import Owner
from beemflow_secrets.controllers.target.target import Desired
from beemflow_secrets.model.names import ADOPT_ANNOTATION, CONTENT_VERSION_ANNOTATION, FIELD_MANAGER, OWNER_LABEL

if TYPE_CHECKING:
    from beemflow_secrets.kube.client import Object

OURS = Owner("slack", "uid-1")
MARKED = ("labels", "annotations")


def wanted(value: bytes = b"v", **fields: Any) -> Desired:
    kept: dict[str, Any] = {"owned": True, "immutable": False, "type": "Opaque", "labels": {}, "annotations": {}}
    return Desired(name="slack", owner=OURS, data={"token": value}, **{**kept, **fields})


def made(desired: Desired, **metadata: Any) -> Object:
    """Return a Secret as the API server has it after the create."""
    body = target.manifest(desired, None)
    return {**body, "metadata": {**body["metadata"], "uid": "u", "resourceVersion": "7", **metadata}}


def paths(operations: list[Object]) -> set[tuple[str, str]]:
    return {(operation["op"], operation["path"]) for operation in operations}


def test_what_is_as_it_shall_be_is_not_written() -> None:
    assert patches.patch(made(wanted()), wanted(), None) == []


def test_every_patch_is_of_the_version_that_was_looked_at() -> None:
    first, *_ = patches.patch(made(wanted()), wanted(b"w"), None)
    assert first == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}


def test_another_content_is_another_version_and_the_old_one_again_has_its_own() -> None:
    before = made(wanted())
    last = target.written(before, wanted())
    operations = {step["path"]: step.get("value") for step in patches.patch(before, wanted(b"w"), last)}
    version = operations[f"/metadata/annotations/{CONTENT_VERSION_ANNOTATION.replace('/', '~1')}"]
    assert version not in {None, last.content_version}
    edited = {**before, "data": {"token": b64encode(b"by hand").decode()}}
    assert paths(patches.patch(edited, wanted(), last)) == {("test", "/metadata/resourceVersion"), ("add", "/data")}


def test_a_sealed_secret_keeps_data_and_version_and_is_called_outdated() -> None:
    sealed = made(wanted(immutable=True))
    after = wanted(b"w", immutable=True, labels={"team": "x"}, type="example.com/other")
    assert paths(patches.patch(sealed, after, None)) == {
        ("test", "/metadata/resourceVersion"),
        ("add", "/metadata/labels/team"),
    }
    told = target.written(sealed, after)
    assert told.outdated
    assert told.content == target.written(sealed, wanted(immutable=True)).content
    assert not target.written(sealed, wanted(immutable=True)).outdated


def test_one_that_shall_be_sealed_is_sealed_with_its_last_content() -> None:
    operations = patches.patch(made(wanted()), wanted(b"w", immutable=True), None)
    assert {("add", "/data"), ("add", "/immutable")} <= paths(operations)


def test_one_that_is_sealed_and_shall_not_be_is_not_silently_left_alone() -> None:
    sealed = made(wanted(immutable=True))
    assert ("add", "/data") in paths(patches.patch(sealed, wanted(b"w"), None))
    assert patches.patch(sealed, wanted(), None) == []


def test_who_adopts_replaces_the_controller_alone_and_takes_the_request_away() -> None:
    other = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}
    references = [other, {**other, "name": "z", "controller": True}]
    before = made(wanted(), ownerReferences=references)
    before["metadata"]["annotations"][ADOPT_ANNOTATION] = "slack"
    operations = patches.patch(before, wanted(), None, adopt=True)
    assert operations[-1]["value"] == [other, OURS.reference()]
    assert ("remove", f"/metadata/annotations/{ADOPT_ANNOTATION.replace('/', '~1')}") in paths(operations)
    assert patches.patch(before, wanted(owned=False), None)[-1]["value"] == [other]


def test_a_claim_touches_nothing_but_the_owner() -> None:
    before = made(
        wanted(), ownerReferences=[Owner("slack", "gone").reference()], labels={OWNER_LABEL: "gone", "a": "b"}
    )
    assert patches.claim(before, OURS, owned=True)[1:] == [
        {"op": "add", "path": "/metadata/labels", "value": {OWNER_LABEL: OURS.uid, "a": "b"}},
        {"op": "add", "path": "/metadata/ownerReferences", "value": [OURS.reference()]},
    ]
    assert patches.claim(before, OURS, owned=False)[-1]["value"] == []


def test_what_stood_already_as_it_shall_be_is_claimed_once_and_never_what_we_wrote() -> None:
    after, before = wanted(labels={"team": "x"}), made(wanted(labels={"team": "x"}))
    body = patches.unclaimed(before, after) or {}
    assert body["data"] == before["data"]
    assert (body["metadata"]["uid"], body["metadata"]["resourceVersion"]) == ("u", "7")
    fields = {
        "f:data": {"f:token": {}},
        "f:metadata": {f"f:{field}": {f"f:{name}": {} for name in body["metadata"][field]} for field in MARKED},
    }
    held = {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}
    assert patches.unclaimed(made(after, managedFields=[held]), after) is None
    # All that is marked and not written, and all that is written and not marked.
    for part, one in fields.items():
        theirs = {**held, "fieldsV1": {part: one}}
        assert patches.unclaimed(made(after, managedFields=[theirs]), after) is not None
