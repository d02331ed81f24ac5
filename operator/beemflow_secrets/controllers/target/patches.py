"""The patches by which a Secret of ours becomes what it shall be. Pure.

Each is of the version that was looked at, a JSON Patch by a `test`, and touches nothing that others put there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers.target.ownership import is_written_by_us
from beemflow_secrets.controllers.target.target import annotations_of, is_outdated, is_sealed, labels_of, version_of
from beemflow_secrets.model.names import ADOPT_ANNOTATION, CONTENT_VERSION_ANNOTATION, FIELD_MANAGER, OWNER_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.controllers.target.ownership import Owner
    from beemflow_secrets.controllers.target.target import Desired, Written
    from beemflow_secrets.kube.client import Object


def patch(found: Object, desired: Desired, last: Written | None, *, adopt: bool = False) -> list[Object]:
    """Return the JSON Patch that makes a Secret of ours what it shall be; empty when it is that already.

    `data` becomes exactly ours, unless it was written once and for all. Of labels and annotations, ours are set and
    those that left the template go; which those are, the API server has kept for us in managedFields. What others put
    there stays, but for the controller, of which there is one. `adopt` takes away what asked for our taking it over:
    nobody shall take it over by that again.
    """
    metadata = found["metadata"]
    present, data = found.get("data") or {}, desired.encoded()
    if is_outdated(found, desired):
        data = present
    operations = [
        *map_operations(found, "labels", labels_of(desired)),
        *map_operations(found, "annotations", annotations_of(desired, version_of(data, last, found))),
    ]
    if adopt:
        operations.append({"op": "remove", "path": f"/metadata/annotations/{pointer(ADOPT_ANNOTATION)}"})
    if present != data:
        operations.append({"op": "add", "path": "/data", "value": data})
    if desired.immutable and not is_sealed(found):
        operations.append({"op": "add", "path": "/immutable", "value": True})
    references = metadata.get("ownerReferences") or []
    wanted = [ref for ref in references if not ref.get("controller") and not desired.owner.is_named_by(ref)]
    wanted += [desired.owner.reference()] if desired.owned else []
    if references != wanted:
        operations.append({"op": "add", "path": "/metadata/ownerReferences", "value": wanted})
    if not operations:
        return []
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}, *operations]


def claim(found: Object, owner: Owner, *, owned: bool) -> list[Object]:
    """Return the JSON Patch that makes a resource the owner of a Secret which names it with a uid that is gone.

    Nothing else is touched. Its content may be old, but the garbage collector would take it.
    """
    metadata = found["metadata"]
    references = [ref for ref in metadata.get("ownerReferences") or [] if not owner.is_named_by(ref)]
    labels = {**(metadata.get("labels") or {}), OWNER_LABEL: owner.uid}
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "add", "path": "/metadata/labels", "value": labels},
        {
            "op": "add",
            "path": "/metadata/ownerReferences",
            "value": references + ([owner.reference()] if owned else []),
        },
    ]


def unclaimed(found: Object, desired: Desired) -> Object | None:
    """Return what is to be applied so that a Secret that is as it shall be is all ours; None where it is that already.

    A person or a backup wrote it: a JSON Patch leaves to them what is right already, to stay when it leaves the
    template, or the Secret its name.
    """
    metadata = found["metadata"]
    wanted: dict[str, dict[str, str]] = {
        "labels": labels_of(desired),
        "annotations": annotations_of(desired, metadata["annotations"][CONTENT_VERSION_ANNOTATION]),
    }
    data = found.get("data") or {}
    marked = all(wanted[field].keys() <= set_by_us(found, field) for field in wanted)
    if marked and (not data or is_written_by_us(found, desired.owner)):
        return None
    seen = {field: metadata[field] for field in ("name", "uid", "resourceVersion")}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {**seen, **wanted}, "data": data}


def set_by_us(found: Object, field: str) -> set[str]:
    """Return the labels or annotations that we set, by what managedFields say."""
    return {
        name.removeprefix("f:")
        for entry in found["metadata"].get("managedFields") or []
        if entry.get("manager") == FIELD_MANAGER
        for name in entry.get("fieldsV1", {}).get("f:metadata", {}).get(f"f:{field}", {})
        if name.startswith("f:")
    }


def pointer(name: str) -> str:
    """Escape a name for a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def name_in(path: str) -> str:
    """Return the name that a JSON Pointer ends with."""
    return path.rpartition("/")[2].replace("~1", "/").replace("~0", "~")


def map_operations(found: Object, field: str, wanted: Mapping[str, str]) -> list[Object]:
    """Return what sets our labels or annotations on an object, and takes off those of ours that are not wanted."""
    present: dict[str, str] = found["metadata"].get(field) or {}
    path = f"/metadata/{field}"
    missing = [] if present else [{"op": "add", "path": path, "value": {}}]
    dropped = (set_by_us(found, field) & present.keys()) - wanted.keys()
    return [
        *missing,
        *(
            {"op": "add", "path": f"{path}/{pointer(name)}", "value": value}
            for name, value in wanted.items()
            if present.get(name) != value
        ),
        *({"op": "remove", "path": f"{path}/{pointer(name)}"} for name in sorted(dropped)),
    ]
